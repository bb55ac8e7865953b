"""`kill -9` of the server in the middle of streams: no money stays behind, no hold outlives its deadline."""

import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from devtools import processes
from tests.faults.upstream import SlowProvider
from tests.stack import Person, Stack, new_stack

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODEL = "gpt-5.4-mini"
LEASE_S = 3
FACTS = """
import json
from django.db.models import Sum
from billing.models import Hold, LedgerAccount, Usage
of = {"user__email": EMAIL}
print(json.dumps({
    "holds": sorted(Hold.objects.filter(**of).values_list("state", flat=True)),
    "held": LedgerAccount.objects.filter(owner__email=EMAIL).aggregate(s=Sum("held"))["s"],
    "balance": sum(a.balance for a in LedgerAccount.objects.filter(owner__email=EMAIL, kind="user.paid")),
    "usage": list(Usage.objects.filter(**of).order_by("started_at").values_list("status", "charge_nano")),
}))
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[SlowProvider]:
    with SlowProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def fault_stack(provider: SlowProvider) -> Iterator[Stack]:
    settings = {"HOLD_LEASE_S": str(LEASE_S), "SWEEP_INTERVAL_S": "1"}
    with new_stack(**settings) as stack:
        stack.manage(
            *("add_channel", "slow", "--protocol", "openai", "--base-url", provider.base_url, "--api-key", "k"),
            *("--models", MODEL, "--priority", "10"),
        )
        yield stack


def facts(stack: Stack, person: Person) -> dict[str, object]:
    code = FACTS.replace("EMAIL", repr(person.email))
    return dict(json.loads(stack.manage("shell", "--no-imports", "-c", code)))


def open_stream(stack: Stack, person: Person, seen: list[str]) -> threading.Thread:
    """A client that reads until it ends or breaks; what it got is in `seen`."""

    def read() -> None:
        body = {"model": MODEL, "stream": True, "max_tokens": 100, "messages": [{"role": "user", "content": "Count."}]}
        headers = {"Authorization": f"Bearer {person.key}"}
        try:
            with httpx.stream(
                "POST", f"{stack.url}/v1/chat/completions", json=body, headers=headers, timeout=30, trust_env=False
            ) as answer:
                for line in answer.iter_lines():
                    seen.append(line)  # noqa: PERF402 another thread watches it grow
        except httpx.HTTPError as error:
            seen.append(f"broken: {type(error).__name__}")

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def test_what_a_killed_server_held_is_free_again_within_the_lease(fault_stack: Stack, provider: SlowProvider) -> None:
    stack, person = fault_stack, fault_stack.new_user("killed", credit="5.00")
    provider.finish.clear()
    seen: list[list[str]] = [[] for _ in range(5)]
    clients = [open_stream(stack, person, lines) for lines in seen]
    assert processes.wait_for(lambda: all("word2" in "".join(lines) for lines in seen), timeout_s=15), seen

    stack.kill_server()
    killed = time.monotonic()
    for client in clients:
        client.join(10)
    assert all(lines[-1].startswith("broken") for lines in seen)
    at_the_kill = facts(stack, person)
    assert at_the_kill["holds"] == ["open"] * 5
    assert at_the_kill["held"] > 0  # type: ignore[operator] # JSON

    stack.start_server()  # who sweeps is the worker; the server is only there to serve the next call
    swept = processes.wait_for(lambda: "open" not in facts(stack, person)["holds"], timeout_s=30, every_s=0.2)  # type: ignore[operator]
    assert swept, facts(stack, person)
    took = time.monotonic() - killed
    print(f"\nreleased {took:.1f} s after the kill (a lease of {LEASE_S} s, a sweep every second)")
    assert took < LEASE_S + 8

    after = facts(stack, person)
    assert after == {
        "holds": ["expired"] * 5,
        "held": 0,
        "balance": 5_000_000_000,
        "usage": [["expired", 0]] * 5,
    }
    stack.manage("ledger_audit")  # raises when it finds anything


def test_a_stream_of_several_leases_is_never_swept_and_charged_once(fault_stack: Stack, provider: SlowProvider) -> None:
    stack, person = fault_stack, fault_stack.new_user("long", credit="5.00")
    provider.finish.clear()
    seen: list[str] = []
    client = open_stream(stack, person, seen)
    began = time.monotonic()
    while time.monotonic() - began < 3 * LEASE_S:
        assert facts(stack, person)["holds"] in ([], ["open"])
        time.sleep(0.3)
    provider.finish.set()
    client.join(10)
    assert "data: [DONE]" in seen
    after = facts(stack, person)  # at once: the last event goes out after the charge
    assert after["holds"] == ["settled"]
    assert after["held"] == 0
    status, charge = after["usage"][0]  # type: ignore[index] # JSON
    assert (status, len(after["usage"])) == ("ok", 1)  # type: ignore[arg-type] # as above
    assert charge > 0
    assert after["balance"] == 5_000_000_000 - charge
    stack.manage("ledger_audit")


def test_the_next_call_after_the_restart_is_served_and_charged(fault_stack: Stack, provider: SlowProvider) -> None:
    stack, person = fault_stack, fault_stack.new_user("next", credit="5.00")
    provider.finish.clear()
    seen: list[str] = []
    client = open_stream(stack, person, seen)
    assert processes.wait_for(lambda: "word2" in "".join(seen), timeout_s=15), seen
    provider.finish.set()
    client.join(10)
    assert "data: [DONE]" in seen
    assert processes.wait_for(lambda: facts(stack, person)["holds"] == ["settled"], timeout_s=10)
    after = facts(stack, person)
    assert after["held"] == 0
    assert 0 < after["balance"] < 5_000_000_000  # type: ignore[operator] # JSON
    stack.manage("ledger_audit")


def test_an_orderly_stop_lets_the_open_stream_finish_and_charges_it(fault_stack: Stack, provider: SlowProvider) -> None:
    stack, person = fault_stack, fault_stack.new_user("drained", credit="5.00")
    provider.finish.clear()
    seen: list[str] = []
    client = open_stream(stack, person, seen)
    assert processes.wait_for(lambda: "word2" in "".join(seen), timeout_s=15), seen
    threading.Timer(1.0, provider.finish.set).start()
    stack.stop_server()
    client.join(10)
    stack.start_server()
    assert "data: [DONE]" in seen, seen[-3:]
    after = facts(stack, person)
    assert after["holds"] == ["settled"]
    assert after["held"] == 0
    assert after["usage"][0][1] > 0  # type: ignore[index] # JSON
    stack.manage("ledger_audit")


def test_a_client_that_leaves_ends_the_call_upstream_and_pays_for_what_it_got(
    fault_stack: Stack, provider: SlowProvider
) -> None:
    stack, person = fault_stack, fault_stack.new_user("left", credit="5.00")
    provider.finish.clear()
    provider.cut_off.clear()
    body = {"model": MODEL, "stream": True, "max_tokens": 100, "messages": [{"role": "user", "content": "Count."}]}
    headers = {"Authorization": f"Bearer {person.key}"}
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{stack.url}/v1/chat/completions", json=body, headers=headers) as answer,
    ):
        for line in answer.iter_lines():
            if "word3" in line:
                break
    assert provider.cut_off.wait(5), "the upstream call went on without a reader"
    assert processes.wait_for(lambda: facts(stack, person)["holds"] == ["settled"], timeout_s=10), facts(stack, person)
    after = facts(stack, person)
    assert after["held"] == 0
    assert after["usage"][0][1] > 0  # type: ignore[index] # JSON
    stack.manage("ledger_audit")
