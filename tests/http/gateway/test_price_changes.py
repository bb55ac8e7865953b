"""A new price begins at its moment: at once, without a restart, and never for a call that had begun before."""

from typing import Any

from tests import gateway_world as world
from tests import provider as scripts
from tests.http.gateway.conftest import Person
from tests.provider import Provider

MODEL = "gemini-2.5-flash-lite"  # of this file alone: its price changes here
OUTPUT = 200  # tokens of the scripted answer, reasoning included


def ask(ada: Person, words: str = "Hello", **more: Any) -> int:
    """What the call costs, in nano."""
    ada.post(
        "/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": words}], **more}
    ).raise_for_status()
    return int(ada.rows[-1]["charge_nano"])


def test_a_price_counts_from_the_moment_it_is_set(ada: Person) -> None:
    for dollars in (10, 20, 5):
        version = ada.live.call(world.set_price, MODEL, 0, dollars)
        assert ask(ada) == OUTPUT * dollars * 1_000
        assert ada.rows[-1]["price"] == version


def test_a_call_that_had_begun_keeps_the_price_of_its_beginning(ada: Person, upstream: Provider) -> None:
    old = ada.live.call(world.set_price, MODEL, 0, 10)
    new = ada.live.call(world.set_price, MODEL, 1.5, 30)
    events = list(scripts.chat_events())
    marker = upstream.script(events=events, gap_s=2.5 / len(events))
    assert ask(ada, marker, stream=True) == OUTPUT * 10_000  # it ends a second after the change
    assert ask(ada) == OUTPUT * 30_000
    assert [row["price"] for row in ada.rows] == [old, new]
    assert ada.money["held"] == 0


def test_the_hold_is_of_the_new_price(ada: Person) -> None:
    ada.live.call(world.set_price, MODEL, 0, 10_000)
    body = {"model": MODEL, "max_tokens": 600, "messages": [{"role": "user", "content": "Hello"}]}
    refused = ada.post("/v1/chat/completions", body)
    assert refused.status_code == 402
    assert "it covers 500" in refused.json()["error"]["message"]
    ada.live.call(world.set_price, MODEL, 0, 1)
    assert ask(ada, max_tokens=600) == OUTPUT * 1_000
