"""Stripe's events: stored once, applied once, in whatever order and however often they come.

Stored and applied are two transactions: what cannot be applied now is not lost, Stripe and beat bring it again. What
is about a payment that we cannot name yet, or that is not paid yet, waits for it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q

from billing import payment_refunds, payments, stripe_gate
from billing.models import Payment, PaymentEvent
from billing.payment_rows import alarm, lock
from billing.stripe_facts import Seen, restored, seen

State = PaymentEvent.State
ASYNC_FAILED = "checkout.session.async_payment_failed"
KINDS = {  # what the endpoint should be sent; anything else is stored and left alone
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    ASYNC_FAILED,
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "charge.succeeded",
    "charge.updated",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
}
AFTERWARDS = {"charge", "refund", "dispute"}  # mean something for a payment that is paid
THINGS = {"checkout.session", "payment_intent", *AFTERWARDS}
LONGEST = 200
AT_ONCE = 200
log = structlog.get_logger("billing")


class NotAnEvent(ValueError):
    """Signed, but without the fields that an event has."""


def receive(event: Mapping[str, Any], *, now: datetime) -> PaymentEvent:
    """Store an event whose signature was verified, and apply it. Raises NotAnEvent."""
    row = _stored(event, now)
    return apply(event=row, now=now)


def apply(*, event: PaymentEvent, now: datetime) -> PaymentEvent:
    """Once, together with what waited for it. An event that was applied stays as it is."""
    with transaction.atomic():
        row = PaymentEvent.objects.select_for_update(no_key=True, of=("self",)).get(pk=event.pk)
        if row.state not in {State.STORED, State.WAITING}:
            return row
        row.state, row.payment = _outcome(row, now)
        row.applied_at = None if row.state == State.WAITING else now
        row.save(update_fields=["state", "payment", "applied_at"])
    if row.state == State.REFUSED:
        log.error("billing.payment_event.refused", event_id=row.event_id, kind=row.kind)
    if row.state == State.APPLIED and row.payment and row.payment.is_paid and row.payment.intent_id:
        apply_waiting(intent_id=row.payment.intent_id, now=now)
    return row


def apply_waiting(*, intent_id: str, now: datetime) -> int:
    """What came before its payment. How many were waiting."""
    waiting = PaymentEvent.objects.filter(state=State.WAITING, intent_id=intent_id).order_by("pk")
    return len([apply(event=event, now=now) for event in list(waiting)])


def apply_due(*, now: datetime) -> int:
    """What an error left unapplied, and what waits for a payment that is paid by now."""
    paid = Payment.objects.filter(state=Payment.State.PAID, intent_id__isnull=False).values("intent_id")
    due = PaymentEvent.objects.filter(Q(state=State.STORED) | Q(state=State.WAITING, intent_id__in=paid))
    count = 0
    for event in list(due.order_by("received_at")[:AT_ONCE]):
        try:
            apply(event=event, now=now)
        except Exception:
            log.exception("billing.payment_event.failed", event_id=event.event_id)
            continue
        count += 1
    return count


def _stored(event: Mapping[str, Any], now: datetime) -> PaymentEvent:
    event_id, kind, data = event.get("id"), event.get("type"), event.get("data")
    thing = data.get("object") if isinstance(data, dict) else None
    if not isinstance(event_id, str) or not isinstance(kind, str) or not isinstance(thing, dict):
        raise NotAnEvent
    if not 0 < len(event_id) <= LONGEST or "\0" in event_id:
        raise NotAnEvent
    said = seen(thing)
    fields = {
        "kind": kind.replace("\0", "")[:80],
        "object_id": said.id,
        "intent_id": said.intent,
        "is_live": event.get("livemode") is True,
        "body": said.body,
        "received_at": now,
    }
    try:
        with transaction.atomic():
            return PaymentEvent.objects.get_or_create(event_id=event_id, defaults=fields)[0]
    except IntegrityError:
        return PaymentEvent.objects.get(event_id=event_id)


def _outcome(event: PaymentEvent, now: datetime) -> tuple[PaymentEvent.State, Payment | None]:
    said = restored(event.body)
    if event.kind not in KINDS or said.what not in THINGS or not said.id:
        return State.IGNORED, None
    payment = _payment(said)
    if payment is None:
        is_ours = bool(said.our_payment) or said.what in AFTERWARDS
        return (State.WAITING if is_ours else State.IGNORED), None
    if event.is_live != stripe_gate.is_live():
        alarm(payment, Payment.Alarm.MODE, said)
        return State.REFUSED, payment
    if said.what in AFTERWARDS and not payment.is_paid:
        return State.WAITING, None
    if said.what == "refund" and payment_refunds.exceeds(payment, said):
        return State.WAITING, None  # for the news that another one has failed
    fits = payments.take(payment, said, has_failed=event.kind == ASYNC_FAILED, now=now)
    return (State.APPLIED if fits else State.REFUSED), payment


def _payment(said: Seen) -> Payment | None:
    """Ours, locked: by the ids that Stripe gave us. Our own name in the metadata counts only where no id is known yet,
    and amount, currency and intent must still fit.
    """
    if said.what == "checkout.session":
        return lock(Q(session_id=said.id))
    if not said.intent:
        return None
    found = lock(Q(intent_id=said.intent))
    if found is None and said.what == "payment_intent" and said.our_payment:
        found = lock(Q(public_id=said.our_payment, intent_id=None))
    return found
