"""The lease on what running calls hold: renewed for those that outlive a beat, and for as long as they run."""

import asyncio
from typing import Any

import pytest

from gateway.errors import StoreDown
from gateway.heartbeat import Heartbeat


class FakeStore:
    def __init__(self) -> None:
        self.renewed: list[set[str]] = []
        self.raises: list[Exception] = []

    async def write(self, _function: Any, request_ids: set[str], **_: Any) -> None:
        self.renewed.append(set(request_ids))
        if self.raises:
            raise self.raises.pop()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def run(store: FakeStore, *steps: str) -> None:
    """`+a` begins a call, `-a` ends it, `.` is a beat; a lease is minutes, so no other beat comes between."""

    async def live() -> None:
        heart = Heartbeat(store)  # type: ignore[arg-type]  # as much of a store as it needs
        for step in steps:
            if step == ".":
                await heart.beat()
            else:
                (heart.begin if step[0] == "+" else heart.end)(step[1:])
        heart.stop()

    asyncio.run(live())


def test_a_short_call_costs_no_statement(store: FakeStore) -> None:
    run(store, "+a", "-a", ".", "+b", ".", "-b", ".")
    assert store.renewed == []


def test_a_long_call_is_renewed_from_its_second_beat_on(store: FakeStore) -> None:
    run(store, "+a", ".", ".", ".", "-a", ".")
    assert store.renewed == [{"a"}, {"a"}]


def test_one_statement_renews_all_and_nobody_who_has_ended(store: FakeStore) -> None:
    run(store, "+a", "+b", ".", ".", "-b", "+c", ".", ".")
    assert store.renewed == [{"a", "b"}, {"a"}, {"a", "c"}]


def test_the_beat_survives_a_database_that_is_away_and_a_bug(store: FakeStore) -> None:
    store.raises = [ValueError("a bug"), StoreDown("Our database does not answer.")]
    run(store, "+a", ".", ".", ".", ".")
    assert store.renewed == [{"a"}] * 3


def test_it_beats_by_itself_while_something_runs(store: FakeStore, settings: Any) -> None:
    settings.HOLD_LEASE_S = 0.05

    async def live() -> None:
        heart = Heartbeat(store)  # type: ignore[arg-type]  # as above
        for request_id in ("a", "b"):  # the second begins after everything had ended
            heart.begin(request_id)
            while {request_id} not in store.renewed:  # noqa: ASYNC110 what is waited for is not in our hands
                await asyncio.sleep(0.01)
            heart.end(request_id)
            await asyncio.sleep(0.05)
        heart.stop()

    asyncio.run(asyncio.wait_for(live(), 30))
