"""One HTTP request at the edge of `/v1`: its head, checked; its body, counted and timed; its answer, sent.

The server (uvicorn) parses HTTP; what it lets through and we do not want is refused here: a length together with
chunks, two hosts, heads and bodies without end, encodings that we would forward unread.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from accounts.ids import new_public_id
from gateway.errors import (
    BadRequest,
    BodyTimeout,
    BodyTooLarge,
    GatewayError,
    Headers,
    HeadTooLarge,
    Shape,
    WrongMediaType,
)
from gateway.errors import body as error_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
MAX_PATH_BYTES = 2048
MAX_CLIENT_ID = 128
_ONCE = (b"host", b"content-length", b"content-type", b"authorization", b"x-api-key", b"transfer-encoding")
_ALWAYS: Headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class ClientLeft(Exception):
    """The connection is gone; there is nobody to answer."""


class Request:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.id = new_public_id("req")
        self.started_at = self.now()
        self.started = perf_counter()
        self.method: str = scope["method"]
        self.path: bytes = scope.get("raw_path") or scope["path"].encode()
        self.fields: Headers = scope["headers"]
        self.headers: dict[bytes, bytes] = dict(self.fields)
        self.committed = False  # the head of the answer is sent
        self.last_sent = self.started
        self._receive = receive
        self._asgi_send = send
        self._sending = asyncio.Lock()  # a keep-alive must not come between the head and the first event

    @property
    def shape(self) -> Shape:
        native = b"anthropic-version" in self.headers or self.path.startswith(b"/v1/messages")
        return Shape.ANTHROPIC if native else Shape.OPENAI

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 this is the edge

    @property
    def elapsed_ms(self) -> int:
        return int((perf_counter() - self.started) * 1000)

    # --- head --------------------------------------------------------------------------------------------------------
    def check_head(self) -> None:
        """Raises HeadTooLarge or BadRequest."""
        size = sum(len(name) + len(value) for name, value in self.fields)
        if len(self.fields) > MAX_HEADERS or size > MAX_HEADER_BYTES or len(self.path) > MAX_PATH_BYTES:
            raise HeadTooLarge(
                f"The headers or the path are too large: at most {MAX_HEADERS} headers, {MAX_HEADER_BYTES} bytes."
            )
        names = [name for name, _ in self.fields]
        for name in _ONCE:
            if names.count(name) > 1:
                raise BadRequest(f"The header {name.decode()} is sent twice.", code="invalid_header")
        if b"transfer-encoding" in self.headers and (
            b"content-length" in self.headers or self.headers[b"transfer-encoding"].lower() != b"chunked"
        ):
            raise BadRequest(
                "Send either Content-Length or Transfer-Encoding: chunked, not both.", code="invalid_header"
            )
        if not _host_is_ours(self.headers.get(b"host", b"").decode("latin-1")):
            raise BadRequest("The Host header does not name this service.", code="invalid_header")

    def client_request_id(self) -> str:
        """What the caller calls this request, for the usage row. Raises BadRequest."""
        given = self.headers.get(b"idempotency-key") or self.headers.get(b"x-client-request-id") or b""
        text = given.decode("latin-1")
        if len(text) > MAX_CLIENT_ID or not (text.isascii() and (text.isprintable() or not text)):
            raise BadRequest(
                f"Idempotency-Key and X-Client-Request-Id take up to {MAX_CLIENT_ID} printable ASCII characters.",
                code="invalid_header",
            )
        return text

    # --- body --------------------------------------------------------------------------------------------------------
    async def body(self) -> bytes:
        """The whole body. Raises BodyTooLarge, BodyTimeout, WrongMediaType, ClientLeft."""
        self._check_media_type()
        limit = settings.GATEWAY_MAX_BODY_BYTES
        too_large = BodyTooLarge(f"The body is larger than {limit:,} bytes.")
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            raise too_large
        received = bytearray()
        try:
            async with asyncio.timeout(settings.GATEWAY_BODY_TIMEOUT_S):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ClientLeft
                    received += message.get("body", b"")
                    if len(received) > limit:
                        raise too_large
                    if not message.get("more_body"):
                        return bytes(received)
        except TimeoutError:
            raise BodyTimeout(f"The body did not arrive within {settings.GATEWAY_BODY_TIMEOUT_S:g} seconds.") from None

    async def disconnected(self) -> None:
        """Returns when the caller is gone. Only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _check_media_type(self) -> None:
        encoding = self.headers.get(b"content-encoding", b"identity").lower()
        kind, _, parameters = self.headers.get(b"content-type", b"application/json").lower().partition(b";")
        charset = parameters.partition(b"charset=")[2].strip(b'" ') or b"utf-8"
        if encoding != b"identity" or kind.strip() != b"application/json" or charset not in {b"utf-8", b"utf8"}:
            raise WrongMediaType("Send JSON: Content-Type: application/json, UTF-8, not compressed.")

    # --- answer ------------------------------------------------------------------------------------------------------
    async def answer(self, status: int, body: bytes, headers: Headers | None = None, *, close: bool = False) -> None:
        await self._start(
            status,
            [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(headers or [])],
            close=close,
        )
        await self._send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})

    async def answer_error(self, error: GatewayError) -> None:
        close = isinstance(error, BodyTooLarge | BodyTimeout | HeadTooLarge) or error.code in {
            "invalid_header",
            "draining",
        }
        await self.answer(error.http_status, error_body(error, self.shape, self.id), error.headers(), close=close)

    async def start_stream(self, headers: Headers) -> None:
        await self._start(
            200,
            [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache, no-transform"),
                (b"x-accel-buffering", b"no"),
                *headers,
            ],
        )

    async def write(self, data: bytes) -> None:
        self.last_sent = perf_counter()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending:
            await self._asgi_send(message)

    async def _start(self, status: int, headers: Headers, *, close: bool = False) -> None:
        self.committed = True
        self.last_sent = perf_counter()
        head = [*headers, (b"x-request-id", self.id.encode())]
        if self.shape is Shape.ANTHROPIC:
            head.append((b"request-id", self.id.encode()))
        named = {name for name, _ in head}
        head += [field for field in _ALWAYS if field[0] not in named]
        if close:
            head.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": head})


def _host_is_ours(host: str) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
