"""Group commit: calls that begin or end while a transaction is under way go into the next one, together.

An idle gateway makes one transaction per call, at once; a busy one makes few large ones. Nobody waits for a timer, and
no answer goes out before its transaction is on disk (docs/adr/0009).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.conf import settings

from billing.models import Usage
from gateway import books
from gateway.books import Ended, Reservation, Want
from gateway.errors import StoreDown
from gateway.store import Store

Q = TypeVar("Q")
A = TypeVar("A")
AT_ONCE = 128  # calls in one transaction: long enough to pay, short enough that nobody waits long for a lock


class Till:
    def __init__(self, store: Store) -> None:
        self._holds: _Line[Want, Reservation] = _Line(store, books.reserve_many)
        self._charges: _Line[Ended, Usage] = _Line(store, books.settle_many)

    async def reserve(self, want: Want) -> Reservation:
        """Raises InsufficientCredit, NoChannel, StoreDown."""
        return await self._holds.ask(want)

    async def settle(self, ended: Ended) -> Usage:
        """Raises StoreDown; safe to repeat."""
        return await self._charges.ask(ended)


class _Line(Generic[Q, A]):
    """Questions wait in line; each transaction takes all that are waiting."""

    def __init__(self, store: Store, work: Callable[[Sequence[Q]], list[A | Exception]]) -> None:
        self._store = store
        self._work = work
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._lanes = 1 if settings.SQLITE else 2  # PostgreSQL fills one group while another is written to disk
        self._busy: set[asyncio.Task[None]] = set()

    async def ask(self, question: Q) -> A:
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if len(self._busy) < self._lanes:
            task = asyncio.create_task(self._serve())
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)
        return await future

    async def _serve(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            answers = await self._answers([question for question, _ in group])
            for (_, future), answer in zip(group, answers, strict=True):
                if future.done():
                    continue  # whoever asked has gone
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _answers(self, questions: Sequence[Q]) -> list[A | Exception]:
        try:
            return await self._store.write(self._work, questions)
        except StoreDown as error:
            return [StoreDown(str(error)) for _ in questions]
        except Exception as error:  # noqa: BLE001 one call that breaks must not break those that it waits with
            if len(questions) == 1:
                return [error]
            return [(await self._answers([question]))[0] for question in questions]
