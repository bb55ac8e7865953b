"""Money that goes back: asked for here, made at Stripe, taken by a bank; and who may not call meanwhile."""

from datetime import timedelta
from uuid import uuid4

import pytest

from accounts.models import User
from billing import ledger, payment_refunds, payments, standing
from billing.models import AccountKind, Dispute, Freeze, Notice, Payment, PaymentEvent, PaymentRefund
from billing.money import NANO
from billing.payment_refunds import AlreadySpent, MoreThanPaid, NotRefundable, OutOfBounds
from console import books as proof
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price
from tests.stripe_stand_in import StandIn
from tests.stripe_world import TEN, begun, books, bought, told

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)


@pytest.fixture(autouse=True)
def the_books_are_proved_after_each_test(db: None) -> object:
    yield
    assert proof.prove(now=NOW).findings == {}


def asked(payment: Payment, by: User, amount: int) -> PaymentRefund:
    return payment_refunds.reserve(
        payment=payment, amount=amount, by=by, reason="Asked by mail", client_id=uuid4(), now=NOW
    )


def spend(user: User, amount: int) -> None:
    """Paid credit that is gone, without a call: against equity."""
    line = ledger.Line(
        debit=ledger.account(AccountKind.USER_PAID, user),
        credit=ledger.account(AccountKind.EQUITY_ADJUST),
        amount=amount,
    )
    ledger.post(kind="adjust", key=f"adj:{uuid4()}", lines=[line], actor=None, now=NOW)


def test_what_is_asked_for_is_set_aside_before_stripe_is_asked(shop: StandIn, ada: User, sam: User) -> None:
    payment = bought(shop, ada)
    refund = asked(payment, sam, 4 * NANO)
    balances = ledger.balances(ada)
    assert (balances.paid, balances.held, balances.spendable) == (TEN, 4 * NANO, 6 * NANO)
    assert proof.prove(now=NOW).findings == {}
    refund = payment_refunds.send(refund=refund, now=NOW)
    assert (refund.state, refund.asked_by) == ("done", sam)
    payment.refresh_from_db()
    assert payment.refunded_nano == 4 * NANO
    balances = ledger.balances(ada)
    assert (balances.paid, balances.held) == (6 * NANO, 0)
    assert Notice.objects.filter(kind="refund").count() == 1


def test_the_event_about_our_own_refund_is_the_same_refund(shop: StandIn, ada: User, sam: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    refund = asked(payment, sam, 4 * NANO)
    events = shop.refund(payment.intent_id, 400, metadata={"console_refund": refund.public_id})
    told(*events)  # before the answer to our own request
    refund.refresh_from_db()
    assert refund.state == "done"
    assert PaymentRefund.objects.count() == 1
    assert ledger.balances(ada).paid == 6 * NANO


def test_an_unknown_outcome_stays_set_aside_and_is_never_refunded_twice(shop: StandIn, ada: User, sam: User) -> None:
    payment = bought(shop, ada)
    refund = asked(payment, sam, 4 * NANO)
    shop.is_down = True
    assert payment_refunds.send(refund=refund, now=NOW).state == "reserved"
    shop.is_down = False
    shop.breaks_after = "/v1/refunds"
    assert payment_refunds.send_due(now=LATER) == 1
    refund.refresh_from_db()
    assert refund.state == "done"
    assert len([name for name in shop.objects if name.startswith("re_")]) == 1


def test_after_a_day_stripes_list_says_whether_it_was_done(shop: StandIn, ada: User, sam: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    refund = asked(payment, sam, 4 * NANO)
    shop.refund(payment.intent_id, 400, metadata={"console_refund": refund.public_id})
    shop._known.clear()  # Stripe has forgotten the key
    payment_refunds.send_due(now=NOW + timedelta(days=2))
    refund.refresh_from_db()
    assert refund.state == "done"
    assert len([name for name in shop.objects if name.startswith("re_")]) == 1


def test_a_refund_that_stripe_refuses_frees_what_was_set_aside(shop: StandIn, ada: User, sam: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    refund = asked(payment, sam, 4 * NANO)
    shop.objects[shop.objects[payment.intent_id]["latest_charge"]]["amount_refunded"] = 1000
    refund = payment_refunds.send(refund=refund, now=NOW)
    assert (refund.state, refund.failure) == ("refused", "charge_already_refunded")
    assert ledger.balances(ada).spendable == TEN


def test_a_refund_here_is_refused_above_what_is_left(shop: StandIn, ada: User, sam: User) -> None:
    payment = bought(shop, ada)
    with pytest.raises(MoreThanPaid):
        asked(payment, sam, TEN + NANO // 100)
    with pytest.raises(OutOfBounds):
        asked(payment, sam, 0)
    with pytest.raises(OutOfBounds):
        asked(payment, sam, NANO + 1)
    spend(ada, 7 * NANO)
    with pytest.raises(AlreadySpent) as refused:
        asked(payment, sam, 4 * NANO)
    assert refused.value.spendable == 3 * NANO
    asked(payment, sam, 3 * NANO)
    with pytest.raises(AlreadySpent):
        asked(payment, sam, NANO)
    assert ledger.balances(ada).held == 3 * NANO


def test_the_same_form_twice_is_one_refund(shop: StandIn, ada: User, sam: User) -> None:
    payment, form = bought(shop, ada), uuid4()
    made = {
        payment_refunds.reserve(payment=payment, amount=NANO, by=sam, reason="", client_id=form, now=NOW).pk
        for _ in range(2)
    }
    assert len(made) == 1
    assert ledger.balances(ada).held == NANO


def test_what_is_held_by_a_call_is_not_refunded(shop: StandIn, ada: User, sam: User) -> None:
    payment = bought(shop, ada)
    make_price()
    make_hold(make_call(make_key(ada)[0]), 8 * NANO)
    with pytest.raises(AlreadySpent):
        asked(payment, sam, 3 * NANO)


def test_a_payment_that_is_not_paid_or_is_disputed_is_not_refunded(shop: StandIn, ada: User, sam: User) -> None:
    with pytest.raises(NotRefundable):
        asked(begun(ada), sam, NANO)
    payment = bought(shop, ada)
    assert payment.intent_id
    told(*shop.dispute(payment.intent_id, 100))
    with pytest.raises(NotRefundable):
        asked(payment, sam, NANO)


def test_a_refund_made_at_stripe_takes_paid_credit_and_then_becomes_debt(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    spend(ada, 7 * NANO)
    told(*shop.refund(payment.intent_id, 800))
    balances = ledger.balances(ada)
    assert (balances.paid, balances.user_debt) == (0, 5 * NANO)
    assert standing.refusal(ada.pk) == Freeze.Reason.DEBT
    payment.refresh_from_db()
    assert payment.refunded_nano == 8 * NANO


def test_only_the_total_of_a_charge_is_told_and_the_list_is_asked_for(shop: StandIn, ada: User) -> None:
    """An endpoint that is sent charge.refunded alone."""
    payment = bought(shop, ada)
    assert payment.intent_id
    told(shop.refund(payment.intent_id, 300)[-1])
    payments.look_at_due(now=NOW + timedelta(minutes=1))
    payment.refresh_from_db()
    assert payment.refunded_nano == 3 * NANO


def test_a_refund_that_comes_back_brings_the_credit_back(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    before = books()
    events = shop.refund(payment.intent_id, 800)
    told(*events, *shop.fail_refund(events[0]["data"]["object"]["id"]))
    payment.refresh_from_db()
    assert payment.refunded_nano == 0
    assert books() == before
    assert PaymentRefund.objects.get().state == "failed"


def test_a_refund_of_more_than_was_paid_waits_for_an_explanation(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    first = shop.refund(payment.intent_id, 1000)
    failed = shop.fail_refund(first[0]["data"]["object"]["id"])
    second = shop.refund(payment.intent_id, 1000)
    told(*first, *second)
    assert PaymentEvent.objects.get(event_id=second[0]["id"]).state == "waiting"
    told(*failed)
    assert PaymentEvent.objects.get(event_id=second[0]["id"]).state == "applied"
    assert ledger.balances(ada).paid == 0


def test_a_dispute_takes_the_credit_and_the_fee_and_pauses_calls(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    spend(ada, 7 * NANO)
    told(*shop.dispute(payment.intent_id, 1000))
    assert books()["user.debt ada@example.com"] == 7 * NANO
    assert books()["expense.loss"] == 15 * NANO
    assert standing.refusal(ada.pk) == Freeze.Reason.DISPUTE
    notice = Notice.objects.get(kind="payment_disputed")
    assert notice.data == {"amount_nano": TEN, "number": "R-000001", "debt_nano": 7 * NANO}


def test_a_dispute_that_is_won_is_the_exact_reverse(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    spend(ada, 7 * NANO)
    before = books()
    events = shop.dispute(payment.intent_id, 1000)
    told(*events, *shop.close_dispute(events[0]["data"]["object"]["id"], "won", returns_fee=1500))
    assert books() == before
    assert standing.refusal(ada.pk) is None
    dispute = Dispute.objects.get()
    assert (dispute.state, dispute.fee_nano) == ("won", 0)


def test_a_dispute_that_is_lost_stays_taken_and_frees_whoever_owes_nothing(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    events = shop.dispute(payment.intent_id, 1000)
    told(*events, *shop.close_dispute(events[0]["data"]["object"]["id"], "lost"))
    assert ledger.balances(ada).paid == 0
    assert standing.refusal(ada.pk) is None


def test_an_inquiry_moves_nothing(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    told(*shop.dispute(payment.intent_id, 1000, status="warning_needs_response"))
    assert ledger.balances(ada).paid == TEN
    assert standing.refusal(ada.pk) is None
    assert not Dispute.objects.exists()


def test_the_next_credit_repays_what_is_owed_first(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    spend(ada, 7 * NANO)
    told(*shop.refund(payment.intent_id, 1000))
    bought(shop, ada, amount=5 * NANO)
    balances = ledger.balances(ada)
    assert (balances.paid, balances.user_debt) == (0, 2 * NANO)
    assert standing.refusal(ada.pk) == "debt"
    bought(shop, ada, amount=5 * NANO)
    balances = ledger.balances(ada)
    assert (balances.paid, balances.user_debt) == (3 * NANO, 0)
    assert standing.refusal(ada.pk) is None


def test_a_dispute_won_after_the_debt_was_repaid_becomes_credit(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    spend(ada, TEN)
    events = shop.dispute(payment.intent_id, 1000)
    told(*events)
    bought(shop, ada)
    assert ledger.balances(ada).paid == 0
    told(*shop.close_dispute(events[0]["data"]["object"]["id"], "won"))
    balances = ledger.balances(ada)
    assert (balances.paid, balances.user_debt) == (TEN, 0)


def test_credit_of_another_kind_repays_in_the_sweep(shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    spend(ada, TEN)
    told(*shop.refund(payment.intent_id, 400))
    make_credit(ada, paid=4 * NANO)
    assert standing.sweep(now=NOW) == 1
    balances = ledger.balances(ada)
    assert (balances.paid, balances.user_debt) == (0, 0)


def test_what_a_refund_takes_was_never_a_calls(shop: StandIn, ada: User) -> None:
    """Held credit is not taken: the call that runs can be settled; the rest is owed."""
    payment = bought(shop, ada)
    assert payment.intent_id
    make_price()
    make_hold(make_call(make_key(ada)[0]), 8 * NANO)
    told(*shop.refund(payment.intent_id, 1000))
    balances = ledger.balances(ada)
    assert (balances.paid, balances.held, balances.user_debt) == (8 * NANO, 8 * NANO, 8 * NANO)


def test_others_are_not_paused(shop: StandIn, ada: User, cleo: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    told(*shop.dispute(payment.intent_id, 1000))
    assert standing.frozen([ada.pk, cleo.pk]) == {ada.pk: "dispute"}
    assert "disputed" in standing.words("dispute")
    assert "owes" in standing.words("debt")
