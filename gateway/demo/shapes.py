"""The demo provider's answers in the public shapes: whole, and as the events of a stream."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import msgspec

from gateway.demo import words
from gateway.protocols.sse import DONE, event

Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What is to be said, before it takes a shape."""

    model: str
    text: str
    created: int
    input_tokens: int
    limit: int | None = None  # output tokens
    image: str = ""  # a data URL
    image_tokens: int = 0
    id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def said(self) -> str:
        """The text within the limit."""
        return self.text if self.limit is None else self.text.encode()[: self.limit * 4].decode(errors="ignore")

    @property
    def is_cut(self) -> bool:
        return self.said != self.text

    @property
    def output_tokens(self) -> int:
        return words.tokens(self.said) + self.image_tokens


# --- chat/completions -------------------------------------------------------------------------------------------------
def chat(reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": reply.said, "refusal": None}
    if reply.image:
        message["images"] = [_picture(reply)]
    return _chat(reply, "chat.completion", [_choice(reply, "message", message)]) | {"usage": _chat_usage(reply)}


def chat_events(reply: Reply, *, with_usage: bool) -> Iterator[bytes]:
    def chunk(delta: Json, *, last: bool = False) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": _finish(reply) if last else None}
        return _event(_chat(reply, "chat.completion.chunk", [choice]))

    yield chunk({"role": "assistant", "content": ""})
    for piece in words.pieces(reply.said):
        yield chunk({"content": piece})
    if reply.image:
        yield chunk({"images": [_picture(reply)]})
    yield chunk({}, last=True)
    if with_usage:
        yield _event(_chat(reply, "chat.completion.chunk", []) | {"usage": _chat_usage(reply)})
    yield DONE


# --- responses --------------------------------------------------------------------------------------------------------
def response(reply: Reply) -> Json:
    status = "incomplete" if reply.is_cut else "completed"
    usage = {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
    details = {"incomplete_details": {"reason": "max_output_tokens"}} if reply.is_cut else {}
    return _response(reply, status, [_item(reply, status, reply.said)]) | details | {"usage": usage}


def response_events(reply: Reply) -> Iterator[bytes]:
    numbers = itertools.count()

    def step(kind: str, **fields: Any) -> bytes:
        return _event({"type": kind, "sequence_number": next(numbers), **fields}, kind)

    where = {"item_id": f"msg_{reply.id}", "output_index": 0, "content_index": 0}
    empty, full = {"type": "output_text", "text": "", "annotations": []}, _part(reply.said)
    yield step("response.created", response=_response(reply, "in_progress", []))
    yield step("response.in_progress", response=_response(reply, "in_progress", []))
    yield step("response.output_item.added", output_index=0, item=_item(reply, "in_progress", None))
    yield step("response.content_part.added", **where, part=empty)
    for piece in words.pieces(reply.said):
        yield step("response.output_text.delta", **where, delta=piece, logprobs=[])
    yield step("response.output_text.done", **where, text=reply.said, logprobs=[])
    yield step("response.content_part.done", **where, part=full)
    yield step("response.output_item.done", output_index=0, item=_item(reply, "completed", reply.said))
    yield step("response.incomplete" if reply.is_cut else "response.completed", response=response(reply))


# --- messages ---------------------------------------------------------------------------------------------------------
def message(reply: Reply) -> Json:
    usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    return _message(reply, [{"type": "text", "text": reply.said}], _stop(reply), usage)


def message_events(reply: Reply) -> Iterator[bytes]:
    def step(kind: str, **fields: Any) -> bytes:
        return _event({"type": kind, **fields}, kind)

    start = _message(reply, [], None, {"input_tokens": reply.input_tokens, "output_tokens": 1})
    yield step("message_start", message=start)
    yield step("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield step("ping")
    for piece in words.pieces(reply.said):
        yield step("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    yield step("content_block_stop", index=0)
    delta = {"stop_reason": _stop(reply), "stop_sequence": None}
    yield step("message_delta", delta=delta, usage={"output_tokens": reply.output_tokens})
    yield step("message_stop")


# --- images -----------------------------------------------------------------------------------------------------------
def images(created: int, pictures: list[str], size: str, quality: str, *, tokens: tuple[int, int]) -> Json:
    data = [{"b64_json": picture} for picture in pictures]
    given, made = tokens
    usage: Json = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    usage["input_tokens_details"] = {"text_tokens": given, "image_tokens": 0}
    head = {"created": created, "size": size, "quality": quality, "output_format": "png"}
    return head | {"data": data, "usage": usage}


def _event(body: Json, name: str = "") -> bytes:
    return event(msgspec.json.encode(body), name)


def _chat(reply: Reply, kind: str, choices: list[Json]) -> Json:
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": kind,
        "created": reply.created,
        "model": reply.model,
        "choices": choices,
    }


def _choice(reply: Reply, name: str, content: Json) -> Json:
    return {"index": 0, name: content, "logprobs": None, "finish_reason": _finish(reply)}


def _chat_usage(reply: Reply) -> Json:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _picture(reply: Reply) -> Json:
    return {"type": "image_url", "index": 0, "image_url": {"url": reply.image}}


def _finish(reply: Reply) -> str:
    return "length" if reply.is_cut else "stop"


def _stop(reply: Reply) -> str:
    return "max_tokens" if reply.is_cut else "end_turn"


def _response(reply: Reply, status: str, output: list[Json]) -> Json:
    return {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": reply.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": []}


def _item(reply: Reply, status: str, text: str | None) -> Json:
    content = [] if text is None else [_part(text)]
    return {"id": f"msg_{reply.id}", "type": "message", "role": "assistant", "status": status, "content": content}


def _message(reply: Reply, content: list[Json], stop: str | None, usage: Json) -> Json:
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }
