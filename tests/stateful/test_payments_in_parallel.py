"""The same payment from every side at once: webhooks, looks at Stripe, refunds, workers. Own connections, really."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import User
from billing import auto_topup, ledger, payment_events, payment_refunds, payments
from billing.models import AutoTopUp, LedgerTxn, Payment, PaymentEvent, PaymentRefund
from billing.money import NANO
from billing.payment_refunds import AlreadySpent
from console import books
from tests.make import NOW, make_call, make_hold, make_key, make_price, make_user
from tests.stateful.parallel import WAYS
from tests.stripe_stand_in import StandIn
from tests.stripe_world import TEN, begun, bought, told

pytestmark = pytest.mark.django_db(transaction=True)
Together = Callable[[int, Callable[[int], object]], list[object]]
TIMES = 20


@pytest.fixture(params=WAYS, ids=["threads", "processes"])
def together(request: pytest.FixtureRequest) -> Together:
    way: Together = request.param
    return way


@pytest.fixture(autouse=True)
def books_balance(ada: User) -> object:
    yield
    assert books.prove(now=NOW).findings == {}


def failures(answers: list[object]) -> list[object]:
    return [each for each in answers if isinstance(each, Exception) or "Error" in str(each)]


def test_one_event_twenty_times_credits_once(shop: StandIn, ada: User, together: Together) -> None:
    payment = begun(ada)
    assert payment.session_id
    event = shop.pay(payment.session_id)[-1]
    answers = together(TIMES, lambda _number: payment_events.receive(event, now=NOW).state)
    assert failures(answers) == []
    assert PaymentEvent.objects.count() == 1
    assert LedgerTxn.objects.filter(kind="topup").count() == 1
    assert ledger.balances(ada).paid == TEN


def test_all_events_and_looks_at_once_credit_once(shop: StandIn, ada: User, together: Together) -> None:
    payment = begun(ada)
    assert payment.session_id
    events = shop.pay(payment.session_id)
    events += shop.refund(shop.objects[payment.session_id]["payment_intent"], 400)

    def one(number: int) -> object:
        if number % 5 == 4:
            return payments.look(payment=Payment.objects.get(pk=payment.pk), now=NOW).state
        return payment_events.receive(events[number % len(events)], now=NOW).state

    assert failures(together(TIMES, one)) == []
    payment_events.apply_due(now=NOW)
    payment.refresh_from_db()
    assert (payment.state, payment.refunded_nano) == ("paid", 4 * NANO)
    assert ledger.balances(ada).paid == 6 * NANO
    assert PaymentEvent.objects.exclude(state="applied").count() == 0


def test_receipts_of_many_at_once_are_numbered_without_gaps(shop: StandIn, ada: User, together: Together) -> None:
    people = [make_user() for _ in range(TIMES)]
    events = []
    for person in people:
        payment = begun(person)
        assert payment.session_id
        events.append(shop.pay(payment.session_id)[-1])
    assert failures(together(TIMES, lambda number: payment_events.receive(events[number], now=NOW).state)) == []
    numbers = sorted(number or 0 for number in Payment.objects.values_list("receipt_number", flat=True))
    assert numbers == list(range(1, TIMES + 1))


def test_twenty_clicks_are_one_payment(shop: StandIn, ada: User, together: Together) -> None:
    form = uuid4()
    answers = together(TIMES, lambda _number: begun(ada, form_id=form).checkout_url)
    assert len(set(answers)) == 1
    assert Payment.objects.count() == 1
    assert len([name for name in shop.objects if name.startswith("cs_")]) == 1


def test_refunds_and_calls_share_what_is_there(shop: StandIn, ada: User, sam: User, together: Together) -> None:
    """Ten dollars: whatever is refunded cannot be held by a call, and the other way round."""
    payment = bought(shop, ada)
    make_price()
    calls = [make_call(make_key(ada)[0]) for _ in range(TIMES)]

    def one(number: int) -> object:
        if number % 2:
            make_hold(calls[number], NANO)
            return "held"
        try:
            payment_refunds.reserve(payment=payment, amount=NANO, by=sam, reason="", client_id=uuid4(), now=NOW)
        except AlreadySpent:
            return "spent"
        return "reserved"

    answers = [str(each) for each in together(TIMES, one)]
    taken = answers.count("held") + answers.count("reserved")
    assert taken == 10
    assert ledger.balances(ada).spendable == 0
    for refund in PaymentRefund.objects.all():
        payment_refunds.send(refund=refund, now=NOW)
    assert set(PaymentRefund.objects.values_list("state", flat=True)) <= {"done"}


def test_one_refund_sent_by_many_leaves_once(shop: StandIn, ada: User, sam: User, together: Together) -> None:
    payment = bought(shop, ada)
    refund = payment_refunds.reserve(payment=payment, amount=4 * NANO, by=sam, reason="", client_id=uuid4(), now=NOW)

    def one(_number: int) -> object:
        row = PaymentRefund.objects.select_related("payment").get(pk=refund.pk)
        return payment_refunds.send(refund=row, now=NOW).state

    assert set(together(TIMES, one)) == {"done"}
    assert ledger.balances(ada).paid == 6 * NANO
    assert len([name for name in shop.objects if name.startswith("re_")]) == 1


def test_workers_that_charge_at_once_charge_once(shop: StandIn, ada: User, together: Together) -> None:
    auto_topup.choose(user=ada, threshold=20 * NANO, amount=15 * NANO, cap=60 * NANO, now=NOW)
    bought(shop, ada, saves_card=True)
    assert AutoTopUp.objects.get().is_on
    assert failures(together(TIMES, lambda _number: payments.charge_due(now=NOW))) == []
    assert Payment.objects.filter(kind="auto").count() == 1
    assert ledger.balances(ada).paid == 25 * NANO


def test_a_dispute_and_twenty_calls_never_take_the_same_money(shop: StandIn, ada: User, together: Together) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    make_price()
    calls = [make_call(make_key(ada)[0]) for _ in range(TIMES)]
    event = shop.dispute(payment.intent_id, 1000)[-1]

    def one(number: int) -> Any:
        if number == 0:
            return payment_events.receive(event, now=NOW).state
        make_hold(calls[number], NANO)
        return "held"

    together(TIMES, one)
    balances = ledger.balances(ada)
    assert balances.paid - balances.user_debt == 0
    assert balances.paid == balances.held
    told(event)
    assert payments.look(payment=payment, now=NOW + timedelta(hours=1)).is_paid
