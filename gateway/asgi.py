"""`/v1` as a raw ASGI application: the edge around every request. Django's middleware never sees it."""

import asyncio

import structlog

from gateway.auth import Keyring
from gateway.edge import ClientLeft, Receive, Request, Scope, Send
from gateway.endpoints import Endpoints, Handler
from gateway.errors import Bug, Draining, GatewayError
from gateway.heartbeat import Heartbeat
from gateway.relay import Relay, log_bug
from gateway.routing import Routing
from gateway.store import Store
from gateway.till import Till
from gateway.upstream import Upstream

GOODBYE_S = 20.0  # what was cut off gets this long to tell its caller and settle
log = structlog.get_logger("gateway")


class Gateway:
    """Starts by itself at the first request, for servers without lifespan events."""

    def __init__(self) -> None:
        self.draining = False
        self._upstream = Upstream()
        self._store: Store | None = None
        self._endpoints: Endpoints | None = None
        self._relay: Relay | None = None
        self._heartbeat: Heartbeat | None = None
        self._active: set[asyncio.Task[object]] = set()

    async def startup(self) -> None:
        self._ready()

    async def shutdown(self) -> None:
        """After the server let its streams finish or cut them off: settle what is open, then close what is kept."""
        self.draining = True
        if self._active:
            await asyncio.wait(set(self._active), timeout=GOODBYE_S)
        if self._relay is not None:
            await self._relay.drain()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        await self._upstream.close()
        if self._store is not None:
            await self._store.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (task := asyncio.current_task()) is not None:
            self._active.add(task)
            task.add_done_callback(self._active.discard)
        request = Request(scope, receive, send)
        try:
            request.check_head()
            await self._handler(request)(request)
        except ClientLeft:
            log.info("gateway.request.abandoned", request=request.id)
        except GatewayError as error:
            log.info("gateway.request.refused", request=request.id, status=error.http_status, code=error.code)
            await request.answer_error(error)
        except Exception as error:  # noqa: BLE001 the caller gets our shape whatever broke
            log_bug(request, error)
            if not request.committed:
                await request.answer_error(Bug("Something broke on our side."))

    def _handler(self, request: Request) -> Handler:
        if self.draining:
            raise Draining("This server is going down. Repeat the request; another one answers.")
        return self._ready().find(request)

    def _ready(self) -> Endpoints:
        if self._endpoints is None:
            self._store = Store()
            keyring, routing = Keyring(self._store), Routing(self._store)
            self._heartbeat = Heartbeat(self._store)
            self._relay = Relay(Till(self._store), self._heartbeat, keyring, routing, self._upstream)
            self._endpoints = Endpoints(keyring, routing, self._relay)
        return self._endpoints
