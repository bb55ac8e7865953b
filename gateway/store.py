"""The gateway's way to the database: short synchronous functions in threads of their own, never a query on the loop.

Connections stay open in their thread; a dead one (a restarted server) is dropped and the function runs once more on a
new one, which is why every function given here must be safe to run twice. SQLite has one writer, so it gets one thread
for writing; PostgreSQL gets eight for everything.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, connections

from gateway.errors import StoreDown

P = ParamSpec("P")
T = TypeVar("T")
WAIT_S = 25  # a caller waits no longer than this for the database
log = structlog.get_logger("gateway")


class Store:
    def __init__(self) -> None:
        self._writers = ThreadPoolExecutor(1 if settings.SQLITE else 8, thread_name_prefix="gateway-write")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="gateway-read") if settings.SQLITE else self._writers

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises StoreDown when the database does not answer."""
        return await self._run(self._readers, lambda: function(*args, **kwargs))

    async def write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, but never given up half-way: cancelled or late, the function still runs to its end."""
        return await self._run(self._writers, lambda: function(*args, **kwargs))

    async def close(self) -> None:
        for pool in {self._readers, self._writers}:
            await asyncio.to_thread(pool.shutdown)

    async def _run(self, pool: ThreadPoolExecutor, function: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(pool, _on_live_connection, function)
        try:
            return await asyncio.wait_for(asyncio.shield(future), WAIT_S)
        except (OperationalError, InterfaceError, TimeoutError) as error:
            log.warning("gateway.store.down", error=type(error).__name__, cause=type(error.__cause__).__name__)
            raise StoreDown("Our database does not answer. Repeat the request in a few seconds.") from error


def _on_live_connection(function: Callable[[], T]) -> T:
    driver = connection.connection
    try:
        return function()
    except (OperationalError, InterfaceError):
        if _is_alive(driver):
            raise
        connections.close_all()
        return function()


def _is_alive(driver: object) -> bool:
    """SQLite's file cannot die, only be busy; PostgreSQL is asked.

    The end of a broken transaction opens a new connection by itself: that one being well says nothing of the old one.
    """
    if connection.connection is None or connection.in_atomic_block:
        return False
    if driver is not None and connection.connection is not driver:
        return False
    return connection.vendor == "sqlite" or connection.is_usable()
