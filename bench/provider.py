"""A provider that costs nearly nothing: what remains is the gateway. `uvicorn bench.provider:application`."""

import asyncio
import json
from typing import Any

PIECES = 20
PAUSE_S = 0.02  # between two pieces of a stream: 50 a second
_HEAD = {"id": "chatcmpl-bench", "created": 1, "model": "bench"}
_USAGE = {"prompt_tokens": 20, "completion_tokens": PIECES, "total_tokens": 20 + PIECES}
_TEXT = "word " * PIECES
ANSWER = json.dumps(
    {
        **_HEAD,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
).encode()


def _event(**fields: Any) -> bytes:
    return f"data: {json.dumps({**_HEAD, 'object': 'chat.completion.chunk', **fields})}\n\n".encode()


PIECE = _event(choices=[{"index": 0, "delta": {"content": "word "}}])
LAST = (
    _event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    + _event(choices=[], usage=_USAGE)
    + b"data: [DONE]\n\n"
)


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    stream = b'"stream":true' in body.replace(b" ", b"")
    kind = b"text/event-stream" if stream else b"application/json"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    if not stream:
        await send({"type": "http.response.body", "body": ANSWER})
        return
    for _ in range(PIECES):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await asyncio.sleep(PAUSE_S)
    await send({"type": "http.response.body", "body": LAST})
