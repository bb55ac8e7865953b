"""One of every row about payments, and the damage that each of their constraints is there for (test_guards.py)."""

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

from django.db import models

from accounts.models import User
from billing import payments
from billing.models import AutoTopUp, Dispute, LedgerTxn, Payment, PaymentEvent, PaymentRefund
from billing.money import MAX_NANO, NANO
from billing.payment_rows import locked
from billing.stripe_facts import Seen
from tests.make import NOW

_numbers = count(1)


def started(user: User, **given: Any) -> Payment:
    fields = {"user": user, "amount_nano": 10 * NANO, "created_at": NOW, "expires_at": NOW, "state": "open", **given}
    return Payment.objects.create(**fields)


def said(payment: Payment, what: str, **given: Any) -> None:
    """What Stripe says, taken without Stripe."""
    fields = {"id": f"{what}_{next(_numbers)}", "intent": payment.intent_id, "amount": 100, "currency": "usd", **given}
    with locked(payment) as row:
        assert payments.take(row, Seen(what=what, **fields), now=NOW)


def paid(user: User) -> Payment:
    payment = started(user)
    name = f"pi_{next(_numbers)}"
    said(payment, "payment_intent", id=name, intent=name, amount=1000, received=1000, status="succeeded")
    payment.refresh_from_db()
    return payment


def scene(ada: User) -> Payment:
    payment = paid(ada)
    said(payment, "refund", id="re_stays", status="succeeded")
    said(payment, "refund", id="re_fails", status="succeeded")
    said(payment, "refund", id="re_fails", status="failed")
    said(payment, "dispute", id="dp_won", status="needs_response")
    said(payment, "dispute", id="dp_won", status="won")
    said(payment, "dispute", id="dp_open", status="needs_response")
    PaymentEvent.objects.create(
        event_id="evt_1", kind="x", is_live=False, body={}, received_at=NOW, applied_at=NOW, state="ignored"
    )
    amounts = {"threshold_nano": NANO, "amount_nano": NANO, "monthly_cap_nano": NANO}
    AutoTopUp.objects.create(user=ada, **amounts)
    return payment


def _ada() -> User:
    return User.objects.get(email="ada@example.com")


def _change(rows: models.QuerySet[Any], **values: Any) -> int:
    """One row, by an UPDATE as from a shell."""
    return rows.filter(pk=rows.order_by("pk").values("pk")[:1]).update(**values)


def _two_payments(**same: Any) -> None:
    for _ in range(2):
        started(_ada(), **same)


def _two_paid(**same: Any) -> None:
    for number, txn in enumerate(LedgerTxn.objects.filter(kind="grant").order_by("pk")[:2]):
        fields = {"state": "paid", "paid_at": NOW, "receipt_number": 100 + number, "txn": txn}
        started(_ada(), **{**fields, **same})


def _two_refunds(**same: Any) -> None:
    first, second = LedgerTxn.objects.filter(kind="grant").order_by("pk")[:2]
    for number, txn, undone in ((1, first, second), (2, second, first)):
        fields = {
            "payment": Payment.objects.get(state="paid"),
            "amount_nano": 1,
            "state": "failed",
            "stripe_id": f"re_probe_{number}",
            "txn": txn,
            "undone": undone,
            "created_at": NOW,
            "closed_at": NOW,
        }
        PaymentRefund.objects.create(**{**fields, **same})


def _two_disputes(**same: Any) -> None:
    first, second = LedgerTxn.objects.filter(kind="grant").order_by("pk")[:2]
    for number, txn, won in ((1, first, second), (2, second, first)):
        fields = {
            "payment": Payment.objects.get(state="paid"),
            "amount_nano": 1,
            "state": "won",
            "stripe_id": f"dp_probe_{number}",
            "txn": txn,
            "won_txn": won,
            "opened_at": NOW,
            "closed_at": NOW,
        }
        Dispute.objects.create(**{**fields, **same})


def _grant() -> LedgerTxn:
    return LedgerTxn.objects.filter(kind="grant").earliest("pk")


def _event() -> PaymentEvent:
    row = PaymentEvent.objects.get(event_id="evt_1")
    row.pk = None
    row.save(force_insert=True)
    return row


PAID = {"state": "paid"}
PROBES: list[tuple[str, Callable[[], object]]] = [
    ("payment_public_id", lambda: _two_payments(public_id="pay_same")),
    ("payment_once_per_session", lambda: _two_payments(session_id="cs_same")),
    ("payment_once_per_intent", lambda: _two_payments(intent_id="pi_same")),
    ("payment_number", lambda: _two_paid(receipt_number=7)),
    ("payment_credited_once", lambda: _two_paid(txn=_grant())),
    ("payment_once_per_form", lambda: _two_payments(client_id=uuid4())),
    ("payment_one_automatic_at_a_time", lambda: _two_payments(kind="auto")),
    ("payment_amount", lambda: started(_ada(), amount_nano=0)),
    ("payment_paid_is_posted", lambda: _change(Payment.objects.filter(**PAID), txn=None)),
    (
        "payment_refund_within",
        lambda: _change(Payment.objects.filter(**PAID), refunded_nano=models.F("amount_nano") + 1),
    ),
    ("payment_fee", lambda: _change(Payment.objects.filter(**PAID), fee_nano=-1)),
    ("payment_event_once", _event),
    ("payment_event_applied", lambda: _change(PaymentEvent.objects.all(), applied_at=None)),
    ("payment_refund_public_id", lambda: _two_refunds(public_id="rfd_same")),
    ("payment_refund_once", lambda: _two_refunds(stripe_id="re_same")),
    ("payment_refund_posted_once", lambda: _two_refunds(txn=_grant())),
    ("payment_refund_undone_once", lambda: _two_refunds(undone=_grant())),
    ("payment_refund_once_per_form", lambda: _two_refunds(client_id=uuid4())),
    ("payment_refund_amount", lambda: _change(PaymentRefund.objects.all(), amount_nano=0)),
    ("payment_refund_is_posted", lambda: _change(PaymentRefund.objects.filter(state="done"), txn=None)),
    ("dispute_once", lambda: _two_disputes(stripe_id="dp_same")),
    ("dispute_posted_once", lambda: _two_disputes(txn=_grant())),
    ("dispute_won_once", lambda: _two_disputes(won_txn=_grant())),
    ("dispute_amount", lambda: _change(Dispute.objects.all(), amount_nano=MAX_NANO + 1)),
    ("dispute_fee", lambda: _change(Dispute.objects.all(), fee_nano=-1)),
    ("dispute_won_is_posted", lambda: _change(Dispute.objects.filter(state="won"), won_txn=None)),
    ("dispute_open_or_closed", lambda: _change(Dispute.objects.filter(state="open"), closed_at=NOW)),
    ("auto_topup_amounts", lambda: _change(AutoTopUp.objects.all(), threshold_nano=0)),
    ("auto_topup_cap", lambda: _change(AutoTopUp.objects.all(), monthly_cap_nano=1)),
    ("auto_topup_needs_consent", lambda: _change(AutoTopUp.objects.all(), is_on=True)),
]
