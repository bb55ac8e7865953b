"""Settlement and refund: exactly once, never below zero, class by class."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from accounts.models import User
from billing import charges, ledger, reservations
from billing.charges import Tokens
from billing.models import Hold, LedgerEntry, LedgerTxn, Price, Usage
from billing.money import NANO
from tests.make import make_call, make_credit, make_hold, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def price(db: None) -> Price:
    return make_price()


def settle(call: charges.Call, price: Price | None, tokens: Tokens, now: datetime, **given: Any) -> Usage:
    facts = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200, **given}
    return charges.settle(call=call, tokens=tokens, price=price, now=now, **facts)


def parts(usage: Usage) -> dict[str, int]:
    return {str(kind): amount for kind, amount in usage.parts.items()}


def test_a_call_is_charged_what_it_cost_and_the_hold_is_gone(ada: User, price: Price, now: datetime) -> None:
    make_credit(ada, promo=100_000, reward=50_000, paid=NANO)
    call = make_call(make_key(ada)[0])
    make_hold(call, 900_000)
    usage = settle(call, price, Tokens(input=100, output=50), now)  # 100 x 1,000 + 50 x 4,000
    assert usage.charge_nano == 300_000
    assert parts(usage) == {"user.promo": 100_000, "user.reward": 50_000, "user.paid": 150_000}
    assert usage.txn is not None
    assert dict(usage.txn.entries.values_list("debit__kind", "amount")) == parts(usage)
    assert usage.txn.idempotency_key == f"usage:{call.request_id}"
    got = ledger.balances(ada)
    assert (got.held, got.promo, got.reward, got.paid) == (0, 0, 0, NANO - 150_000)
    assert Hold.objects.get().state == Hold.State.SETTLED
    assert (usage.held_nano, usage.uncollected_nano, usage.late) == (900_000, 0, False)


def test_settled_twice_is_charged_once_and_answers_the_first_row(ada: User, price: Price, now: datetime) -> None:
    make_credit(ada, paid=NANO)
    call = make_call(make_key(ada)[0])
    make_hold(call, 900_000)
    first = settle(call, price, Tokens(input=100), now)
    again = settle(call, price, Tokens(input=700), now, status=Usage.Status.FAILED)
    assert again == first
    assert again.charge_nano == 100_000
    assert again.status == Usage.Status.OK
    assert ledger.balances(ada).paid == NANO - 100_000
    assert LedgerTxn.objects.filter(kind="usage").count() == 1


def test_nothing_used_releases_the_hold_and_posts_nothing(ada: User, price: Price, now: datetime) -> None:
    make_credit(ada, paid=NANO)
    call = make_call(make_key(ada)[0])
    make_hold(call, 900_000)
    because = {"status": Usage.Status.FAILED, "source": Usage.Source.NONE, "not_charged_because": "upstream_error"}
    usage = settle(call, price, Tokens(), now, http_status=502, error_code="upstream_failed", **because)
    assert (usage.charge_nano, usage.txn, usage.not_charged_because) == (0, None, "upstream_error")
    assert Hold.objects.get().state == Hold.State.RELEASED
    assert ledger.balances(ada).spendable == NANO
    assert not LedgerTxn.objects.filter(kind="usage").exists()


def test_what_is_not_to_be_charged_is_free_whatever_was_counted(ada: User, price: Price, now: datetime) -> None:
    make_credit(ada, paid=NANO)
    call = make_call(make_key(ada)[0])
    make_hold(call, 900_000)
    usage = settle(call, price, Tokens(input=500), now, not_charged_because="empty_answer")
    assert (usage.charge_nano, usage.input_tokens) == (0, 500)


def test_more_than_held_takes_what_is_spendable(ada: User, price: Price, now: datetime) -> None:
    make_credit(ada, promo=50_000, paid=NANO)
    call = make_call(make_key(ada)[0])
    make_hold(call, 60_000)
    usage = settle(call, price, Tokens(input=200), now)
    assert (usage.charge_nano, usage.uncollected_nano) == (200_000, 0)
    assert parts(usage) == {"user.promo": 50_000, "user.paid": 150_000}


def test_what_cannot_be_collected_is_recorded_and_alerted_and_nothing_falls_below_zero(
    ada: User, price: Price, now: datetime
) -> None:
    make_credit(ada, paid=150_000)
    key = make_key(ada)[0]
    call, other = make_call(key), make_call(key)
    make_hold(call, 60_000)
    make_hold(other, 40_000)  # stays held: it belongs to another call
    with capture_logs() as logs:
        usage = settle(call, price, Tokens(input=200), now)
    assert (usage.charge_nano, usage.uncollected_nano) == (110_000, 90_000)
    got = ledger.balances(ada)
    assert (got.paid, got.held, got.spendable) == (40_000, 40_000, 0)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["billing.charge.uncollected"]


def test_a_charge_comes_from_the_classes_that_were_held(ada: User, price: Price, now: datetime) -> None:
    make_credit(ada, paid=NANO)
    call = make_call(make_key(ada)[0])
    make_hold(call, 300_000)
    make_credit(ada, promo=NANO)  # a gift that came while the call ran
    assert parts(settle(call, price, Tokens(input=100), now)) == {"user.paid": 100_000}


def test_after_the_deadline_a_call_is_still_charged_once_and_the_row_says_late(
    ada: User, price: Price, now: datetime
) -> None:
    make_credit(ada, paid=NANO)
    call = make_call(make_key(ada)[0])
    make_hold(call, 900_000)
    reservations.sweep(now=now + timedelta(hours=1))
    assert ledger.balances(ada).spendable == NANO
    with capture_logs() as logs:
        usage = settle(call, price, Tokens(input=100), now + timedelta(hours=2))
    assert (usage.charge_nano, usage.late, usage.status, usage.held_nano) == (100_000, True, Usage.Status.OK, 900_000)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["billing.charge.late"]
    assert settle(call, price, Tokens(input=100), now + timedelta(hours=3)) == usage
    assert ledger.balances(ada).paid == NANO - 100_000
    assert Hold.objects.get().state == Hold.State.EXPIRED
    assert Usage.objects.get().not_charged_because == ""


def test_after_the_deadline_money_that_is_gone_is_uncollected(ada: User, price: Price, now: datetime) -> None:
    make_credit(ada, paid=100_000)
    key = make_key(ada)[0]
    call = make_call(key)
    make_hold(call, 100_000)
    reservations.sweep(now=now + timedelta(hours=1))
    make_usage(key, tokens=Tokens(input=70), price=price)
    usage = settle(call, price, Tokens(input=100), now + timedelta(hours=2))
    assert (usage.charge_nano, usage.uncollected_nano, usage.late) == (30_000, 70_000, True)
    assert ledger.balances(ada).spendable == 0


def test_a_late_failure_is_recorded_and_free(ada: User, price: Price, now: datetime) -> None:
    make_credit(ada, paid=100_000)
    call = make_call(make_key(ada)[0])
    make_hold(call, 100_000)
    reservations.sweep(now=now + timedelta(hours=1))
    usage = settle(call, price, Tokens(), now, status=Usage.Status.FAILED, not_charged_because="upstream_error")
    assert (usage.charge_nano, usage.late, usage.status) == (0, True, Usage.Status.FAILED)
    assert settle(call, price, Tokens(input=100), now).charge_nano == 0


def test_a_refund_goes_back_to_the_classes_it_came_from(ada: User, price: Price, sam: User, now: datetime) -> None:
    make_credit(ada, promo=100_000, paid=NANO)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=400), price=price)  # 100,000 promo, 300,000 paid
    txn = charges.refund(usage=usage, amount=200_000, n=1, actor=sam, reason="Wrong answer", now=now)
    assert dict(txn.entries.values_list("credit__kind", "amount")) == {"user.promo": 50_000, "user.paid": 150_000}
    usage.refresh_from_db()
    assert usage.refunded_nano == 200_000
    charges.refund(usage=usage, amount=200_000, n=2, actor=sam, reason="The rest", now=now)
    got = ledger.balances(ada)
    assert (got.promo, got.paid) == (100_000, NANO)


def test_the_same_refund_again_is_the_first_one(ada: User, price: Price, sam: User, now: datetime) -> None:
    make_credit(ada, promo=7, paid=NANO)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=1), price=price)
    first = charges.refund(usage=usage, amount=5, n=1, actor=sam, reason="x", now=now)
    assert charges.refund(usage=usage, amount=5, n=1, actor=sam, reason="x", now=now) == first
    with pytest.raises(ledger.IdempotencyMismatch):
        charges.refund(usage=usage, amount=6, n=1, actor=sam, reason="x", now=now)
    usage.refresh_from_db()
    assert usage.refunded_nano == 5


def test_more_than_the_charge_is_never_refunded(ada: User, price: Price, sam: User, now: datetime) -> None:
    make_credit(ada, paid=NANO)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=1), price=price)
    charges.refund(usage=usage, amount=999, n=1, actor=sam, reason="x", now=now)
    with pytest.raises(charges.RefundTooLarge):
        charges.refund(usage=usage, amount=2, n=2, actor=sam, reason="x", now=now)
    assert ledger.balances(ada).paid == NANO - 1
    with pytest.raises(ledger.NotATransfer):
        charges.refund(usage=usage, amount=0, n=3, actor=sam, reason="x", now=now)


def test_a_charge_without_a_price_is_free(ada: User, now: datetime) -> None:
    call = make_call(make_key(ada)[0])
    assert settle(call, None, Tokens(input=5), now).charge_nano == 0


def test_every_entry_of_a_charge_is_named_on_the_row(ada: User, price: Price) -> None:
    make_credit(ada, promo=1, paid=NANO)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=3), price=price)
    entries = LedgerEntry.objects.filter(txn=usage.txn)
    assert sum(entry.amount for entry in entries) == usage.charge_nano == sum(parts(usage).values())
