"""The event stream of a person's image jobs: the rows first, then news from Redis, then the rows again now and then.

A lost message, a flushed Redis or none at all only means that a state is seen some seconds later.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

from playground import jobfeed, runlog, streams
from playground.models import ImageJob

RECENT = 50
States = list[dict[str, Any]]
Look = Callable[[], Awaitable[States]]


def states(*, user_id: int, job_id: UUID | None = None) -> States:
    """The newest jobs of a person, or the one job if it is theirs."""
    jobs = ImageJob.objects.filter(user_id=user_id)
    if job_id is not None:
        jobs = jobs.filter(pk=job_id)
    return [jobfeed.state_of(job) for job in jobs.order_by("-created_at")[:RECENT]]


async def events(user_id: int, *, first: States, look: Look, only: str = "") -> AsyncIterator[bytes]:
    """`job` events with a rising `version` each. With `only`, ends with that job."""
    yield f"retry: {streams.RETRY_MS}\n\n".encode()
    news = _News(only)
    for piece in news.of(first):
        yield piece
    clock = asyncio.get_running_loop().time
    deadline, place = clock() + streams.lifetime_s(), ""
    while clock() < deadline and not news.over:
        try:
            if not place:
                place = await jobfeed.last_id(user_id)
                fresh = await look()
            else:
                place, fresh = await jobfeed.read(user_id, after=place, wait_s=runlog.BLOCK_S)
                fresh = fresh or await look()  # quiet for a while: a message may have been lost
        except runlog.UNREACHABLE:
            place = ""
            await asyncio.sleep(streams.NO_LOG_PAUSE_S)
            fresh = await look()
        for piece in news.of(fresh) or [streams.COMMENT]:
            yield piece
    if news.over:
        yield streams.frame("end", {"id": only})


class _News:
    """Drops what this reader has seen."""

    def __init__(self, only: str) -> None:
        self.over = False
        self._only = only
        self._versions: dict[str, int] = {}

    def of(self, states: States) -> list[bytes]:
        frames = []
        for state in states:
            if (self._only and state["id"] != self._only) or state["version"] <= self._versions.get(state["id"], -1):
                continue
            self._versions[state["id"]] = state["version"]
            self.over = self.over or (bool(self._only) and state["ended"])
            frames.append(streams.frame("job", state))
        return frames
