"""The one way from the playground to the gateway: HTTP, with the person's own key.

Nothing here knows Django's models. The same calls work against any OpenAI-compatible gateway at GATEWAY_URL.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import httpx
from django.conf import settings

MAX_STREAM_CHARS = 32 * 1024 * 1024  # a stream that says more than this is cut
MAX_IMAGE_ANSWER_BYTES = 96 * 1024 * 1024
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 310.0  # a little more than the gateway waits for a provider's first byte
LIST_TIMEOUT_S = 3.0
IMAGE_TIMEOUT_S = 480.0
MAX_MESSAGE_CHARS = 2_000


class GatewayFailed(Exception):
    """The gateway said no, broke off, or could not be reached.

    `charged` is False where the answer itself proves it, None where only the usage row can tell. `started` is False
    when the request certainly did not reach the gateway's work: only then may a paid call be sent again unasked.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 0,
        request_id: str = "",
        charged: bool | None = None,
        started: bool = True,
    ) -> None:
        super().__init__(message)
        self.code = code[:64]
        self.message = message[:MAX_MESSAGE_CHARS]
        self.status = status
        self.request_id = request_id[:40]
        self.charged = charged
        self.started = started

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "request_id": self.request_id,
            "charged": self.charged,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """One entry of `GET /models`. What a foreign gateway does not tell is empty or 0."""

    id: str
    owned_by: str = ""
    family: str = ""
    endpoints: tuple[str, ...] = ()
    max_output_tokens: int = 0
    recommended_for: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    request_id: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    kind: str = "text"  # or "reasoning"


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens as the provider reported them; a class of tokens that it does not know is absent."""

    tokens: dict[str, int]


@dataclass(frozen=True, slots=True)
class Finished:
    reason: str


Piece = Opened | Text | Counted | Finished


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    request_id: str
    images: list[str] = field(repr=False)  # base64


def list_models(*, key: str) -> list[OfferedModel]:
    """What this key can use now. Raises GatewayFailed."""
    try:
        with httpx.Client(timeout=LIST_TIMEOUT_S, trust_env=False) as client:
            answer = client.get(f"{settings.GATEWAY_URL}/models", headers=_headers(key))
    except httpx.HTTPError as error:
        raise _unreachable(error) from error
    if answer.status_code != httpx.codes.OK:
        raise _refused(answer.status_code, answer.content, answer.headers)
    return _models(answer.content)


async def stream_chat(*, key: str, body: dict[str, Any], client_request_id: str) -> AsyncIterator[Piece]:
    """The answer piece by piece; ends after `Finished` or raises GatewayFailed. Cancelling closes the call upstream."""
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    async with _calling("POST", "/chat/completions", key, asked, client_request_id, client=_shared_client()) as answer:
        request_id = _request_id(answer.headers)
        if answer.status_code != httpx.codes.OK:
            raise _refused(answer.status_code, await _capped(answer, 65_536), answer.headers)
        yield Opened(request_id)
        reason = ""
        async for event in _events(answer):
            if event == "[DONE]":
                yield Finished(reason or "stop")
                return
            for piece in _pieces(event, request_id):
                if isinstance(piece, Finished):
                    reason = piece.reason
                else:
                    yield piece
        if not reason:
            raise GatewayFailed(
                "stream_cut", "The answer broke off: the connection closed early.", request_id=request_id
            )
        yield Finished(reason)


async def make_images(*, key: str, body: dict[str, Any], idempotency_key: str) -> ImageAnswer:
    """All images of one call. Raises GatewayFailed. Cancelling closes the call upstream."""
    timeout = httpx.Timeout(IMAGE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    async with (
        httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
        _calling("POST", "/images/generations", key, body, idempotency_key, client=client) as answer,
    ):
        raw = await _capped(answer, MAX_IMAGE_ANSWER_BYTES)
        if answer.status_code != httpx.codes.OK:
            raise _refused(answer.status_code, raw, answer.headers)
        request_id = _request_id(answer.headers)
        images = _images(raw)
        if not images:
            raise GatewayFailed("bad_answer", "The gateway's answer holds no image.", request_id=request_id)
        return ImageAnswer(request_id, images)


@asynccontextmanager
async def _calling(
    method: str, path: str, key: str, body: dict[str, Any], client_id: str, *, client: httpx.AsyncClient
) -> AsyncIterator[httpx.Response]:
    headers = {**_headers(key), "Idempotency-Key": client_id, "X-Client-Request-Id": client_id}
    try:
        async with client.stream(method, f"{settings.GATEWAY_URL}{path}", json=body, headers=headers) as answer:
            yield answer
    except httpx.HTTPError as error:
        raise _unreachable(error) from error


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.GATEWAY_KEY or key}", "Accept-Encoding": "identity"}


_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient]" = WeakKeyDictionary()


def _shared_client() -> httpx.AsyncClient:
    """One per event loop: a client belongs to the loop that opened its connections."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, write=30.0, pool=None)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=15)
        _clients[loop] = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)
    return _clients[loop]


async def _events(answer: httpx.Response) -> AsyncIterator[str]:
    """The data of each server-sent event; comments and other fields are passed over."""
    data: list[str] = []
    seen = 0
    async for line in answer.aiter_lines():
        seen += len(line)
        if seen > MAX_STREAM_CHARS:
            raise GatewayFailed("answer_too_long", "The answer is longer than the playground shows.")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []


def _pieces(event: str, request_id: str) -> list[Piece]:
    try:
        chunk = json.loads(event)
    except ValueError:
        raise GatewayFailed("bad_answer", "The stream is not readable.", request_id=request_id) from None
    if not isinstance(chunk, dict):
        return []
    if isinstance(error := chunk.get("error"), dict):
        raise _from_object(error, status=0, request_id=request_id, charged=None)
    pieces: list[Piece] = []
    for choice in chunk.get("choices") or []:
        delta = choice.get("delta") or {}
        for name in ("reasoning_content", "reasoning"):
            if isinstance(thought := delta.get(name), str) and thought:
                pieces.append(Text(thought, "reasoning"))
                break
        if text := _content(delta):
            pieces.append(Text(text))
        if choice.get("finish_reason"):
            pieces.append(Finished(str(choice["finish_reason"])))
    if isinstance(usage := chunk.get("usage"), dict):
        pieces.append(Counted(_tokens(usage)))
    return pieces


def _content(delta: dict[str, Any]) -> str:
    """Text, with images as Markdown: providers send them inside the content, as parts, or in a list beside it."""
    content = delta.get("content")
    parts = content if isinstance(content, list) else []
    text = content if isinstance(content, str) else ""
    for part in [*parts, *(delta.get("images") or [])]:
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            text += part["text"]
        url = (part.get("image_url") or {}).get("url")
        if isinstance(url, str):
            text += f"\n\n![]({url})\n\n"
    return text


def _tokens(usage: dict[str, Any]) -> dict[str, int]:
    found = {
        "input": usage.get("prompt_tokens"),
        "output": usage.get("completion_tokens"),
        "cached": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        "reasoning": (usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    }
    return {name: count for name, count in found.items() if isinstance(count, int) and not isinstance(count, bool)}


def _models(raw: bytes) -> list[OfferedModel]:
    try:
        entries = json.loads(raw)["data"]
        return [_model(entry) for entry in entries if isinstance(entry.get("id"), str)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise GatewayFailed("bad_answer", "The gateway's model list is not readable.", charged=False) from None


def _model(entry: dict[str, Any]) -> OfferedModel:
    endpoints = entry.get("endpoints")
    return OfferedModel(
        id=entry["id"][:80],
        owned_by=str(entry.get("owned_by") or ""),
        family=str(entry.get("family") or ""),
        endpoints=tuple(str(endpoint) for endpoint in endpoints) if isinstance(endpoints, list) else (),
        max_output_tokens=most if isinstance(most := entry.get("max_output_tokens"), int) else 0,
        recommended_for=str(entry.get("recommended_for") or ""),
    )


def _images(raw: bytes) -> list[str]:
    try:
        entries = json.loads(raw)["data"]
        return [entry["b64_json"] for entry in entries if isinstance(entry.get("b64_json"), str)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


async def _capped(answer: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise GatewayFailed(
                "answer_too_long", "The gateway's answer is too large.", request_id=_request_id(answer.headers)
            )
    return bytes(body)


def _request_id(headers: httpx.Headers) -> str:
    return headers.get("x-request-id") or headers.get("request-id") or ""


def _refused(status: int, raw: bytes, headers: httpx.Headers) -> GatewayFailed:
    """An error status: by the gateway's policy nothing was delivered, so nothing was charged."""
    try:
        error = json.loads(raw)["error"]
    except (ValueError, KeyError, TypeError):
        error = None
    if not isinstance(error, dict):
        error = {"code": f"http_{status}", "message": f"The gateway answered with status {status}."}
    return _from_object(error, status=status, request_id=_request_id(headers), charged=False)


def _from_object(error: dict[str, Any], *, status: int, request_id: str, charged: bool | None) -> GatewayFailed:
    message = error.get("message")
    return GatewayFailed(
        str(error.get("code") or error.get("type") or "error"),
        message if isinstance(message, str) and message else "The gateway reported an error without words.",
        status=status,
        request_id=str(error.get("request_id") or request_id),
        charged=charged,
        started=status not in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE},
    )


_UNREACHABLE: list[tuple[type[httpx.HTTPError], str, Callable[[httpx.HTTPError], str]]] = [
    (httpx.ConnectError, "gateway_unreachable", lambda _: "The gateway could not be reached."),
    (httpx.ConnectTimeout, "gateway_unreachable", lambda _: "The gateway could not be reached in time."),
    (httpx.TimeoutException, "gateway_timeout", lambda _: "The gateway did not answer in time."),
]


def _unreachable(error: httpx.HTTPError) -> GatewayFailed:
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    for kind, code, words in _UNREACHABLE:
        if isinstance(error, kind):
            return GatewayFailed(code, words(error), charged=False if never_sent else None, started=not never_sent)
    return GatewayFailed("stream_cut", "The connection to the gateway broke off.")
