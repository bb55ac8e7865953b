"""How much output a balance can pay for, and what becomes of a provider that makes more."""

import json
from typing import Any

import pytest

from tests import provider as scripts
from tests.http.gateway.conftest import person
from tests.http.gateway.test_faults import PATHS, body_for
from tests.live_gateway import LiveGateway
from tests.provider import Provider

LIMITS = {
    "chat": "max_tokens",
    "chat as OpenAI calls it now": "max_completion_tokens",
    "responses": "max_output_tokens",
    "messages": "max_tokens",
}
CREDIT = 2_000_000


def path_and_body(name: str, prompt: str, **more: Any) -> tuple[str, dict[str, Any]]:
    shape = name.partition(" ")[0]
    return PATHS[shape][0], body_for(shape, prompt, **more)


# --- no limit named ---
@pytest.mark.parametrize(
    ("name", "model", "field"),
    [
        ("chat", "gpt-5.4-mini", "max_completion_tokens"),
        ("chat", "gemini-3-flash", "max_tokens"),
        ("chat", "claude-sonnet-4-5", "max_tokens"),
        ("responses", "gpt-5.4-mini", "max_output_tokens"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_the_largest_affordable_limit_is_sent_and_said(
    live: LiveGateway, upstream: Provider, name: str, model: str, field: str, *, stream: bool, n: int
) -> None:
    if name == "responses" and n > 1:
        return  # the shape has no such field
    poor = person(live, "0.01")
    marker = upstream.script()
    path, body = path_and_body(name, marker, model=model, stream=stream, **({"n": n} if n > 1 else {}))
    answer = poor.post(path, body)
    assert answer.status_code == 200, answer.text
    limit = int(answer.headers["x-qyuan-max-tokens"])
    [seen] = upstream.calls(marker)
    assert seen.body[field] == limit
    assert sum(name in seen.body for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")) == 1
    [row] = poor.rows
    per_token = row["held_nano"] // (limit * n)  # at least what one output token costs
    assert 10_000_000 - per_token * n < row["held_nano"] <= 10_000_000


def test_a_balance_that_covers_the_default_changes_nothing(live: LiveGateway, upstream: Provider) -> None:
    marker = upstream.script()
    answer = person(live, "5.00").post(*path_and_body("chat", marker))
    assert "x-qyuan-max-tokens" not in answer.headers
    assert not {"max_tokens", "max_completion_tokens"} & upstream.calls(marker)[0].body.keys()


def test_not_even_one_token_is_402(live: LiveGateway, upstream: Provider) -> None:
    poor, marker = person(live, "0.000001"), upstream.script()
    answer = poor.post(*path_and_body("chat", marker))
    assert answer.status_code == 402
    assert "Shorten the input, or add credit" in answer.json()["error"]["message"]
    assert upstream.calls(marker) == []
    assert poor.rows == []


# --- a limit named ---
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("n", [1, 4])
def test_a_limit_that_the_balance_cannot_cover_is_402_with_one_that_it_can(
    live: LiveGateway, upstream: Provider, name: str, n: int
) -> None:
    if n > 1 and not name.startswith("chat"):
        return  # these shapes have no such field
    poor, marker, field = person(live, "0.02"), upstream.script(), LIMITS[name]
    more = {"n": n} if n > 1 else {}
    refused = poor.post(*path_and_body(name, marker, **{field: 32_000}, **more))
    assert refused.status_code == 402
    error = refused.json()["error"]
    assert error.get("param", field) == field
    able = int(error["message"].split("Lower the limit to ")[1].split(" ")[0])
    assert upstream.calls(marker) == []
    assert poor.post(*path_and_body(name, marker, **{field: able + 100}, **more)).status_code == 402
    assert poor.post(*path_and_body(name, marker, **{field: able}, **more)).status_code == 200
    assert upstream.calls(marker)[0].body[field] == able  # as the caller said it


def test_images_are_refused_with_the_number_that_is_covered(live: LiveGateway, upstream: Provider) -> None:
    poor, marker = person(live, "0.10"), upstream.script()
    refused = poor.post(*path_and_body("images", marker, n=3))
    assert refused.status_code == 402
    assert "It covers 2 of these images" in refused.json()["error"]["message"]
    assert upstream.calls(marker) == []
    assert poor.post(*path_and_body("images", marker, n=2)).status_code == 200
    assert poor.rows[0]["charge_nano"] == poor.rows[0]["held_nano"] == 84_000_000


# --- a provider that makes more than it was asked for ---
def greedy(name: str, made: int, **details: int) -> dict[str, Any]:
    usages: dict[str, dict[str, Any]] = {
        "chat": {"prompt_tokens": 100, "completion_tokens": made, "completion_tokens_details": details},
        "responses": {"input_tokens": 100, "output_tokens": made, "output_tokens_details": details},
        "messages": {"input_tokens": 100, "output_tokens": made},
    }
    whole = scripts.whole(scripts.Seen("", PATHS[name][0], {}, {"model": "m"}, b"", 0.0), usage=False)
    return {"body": json.dumps(whole | {"usage": usages[name]}).encode()}


@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
def test_what_the_credit_covers_is_charged_and_the_rest_is_an_alarm(
    live: LiveGateway, upstream: Provider, name: str
) -> None:
    price = {"input": 3_000, "output": 15_000} if name == "messages" else {"input": 250, "output": 2_000}
    cost = 100 * price["input"] + 5_000 * price["output"]
    for credit in (cost // 2, cost, cost * 2):
        poor = person(live, f"{credit // 10**9}.{credit % 10**9:09d}")
        marker = upstream.script(**greedy(name, 5_000))
        answer = poor.post(*path_and_body(name, marker, **{LIMITS[name]: 100}))
        assert answer.status_code == 200
        [row] = poor.rows
        assert row["charge_nano"] == min(cost, credit) > row["held_nano"]
        assert row["charge_nano"] + row["uncollected_nano"] == cost
        assert poor.money == {"spendable": credit - row["charge_nano"], "held": 0, "open": 0}
        alarmed = [line for line in live.log().splitlines() if answer.headers["x-request-id"] in line]
        assert any("billing.charge.uncollected" in line for line in alarmed) is (credit < cost)


def test_reasoning_beyond_the_limit_is_charged_as_far_as_the_credit_goes(live: LiveGateway, upstream: Provider) -> None:
    poor, marker = person(live, "0.002"), upstream.script(**greedy("chat", 900, reasoning_tokens=800))
    poor.post(*path_and_body("chat", marker, max_tokens=100)).raise_for_status()
    [row] = poor.rows
    assert (row["output_tokens"], row["reasoning_tokens"]) == (100, 800)
    assert row["charge_nano"] == 100 * 250 + 900 * 2_000
    assert row["uncollected_nano"] == 0
    assert poor.money["spendable"] == CREDIT - row["charge_nano"]


def test_others_running_calls_are_never_paid_with(live: LiveGateway, upstream: Provider) -> None:
    """What another call holds is not spendable: a greedy one takes the rest of the balance, never that."""
    poor = person(live, "0.002")
    slow = upstream.script(events=list(scripts.chat_events()), gap_s=0.2)
    with poor.client.stream(
        "POST", PATHS["chat"][0], json=body_for("chat", slow, max_tokens=400, stream=True)
    ) as running:
        lines = running.iter_lines()
        next(lines)
        held = poor.money["held"]
        assert held > 800_000
        poor.post(*path_and_body("chat", upstream.script(**greedy("chat", 5_000)), max_tokens=100))
        assert poor.money == {"spendable": 0, "held": held, "open": 1}
        assert "data: [DONE]" in list(lines)
    charges = {row["uncollected_nano"] > 0: row["charge_nano"] for row in poor.rows}
    assert charges == {True: CREDIT - held, False: 560_000}
