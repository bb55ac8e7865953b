"""The schedule's door to billing: load, one call. Safe to run twice and at the same time."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing import (
    checkpoints,
    notices,
    payment_events,
    payment_refunds,
    payments,
    promos,
    reservations,
    seals,
    standing,
    stripe_gate,
    watches,
)


@shared_task(name="billing.tasks.sweep_holds")
def sweep_holds(**_: Any) -> None:
    reservations.sweep(now=timezone.now())


@shared_task(name="billing.tasks.send_notices")
def send_notices(**_: Any) -> None:
    notices.send_due(now=timezone.now())


@shared_task(name="billing.tasks.watch_balances")
def watch_balances(**_: Any) -> None:
    watches.check(now=timezone.now())


@shared_task(name="billing.tasks.expire_promos")
def expire_promos(**_: Any) -> None:
    now = timezone.now()
    promos.expire_due(now=now)
    promos.warn_due(now=now)


@shared_task(name="billing.tasks.tend_payments")
def tend_payments(**_: Any) -> None:
    """What events left open, what Stripe has not said yet, refunds whose answer was lost, debts that can be repaid."""
    now = timezone.now()
    if stripe_gate.is_on():
        payment_events.apply_due(now=now)
        payments.look_at_due(now=now)
        payment_refunds.send_due(now=now)
    standing.sweep(now=now)


@shared_task(name="billing.tasks.charge_saved_cards")
def charge_saved_cards(**_: Any) -> None:
    if stripe_gate.is_on():
        payments.charge_due(now=timezone.now())


@shared_task(name="billing.tasks.advance_checkpoints")
def advance_checkpoints(**_: Any) -> None:
    checkpoints.advance()


@shared_task(name="billing.tasks.seal_statements")
def seal_statements(**_: Any) -> None:
    seals.seal_due(now=timezone.now())


@shared_task(name="billing.tasks.verify_statements")
def verify_statements(**_: Any) -> None:
    seals.verify_all()
