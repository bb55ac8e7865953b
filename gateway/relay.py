"""The life of a request: authenticate, read, resolve, choose, reserve, call, stream, meter, settle, answer."""

import asyncio
import secrets
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

import structlog
from django.conf import settings

from billing.charges import Settlement
from billing.models import Usage
from gateway.auth import Keyring
from gateway.books import Ended, Want
from gateway.call import Call
from gateway.edge import ClientLeft, Request
from gateway.errors import (
    BadRequest,
    Bug,
    Draining,
    GatewayError,
    NotAuthenticated,
    StoreDown,
    UpstreamError,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway.heartbeat import Heartbeat
from gateway.metering import Measured
from gateway.protocols import body as bodies
from gateway.protocols.sse import KEEP_ALIVE, EventTooLarge, Framer, parse
from gateway.protocols.wire import Act, BadAnswer, StreamWatch, Wire, decode
from gateway.routing import Routing
from gateway.till import Till
from gateway.upstream import Answer, Upstream, headers_for, mask

LARGE_BODY = 1024 * 1024  # parsed beside the loop from this size on
SETTLE_WAIT_S = 3.0  # an answer waits this long for its row, then goes out; settling goes on behind it
SETTLE_PAUSES_S = (0.0, 0.5, 1, 2, 4, 8, 16, 32)  # after that the sweeper ends the hold
KEY_CHECK_S = 60.0  # a stream looks again whether its key is still good
REVOKED_GRACE_S = 230.0  # with the check above: at most 5 minutes after the key was revoked
CHARGED_DELIVERED = "What was delivered is charged, nothing else."
_random = secrets.SystemRandom()
log = structlog.get_logger("gateway")


class Relay:
    def __init__(
        self, till: Till, heartbeat: Heartbeat, keyring: Keyring, routing: Routing, upstream: Upstream
    ) -> None:
        self._till = till
        self._heartbeat = heartbeat
        self._keyring = keyring
        self._routing = routing
        self._upstream = upstream
        self._settling: set[asyncio.Task[Usage | None]] = set()

    async def serve(self, request: Request, wire: Wire) -> None:
        """Answers the request. Raises a GatewayError only while nothing is held and nothing is sent."""
        call = Call(request, wire)
        for step in (self.authenticate, self.read, self.resolve, self.choose, self.reserve):
            await step(call)
        try:
            await self.converse(call)
        except asyncio.CancelledError:
            call.error = Draining("The service is restarting. Repeat the request.")
            await self.conclude(call, await self.settle(call))
            raise
        await self.conclude(call, await self.settle(call))

    # --- before anything is held ------------------------------------------------------------------------------------
    async def authenticate(self, call: Call) -> None:
        call.caller = await self._keyring.caller(call.request)
        call.client_request_id = call.request.client_request_id()

    async def read(self, call: Call) -> None:
        data = await call.request.body()
        call.body = bodies.read(data) if len(data) < LARGE_BODY else await asyncio.to_thread(bodies.read, data)
        call.ask = call.wire.read(call.body.value)

    async def resolve(self, call: Call) -> None:
        call.card = (await self._routing.picture()).card(call.ask.model, call.wire.endpoint)
        most = call.card.max_output_tokens
        if call.wire.limit_field and call.ask.max_output is not None and call.ask.max_output > most:
            name = call.ask.limit_name
            raise BadRequest(f"`{name}` is at most {most:,} for {call.card.name}.", param=name, code="invalid_field")

    async def choose(self, call: Call) -> None:
        picture = await self._routing.picture()
        call.ways = picture.candidates(call.card.name, call.wire.protocol, _random.random)
        call.upstream_headers = headers_for(call.request, call.wire)

    async def reserve(self, call: Call) -> None:
        call.reservation = await self._till.reserve(
            Want(
                call.billed,
                call.card,
                call.ask,
                call.body.input_bound,
                limits_output=bool(call.wire.limit_field),
                now=call.request.now(),
            )
        )
        self._heartbeat.begin(call.request.id)

    # --- with the provider ------------------------------------------------------------------------------------------
    async def converse(self, call: Call) -> None:
        """Every way this can end is written on the call; only cancellation is raised."""
        try:
            await self._supervise(call, self._call(call))
        except ClientLeft:
            call.status, call.http_status = Usage.Status.STOPPED, 200 if call.request.committed else 499
        except GatewayError as error:
            await self._broken(call, error)
        except Exception as error:  # noqa: BLE001 a bug of ours: the hold must still be closed and the caller answered
            log_bug(call.request, error)
            call.error = Bug("Something broke on our side.")
        else:
            call.status, call.http_status = Usage.Status.OK, 200

    async def _broken(self, call: Call, error: GatewayError) -> None:
        """An answer that had finished in all but its last event is whole; everything else failed."""
        watch = call.watch
        if watch is None or not watch.complete:
            call.error = error
            return
        self._end(call, watch)
        call.status, call.http_status = Usage.Status.OK, 200

    async def _supervise(self, call: Call, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` while the caller stays, the deadlines hold and silence is broken by keep-alives."""
        call.heard_at = call.key_checked_at = perf_counter()
        tick = min(settings.GATEWAY_KEEP_ALIVE_S, settings.GATEWAY_IDLE_TIMEOUT_S, settings.GATEWAY_TOTAL_TIMEOUT_S) / 4
        task, gone = asyncio.ensure_future(work), asyncio.ensure_future(call.request.disconnected())
        try:
            while True:
                await asyncio.wait({task, gone}, timeout=tick, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    return task.result()
                if gone.done():
                    raise ClientLeft
                self._check_deadlines(call)
                await self._check_key(call)
                await self._keep_alive(call)
        finally:
            gone.cancel()
            task.cancel()
            await asyncio.wait({task, gone})  # the connection upstream is closed when this returns
            if not task.cancelled():
                task.exception()  # seen, so that asyncio does not report it

    def _check_deadlines(self, call: Call) -> None:
        now = perf_counter()
        if now - call.request.started > settings.GATEWAY_TOTAL_TIMEOUT_S:
            raise UpstreamTimeout(
                f"The call took longer than {settings.GATEWAY_TOTAL_TIMEOUT_S:g} seconds and was ended."
            )
        if call.forwarded and now - call.heard_at > settings.GATEWAY_IDLE_TIMEOUT_S:
            raise UpstreamTimeout("The provider fell silent in the middle of its answer.")

    async def _check_key(self, call: Call) -> None:
        now = perf_counter()
        if now - call.key_checked_at < KEY_CHECK_S:
            return
        call.key_checked_at = now
        try:
            await self._keyring.caller(call.request)
        except NotAuthenticated:
            call.revoked_at = call.revoked_at or now
            if now - call.revoked_at > REVOKED_GRACE_S:
                raise
        except StoreDown:
            pass  # nobody can tell; a running stream goes on

    async def _keep_alive(self, call: Call) -> None:
        if not call.ask.stream or perf_counter() - call.request.last_sent < settings.GATEWAY_KEEP_ALIVE_S:
            return
        if not call.request.committed:
            await call.request.start_stream(call.headers())
        await call.request.write(KEEP_ALIVE)

    async def _call(self, call: Call) -> None:
        """One channel after the other, until one answers or none is left. Nothing is tried again after content."""
        for way in call.ways:
            call.way = way
            call.sent_ms = call.request.elapsed_ms if call.sent_ms is None else call.sent_ms
            try:
                async with self._upstream.call(way, call.wire, call.body_for(way), call.upstream_headers) as answer:
                    await (self._stream(call, answer) if call.ask.stream else self._take(call, answer))
            except UpstreamError as error:
                if error.fatal or call.forwarded or way is call.ways[-1]:
                    raise
                log.warning(
                    "gateway.upstream.failed_over", request=call.request.id, channel=way.channel, code=error.code
                )
            else:
                return

    async def _take(self, call: Call, answer: Answer) -> None:
        data = await answer.whole()
        value = decode(data) if len(data) < LARGE_BODY else await asyncio.to_thread(decode, data)
        try:
            call.seen, call.text_bytes = call.wire.answer(value)
        except BadAnswer as bad:
            raise _not_understood(call, bad.said, str(bad)) from None
        call.seen.image_class = call.ask.image_class
        call.answer, call.first_byte_ms = data, call.request.elapsed_ms

    async def _stream(self, call: Call, answer: Answer) -> None:
        if not answer.is_event_stream:
            raise _not_understood(call, "", "no event stream")
        watch, framer = call.wire.watch(call.ask), Framer()
        call.watch, call.ending = watch, []
        try:
            async for piece in answer.pieces():
                call.heard_at = perf_counter()
                if await self._pass_on(call, watch, framer, piece):
                    return
        except EventTooLarge:
            raise UpstreamFailed("The provider sent an event that is too large.") from None
        except UpstreamFailed:
            if not watch.complete:
                raise
        if not watch.complete:
            raise UpstreamFailed("The provider ended its answer in the middle.")
        self._end(call, watch)

    async def _pass_on(self, call: Call, watch: StreamWatch, framer: Framer, piece: bytes) -> bool:
        """The whole events of `piece` to the caller. True when the answer is complete. Raises UpstreamFailed.

        From the event that says what was used on, they wait for the charge (`conclude`).
        """
        ready: list[bytes] = []
        for event in framer.feed(piece):
            act = watch.watch(event)
            if act is Act.FAIL:
                await self._forward(call, b"".join(ready))
                raise _not_understood(call, watch.said, "error event")
            if act is Act.COST:
                ready += [earlier.raw for earlier in call.ending]  # it says more than the one before
                call.ending = [event]
            elif act is Act.LAST or (call.ending and act is Act.FORWARD):
                call.ending.append(event)
            elif act is Act.FORWARD and (event.data is not None or call.forwarded):
                ready.append(event.raw)
            if act is Act.LAST:
                await self._forward(call, b"".join(ready))
                self._note_first_byte(call)
                return True
        await self._forward(call, b"".join(ready))
        return False

    def _end(self, call: Call, watch: StreamWatch) -> None:
        """The provider closed after a complete answer, with or without the last event."""
        if added := watch.ending():
            call.ending.append(parse(added))
        self._note_first_byte(call)

    def _note_first_byte(self, call: Call) -> None:
        if call.first_byte_ms is None:
            call.first_byte_ms = call.request.elapsed_ms

    async def _forward(self, call: Call, data: bytes) -> None:
        if not data:
            return
        call.forwarded = True
        self._note_first_byte(call)
        if not call.request.committed:
            await call.request.start_stream(call.headers())
        await call.request.write(data)

    # --- after it -----------------------------------------------------------------------------------------------------
    async def settle(self, call: Call) -> Usage | None:
        """The usage row; None when the database did not take it yet, and settling goes on behind the answer."""
        if call.error is not None:
            call.http_status = 200 if call.request.committed else call.error.http_status
            call.error.charged = CHARGED_DELIVERED if call.delivered_bytes else call.error.charged
        task = asyncio.create_task(self._settle(call, call.measured()))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        task.add_done_callback(lambda _: self._heartbeat.end(call.request.id))
        done, _ = await asyncio.wait({task}, timeout=SETTLE_WAIT_S)
        return task.result() if done else None

    async def _settle(self, call: Call, measured: Measured) -> Usage | None:
        settlement = Settlement(
            call=call.billed,
            tokens=measured.tokens,
            price=call.reservation.price,
            source=measured.source,
            status=call.status,
            http_status=call.http_status,
            error_code=call.error.code if call.error else "",
            sent_ms=call.sent_ms,
            first_byte_ms=call.first_byte_ms,
            total_ms=call.request.elapsed_ms,
            not_charged_because=measured.not_charged_because,
        )
        for pause in SETTLE_PAUSES_S:
            await asyncio.sleep(pause)
            try:
                return await self._till.settle(Ended(settlement, call.request.now()))
            except StoreDown:
                continue
            except Exception as error:  # noqa: BLE001 the answer still goes out; the sweeper ends the hold
                log_bug(call.request, error)
                return None
        log.error("gateway.request.unsettled", request=call.request.id)
        return None

    async def conclude(self, call: Call, usage: Usage | None) -> None:
        request, error = call.request, call.error
        if call.status is Usage.Status.STOPPED:
            return
        if error is not None and not request.committed:
            await request.answer_error(error)
        elif error is not None:
            await request.write(call.ending_with(usage) + call.wire.error_event(error, request.id))
            await request.end()
        elif call.ask.stream:
            if not request.committed:
                await request.start_stream(call.headers(usage))
            await request.write(call.ending_with(usage))
            await request.end()
        else:
            large = len(call.answer) >= LARGE_BODY
            answer = await asyncio.to_thread(call.answer_with, usage) if large else call.answer_with(usage)
            await request.answer(200, answer, call.headers(usage))

    async def drain(self) -> None:
        """Waits for what is being settled."""
        if self._settling:
            await asyncio.wait(set(self._settling), timeout=20)


def log_bug(request: Request, error: Exception) -> None:
    """Where it broke, without values: a trace with locals would hold keys and prompts."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    log.error("gateway.bug", request=request.id, error=type(error).__name__, at=" > ".join(frames[-6:]))


def _not_understood(call: Call, provider_said: str, reason: str) -> UpstreamFailed:
    channel = call.way.channel if call.way else ""
    log.warning("gateway.upstream.bad_answer", request=call.request.id, channel=channel, reason=reason)
    if provider_said and call.way is not None:
        return UpstreamFailed(f"The provider reported an error: {mask(provider_said, call.way).rstrip('.')}.")
    return UpstreamFailed("The provider's answer could not be understood.")
