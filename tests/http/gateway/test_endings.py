"""Every way in which a call can end, and the row that it leaves: one table, from the caller to the books.

The server that is killed is in tests/faults, the one that is stopped in test_shutdown.py.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from billing.models import Usage
from billing.receipts import FAILURES, REASONS
from tests import gateway_world as world
from tests import provider as scripts
from tests.http.gateway.conftest import Person
from tests.http.gateway.test_faults import IN_BAND, PATHS, USUAL, body_for, leave, row_within
from tests.live_gateway import LiveGateway
from tests.provider import Provider

NOTHING = {"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "stop"}]}
PART = USUAL["chat"][:4]
# what the provider does | the row: status, source, why it was free, http_status, error_code
ENDINGS: dict[str, tuple[dict[str, Any], tuple[str, str, str, int, str]]] = {
    "a whole answer": ({}, ("ok", "upstream", "", 200, "")),
    "a whole stream": ({"stream": True}, ("ok", "upstream", "", 200, "")),
    "no usage": ({"usage": False}, ("ok", "counted", "", 200, "")),
    "no usage in a stream": ({"usage": False, "stream": True}, ("ok", "counted", "", 200, "")),
    "an empty answer": ({"body": json.dumps(NOTHING).encode()}, ("ok", "none", "empty_answer", 200, "")),
    "an empty stream": (
        {"events": [scripts.chunk({}, finish="stop"), b"data: [DONE]\n\n"], "stream": True},
        ("ok", "none", "empty_answer", 200, ""),
    ),
    "the provider refuses": (
        {"status": 400, "body": b"{}"},
        ("failed", "none", "failed_before_output", 400, "upstream_refused"),
    ),
    "the provider is at its limit": (
        {"status": 429, "body": b"{}"},
        ("failed", "none", "failed_before_output", 429, "upstream_rate_limited"),
    ),
    "the provider fails": (
        {"status": 500, "body": b"{}"},
        ("failed", "none", "failed_before_output", 502, "upstream_failed"),
    ),
    "the provider is overloaded": (
        {"status": 503, "body": b"{}"},
        ("failed", "none", "failed_before_output", 503, "upstream_overloaded"),
    ),
    "the provider stays silent": (
        {"before_s": 60.0},
        ("failed", "none", "failed_before_output", 504, "upstream_timeout"),
    ),
    "an error before the first content": (
        {"events": [IN_BAND["chat"]], "stream": True},
        ("failed", "none", "failed_before_output", 502, "upstream_failed"),
    ),
    "an error in the middle": (
        {"events": [*PART, IN_BAND["chat"]], "stream": True},
        ("failed", "counted", "", 200, "upstream_failed"),
    ),
    "a break in the middle": (
        {"events": PART, "ending": "reset", "gap_s": 0.02, "stream": True},
        ("failed", "counted", "", 200, "upstream_failed"),
    ),
    "silence in the middle": (
        {"events": PART, "ending": "silence", "stream": True},
        ("failed", "counted", "", 200, "upstream_timeout"),
    ),
    "a break after all numbers": (  # Messages names the input at its beginning, the output just before its end
        {"events": USUAL["messages"][:-1], "ending": "reset", "gap_s": 0.02, "stream": True, "name": "messages"},
        ("failed", "upstream", "", 200, "upstream_failed"),
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_call_ends_in_one_row_that_says_how(ada: Person, upstream: Provider, ending: str) -> None:
    behaviour, expected = ENDINGS[ending]
    behaviour = dict(behaviour)
    name, stream = behaviour.pop("name", "chat"), behaviour.pop("stream", False)
    marker = upstream.script(**behaviour)
    answer = ada.post(PATHS[name][0], body_for(name, marker, **({"stream": True} if stream else {})))
    agrees(ada, expected, answer.text if answer.status_code != 200 or stream else None)


def test_a_caller_who_leaves_before_anything_came(live: LiveGateway, ada: Person, upstream: Provider) -> None:
    leave(live, ada, "chat", body_for("chat", upstream.script(before_s=2.5)), after=b"")
    row_within(ada)
    agrees(ada, ("stopped", "none", "client_left_before_output", 499, ""), None)


def test_a_caller_who_leaves_in_the_middle(live: LiveGateway, ada: Person, upstream: Provider) -> None:
    marker = upstream.script(events=USUAL["chat"], gap_s=0.3)
    leave(live, ada, "chat", body_for("chat", marker, stream=True), after=b" from")
    row_within(ada)
    agrees(ada, ("stopped", "counted", "", 200, ""), None)


def test_a_caller_who_leaves_when_the_numbers_are_known(live: LiveGateway, ada: Person, upstream: Provider) -> None:
    """Some providers say with every chunk what was used so far."""
    choice = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
    chunk = scripts.event({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}})
    marker = upstream.script(events=[chunk] * 20, gap_s=0.3)
    leave(live, ada, "chat", body_for("chat", marker, stream=True), after=b"word")
    assert row_within(ada)["output_tokens"] == 2
    agrees(ada, ("stopped", "upstream", "", 200, ""), None)


# --- a key that is revoked while its call runs ---
@pytest.fixture
def quick_key_checks(live: LiveGateway) -> Iterator[None]:
    live.call(world.check_keys_every, 0.1, grace_s=0.3, cache_s=0.2)
    yield
    live.call(world.check_keys_every, 60.0, grace_s=230.0, cache_s=5.0)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_key_checks")
@pytest.mark.parametrize("before", ["its first content", "its end"])
def test_a_call_whose_key_was_revoked_ends_and_costs_what_was_delivered(
    ada: Person, upstream: Provider, before: str
) -> None:
    slowly: dict[str, Any] = {"events": [*PART, *[scripts.chunk({"content": "x"})] * 60], "gap_s": 0.15}
    marker = upstream.script(**({"before_s": 60.0} if before == "its first content" else slowly))
    body = body_for("chat", marker, stream=True)
    with ada.client.stream("POST", PATHS["chat"][0], json=body) as answer:
        ada.live.call(world.revoke, ada.key_id)
        text = answer.read().decode()
    free = before == "its first content"
    source, because = ("none", "failed_before_output") if free else ("counted", "")
    agrees(ada, ("failed", source, because, 200, "invalid_api_key"), text)
    assert upstream.wait_for_end(marker).ended == "left"


def agrees(ada: Person, expected: tuple[str, str, str, int, str], text: str | None) -> None:
    """One row, as expected, coherent in itself, explained in words, and the books with it."""
    [row] = ada.rows
    status, source, because, _, code = expected
    found = (row["status"], row["source"], row["not_charged_because"], row["http_status"], row["error_code"])
    assert found == expected
    assert status in Usage.Status.values
    assert source in Usage.Source.values
    assert because == "" or because in REASONS
    assert code == "" or code in FAILURES
    assert (row["charge_nano"] == 0) is bool(because) is (source == "none")
    assert row["charge_nano"] <= row["held_nano"]
    assert row["uncollected_nano"] == 0
    assert ada.money == {"spendable": 5_000_000_000 - row["charge_nano"], "held": 0, "open": 0}
    if text is not None and code:
        assert ("Nothing was charged." in text) is bool(because)
        assert ("What was delivered is charged" in text) is not bool(because)
        assert row["request_id"] in text
    assert not any(ada.live.call(world.audit).values())
