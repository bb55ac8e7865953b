"""The schedule's door to billing: load, one call. Safe to run twice and at the same time."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing import notices, promos, reservations, watches


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
