"""Automatic top-up: never without consent, never two at once, never above the cap; declines end it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from billing import auto_topup, ledger, payments, stripe_gate
from billing.models import AccountKind, AutoTopUp, Notice, Payment
from billing.money import NANO
from billing.stripe_gate import StripeDown
from console import books as proof
from tests.make import NOW, make_credit
from tests.stripe_stand_in import StandIn
from tests.stripe_world import TEN, begun, bought, told

pytestmark = pytest.mark.django_db
THRESHOLD, CAP = 5 * NANO, 25 * NANO


def agreed(user: User, *, amount: int = TEN, cap: int = CAP) -> AutoTopUp:
    return auto_topup.choose(user=user, threshold=THRESHOLD, amount=amount, cap=cap, now=NOW)


@pytest.fixture
def saved(shop: StandIn, ada: User) -> StandIn:
    """Ada agreed, paid once and thereby saved her card; then her credit was spent."""
    agreed(ada)
    bought(shop, ada, saves_card=True)
    empty(ada)
    return shop


def empty(user: User) -> None:
    paid = ledger.account(AccountKind.USER_PAID, user)
    line = ledger.Line(debit=paid, credit=ledger.account(AccountKind.EQUITY_ADJUST), amount=paid.spendable)
    ledger.post(kind="adjust", key=f"adj:{uuid4()}", lines=[line], actor=None, now=NOW)


def charges(shop: StandIn) -> list[Any]:
    return [asked for method, path, asked in shop.asked if (method, path) == ("POST", "/v1/payment_intents")]


def test_agreeing_charges_nothing_until_a_card_is_saved(shop: StandIn, ada: User) -> None:
    row = agreed(ada)
    assert (row.is_on, row.wants_on) == (False, True)
    assert payments.charge_due(now=NOW) == 0
    payment = begun(ada, saves_card=True)
    asked = shop.asked[-1][2]
    assert asked["payment_intent_data"]["setup_future_usage"] == "off_session"
    assert asked["allowed_payment_method_types"] == {"0": "card"}
    assert asked["customer_creation"] == "always"
    assert payment.session_id
    told(*shop.pay(payment.session_id))
    payments.look_at_due(now=NOW + timedelta(minutes=1))
    row.refresh_from_db()
    assert (row.is_on, row.wants_on, row.card_hint) == (True, False, "visa 4242")
    assert row.customer_id.startswith("cus_")


def test_a_payment_without_consent_saves_no_card(shop: StandIn, ada: User) -> None:
    bought(shop, ada)
    assert not AutoTopUp.objects.exists()
    bought(shop, ada, saves_card=True)  # nobody agreed
    assert not AutoTopUp.objects.exists()


def test_a_low_balance_is_topped_up_once(saved: StandIn, ada: User) -> None:
    assert payments.charge_due(now=NOW) == 1
    payment = Payment.objects.get(kind="auto")
    assert payment.state == "paid"
    assert ledger.balances(ada).paid == TEN
    asked = charges(saved)[-1]
    assert (asked["off_session"], asked["confirm"], asked["amount"]) == ("true", "true", "1000")
    assert payments.charge_due(now=NOW) == 0
    assert proof.prove(now=NOW).findings == {}


def test_every_class_of_credit_counts(saved: StandIn, ada: User) -> None:
    make_credit(ada, promo=THRESHOLD)
    assert payments.charge_due(now=NOW) == 0


def test_the_month_has_a_limit_and_it_is_told_once(saved: StandIn, ada: User) -> None:
    for _ in range(2):
        assert payments.charge_due(now=NOW) == 1
        empty(ada)
    for _ in range(3):
        assert payments.charge_due(now=NOW) == 0
    assert len(charges(saved)) == 2
    assert Notice.objects.filter(kind="auto_topup_failed").count() == 1
    assert payments.charge_due(now=NOW + timedelta(days=20)) == 1  # another month


def test_one_is_in_flight_at_a_time(saved: StandIn, ada: User) -> None:
    saved.declines = "authentication_required"
    assert payments.charge_due(now=NOW) == 1
    assert payments.charge_due(now=NOW + timedelta(minutes=5)) == 0
    with pytest.raises(IntegrityError, match=r"payment_one_automatic_at_a_time|user_id"), transaction.atomic():
        Payment.objects.create(user=ada, kind="auto", amount_nano=TEN, created_at=NOW, expires_at=NOW)


def test_a_lost_answer_is_asked_for_again_and_charges_once(saved: StandIn, ada: User) -> None:
    saved.is_down = True
    assert payments.charge_due(now=NOW) == 1
    payment = Payment.objects.get(kind="auto")
    assert (payment.state, payment.intent_id) == ("new", None)
    saved.is_down = False
    saved.breaks_after = "/v1/payment_intents"
    payments.look_at_due(now=NOW + timedelta(minutes=3))
    payments.look_at_due(now=NOW + timedelta(minutes=9))
    payment.refresh_from_db()
    assert payment.state == "paid"
    assert ledger.balances(ada).paid == TEN
    intents = [each for each in saved.objects.values() if each["object"] == "payment_intent"]
    assert len(intents) == 2  # the one that saved the card, and this one


def test_the_event_of_a_charge_whose_answer_was_lost_finds_it_by_our_name(saved: StandIn, ada: User) -> None:
    saved.is_down = True
    payments.charge_due(now=NOW)
    payment = Payment.objects.get(kind="auto")
    saved.is_down = False
    _status, intent = saved.answer(
        "POST",
        "/v1/payment_intents",
        {
            "amount": "1000",
            "customer": "cus_1",
            "payment_method": "pm_1",
            "metadata": {"console_payment": payment.public_id},
        },
        f"intent:{payment.public_id}",
    )
    told(saved.event("payment_intent.succeeded", saved.objects[intent["id"]]))
    payment.refresh_from_db()
    assert (payment.state, payment.intent_id) == ("paid", intent["id"])


def test_a_charge_that_never_reached_stripe_ends_with_an_alarm(saved: StandIn, ada: User) -> None:
    saved.is_down = True
    payments.charge_due(now=NOW)
    payments.look_at_due(now=NOW + timedelta(days=1))
    payment = Payment.objects.get(kind="auto")
    assert (payment.state, payment.alarm) == ("failed", "lost")


def test_declines_are_told_and_end_it(saved: StandIn, ada: User) -> None:
    saved.declines = "insufficient_funds"
    now = NOW
    for attempt in range(1, auto_topup.MOST_FAILURES + 1):
        assert payments.charge_due(now=now) == 1
        row = AutoTopUp.objects.get(user=ada)
        assert row.failures == attempt
        assert payments.charge_due(now=now + timedelta(minutes=30)) == 0  # it waits
        now = row.next_try_at or now
    assert (row.is_on, row.off_because) == (False, "declined")
    told_of = list(Notice.objects.filter(kind="auto_topup_failed").order_by("pk"))
    assert [notice.data["is_off"] for notice in told_of] == [False, False, True]
    assert told_of[0].data["reason"] == "The card has not enough funds."
    assert set(Payment.objects.filter(kind="auto").values_list("state", "decline_code")) == {
        ("failed", "insufficient_funds")
    }
    assert payments.charge_due(now=now + timedelta(days=40)) == 0
    assert ledger.balances(ada).paid == 0


def test_a_success_forgets_the_declines(saved: StandIn, ada: User) -> None:
    saved.declines = "card_declined"
    payments.charge_due(now=NOW)
    saved.declines = ""
    payments.charge_due(now=NOW + timedelta(hours=2))
    row = AutoTopUp.objects.get(user=ada)
    assert (row.failures, row.is_on) == (0, True)


def test_a_bank_that_asks_is_answered_by_the_owner(saved: StandIn, ada: User) -> None:
    saved.declines = "authentication_required"
    payments.charge_due(now=NOW)
    payment = Payment.objects.get(kind="auto")
    assert payment.state == "action"
    notice = Notice.objects.get(kind="auto_topup_action")
    assert notice.data["url"] == f"/billing/payments/{payment.public_id}/"
    target = payments.confirm(payment=payment, now=NOW)
    assert target == f"{saved.url}/bank/{payment.intent_id}"
    assert payment.intent_id
    told(*saved.authenticate(payment.intent_id))
    payment.refresh_from_db()
    assert payment.state == "paid"
    assert ledger.balances(ada).paid == TEN
    with pytest.raises(payments.CannotPay):
        payments.confirm(payment=payment, now=NOW)


def test_a_bank_that_is_never_answered_counts_as_a_decline(saved: StandIn, ada: User) -> None:
    saved.declines = "authentication_required"
    payments.charge_due(now=NOW)
    payments.look_at_due(now=NOW + timedelta(days=1))
    payment = Payment.objects.get(kind="auto")
    assert (payment.state, payment.decline_code) == ("failed", "not_confirmed")
    assert AutoTopUp.objects.get().failures == 1


def test_a_dispute_switches_it_off(saved: StandIn, ada: User) -> None:
    first = Payment.objects.get()
    assert first.intent_id
    told(*saved.dispute(first.intent_id, 100))
    row = AutoTopUp.objects.get()
    assert (row.is_on, row.off_because) == (False, "disputed")
    assert payments.charge_due(now=NOW) == 0


def test_whoever_owes_is_not_charged_by_themselves(saved: StandIn, ada: User) -> None:
    first = Payment.objects.get()
    assert first.intent_id
    told(*saved.refund(first.intent_id, 500))
    assert payments.charge_due(now=NOW) == 0


def test_a_removed_card_is_gone_and_does_not_come_back_with_a_look(saved: StandIn, ada: User) -> None:
    auto_topup.forget_card(user=ada)
    assert saved.asked[-1][1].endswith("/detach")
    first = Payment.objects.get()
    payments.look(payment=first, now=NOW)
    row = AutoTopUp.objects.get()
    assert (row.card_id, row.is_on) == ("", False)
    assert payments.charge_due(now=NOW) == 0


def test_a_card_that_cannot_be_removed_now_is_off_all_the_same(saved: StandIn, ada: User) -> None:
    saved.is_down = True
    with pytest.raises(StripeDown):
        auto_topup.forget_card(user=ada)
    row = AutoTopUp.objects.get()
    assert (row.is_on, bool(row.card_id)) == (False, True)


def test_a_card_that_is_gone_when_the_charge_begins_ends_it(saved: StandIn, ada: User) -> None:
    [payment] = auto_topup.begin_due(now=NOW)
    AutoTopUp.objects.update(card_id="", is_on=False)
    payments.charge(payment=payment, now=NOW)
    payment.refresh_from_db()
    assert (payment.state, payment.decline_code) == ("failed", "no_card")


def test_switched_off_means_off(saved: StandIn, ada: User) -> None:
    auto_topup.stop(user=ada, because=AutoTopUp.OffBecause.OWNER)
    assert payments.charge_due(now=NOW) == 0
    agreed(ada)
    assert payments.charge_due(now=NOW) == 1  # the card is still there


def test_others_cards_are_others(saved: StandIn, cleo: User) -> None:
    assert auto_topup.card_of(cleo) is None
    assert auto_topup.customer_of(cleo) == ""
    agreed(cleo)
    payments.charge_due(now=NOW)
    assert not Payment.objects.filter(user=cleo).exists()
    assert stripe_gate.is_on()
