"""One run: callers load the server, `kill -9` at a moment drawn from the seed, a new server, and three journals that
must agree: what the provider delivered, what the callers got, what the ledger says.

Every seventh of the moments is one inside the code (tests/faults/doomed.py), the eighth any time at all.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

from devtools import processes
from tests.faults.journals import MODEL, Plan, Received, load
from tests.provider import Provider, Seen
from tests.stack import Person, Stack

CLIENTS = 10
SETTINGS = {"HOLD_LEASE_S": "1", "SWEEP_INTERVAL_S": "1"}
POOR = "0.0002"  # credit for one call at a time, per run
PATIENCE_S = 30.0  # for a server to reach the moment at which it is to die
BYTES_PER_TOKEN = 4
MOMENTS = (  # and how many times it is passed before, at most
    ("before_upstream", 40),
    ("mid_stream", 120),
    ("after_last_byte", 40),
    ("answered_unsettled", 12),
    ("in_hold", 25),
    ("before_commit", 20),
    ("after_commit", 20),
    ("any_time", 0),
)
FACTS = """
import json
from django.db.models import Sum
from billing.models import Hold, LedgerAccount, LedgerEntry, Usage
of = {"user__email__in": EMAILS}
usage = Usage.objects.filter(**of)
rows = usage.filter(client_request_id__startswith=RUN).values(
    "request_id", "client_request_id", "status", "charge_nano", "uncollected_nano", "late", "not_charged_because",
    "output_tokens", "reasoning_tokens")
holds = Hold.objects.filter(**of, context__client_request_id__startswith=RUN)
accounts = LedgerAccount.objects.filter(owner__email__in=EMAILS)
entries = LedgerEntry.objects.filter(txn__kind="usage", debit__owner__email__in=EMAILS)
print(json.dumps({
    "rows": list(rows),
    "holds": [[h.pk, h.context["client_request_id"], h.state] for h in holds],
    "charged": dict(usage.values_list("user__email").annotate(s=Sum("charge_nano"))),
    "posted": dict(entries.values_list("debit__owner__email").annotate(s=Sum("amount"))),
    "balance": {a.owner.email: a.balance for a in accounts.filter(kind="user.paid").select_related("owner")},
    "held": accounts.aggregate(s=Sum("held"))["s"],
}))
"""
OPEN = """
from billing.models import Hold
print(Hold.objects.filter(user__email__in=EMAILS, state="open").count())
"""
PRICE = f"""
from billing.models import Price
p = Price.objects.filter(model={MODEL!r}).latest("effective_from")
print(p.input_nano_per_mtok, p.output_nano_per_mtok)
"""


@dataclass(frozen=True)
class World:
    """What all runs of one test share."""

    stack: Stack
    provider: Provider
    people: tuple[Person, ...]
    keys: tuple[str, ...]
    granted: dict[str, int]  # nano by address; one of them gets a little more before each run
    price: tuple[int, int]  # nano per million tokens, input and output


@dataclass(frozen=True)
class Moment:
    """When this run's server dies."""

    name: str
    nth: int
    after_s: float

    @classmethod
    def of(cls, seed: int) -> "Moment":
        random = Random(seed)
        name, most = MOMENTS[seed % len(MOMENTS)]
        return cls(name, random.randint(1, most) if most else 0, random.uniform(0.02, 1.2))

    @property
    def settings(self) -> dict[str, str]:
        """For the server that is to die at it."""
        return {"KILL_AT": f"{self.name}:{self.nth}"} if self.nth else {}

    def __str__(self) -> str:
        return f"{self.name} {self.nth}" if self.nth else f"{self.name} {self.after_s:.2f} s"


def new_world(stack: Stack, provider: Provider) -> World:
    """Two people with plenty, one of them with two keys, and one who has credit for a few calls only."""
    stack.manage(
        *("add_channel", "journal", "--protocol", "openai", "--base-url", f"{provider.url}/v1", "--api-key", "k"),
        *("--models", MODEL, "--priority", "1000"),
    )
    credit = {"ada": "50", "ben": "50", "poor": POOR}
    people = tuple(stack.new_user(name, credit=amount) for name, amount in credit.items())
    price = stack.manage("shell", "--no-imports", "-c", PRICE).split()
    return World(
        stack=stack,
        provider=provider,
        people=people,
        keys=(*(person.key for person in people), stack.key(people[0].email)),
        granted={person.email: nano(amount) for person, amount in zip(people, credit.values(), strict=True)},
        price=(int(price[0]), int(price[1])),
    )


def run(world: World, seed: int) -> str:
    """Kill the server at this seed's moment, start the next seed's. One line of what happened; raises AssertionError.

    The server that runs was started for `Moment.of(seed)`.
    """
    began = time.monotonic()
    moment, name, poor = Moment.of(seed), f"s{seed}x", world.people[-1].email
    world.stack.manage("grant_credit", poor, POOR, "--kind", "paid", "--reason", "For one more run")
    world.granted[poor] += nano(POOR)
    journal = _until_the_kill(world, moment, Random(seed), name)
    world.stack.start_server(**Moment.of(seed + 1).settings)
    ended = processes.wait_for(lambda: _ask(world, OPEN) == 0, timeout_s=20, every_s=0.1)
    assert ended, "a hold outlives its deadline"
    facts = _ask(world, FACTS.replace("RUN", repr(name)))
    wrong = [*differences(world, journal, facts), *_books(world, facts)]
    assert not wrong, f"seed {seed}, {moment}: " + "\n".join(wrong)
    world.stack.manage("ledger_audit")  # raises when it finds anything
    return f"seed {seed:>3}  {moment!s:<24} {_tally(world, journal, facts)}  {time.monotonic() - began:4.1f} s"


def _until_the_kill(world: World, moment: Moment, random: Random, name: str) -> list[Received]:
    """The callers' journals. They stop by themselves: their connections break."""
    stop = asyncio.Event()
    stack, found = world.stack, list[Received]()

    def serve_callers() -> None:
        found.extend(
            asyncio.run(
                load(
                    *(stack.url, world.provider),
                    random=random,
                    run=name,
                    keys=world.keys,
                    clients=CLIENTS,
                    stop=stop,
                )
            )
        )

    callers = threading.Thread(target=serve_callers)
    callers.start()
    if moment.nth:
        died = stack.wait_for_server_to_die(timeout_s=PATIENCE_S)
    else:
        time.sleep(moment.after_s)
        died = True
    if not (moment.nth and died):
        stack.kill_server()
    stop.set()
    callers.join(30)
    assert not callers.is_alive(), "a caller waits for ever"
    assert died, f"{moment} was not reached in {PATIENCE_S:g} s"
    return found


def differences(world: World, journal: Iterable[Received], facts: dict[str, Any]) -> list[str]:
    """Where the three journals do not agree, in words. Empty: they do."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in facts["rows"]:
        rows.setdefault(row["client_request_id"], []).append(row)
    holds: dict[str, list[list[str]]] = {}
    for hold in facts["holds"]:
        holds.setdefault(hold[1], []).append(hold)
    received = {each.plan.name: each for each in journal}
    wrong = [f"{name}: a row of nobody's call" for name in rows.keys() - received.keys()]
    for name, got in received.items():
        theirs = world.provider.calls(name)
        said = list(_one_end(got, rows.get(name, []), holds.get(name, []), theirs))
        wrong += [f"{name}: {each} ({got}, {rows.get(name)}, {holds.get(name)})" for each in said]
        if not said and rows.get(name):
            wrong += [f"{name}: {each} ({got}, {rows[name]})" for each in _fair(world, got, rows[name][0], theirs)]
    return wrong


def _one_end(got: Received, rows: list[dict[str, Any]], holds: list[list[str]], theirs: list[Seen]) -> Iterable[str]:
    """Whether this call ended exactly once."""
    if len(rows) > 1 or len(holds) > 1 or len(theirs) > 1:
        yield "more than one row, hold or call to the provider"
    if len(rows) != len(holds):
        yield "a row without a hold, or a hold without a row"
    if theirs and not holds:
        yield "the provider was asked without a hold"
    if any(state == "open" for _, _, state in holds):
        yield "its hold is open"
    if got.request_id and got.status == 200 and [got.request_id] != [row["request_id"] for row in rows]:
        yield "the id in the answer has no row"
    if got.status in {400, 401, 402, 404, 429} and (rows or holds or theirs):
        yield "it was refused, and left a trace"


def _fair(world: World, got: Received, row: dict[str, Any], theirs: list[Seen]) -> Iterable[str]:
    """Whether its charge is what it should be. It has exactly one row."""
    charge, cost = row["charge_nano"], cost_of(got.plan, world.price)
    delivered = theirs[0] if theirs else None
    whole = got.content == "".join(got.plan.words)
    if charge and delivered is None:
        yield "charged for a call that the provider never saw"
    if got.cost is not None and nano(got.cost) != charge:
        yield "charged another amount than the answer said"
    if got.is_whole and got.status == 200 and not whole:
        yield "a whole answer without all of its words"
    if got.is_whole and whole and charge not in {0, cost}:
        yield f"a whole answer costs {cost} or, when the server died before its commit, nothing"
    if got.is_whole and not charge and row["status"] != "expired":
        yield "a whole answer is free only when the server died before its commit"
    if row["status"] == "expired" and (charge or row["not_charged_because"] != "interrupted"):
        yield "an interrupted call costs nothing, and says why"
    if row["status"] == "ok" and charge + row["uncollected_nano"] != cost:
        yield f"a completed call costs {cost}"
    if row["uncollected_nano"] and not row["late"]:
        yield "the hold did not cover it"
    if charge and delivered is not None and row["output_tokens"] + row["reasoning_tokens"] > _most(got, delivered):
        yield "charged for what the provider never delivered"


def _most(got: Received, delivered: Seen) -> int:
    """Output tokens that can be charged: those that the provider counted once it was done, else what it had sent."""
    if not got.plan.stream or delivered.events_sent > len(got.plan.words) + 1:
        return max(got.plan.output_tokens, -(-sum(map(len, got.plan.words)) // BYTES_PER_TOKEN))
    sent = sum(len(word) for word in got.plan.words[: delivered.events_sent + 1])  # one may be on its way
    return -(-sent // BYTES_PER_TOKEN)


def _books(world: World, facts: dict[str, Any]) -> Iterable[str]:
    """What everybody has, over all runs."""
    if facts["held"]:
        yield f"{facts['held']} nano are held for nothing"
    for person, granted in world.granted.items():
        charged, posted = facts["charged"].get(person, 0), facts["posted"].get(person, 0)
        if not granted - facts["balance"][person] == charged == posted:
            yield f"{person}: {granted} less {facts['balance'][person]} is not {charged} charged, {posted} posted"


def cost_of(plan: Plan, price: tuple[int, int]) -> int:
    """By exact arithmetic, once rounded, half up."""
    exact = Fraction(plan.input_tokens * price[0] + plan.output_tokens * price[1], 10**6)
    return int(exact + Fraction(1, 2))


def nano(amount: str) -> int:
    return int(Fraction(amount) * 10**9)


def _tally(world: World, journal: list[Received], facts: dict[str, Any]) -> str:
    charged = sum(1 for row in facts["rows"] if row["charge_nano"])
    interrupted = sum(1 for row in facts["rows"] if row["status"] == "expired")
    free = len(facts["rows"]) - charged - interrupted
    asked = sum(bool(world.provider.calls(each.plan.name)) for each in journal)
    ends = Counter(_end(each) for each in journal)
    whole_free = sum(
        1
        for row in facts["rows"]
        for each in journal
        if each.plan.name == row["client_request_id"] and each.is_whole and not row["charge_nano"]
    )
    callers = ", ".join(f"{ends[name]} {name}" for name in ("whole", "left", "cut", "refused"))
    return (
        f"callers {len(journal):>3}: {callers}; provider {asked:>3}; ledger {charged:>3} charged, "
        f"{interrupted} interrupted ({whole_free} of them whole), {free} free"
    )


def _end(got: Received) -> str:
    if got.is_whole:
        return "whole" if got.status == 200 else "refused"
    return "left" if got.has_left else "cut"


def _ask(world: World, code: str) -> Any:
    emails = [person.email for person in world.people]
    return json.loads(world.stack.manage("shell", "--no-imports", "-c", code.replace("EMAILS", repr(emails))))
