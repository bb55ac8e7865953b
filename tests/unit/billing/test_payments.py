"""Buying credit: one row, one page at Stripe, one credit; what does not fit credits nothing."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import User
from billing import ledger, payment_events, payments, stripe_gate
from billing.models import LedgerTxn, Notice, Payment, PaymentEvent
from billing.money import NANO
from billing.payments import NotReached, OutOfBounds, PaymentsOff, TooManyOpen
from console import books as proof
from tests.make import NOW
from tests.stripe_stand_in import FEE, StandIn
from tests.stripe_world import TEN, begun, books, bought, told

pytestmark = pytest.mark.django_db
State = PaymentEvent.State


def seen(payment: Payment) -> Payment:
    payment.refresh_from_db()
    return payment


def test_a_payment_becomes_paid_credit_with_its_fee_and_a_receipt(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert (payment.state, payment.number, payment.method, payment.method_hint) == (
        "paid",
        "R-000001",
        "card",
        "visa 4242",
    )
    assert payment.fee_nano == FEE * NANO // 100
    assert books() == {
        "cash.stripe": TEN - FEE * NANO // 100,
        "expense.payment_fee": FEE * NANO // 100,
        "user.paid ada@example.com": TEN,
    }
    assert payment.txn
    assert payment.txn.idempotency_key == f"topup:stripe:{payment.intent_id}"
    notice = Notice.objects.get()
    assert (notice.kind, notice.data["number"]) == ("topup_receipt", "R-000001")
    assert proof.prove(now=NOW).findings == {}


def test_what_stripe_is_asked_for_is_what_our_row_says(shop: StandIn, ada: User) -> None:
    payment = begun(ada, amount=12_340_000_000)
    _method, path, asked = shop.asked[-1]
    assert path == "/v1/checkout/sessions"
    price = asked["line_items"]["0"]["price_data"]
    assert (price["unit_amount"], price["currency"], asked["mode"]) == ("1234", "usd", "payment")
    assert set(asked["allowed_payment_method_types"].values()) == {"card", "alipay", "wechat_pay"}
    assert asked["payment_method_options"] == {"wechat_pay": {"client": "web"}}
    assert asked["adaptive_pricing"] == {"enabled": "false"}
    assert asked["payment_intent_data"]["metadata"] == {"console_payment": payment.public_id}
    assert payment.public_id in asked["success_url"]
    assert "setup_future_usage" not in asked["payment_intent_data"]


def test_the_same_form_twice_is_one_payment_and_one_page(shop: StandIn, ada: User) -> None:
    form = uuid4()
    first, second = begun(ada, form_id=form), begun(ada, form_id=form)
    assert first == second
    assert first.checkout_url == second.checkout_url
    assert len(shop.asked) == 1
    other = begun(ada, form_id=form, amount=2 * TEN)  # back in the browser, another amount
    assert other != first


def test_a_lost_answer_is_asked_for_again_under_the_same_key(shop: StandIn, ada: User) -> None:
    form = uuid4()
    shop.is_down = True
    with pytest.raises(NotReached):
        begun(ada, form_id=form)
    payment = Payment.objects.get()
    assert (payment.state, payment.session_id) == ("new", None)
    shop.is_down = False
    shop.breaks_after = "/v1/checkout/sessions"
    again = begun(ada, form_id=form)  # the library repeats what was lost; Stripe knows the key
    assert again == payment
    assert again.state == "open"
    assert len([name for name in shop.objects if name.startswith("cs_")]) == 1


@pytest.mark.parametrize("amount", [0, -TEN, NANO, 1001 * NANO, TEN + 1, 5 * NANO - 1])
def test_an_amount_out_of_bounds_starts_nothing(shop: StandIn, ada: User, amount: int) -> None:
    with pytest.raises(OutOfBounds):
        begun(ada, amount=amount)
    assert not Payment.objects.exists()
    assert shop.asked == []


def test_without_stripe_nothing_can_be_started(ada: User) -> None:
    with pytest.raises(PaymentsOff):
        begun(ada)


def test_unfinished_payments_do_not_pile_up(shop: StandIn, ada: User, cleo: User) -> None:
    for _ in range(payments.MOST_OPEN):
        begun(ada)
    with pytest.raises(TooManyOpen):
        begun(ada)
    begun(cleo)


def test_money_that_comes_later_is_credited_when_it_is_there(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    told(*shop.pay(payment.session_id, method="wechat_pay", later=True))
    assert seen(payment).state == "processing"
    assert ledger.balances(ada).paid == 0
    told(*shop.confirm(payment.session_id))
    assert seen(payment).state == "paid"
    assert ledger.balances(ada).paid == TEN


def test_money_that_never_comes_credits_nothing(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    told(*shop.pay(payment.session_id, method="alipay", later=True), *shop.fail(payment.session_id))
    assert seen(payment).state == "failed"
    left = begun(ada)
    assert left.session_id
    told(*shop.expire(left.session_id))
    assert seen(left).state == "expired"
    assert books() == {}


def test_without_any_event_a_look_at_stripe_credits(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    events = shop.pay(payment.session_id)
    assert payments.look_at_due(now=NOW + timedelta(minutes=1)) == 0  # not due yet
    assert payments.look_at_due(now=NOW + timedelta(minutes=3)) == 1
    assert seen(payment).state == "paid"
    told(*events)
    assert ledger.balances(ada).paid == TEN
    assert seen(payment).look_at is None  # the fee is known, nothing is left to learn


def test_looks_become_rarer_and_end(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    gaps, now = [], NOW
    for _ in range(5):
        before, now = now, seen(payment).look_at or NOW
        gaps.append(now - before)
        assert payments.look_at_due(now=now) == 1
    assert gaps == sorted(gaps)
    shop.expire(payment.session_id)
    now = seen(payment).look_at or NOW
    payments.look_at_due(now=now)
    assert (seen(payment).state, payment.look_at) == ("expired", None)


def test_a_page_that_was_never_made_ends_by_itself(shop: StandIn, ada: User) -> None:
    shop.is_down = True
    with pytest.raises(NotReached):
        begun(ada)
    payments.look_at_due(now=NOW + timedelta(hours=2))
    assert Payment.objects.get().state == "expired"


def test_a_payer_who_comes_back_often_does_not_ask_stripe_each_time(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    shop.asked.clear()
    for _ in range(5):
        payment = payments.refresh(payment=payment, now=NOW)
    assert len(shop.asked) == 1
    payments.refresh(payment=payment, now=NOW + timedelta(seconds=6))
    assert len(shop.asked) == 2


def test_a_stripe_that_is_down_does_not_break_the_page(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    shop.is_down = True
    assert payments.refresh(payment=payment, now=NOW).state == "open"


@pytest.mark.parametrize(
    "lie",
    [
        {"amount_total": 100_000},
        {"amount_total": 999},
        {"amount_total": 1000.0},
        {"amount_total": "1000"},
        {"amount_total": True},
        {"amount_total": None},
        {"currency": "eur"},
        {"currency": None},
        {"mode": "setup"},
    ],
)
def test_a_session_that_does_not_fit_raises_an_alarm_and_credits_nothing(
    shop: StandIn, ada: User, lie: dict[str, Any]
) -> None:
    payment = begun(ada)
    assert payment.session_id
    event = shop.pay(payment.session_id)[-1]
    event["data"]["object"] |= lie
    [row] = told(event)
    assert (row.state, seen(payment).alarm) == (State.REFUSED, "amount")
    assert books() == {}


def test_an_intent_that_received_less_credits_nothing(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    events = {event["type"]: event for event in shop.pay(payment.session_id)}
    events["payment_intent.succeeded"]["data"]["object"]["amount_received"] = 1
    [row] = told(events["payment_intent.succeeded"])
    assert (row.state, seen(payment).state, payment.alarm) == (State.REFUSED, "open", "amount")


def test_an_event_of_the_other_mode_is_refused(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    event = shop.pay(payment.session_id)[-1] | {"livemode": True}
    [row] = told(event)
    assert (row.state, seen(payment).alarm) == (State.REFUSED, "mode")
    assert books() == {}


def test_an_intent_cannot_pay_for_two(shop: StandIn, ada: User, cleo: User) -> None:
    paid, other = bought(shop, ada), begun(cleo)
    assert other.session_id
    event = shop.pay(other.session_id)[-1]
    event["data"]["object"]["payment_intent"] = paid.intent_id
    [row] = told(event)
    assert (row.state, seen(other).alarm) == (State.REFUSED, "object")
    assert ledger.balances(cleo).paid == 0


@pytest.mark.parametrize("name", ["", "pay_none", "x" * 5000, "pay\0", 7, None, ["pay"], {"a": "b"}])
def test_metadata_is_nobodys_word(shop: StandIn, ada: User, name: Any) -> None:
    """Only where no id is known, only a payment of ours, and only when everything else fits."""
    payment = begun(ada)
    assert payment.session_id
    events = {event["type"]: event for event in shop.pay(payment.session_id)}
    event = events["payment_intent.succeeded"]
    event["data"]["object"]["metadata"] = {"console_payment": name}
    [row] = told(event)
    assert row.state in {State.IGNORED, State.WAITING}
    assert seen(payment).state == "open"


def test_metadata_that_names_anothers_payment_credits_nothing(shop: StandIn, ada: User, cleo: User) -> None:
    small, large = begun(ada), begun(cleo, amount=500 * NANO)
    assert small.session_id
    events = {event["type"]: event for event in shop.pay(small.session_id)}
    event = events["payment_intent.succeeded"]
    event["data"]["object"]["metadata"] = {"console_payment": large.public_id}
    [row] = told(event)
    assert (row.state, seen(large).state, large.intent_id) == (State.REFUSED, "open", None)
    assert books() == {}


def test_what_is_not_ours_is_kept_and_left_alone(shop: StandIn, ada: User) -> None:
    strangers = [
        shop.event("customer.created", {"id": "cus_1", "object": "customer"}),
        shop.event("invoice.paid", {"id": "in_1", "object": "invoice"}),
        shop.event("checkout.session.completed", {"id": "cs_of_another_shop", "object": "checkout.session"}),
        shop.event("payment_intent.succeeded", {"id": "pi_of_another", "object": "payment_intent"}),
        shop.event("checkout.session.completed", {}),
    ]
    assert [row.state for row in told(*strangers)] == [State.IGNORED] * 5
    assert PaymentEvent.objects.count() == 5


def test_an_event_is_stored_and_applied_once(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    events = shop.pay(payment.session_id)
    told(*events, *events, *reversed(events))
    assert PaymentEvent.objects.count() == len(events)
    assert LedgerTxn.objects.filter(kind="topup").count() == 1


def test_no_name_and_address_is_kept(shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    event = shop.pay(payment.session_id)[-1]
    event["data"]["object"]["customer_details"] = {"email": "a@b.c", "name": "Ada L", "address": {"line1": "Here 1"}}
    [row] = told(event)
    assert "Ada L" not in json.dumps(row.body)
    assert "Here" not in json.dumps(row.body)


@pytest.mark.parametrize(
    "event", [{}, {"id": 5, "type": "x", "data": {"object": {}}}, {"id": "e", "type": "x"}, {"id": "e", "data": []}]
)
def test_what_is_no_event_is_said_to_be_none(event: dict[str, Any]) -> None:
    with pytest.raises(payment_events.NotAnEvent):
        payment_events.receive(event, now=NOW)


def test_an_error_while_applying_loses_no_event(shop: StandIn, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = begun(ada)
    assert payment.session_id
    events = shop.pay(payment.session_id)
    with monkeypatch.context() as broken:
        broken.setattr(payments, "take", lambda *_a, **_k: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            told(events[-1])
    assert PaymentEvent.objects.get().state == State.STORED
    assert payment_events.apply_due(now=NOW) == 1
    assert seen(payment).state == "paid"


def test_a_fee_in_another_currency_is_not_guessed(shop: StandIn, ada: User) -> None:
    shop.settles_in = "hkd"
    payment = bought(shop, ada)
    assert payment.fee_nano is None
    assert books() == {"cash.stripe": TEN, "user.paid ada@example.com": TEN}
    assert proof.prove(now=NOW).findings == {}


def test_a_credit_from_stripe_cannot_be_mirrored_away(shop: StandIn, ada: User, sam: User) -> None:
    """The money would stay at Stripe: a payment is refunded instead."""
    payment = bought(shop, ada)
    assert payment.txn
    with pytest.raises(ledger.FlowNotAllowed):
        ledger.reverse(txn=payment.txn, actor=sam, reason="x", now=NOW)


def test_nothing_is_asked_inside_a_transaction(shop: StandIn, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_gate, "_in_transaction", lambda: True)
    with pytest.raises(AssertionError):
        begun(ada)


def test_the_library_is_not_loaded_before_it_is_called() -> None:
    import subprocess
    import sys

    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import django; django.setup();"
        "import console.urls, console.asgi, gateway.asgi; print('stripe' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_event_about_something_else_under_a_known_name_changes_nothing(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    odd = {"id": "x", "object": "gift", "payment_intent": payment.intent_id, "amount": 1000, "currency": "usd"}
    assert [row.state for row in told(shop.event("refund.created", odd))] == [State.IGNORED]
