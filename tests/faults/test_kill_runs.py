"""`kill -9` under load, at moments drawn from a seed. `KILLS=100` for as many; `KILL_SEED` for the first of them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import hypothesis  # noqa: F401 its plugin would do it when all is over, where Python 3.11 may stumble over the parser
import pytest

from tests import provider as scripted
from tests.faults.journals import Plan, Received
from tests.faults.kill_runs import MOMENTS, SETTINGS, Moment, World, cost_of, differences, new_world, run
from tests.provider import Provider, Seen
from tests.stack import new_stack

KILLS = int(os.environ.get("KILLS") or len(MOMENTS))
FIRST = int(os.environ.get("KILL_SEED") or 0)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with scripted.running() as provider, new_stack(**SETTINGS) as stack:
        stack.kill_server()
        stack.application = "tests.faults.doomed:application"
        stack.start_server(**Moment.of(FIRST).settings)
        yield new_world(stack, provider)


@pytest.mark.server
@pytest.mark.slow
def test_whenever_the_server_is_killed_three_journals_agree(world: World) -> None:
    print()
    for seed in range(FIRST, FIRST + KILLS):
        print(run(world, seed), flush=True)


# --- the comparison itself: it must notice what it is for ------------------------------------------------------------
PRICE = (750_000_000, 4_500_000_000)
PLAN = Plan("call", "sk-…", True, ("Hel", "lo."), 10, 0, 0, 0, None)
GOT = Received(PLAN, 200, "req_1", "Hello.", "0.0000165", is_whole=True)
CUT = replace(GOT, content="Hel", cost=None, is_whole=False, is_broken=True)
CHARGE = cost_of(PLAN, PRICE)
ROW: dict[str, Any] = {
    "request_id": "req_1", "client_request_id": "call", "status": "ok", "charge_nano": CHARGE, "uncollected_nano": 0,
    "late": False, "not_charged_because": "", "output_tokens": 2, "reasoning_tokens": 0,
}  # fmt: skip
EXPIRED = {**ROW, "status": "expired", "charge_nano": 0, "not_charged_because": "interrupted", "output_tokens": 0}
HOLD = ["req_1", "call", "settled"]


def compared(got: Received, *rows: dict[str, Any], holds: list[list[str]] | None = None, asked: int = 1) -> list[str]:
    provider = Provider()
    provider.journal += [Seen("call", "/v1/chat/completions", {}, {}, b"", 0, events_sent=5)] * asked
    world = World(None, provider, (), (), {}, PRICE)  # type: ignore[arg-type] # it is not asked here
    return differences(world, [got], {"rows": list(rows), "holds": [HOLD] if holds is None else holds})


def test_what_agrees_is_let_through() -> None:
    assert CHARGE == 16_500
    assert compared(GOT, ROW) == []
    assert compared(GOT, ROW, EXPIRED) != []
    assert compared(replace(GOT, cost=None), EXPIRED) == []
    assert compared(CUT, ROW) == []
    assert compared(CUT, EXPIRED) == []
    assert compared(replace(CUT, status=0, request_id=""), asked=0, holds=[]) == []
    assert compared(replace(GOT, status=402), asked=0, holds=[]) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda: compared(GOT, ROW, ROW), "more than one"),
        (lambda: compared(GOT, ROW, holds=[HOLD, HOLD]), "more than one"),
        (lambda: compared(GOT, ROW, asked=2), "more than one"),
        (lambda: compared(GOT), "without a hold"),
        (lambda: compared(CUT, holds=[]), "without a hold"),
        (lambda: compared(GOT, ROW, holds=[["req_1", "call", "open"]]), "open"),
        (lambda: compared(GOT, {**ROW, "request_id": "req_2"}), "no row"),
        (lambda: compared(replace(GOT, status=402), ROW), "refused"),
        (lambda: compared(CUT, ROW, asked=0), "never saw"),
        (lambda: compared(GOT, {**ROW, "charge_nano": CHARGE + 1}), "another amount"),
        (lambda: compared(GOT, EXPIRED), "another amount"),
        (lambda: compared(replace(GOT, cost=None), {**ROW, "charge_nano": CHARGE - 1}), "costs"),
        (lambda: compared(replace(GOT, cost=None), {**ROW, "status": "failed", "charge_nano": 0}), "free only"),
        (lambda: compared(CUT, {**EXPIRED, "charge_nano": 1}), "interrupted"),
        (lambda: compared(CUT, {**ROW, "charge_nano": CHARGE * 2}), "costs"),
        (lambda: compared(CUT, {**ROW, "status": "stopped", "output_tokens": 7}), "never delivered"),
        (lambda: compared(replace(GOT, content="Hello"), ROW), "all of its words"),
    ],
)
def test_what_does_not_agree_is_named(damage: Callable[[], list[str]], words: str) -> None:
    assert words in " ".join(damage())
