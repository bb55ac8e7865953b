"""The demo provider as an ASGI application under /demo-provider/. Speaks to its own channels only: it wants its key."""

import asyncio
import hmac
import re
from collections.abc import Iterator
from time import time
from typing import Any

import msgspec

from gateway import demo
from gateway.demo import pictures, shapes, words
from gateway.demo.shapes import Reply
from gateway.edge import Receive, Scope, Send

ROOT = "/demo-provider"
MAX_BODY = 64 * 1024 * 1024
THINKING_S, PIECE_S, DRAWING_S = 0.25, 0.015, 0.6
IMAGE_TOKENS = 1_290
_SIZE = re.compile(r"([1-9]\d{2,3})x([1-9]\d{2,3})", re.ASCII)


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"].removeprefix(ROOT)
    try:
        _check_key(dict(scope["headers"]))
        endpoint = _ENDPOINTS.get((scope["method"], path), _unknown)
        await endpoint(await _body(receive), send)
    except Refusal as refusal:
        error = {"type": "invalid_request_error", "message": str(refusal)}
        await _answer(send, {"type": "error", "error": error}, refusal.status)


async def _chat(body: dict[str, Any], send: Send) -> None:
    prompt, messages, seen = words.prompt_of(body.get("messages"))
    reply = await _reply(body, prompt, messages, seen, body.get("max_completion_tokens") or body.get("max_tokens"))
    if not body.get("stream"):
        return await _answer(send, shapes.chat(reply))
    options = body.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    return await _stream(send, shapes.chat_events(reply, with_usage=with_usage))


async def _responses(body: dict[str, Any], send: Send) -> None:
    given = body.get("input")
    prompt, messages, seen = words.prompt_of([{"content": given}] if isinstance(given, str) else given)
    reply = await _reply(body, prompt, messages, seen, body.get("max_output_tokens"))
    if body.get("stream"):
        return await _stream(send, shapes.response_events(reply))
    return await _answer(send, shapes.response(reply))


async def _messages(body: dict[str, Any], send: Send) -> None:
    prompt, messages, seen = words.prompt_of(body.get("messages"))
    reply = await _reply(body, prompt, messages, seen, body.get("max_tokens"))
    if body.get("stream"):
        return await _stream(send, shapes.message_events(reply))
    return await _answer(send, shapes.message(reply))


async def _images(body: dict[str, Any], send: Send) -> None:
    size, quality = str(body.get("size") or "1024x1024"), str(body.get("quality") or "medium")
    count = body.get("n") or 1
    if not isinstance(count, int) or not 1 <= count <= 10:  # noqa: PLR2004 as the gateway
        raise Refusal(400, "n must be from 1 to 10.")
    prompt, pixels = str(body.get("prompt", "")), _size(size)
    await asyncio.sleep(DRAWING_S)
    drawn = [await asyncio.to_thread(pictures.b64, prompt, pixels, index) for index in range(count)]
    await _answer(
        send, shapes.images(int(time()), drawn, size, quality, tokens=(words.tokens(prompt), IMAGE_TOKENS * count))
    )


async def _unknown(_body: dict[str, Any], _send: Send) -> None:
    raise Refusal(404, "The demo provider has no such endpoint.")


_ENDPOINTS = {
    ("POST", "/v1/chat/completions"): _chat,
    ("POST", "/v1/responses"): _responses,
    ("POST", "/v1/messages"): _messages,
    ("POST", "/v1/images/generations"): _images,
}


async def _reply(body: dict[str, Any], prompt: str, messages: int, seen: int, limit: Any) -> Reply:
    model = str(body.get("model", ""))
    sent = words.tokens(msgspec.json.encode(body.get("messages") or body.get("input") or "").decode())
    await asyncio.sleep(THINKING_S)
    if "image" in model:
        drawn = await asyncio.to_thread(pictures.b64, prompt, (1024, 1024))
        text = "Drawn by the demo provider from your prompt; no model was called."
        url = f"data:image/png;base64,{drawn}"
        return Reply(model, text, int(time()), sent, _limit(limit), image=url, image_tokens=IMAGE_TOKENS)
    text = words.answer(model, prompt, messages=messages, pictures=seen)
    return Reply(model, text, int(time()), sent, _limit(limit))


async def _stream(send: Send, events: Iterator[bytes]) -> None:
    head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for event in events:
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.sleep(PIECE_S)
    await send({"type": "http.response.body", "body": b""})


async def _answer(send: Send, body: dict[str, Any], status: int = 200) -> None:
    head = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": msgspec.json.encode(body)})


async def _body(receive: Receive) -> dict[str, Any]:
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if len(data) > MAX_BODY:
            raise Refusal(413, "The body is too large.")
        if not message.get("more_body"):
            break
    try:
        body = msgspec.json.decode(bytes(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return body


def _check_key(headers: dict[bytes, bytes]) -> None:
    given = headers.get(b"authorization", b"").removeprefix(b"Bearer ") or headers.get(b"x-api-key", b"")
    if not hmac.compare_digest(given, demo.key().encode()):
        raise Refusal(401, "The demo provider answers to its own channels only.")


def _limit(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None or max(int(match[1]), int(match[2])) > 2048:  # noqa: PLR2004 enough for a demo
        raise Refusal(400, "size must be WIDTHxHEIGHT, at most 2048.")
    return int(match[1]), int(match[2])
