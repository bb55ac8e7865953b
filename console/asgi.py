"""One server, two worlds: `/v1` is the gateway and never meets Django's middleware; the rest is Django."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django_application = get_asgi_application()

from django.conf import settings  # noqa: E402 after the app registry is ready

from gateway.asgi import Gateway  # noqa: E402
from playground import runner  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

RUNS_GRACE_S = 20.0  # answers that are being written when the process is told to end
gateway = Gateway()
demo_provider: Application | None = None
if settings.DEMO_PROVIDER:
    from gateway.demo.asgi import application as demo_provider


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["type"] != "http":
        return await send({"type": "websocket.close", "code": 1000})
    path: str = scope["path"]
    if path == "/v1" or path.startswith(("/v1/", "//v1")):
        return await gateway(scope, receive, send)
    if demo_provider is not None and path.startswith("/demo-provider/"):
        return await demo_provider(scope, receive, send)
    return await django_application(scope, receive, send)  # type: ignore[arg-type] # the stubs are narrower than ASGI


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await gateway.startup()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await runner.drain(grace_s=RUNS_GRACE_S)  # before the gateway, which they use
            await gateway.shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return
