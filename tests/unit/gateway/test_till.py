"""Group commit: who comes while a transaction is under way goes into the next one, and nobody breaks for another."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import StoreDown
from gateway.store import Store
from gateway.till import AT_ONCE, _Line


def serve(questions: Sequence[int], work: "Work") -> list[object]:
    async def together() -> list[object]:
        store = Store()
        line: _Line[int, int] = _Line(store, work)
        line._lanes = 1
        try:
            return list(await asyncio.gather(*(line.ask(each) for each in questions), return_exceptions=True))
        finally:
            await store.close()

    return asyncio.run(together())


class Work:
    """Doubles each number; 1313 breaks the whole transaction, a negative number is refused."""

    def __init__(self, *, down: bool = False) -> None:
        self.groups: list[list[int]] = []
        self.down = down

    def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(numbers))
        if self.down:
            raise StoreDown("away")
        if 1313 in numbers:
            raise LookupError("1313")
        return [2 * number if number >= 0 else ValueError(str(number)) for number in numbers]


def test_all_that_wait_go_together_in_their_order() -> None:
    work = Work()
    assert serve(range(1, 6), work) == [2, 4, 6, 8, 10]
    assert work.groups == [[1, 2, 3, 4, 5]]


def test_a_group_has_an_end() -> None:
    work = Work()
    assert serve(range(AT_ONCE + 5), work) == [2 * number for number in range(AT_ONCE + 5)]
    assert [len(group) for group in work.groups] == [AT_ONCE, 5]


def test_a_refusal_is_the_answer_of_one() -> None:
    answers = serve([1, -1, 2], Work())
    assert [answers[0], answers[2]] == [2, 4]
    assert isinstance(answers[1], ValueError)


def test_one_that_breaks_does_not_break_those_it_waits_with() -> None:
    work = Work()
    answers = serve([1, 1313, 2], work)
    assert [answers[0], answers[2]] == [2, 4]
    assert isinstance(answers[1], LookupError)
    assert work.groups == [[1, 1313, 2], [1], [1313], [2]]


def test_without_a_database_everybody_is_told_apart() -> None:
    answers = serve([1, 2], Work(down=True))
    assert all(isinstance(answer, StoreDown) for answer in answers)
    assert answers[0] is not answers[1]


def test_who_has_gone_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leave() -> list[list[int]]:
        store, work = Store(), Work()
        line: _Line[int, int] = _Line(store, work)
        gone, stays = asyncio.ensure_future(line.ask(1)), asyncio.ensure_future(line.ask(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == 4
        await store.close()
        return work.groups

    assert asyncio.run(leave()) == [[1, 2]]
