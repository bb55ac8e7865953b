"""What a call cost stands in its answer, and it is the charge of its receipt to the last digit."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests import gateway_world as world
from tests import provider as scripts
from tests.http.gateway.conftest import Person
from tests.http.gateway.test_calls import CALLS
from tests.live_gateway import LiveGateway
from tests.provider import Provider

IMAGE = {"model": "gpt-image-2", "prompt": "A fox", "n": 2}
ASKED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def body_of(name: str, marker: str = "", **more: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(CALLS[name][1]).replace("Hello", f"Hello {marker}")), **more}


def streamed(name: str) -> dict[str, Any]:
    return ASKED if name == "chat" else {"stream": True}


def costs_in(stream: str) -> list[str]:
    """Every `usage.cost` of a stream, whatever its shape."""
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    usages = [(event.get("response") or event).get("usage") or {} for event in events]
    return [usage["cost"] for usage in usages if "cost" in usage]


def in_nano(cost: str) -> int:
    return int(Decimal(cost) * 10**9)


@pytest.mark.parametrize("name", CALLS)
def test_a_whole_answer_says_its_charge_in_the_head_and_in_its_usage(ada: Person, name: str) -> None:
    answer = ada.post(CALLS[name][0], body_of(name))
    [row] = ada.rows
    assert in_nano(answer.json()["usage"]["cost"]) == row["charge_nano"] == CALLS[name][2]
    assert answer.headers["x-qyuan-cost"] == answer.json()["usage"]["cost"]
    assert answer.headers["x-request-id"] == row["request_id"]
    assert list(answer.json()["usage"])[-1] == "cost"


@pytest.mark.parametrize("name", CALLS)
def test_the_last_usage_of_a_stream_says_its_charge(ada: Person, name: str) -> None:
    answer = ada.post(CALLS[name][0], body_of(name, **streamed(name)))
    [row] = ada.rows
    assert [in_nano(cost) for cost in costs_in(answer.text)] == [row["charge_nano"]] == [CALLS[name][2]]


@pytest.mark.parametrize("name", CALLS)
def test_the_charge_is_written_before_the_last_event_goes_out(ada: Person, name: str) -> None:
    last = {"chat": "[DONE]", "responses": "response.completed", "messages": "message_stop"}[name]
    for more in (streamed(name), {"stream": True}):
        before = len(ada.rows)
        with ada.client.stream("POST", CALLS[name][0], json=body_of(name, **more)) as answer:
            assert any(last in line for line in answer.iter_lines())
            assert len(ada.rows) == before + 1  # whoever has seen the end can look up the receipt


def test_a_stream_that_did_not_ask_for_usage_gets_none(ada: Person) -> None:
    answer = ada.post(CALLS["chat"][0], body_of("chat", stream=True))
    assert "usage" not in answer.text
    assert costs_in(answer.text) == []


def test_what_the_provider_charges_us_is_never_passed_on(ada: Person, upstream: Provider) -> None:
    theirs = {**scripts.CHAT_USAGE, "cost": 0.000123456}
    whole = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}], "usage": theirs}
    marker = upstream.script(body=json.dumps(whole).encode())
    answer = ada.post(CALLS["chat"][0], body_of("chat", marker))
    assert answer.json()["usage"]["cost"] == "0.00056"

    events = [*list(scripts.chat_events(usage=False, done=False)), scripts.event({"choices": [], "usage": theirs})]
    marker = upstream.script(events=[*events, b"data: [DONE]\n\n"])
    answer = ada.post(CALLS["chat"][0], body_of("chat", marker, **ASKED))
    assert costs_in(answer.text) == ["0.00056"]
    assert "123456" not in answer.text


def test_a_usage_that_grows_with_every_chunk_says_the_cost_once_at_its_end(ada: Person, upstream: Provider) -> None:
    def chunk(made: int, finish: str | None) -> bytes:
        choice = {"index": 0, "delta": {"content": "word "}, "finish_reason": finish}
        return scripts.event({"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": made}})

    marker = upstream.script(events=[chunk(1, None), chunk(2, None), chunk(3, "stop"), b"data: [DONE]\n\n"], gap_s=0.01)
    answer = ada.post(CALLS["chat"][0], body_of("chat", marker, **ASKED))
    assert [in_nano(cost) for cost in costs_in(answer.text)] == [ada.rows[0]["charge_nano"]] == [31_000]
    assert answer.text.count("word") == 3
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("name", CALLS)
def test_unknown_fields_and_the_order_of_all_fields_survive(ada: Person, upstream: Provider, name: str) -> None:
    seen = scripts.Seen("", CALLS[name][0], {}, {"model": "m"}, b"", 0.0)
    whole = {"of_tomorrow": [1, {"x": "é"}], **scripts.whole(seen), "and_last": None}
    whole["usage"] = {**whole["usage"], "of_tomorrow": {"deep": 1.5}}
    marker = upstream.script(body=json.dumps(whole).encode())
    answer = ada.post(CALLS[name][0], body_of(name, marker)).json()
    assert list(answer) == list(whole)
    assert answer.pop("usage") == {**whole.pop("usage"), "cost": answer_cost(ada)}
    assert answer == whole


def answer_cost(ada: Person) -> str:
    from billing.money import format_amount

    return format_amount(ada.rows[-1]["charge_nano"])


def test_images_say_it_in_their_usage_where_the_provider_sends_one_and_in_the_head_always(
    ada: Person, upstream: Provider
) -> None:
    picture = {"b64_json": "aGVsbG8=" * 100_000}
    whole = {"created": 1, "data": [picture, picture], "usage": {"total_tokens": 9}}
    marker = upstream.script(body=json.dumps(whole).encode())
    answer = ada.post("/v1/images/generations", IMAGE | {"prompt": marker})
    assert answer.json()["usage"] == {"total_tokens": 9, "cost": "0.084"}
    assert answer.json()["data"] == [picture, picture]
    without = ada.post("/v1/images/generations", IMAGE)
    assert "usage" not in without.json()
    assert answer.headers["x-qyuan-cost"] == without.headers["x-qyuan-cost"] == "0.084"


def test_a_free_answer_says_zero(ada: Person, upstream: Provider) -> None:
    whole = {"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "stop"}]}
    marker = upstream.script(body=json.dumps(whole | {"usage": {"prompt_tokens": 9, "completion_tokens": 0}}).encode())
    answer = ada.post(CALLS["chat"][0], body_of("chat", marker))
    assert answer.json()["usage"]["cost"] == answer.headers["x-qyuan-cost"] == "0.00"
    assert (ada.rows[0]["status"], ada.rows[0]["not_charged_because"]) == ("ok", "empty_answer")


# --- when the database takes its time --------------------------------------------------------------------------------
@pytest.fixture
def slow_books(live: LiveGateway) -> Iterator[None]:
    live.call(world.slow_settling, wait_s=0.3, takes_s=1.5)
    yield
    live.call(world.slow_settling, wait_s=3.0, takes_s=0.0)


@pytest.mark.usefixtures("slow_books")
@pytest.mark.parametrize("more", [{}, ASKED], ids=["whole", "stream"])
def test_an_answer_does_not_wait_for_books_that_do_not_answer(ada: Person, more: dict[str, Any]) -> None:
    began = time.monotonic()
    answer = ada.post(CALLS["chat"][0], body_of("chat", **more))
    assert time.monotonic() - began < 1.3
    assert answer.status_code == 200
    assert "cost" not in answer.text  # better none than a wrong one
    assert "x-qyuan-cost" not in answer.headers
    deadline = time.monotonic() + 10
    while not (rows := ada.rows):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert rows[0]["charge_nano"] == 560_000
    assert ada.money["held"] == 0


def test_the_account_api_says_the_same(ada: Person) -> None:
    answer = ada.post(CALLS["chat"][0], body_of("chat", **ASKED))
    path = f"{ada.live.url}/api/v1/usage/{answer.headers['x-request-id']}/"
    receipt = httpx.get(path, headers={"Authorization": f"Bearer {ada.key}"}, trust_env=False).json()
    assert [receipt["charge"]] == costs_in(answer.text)
