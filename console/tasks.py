"""The schedule's door to the console itself."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from accounts.models import User
from billing.models import LedgerAudit
from console import books


@shared_task(name="console.tasks.audit_ledger")
def audit_ledger(**_: Any) -> None:
    """Called every hour: it runs in the quiet one, or when the last proof is a day old."""
    now = timezone.now()
    if books.is_due(now=now):
        books.prove(now=now)


@shared_task(name="console.tasks.check_books")
def check_books(*, user_id: int, **_: Any) -> None:
    """Somebody asked for it on the page."""
    try:
        books.prove(now=timezone.now(), asked=LedgerAudit.Asked.PAGE, by=User.objects.get(pk=user_id))
    finally:
        books.checked()
