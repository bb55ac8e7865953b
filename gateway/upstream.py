"""The one place that opens a connection to a provider.

Nothing of the environment leaks in (no proxies, no cookies, no redirects) and nothing of the provider leaks out: its
error texts are masked, of its headers only `retry-after` survives.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog
from django.conf import settings

from gateway.edge import Request
from gateway.errors import (
    BadRequest,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamLimited,
    UpstreamRefused,
    UpstreamTimeout,
)
from gateway.protocols.anthropic_messages import DEFAULT_VERSION
from gateway.protocols.wire import Wire, said
from gateway.routing import Way

MAX_ANSWER_BYTES = 96 * 1024 * 1024  # ten pictures
MAX_ERROR_BYTES = 64 * 1024
RACE_S = 1.0  # a kept connection that breaks later than this was not too old: the provider had the request
_SECRETS = re.compile(
    r"(?i)\b(?:sk|pk|rk|key|org|proj|qy)[-_][\w-]{6,}|\bAIza[\w-]{10,}|bearer\s+\S+|https?://\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
)
_BUSY = {503, 529}
_CALLERS_FAULT = {400, 413, 422}
log = structlog.get_logger("gateway")


class Answer:
    """A provider's answer with status 200, its body still to come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def is_event_stream(self) -> bool:
        return self._response.content_type == "text/event-stream"

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises UpstreamFailed when it breaks off."""
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamFailed("The provider broke off its answer.") from error

    async def whole(self) -> bytes:
        """Raises UpstreamFailed, also for a body without end."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise UpstreamFailed("The provider's answer is too large.")
        return bytes(body)


class Upstream:
    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def call(self, way: Way, wire: Wire, body: bytes, headers: dict[str, str]) -> AsyncIterator[Answer]:
        """One call to one channel; closed at the end however it ends. Raises an UpstreamError."""
        response = await self._open(way, wire, body, headers)
        try:
            await _check(response, way)
            yield Answer(response)
        finally:
            response.release()  # closes the connection unless the answer was read to its end

    async def _open(self, way: Way, wire: Wire, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(settings.GATEWAY_FIRST_BYTE_TIMEOUT_S):
                return await self._post(way, wire, body, headers)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise UpstreamFailed("The provider could not be reached.") from error
            raise UpstreamTimeout("The provider did not answer in time. Repeat the request.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.warning("gateway.upstream.unreachable", channel=way.channel, error=type(error).__name__)
            raise UpstreamFailed("The provider could not be reached.") from error

    async def _post(self, way: Way, wire: Wire, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
        url, sent = way.base_url + wire.upstream_path, headers | _credentials(way)
        connection: dict[str, bool] = {}
        began = perf_counter()
        try:
            return await self._live().post(
                url, data=body, headers=sent, allow_redirects=False, trace_request_ctx=connection
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # A kept connection that the provider closed just as we wrote: it never read this; once more on a new one.
            if not connection.get("kept") or perf_counter() - began > RACE_S:
                raise
            return await self._live().post(url, data=body, headers=sent, allow_redirects=False)

    def _live(self) -> aiohttp.ClientSession:
        """One session for the process, made on its loop."""
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_reuseconn.append(_note_kept)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.GATEWAY_CONNECT_TIMEOUT_S),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers={"User-Agent"},
                trace_configs=[trace],
            )
        return self._session


def headers_for(request: Request, wire: Wire) -> dict[str, str]:
    """The allow-list: what a provider sees of the caller's head. Raises BadRequest for a value that is no header."""
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Accept-Encoding": "identity",
        "User-Agent": "qyuan-gateway",
        "X-Request-ID": request.id,
    }
    if wire.protocol == "anthropic":
        sent["anthropic-version"] = _ascii(request, b"anthropic-version") or DEFAULT_VERSION.decode()
        if beta := _ascii(request, b"anthropic-beta"):
            sent["anthropic-beta"] = beta
    return sent


def mask(text: str, way: Way) -> str:
    """A provider's words without keys, addresses and hosts; one line, short."""
    text = text.replace(way.api_key, "[…]")
    if host := urlsplit(way.base_url).hostname:
        text = text.replace(host, "[…]")
    text = _SECRETS.sub("[…]", text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:500]


async def _note_kept(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx["kept"] = True


async def _check(response: aiohttp.ClientResponse, way: Way) -> None:
    """Raises what a status other than 200 means for the caller."""
    if response.status == 200 and response.headers.get("Content-Encoding", "identity").lower() == "identity":  # noqa: PLR2004
        return
    log.warning("gateway.upstream.refused", channel=way.channel, status=response.status)
    raise _failure(response.status, response.headers.get("Retry-After", ""), await _error_text(response), way)


def _failure(status: int, retry_after: str, text: str, way: Way) -> UpstreamError:
    wait = int(retry_after) if retry_after.isdigit() and len(retry_after) < 6 else None  # noqa: PLR2004 a day in seconds
    if status in _CALLERS_FAULT:
        words = mask(text, way) or "no reason given"
        return UpstreamRefused(f"The provider refused the request: {words.rstrip('.')}.", status=status)
    if status == 429:  # noqa: PLR2004
        return UpstreamLimited("The provider is at its rate limit. Repeat the request later.", retry_after_s=wait)
    if status in _BUSY:
        return UpstreamBusy("The provider is overloaded. Repeat the request later.", retry_after_s=wait)
    if status == 504:  # noqa: PLR2004
        return UpstreamTimeout("The provider timed out. Repeat the request.")
    return UpstreamFailed("The provider failed. Repeat the request, or try another model.")


async def _error_text(response: aiohttp.ClientResponse) -> str:
    """The message in an error body of either shape; "" where there is none to be understood in time."""
    try:
        async with asyncio.timeout(5):
            return said(msgspec.json.decode(await response.content.read(MAX_ERROR_BYTES)))
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _credentials(way: Way) -> dict[str, str]:
    if way.protocol == "anthropic":
        return {"x-api-key": way.api_key}
    return {"Authorization": f"Bearer {way.api_key}"}


def _ascii(request: Request, name: bytes) -> str:
    value = request.headers.get(name, b"").decode("latin-1")
    if not value.isascii() or (value and not value.isprintable()):
        raise BadRequest(f"The header {name.decode()} must be printable ASCII.", code="invalid_header")
    return value
