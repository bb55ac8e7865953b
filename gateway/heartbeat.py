"""The lease on what running calls hold: short, and renewed for as long as this process runs them.

A killed server's holds are swept within one lease, not after the longest call; a stream of any length is never swept
under its caller. One statement each beat for all calls of the process, none while only short ones run.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings

from billing import reservations
from gateway.errors import StoreDown
from gateway.store import Store

BEATS = 5  # in one lease: a renewal may fail three times in a row
log = structlog.get_logger("gateway")


class Heartbeat:
    """Beats only while something runs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: set[str] = set()
        self._seen: set[str] = set()  # ran at the last beat, too
        self._beating: asyncio.Task[None] | None = None

    def begin(self, request_id: str) -> None:
        self._running.add(request_id)
        if self._beating is None or self._beating.done():
            self._seen = set()
            self._beating = asyncio.create_task(self._keep_beating())

    def end(self, request_id: str) -> None:
        """Its hold is closed, or nobody will close it."""
        self._running.discard(request_id)

    def stop(self) -> None:
        if self._beating is not None:
            self._beating.cancel()

    async def beat(self) -> None:
        """Renews what ran at the last beat and still runs."""
        old, self._seen = self._running & self._seen, set(self._running)
        if old:
            await self._renew(old)

    async def _keep_beating(self) -> None:
        while self._running:
            await asyncio.sleep(settings.HOLD_LEASE_S / BEATS)
            await self.beat()

    async def _renew(self, request_ids: set[str]) -> None:
        expires_at = datetime.now(UTC) + timedelta(seconds=settings.HOLD_LEASE_S)  # noqa: TID251 this is the edge
        try:
            await self._store.write(reservations.extend, request_ids, expires_at=expires_at)
        except StoreDown:
            log.warning("gateway.heartbeat.missed", calls=len(request_ids))
        except Exception as error:  # noqa: BLE001 the next beat must come whatever broke
            log.error("gateway.heartbeat.failed", error=type(error).__name__, calls=len(request_ids))  # noqa: TRY400 no trace: it may hold values
