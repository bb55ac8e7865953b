"""Server-sent events: the frames of a run, the states of a person's image jobs.

A stream holds no database connection while it waits (each look gives it back) and ends by itself after about five
minutes: no `end` event means come back. Bytes are the same for curl, EventSource and our own reader.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse

from playground import runlog
from playground.answers import Frame, live_text, merged
from playground.runs import State

LONGEST_S = 300
JITTER_S = 30
RETRY_MS = 1500
COMMENT = b": still here\n\n"
GAP_PAUSE_S = 0.5
NO_LOG_PAUSE_S = 2.0

Look = Callable[[], Awaitable[State | None]]


def response(frames: AsyncIterator[bytes]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        frames,
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"},
    )


def frame(event: str, data: dict[str, Any], *, seq: int | None = None) -> bytes:
    number = "" if seq is None else f"id: {seq}\n"
    return f"{number}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def cursor(header: str | None, query: str | None) -> int:
    """The larger of Last-Event-ID and `?after`. Raises ValueError on anything but a whole number from 0."""
    numbers = []
    for text in (header, query):
        if text:
            if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004 fits every column
                raise ValueError(text)
            numbers.append(int(text))
    return max(numbers, default=0)


def lifetime_s() -> float:
    """Tabs that came together do not all come back together."""
    return LONGEST_S - JITTER_S + secrets.randbelow(2 * JITTER_S)


async def run_events(run_id: UUID, state: State, *, after: int, look: Look) -> AsyncIterator[bytes]:
    """`open`, then all frames after the cursor, until `end`."""
    yield f"retry: {RETRY_MS}\n\n".encode()
    yield frame("open", {"run": str(run_id), "status": state.status})
    reader = _RunReader(run_id, state, after, look)
    deadline = asyncio.get_running_loop().time() + lifetime_s()
    while not reader.over and asyncio.get_running_loop().time() < deadline:
        for piece in await reader.more():
            yield piece


class _RunReader:
    """One tab's place in a run. Never steps over a gap: what the log lacks comes from the row."""

    def __init__(self, run_id: UUID, state: State, after: int, look: Look) -> None:
        self.run_id = run_id
        self.state: State | None = state
        self.cursor = after
        self.over = False
        self._look = look
        self._wait_s = 0.0  # the first read only collects what is there

    async def more(self) -> list[bytes]:
        """What there is to say next; a comment when there was nothing for a while."""
        if self.state is None or self.state.ended:
            return self._last_words()
        try:
            frames = await runlog.read(self.run_id, after=self.cursor, wait_s=self._wait_s)
        except runlog.UNREACHABLE:
            return await self._without_log()
        waited, self._wait_s = self._wait_s, runlog.BLOCK_S
        if frames and (frames[0].seq == self.cursor + 1 or frames[0].event == "reset"):
            return self._contiguous(frames)
        if not frames and not waited and self.state.seq <= self.cursor:
            return []
        return await self._from_row(gap=bool(frames))

    def _contiguous(self, frames: list[Frame]) -> list[bytes]:
        good: list[Frame] = []
        for each in frames:
            if each.seq != self.cursor + 1 and each.event != "reset":
                break
            good.append(each)
            self.cursor = each.seq
        self.over = any(each.event == "end" for each in good)
        return [frame(each.event, each.data, seq=each.seq) for each in merged(good)]

    async def _from_row(self, *, gap: bool) -> list[bytes]:
        self.state = await self._look()
        if self.state is None or self.state.ended:
            return self._last_words()
        if self.state.seq > self.cursor:
            self._wait_s = 0.0
            self.cursor = self.state.seq
            return [self._reset(self.state, self.state.seq)]
        if gap:  # the row will reach the log within seconds
            self._wait_s = 0.0
            await asyncio.sleep(GAP_PAUSE_S)
            return []
        return [COMMENT]

    async def _without_log(self) -> list[bytes]:
        await asyncio.sleep(NO_LOG_PAUSE_S)
        return await self._from_row(gap=False)

    def _last_words(self) -> list[bytes]:
        """The whole story from the row: the text, unless the reader has it, and the end."""
        self.over = True
        state = self.state
        if state is None:
            return [frame("end", {"status": "deleted"})]
        words = []
        if self.cursor < state.seq - 1:
            words.append(self._reset(state, max(state.seq - 1, 0)))
        if state.error:
            words.append(frame("error", state.error))
        words.append(frame("end", {"status": state.status}, seq=max(state.seq, self.cursor)))
        return words

    @staticmethod
    def _reset(state: State, seq: int) -> bytes:
        text = live_text(state.answer, whole=state.ended)
        return frame("reset", {"text": text, "reasoning": state.reasoning}, seq=seq)
