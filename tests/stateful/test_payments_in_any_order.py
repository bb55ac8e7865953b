"""Whatever happens to a payment, Stripe's events about it may come in any order, several times and interleaved with our
own looks at Stripe: the books end the same, and the audit is clean.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from billing import payment_events, payments
from billing.models import Dispute, Freeze, Payment, PaymentEvent, PaymentRefund
from billing.money import NANO
from console import books as proof
from tests.make import NOW, make_credit
from tests.stripe_stand_in import Object, StandIn
from tests.stripe_world import begun, books, configure

pytestmark = pytest.mark.django_db
LOOK: Object = {"look": True}
TEN = 1000  # cents

refunds = st.lists(st.tuples(st.integers(1, 600), st.sampled_from(["stays", "stays", "fails"])), max_size=3)
disputes = st.one_of(
    st.none(), st.tuples(st.integers(1, 1200), st.sampled_from(["open", "won", "lost", "appealed", "inquiry"]))
)
methods = st.sampled_from(["card", "later", "fails", "expires"])


def story(
    shop: StandIn, session_id: str, method: str, back: list[tuple[int, str]], dispute: tuple[int, str] | None
) -> list[Object]:
    """What happened, in its true order, as events."""
    if method == "expires":
        return shop.expire(session_id)
    events = shop.pay(session_id, method="card" if method == "card" else "alipay", later=method != "card")
    if method == "fails":
        return events + shop.fail(session_id)
    if method != "card":
        events += shop.confirm(session_id)
    intent = shop.objects[session_id]["payment_intent"]
    left = TEN
    for cents, how in back:
        if cents > left:
            continue
        events += shop.refund(intent, cents)
        left -= cents
        if how == "fails":
            events += shop.fail_refund(events[-2]["data"]["object"]["id"])
            left += cents
    if dispute:
        cents, end = dispute
        events += shop.dispute(intent, cents, status="warning_needs_response" if end == "inquiry" else "needs_response")
        name = next(each for each in shop.objects if each.startswith("dp_"))
        if end in {"lost", "appealed"}:
            events += shop.close_dispute(name, "lost")
        if end in {"won", "appealed"}:
            events += shop.close_dispute(name, "won", returns_fee=500)
    return events


def ending(payment: Payment, deliveries: list[Object]) -> dict[str, Any]:
    """The world after these deliveries and a last look at Stripe; then everything is as before."""
    with transaction.atomic():
        for number, each in enumerate(deliveries):
            now = NOW + timedelta(minutes=number)
            if each is LOOK:
                payments.look(payment=Payment.objects.get(pk=payment.pk), now=now)
            else:
                payment_events.receive(each, now=now)
        payments.look(payment=Payment.objects.get(pk=payment.pk), now=NOW + timedelta(days=1))
        payment_events.apply_due(now=NOW + timedelta(days=1))
        findings = proof.prove(now=NOW).findings
        row = Payment.objects.get(pk=payment.pk)
        end = {
            "books": books(),
            "payment": (row.state, row.refunded_nano, row.fee_nano, row.method, row.alarm, row.receipt_number),
            "refunds": sorted(PaymentRefund.objects.values_list("stripe_id", "state", "amount_nano")),
            "disputes": sorted(Dispute.objects.values_list("stripe_id", "state", "amount_nano", "fee_nano")),
            "frozen": Freeze.objects.exists(),
            "refused": PaymentEvent.objects.filter(state=PaymentEvent.State.REFUSED).count(),
            "findings": findings,
        }
        transaction.set_rollback(True)
    return end


@given(data=st.data(), method=methods, back=refunds, dispute=disputes, had=st.sampled_from([0, 3, 20]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_books_end_the_same_in_any_order_with_any_repetition(
    ada: User,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    data: st.DataObject,
    method: str,
    back: list[tuple[int, str]],
    dispute: tuple[int, str] | None,
    had: int,
) -> None:
    monkeypatch.setattr("billing.stripe_gate._in_transaction", lambda: False)
    with StandIn().serving() as shop, transaction.atomic():
        configure(settings, shop.url)
        if had:
            make_credit(ada, paid=had * NANO)
        payment = begun(ada)
        events = story(shop, payment.session_id or "", method, back, dispute)
        in_order = ending(payment, events)
        repeated = data.draw(st.lists(st.sampled_from(events), max_size=4))
        looks = [LOOK] * data.draw(st.integers(0, 2))
        shuffled = data.draw(st.permutations([*events, *repeated, *looks]))
        assert ending(payment, shuffled) == in_order
        assert in_order["findings"] == {}
        assert in_order["refused"] == 0
        is_paid = in_order["payment"][0] == "paid"
        assert is_paid is (method not in {"expires", "fails"})
        transaction.set_rollback(True)
