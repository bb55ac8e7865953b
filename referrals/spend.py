"""What people spent from paid credit, read from the ledger. Billing knows nothing of referrals: we look.

A charge belongs to the moment it was posted for (`effective_at`), a refund to the moment of the charge it gives back,
whenever it came. So the spend of a day only ever grows by late charges and shrinks by refunds.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.db.models import QuerySet, Sum

from accounts.models import User
from billing.models import AccountKind, LedgerEntry, Usage


def of_referees(*, start: datetime, end: datetime) -> dict[int, int]:
    """Nano of paid spend in a stretch of time (end not included), by user id, of everybody whom somebody brought."""
    spent = _charges(start, end).filter(debit__owner__referred_by__isnull=False)
    returned = _refunds(start, end).filter(credit__owner__referred_by__isnull=False)
    total = _sums(spent, "debit__owner_id")
    for user_id, amount in _sums(returned, "credit__owner_id").items():
        total[user_id] = total.get(user_id, 0) - amount
    return total


def of(user: User, *, start: datetime, end: datetime) -> int:
    """Nano that one person spent from paid credit in a stretch of time (end not included), less what was refunded."""
    if end <= start:
        return 0
    spent = _charges(start, end).filter(debit__owner=user).aggregate(total=Sum("amount"))["total"] or 0
    returned = _refunds(start, end).filter(credit__owner=user).aggregate(total=Sum("amount"))["total"] or 0
    return int(spent) - int(returned)


def days_refunded_since(moment: datetime) -> set[date]:
    """The UTC days whose spend shrank by a refund posted since then."""
    requests = LedgerEntry.objects.filter(
        txn__kind="usage.refund",
        txn__effective_at__gte=moment,
        credit__kind=AccountKind.USER_PAID,
        credit__owner__referred_by__isnull=False,
    ).values("txn__source_id")
    moments: Iterable[datetime] = Usage.objects.filter(request_id__in=requests, txn__isnull=False).values_list(
        "txn__effective_at", flat=True
    )
    return {moment.astimezone(UTC).date() for moment in moments}


def _charges(start: datetime, end: datetime) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(
        txn__kind="usage", txn__effective_at__gte=start, txn__effective_at__lt=end, debit__kind=AccountKind.USER_PAID
    )


def _refunds(start: datetime, end: datetime) -> QuerySet[LedgerEntry]:
    """Refunds, whenever posted, of calls that were charged in the stretch."""
    calls = Usage.objects.filter(txn__effective_at__gte=start, txn__effective_at__lt=end, refunded_nano__gt=0)
    return LedgerEntry.objects.filter(
        txn__kind="usage.refund", txn__source_id__in=calls.values("request_id"), credit__kind=AccountKind.USER_PAID
    )


def _sums(entries: QuerySet[LedgerEntry], owner: str) -> dict[int, int]:
    rows = entries.values_list(owner).annotate(total=Sum("amount")).order_by()
    return {int(user_id): int(total) for user_id, total in rows}
