"""A gateway of a few lines on a real socket: says what the test told it to say, and notes what it was asked."""

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from PIL import Image

from devtools.processes import free_port

Send = Any
MODELS = [
    {"id": "gpt-test", "owned_by": "openai", "family": "openai", "endpoints": ["chat/completions", "responses"],
     "max_output_tokens": 1000, "recommended_for": "first-call"},
    {"id": "claude-test", "owned_by": "anthropic", "family": "claude", "endpoints": ["chat/completions", "messages"]},
    {"id": "image-test", "owned_by": "openai", "family": "image", "endpoints": ["images/generations"]},
]  # fmt: skip


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> str:
    """A real picture as base64."""
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 60)).save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class FakeGateway:
    url: str = ""
    words: list[str] = field(default_factory=lambda: ["Hello", " there", "."])
    pause_s: float = 0.0  # between words
    hang_after: int | None = None  # says nothing more after so many words
    cut_after: int | None = None  # closes the connection after so many words
    error_after: dict[str, Any] | None = None  # in-band, after the words
    status: int = 200
    error: dict[str, Any] = field(default_factory=dict)
    request_id: str = "req_fake"
    images: list[str] = field(default_factory=lambda: [picture()])
    image_pause_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    left: int = 0  # callers that closed before the end

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(Asked(scope["path"], headers, json.loads(body) if body else {}))
        if self.status != 200:
            await self._json(send, self.status, {"error": self.error})
        elif scope["path"].endswith("/models"):
            await self._json(send, 200, {"object": "list", "data": MODELS})
        elif scope["path"].endswith("/images/generations"):
            await self._images(receive, send)
        else:
            await self._chat(receive, send)

    async def _json(self, send: Send, status: int, value: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"x-request-id", self.request_id.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(value).encode()})

    async def _images(self, receive: Any, send: Send) -> None:
        gone = asyncio.ensure_future(receive())
        done, _ = await asyncio.wait([gone], timeout=self.image_pause_s)
        if done:
            self.left += 1
            return
        gone.cancel()
        await self._json(send, 200, {"data": [{"b64_json": image} for image in self.images]})

    async def _chat(self, receive: Any, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"x-request-id", self.request_id.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(receive())
        async for event in self._events():
            await send({"type": "http.response.body", "body": event, "more_body": True})
            if gone.done():
                self.left += 1
                return
        if self.hang_after is not None:
            await gone
            self.left += 1
            return
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _events(self) -> AsyncIterator[bytes]:
        for number, word in enumerate(self.words):
            if number in (self.hang_after, self.cut_after):
                return
            yield _event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
            await asyncio.sleep(self.pause_s)
        if self.error_after:
            yield _event({"error": self.error_after})
            return
        yield _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        yield _event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(self.words)}})
        yield b"data: [DONE]\n\n"


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@contextmanager
def serving() -> Iterator[FakeGateway]:
    port = free_port()
    gateway = FakeGateway(url=f"http://127.0.0.1:{port}/v1")
    server = uvicorn.Server(
        uvicorn.Config(
            gateway, host="127.0.0.1", port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield gateway
    finally:
        server.should_exit = True
        thread.join(5)
