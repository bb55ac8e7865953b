"""Crash inside: the connection breaks after each statement of an operation in turn, then the operation is done again.

However far it came, nothing of the first try stays, and the second ends in exactly the one state that an undisturbed
operation ends in. Really committed, on SQLite as on PostgreSQL.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from accounts.models import User
from billing import charges, ledger, payment_events, reservations
from billing.charges import Settlement, Tokens
from billing.models import Hold, LedgerAccount, LedgerTxn, Payment, Price, Usage, UsageHour
from billing.money import NANO, PER_MTOK
from console import books
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price
from tests.stripe_stand_in import StandIn
from tests.stripe_world import begun

pytestmark = pytest.mark.django_db(transaction=True)
FEWEST_STATEMENTS, MOST_STATEMENTS = 3, 300


class Broken(OperationalError):
    """The connection is gone."""


@dataclass
class Break:
    """Which statement does not come back; how many were made."""

    after: int
    made: int = 0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        answer = execute(*args)
        self.made += 1
        if self.made == self.after:
            raise Broken
        return answer


def state() -> dict[str, Any]:
    """All that money can be seen in, without what differs from try to try."""
    return {
        "accounts": sorted(
            LedgerAccount.objects.values_list("owner__email", "kind", "credits", "debits", "held"), key=str
        ),
        "holds": sorted(Hold.objects.values_list("pk", "state", "amount")),
        "usage": sorted(Usage.objects.values_list("pk", "status", "charge_nano", "refunded_nano", "uncollected_nano")),
        "hours": sorted(UsageHour.objects.values_list("calls", "charge_nano", "refunded_nano")),
        "entries": sorted(LedgerTxn.objects.exclude(kind="grant").values_list("kind", "entries__amount")),
        "payments": sorted(Payment.objects.values_list("pk", "state", "receipt_number")),
    }


@dataclass
class Scene:
    calls: list[charges.Call]
    price: Price
    user: User
    events: list[dict[str, Any]]
    usage: Usage


@pytest.fixture
def scene(ada: User, shop: StandIn) -> Scene:
    """Calls without a hold, calls with one, a charge, a payment that Stripe tells of."""
    make_credit(ada, promo=5, paid=NANO)
    price = make_price(input_nano_per_mtok=PER_MTOK)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(5)]
    for call in calls[2:]:
        make_hold(call, 10)
    payment = begun(ada)
    usage = _settle(calls[4:], price)[0]
    return Scene(calls, price, ada, shop.pay(payment.session_id or ""), usage)


def _settle(calls: list[charges.Call], price: Price) -> list[Usage]:
    return charges.settle_many(
        [Settlement(call, Tokens(input=7), price, Usage.Source.UPSTREAM, Usage.Status.OK, 200) for call in calls],
        now=NOW + timedelta(seconds=1),
    )


def hold(scene: Scene) -> None:
    asks = [
        reservations.Ask(call.request_id, call.user_id, call.key_id, 10, NOW, NOW + timedelta(minutes=5), {})
        for call in scene.calls[:2]
    ]
    assert all(isinstance(answer, Hold) for answer in reservations.hold_many(asks))


def settle_one(scene: Scene) -> None:
    _settle(scene.calls[2:3], scene.price)


def settle_group(scene: Scene) -> None:
    _settle(scene.calls[2:4], scene.price)


def release(scene: Scene) -> None:
    reservations.release(request_id=scene.calls[2].request_id, now=NOW)


def sweep(scene: Scene) -> None:
    reservations.sweep(now=NOW + timedelta(days=1))


def give_back(scene: Scene) -> None:
    charges.refund(usage=scene.usage, amount=5, n=1, actor=None, reason="x", now=NOW)


def top_up(scene: Scene) -> None:
    for event in scene.events:
        payment_events.receive(event, now=NOW)


def grant(scene: Scene) -> None:
    given: dict[str, Any] = {"user": scene.user, "amount": 9, "kind": "promo", "key": "again"}
    ledger.grant(**given, reason="x", actor=None, now=NOW, expires_at=NOW + timedelta(days=9))


IN_PARTS = {sweep, top_up}  # one transaction for each hold and event: those before the break stay, as they should
OPERATIONS = [hold, settle_one, settle_group, release, sweep, give_back, top_up, grant]

ENTRIES = {"settle_one": 2, "settle_group": 2, "give_back": 1, "top_up": 1}  # beside those of grants


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.__name__)
def test_an_operation_broken_after_any_statement_is_done_once(operation: Callable[[Scene], None], scene: Scene) -> None:
    """One try after the other on the same rows: broken after the first statement, after the second, to the end."""
    before, broken = state(), 0
    for statement in range(1, MOST_STATEMENTS):
        tried = Break(statement)
        try:
            with connection.execute_wrapper(tried):
                operation(scene)
        except Broken:
            broken += 1
            connection.close()  # what was not committed is gone with it
            assert books.prove(now=NOW).findings == {}
            if operation not in IN_PARTS:
                assert state() == before, f"something stayed of the first {statement} statements"
        else:
            break
    assert broken >= tried.made >= FEWEST_STATEMENTS, "it was broken after each of its statements"
    after = state()
    assert after != before
    assert len(after["entries"]) - len(before["entries"]) == ENTRIES.get(operation.__name__, 0)
    operation(scene)
    assert state() == after, "done again, it changes nothing"
    assert books.prove(now=NOW).findings == {}
