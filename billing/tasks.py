"""The schedule's door to billing: load, one call. Safe to run twice and at the same time."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing import notices, reservations


@shared_task(name="billing.tasks.sweep_holds")
def sweep_holds(**_: Any) -> None:
    reservations.sweep(now=timezone.now())


@shared_task(name="billing.tasks.send_notices")
def send_notices(**_: Any) -> None:
    notices.send_due(now=timezone.now())
