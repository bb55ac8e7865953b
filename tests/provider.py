"""A provider of the tests' own: a real HTTP server that does what a script says and keeps a journal.

A test asks for a marker and puts it into its prompt; the request that carries the marker gets that script. What the
server saw, and how each call ended, is in the journal, so that it can be compared with our books.
"""

import asyncio
import contextlib
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_MARKER = re.compile(rb"\[\[(\w+)\]\]")
_WORDS = ["Hello", " from", " the", " provider", "."]
TEXT = "".join(_WORDS)


@dataclass
class Script:
    """`events` (or the usual ones) stream where the body asks for it; `body` overrides everything."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    declared_length: int | None = None  # a lie about the length of `body`
    events: list[bytes] | None = None
    content_type: str = ""
    before_s: float = 0.0  # before the head
    after_head_s: float = 0.0
    gap_s: float = 0.0  # between events
    ending: str = "clean"  # clean, reset, silence
    usage: bool = True


@dataclass
class Seen:
    """One journal entry."""

    marker: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes
    at: float
    bytes_sent: int = 0
    events_sent: int = 0
    ended: str = ""  # done, reset, left
    ended_at: float = 0.0


class Provider:
    def __init__(self) -> None:
        self.port = 0
        self.journal: list[Seen] = []
        self._scripts: dict[str, Script] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def script(self, *, name: str = "", **behaviour: Any) -> str:
        """A marker for the prompt, such as `[[m1f…]]`."""
        name = name or "m" + secrets.token_hex(6)
        self._scripts[name] = Script(**behaviour)
        return f"[[{name}]]"

    def calls(self, marker: str) -> list[Seen]:
        return [seen for seen in self.journal if seen.marker == marker.strip("[]")]

    def wait_for_end(self, marker: str, seconds: float = 3) -> Seen:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (calls := self.calls(marker)) and calls[-1].ended:
                return calls[-1]
            time.sleep(0.01)
        raise AssertionError(f"{marker} has not ended: {self.calls(marker)}")

    # --- the server --------------------------------------------------------------------------------------------------
    def run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)

        async def serve() -> None:
            server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()

        self._loop.create_task(serve())
        self._loop.run_forever()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_later(0.05, self._loop.stop)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await _head(reader):
                line, headers = head
                raw = await reader.readexactly(int(headers.get("content-length", "0")))
                if not await self._answer(line.split(" ")[1], headers, raw, reader, writer):
                    break
        writer.close()

    async def _answer(
        self, path: str, headers: dict[str, str], raw: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """True when the connection can be used again."""
        found = _MARKER.search(raw)
        marker = found[1].decode() if found else ""
        seen = Seen(marker, path, headers, json.loads(raw), raw, time.monotonic())
        self.journal.append(seen)
        script = self._scripts.get(marker, Script())
        left = asyncio.ensure_future(reader.read(1))
        left.add_done_callback(lambda done: done.cancelled() or done.exception())  # a reset is a way to leave
        playing = asyncio.ensure_future(_play(script, seen, writer))
        await asyncio.wait({left, playing}, return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            playing.cancel()
            seen.ended, seen.ended_at = "left", time.monotonic()
            return False
        left.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await left
        seen.ended, seen.ended_at = "done", time.monotonic()
        if script.ending == "reset":
            seen.ended = "reset"
            writer.transport.abort()
            return False
        return script.declared_length is None


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
    lines = []
    while (line := (await reader.readline()).decode("latin-1")) not in ("\r\n", ""):
        lines.append(line.rstrip("\r\n"))
    if not lines:
        return None
    return lines[0], {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}


async def _play(script: Script, seen: Seen, writer: asyncio.StreamWriter) -> None:
    async def send(data: bytes) -> None:
        writer.write(data)
        seen.bytes_sent += len(data)
        await writer.drain()

    streams = bool(seen.body.get("stream")) and script.body is None and script.status == 200
    await asyncio.sleep(script.before_s)
    if script.ending == "reset" and script.events == []:
        return  # not even a head
    kind = script.content_type or ("text/event-stream" if streams else "application/json")
    extra = "".join(f"{name}: {value}\r\n" for name, value in script.headers.items())
    head = f"HTTP/1.1 {script.status} X\r\nContent-Type: {kind}\r\n{extra}"
    if not streams:
        body = script.body if script.body is not None else json.dumps(whole(seen, usage=script.usage)).encode()
        length = len(body) if script.declared_length is None else script.declared_length
        await send(f"{head}Content-Length: {length}\r\n\r\n".encode())
        await asyncio.sleep(script.after_head_s)
        await send(body)
        return
    await send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    await asyncio.sleep(script.after_head_s)
    for event in script.events if script.events is not None else list(events(seen, usage=script.usage)):
        await send(b"%x\r\n%b\r\n" % (len(event), event))
        seen.events_sent += 1
        await asyncio.sleep(script.gap_s)
    if script.ending == "silence":
        await asyncio.sleep(3600)
    if script.ending == "clean":
        await send(b"0\r\n\r\n")


# --- the usual answers -----------------------------------------------------------------------------------------------
def whole(seen: Seen, *, usage: bool = True) -> dict[str, Any]:
    model = seen.body.get("model")
    if seen.path.endswith("/chat/completions"):
        answer: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model}
        answer["choices"] = [
            {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop", "logprobs": None}
        ]
        numbers: dict[str, Any] = CHAT_USAGE
    elif seen.path.endswith("/responses"):
        answer = _response(model, "completed")
        numbers = RESPONSES_USAGE
    elif seen.path.endswith("/messages"):
        answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn"}
        answer |= {"content": [{"type": "text", "text": TEXT}], "stop_sequence": None}
        numbers = MESSAGES_USAGE
    else:
        return {"created": 1, "data": [{"b64_json": "aGVsbG8="} for _ in range(seen.body.get("n") or 1)]}
    return answer | ({"usage": numbers} if usage else {})


def events(seen: Seen, *, usage: bool = True) -> Iterator[bytes]:
    if seen.path.endswith("/chat/completions"):
        options = seen.body.get("stream_options") or {}
        yield from chat_events(usage=usage and bool(options.get("include_usage")))
    elif seen.path.endswith("/responses"):
        yield from responses_events()
    else:
        yield from messages_events()


def chat_events(*, usage: bool = True, done: bool = True) -> Iterator[bytes]:
    yield chunk({"role": "assistant", "content": ""})
    for word in _WORDS:
        yield chunk({"content": word})
    yield chunk({}, finish="stop")
    if usage:
        yield event(
            {
                "id": "c",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [],
                "usage": CHAT_USAGE,
            }
        )
    if done:
        yield b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def responses_events() -> Iterator[bytes]:
    yield named("response.created", sequence_number=0, response=_response("m", "in_progress"))
    for number, word in enumerate(_WORDS, 1):
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
        yield named("response.output_text.delta", sequence_number=number, delta=word, **where)
    done = _response("m", "completed") | {"usage": RESPONSES_USAGE}
    yield named("response.completed", sequence_number=9, response=done)


def messages_events() -> Iterator[bytes]:
    start: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
    }
    usage = {**MESSAGES_USAGE, "output_tokens": 1}
    yield named("message_start", message=start | {"stop_sequence": None, "usage": usage})
    yield named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in _WORDS:
        yield named("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield named("content_block_stop", index=0)
    last = {"output_tokens": MESSAGES_USAGE["output_tokens"]}
    yield named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=last)
    yield named("message_stop")


def event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def named(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _response(model: object, status: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": TEXT, "annotations": []}]
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": model, "status": status, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {},
        "output": [item] if status == "completed" else [],
        "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
    }  # fmt: skip


CHAT_USAGE: dict[str, Any] = {
    "prompt_tokens": 1000,
    "completion_tokens": 200,
    "total_tokens": 1200,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 50},
}
RESPONSES_USAGE: dict[str, Any] = {
    "input_tokens": 1000,
    "output_tokens": 200,
    "total_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 400},
    "output_tokens_details": {"reasoning_tokens": 50},
}
MESSAGES_USAGE: dict[str, Any] = {
    "input_tokens": 600,
    "cache_read_input_tokens": 300,
    "cache_creation_input_tokens": 100,
    "output_tokens": 200,
}


@contextmanager
def running() -> Iterator[Provider]:
    provider, ready = Provider(), threading.Event()
    thread = threading.Thread(target=provider.run, args=(ready,), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield provider
    finally:
        provider.stop()
        thread.join(5)


def free_port() -> int:
    """A port on which nothing listens."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


Predicate = Callable[[], bool]
