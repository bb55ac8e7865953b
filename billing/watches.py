"""Tell people when their balance runs low, with hysteresis.

A watch fires once when what can be spent falls below its threshold, and is armed again only when it has risen to a
quarter above it (threshold + threshold / 4, rounded up): a balance that hovers around the threshold is told once.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum

from accounts.models import User
from billing import notices
from billing.ledger import SPEND_ORDER
from billing.models import BalanceWatch, NoticeKind
from billing.money import MAX_NANO, NANO

MAX_THRESHOLD = 1_000_000 * NANO
SPENDABLE = F("user__ledger_accounts__credits") - F("user__ledger_accounts__debits") - F("user__ledger_accounts__held")


def rearm_at(threshold: int) -> int:
    """Nano that must be there again before it is told a second time."""
    return threshold + -(-threshold // 4)


def watch(*, user: User, threshold: int | None) -> None:
    """Tell `user` when less than `threshold` nano can be spent; None: never. A new threshold is armed."""
    if threshold is None:
        BalanceWatch.objects.filter(user=user).delete()
        return
    if not 0 < threshold <= min(MAX_THRESHOLD, MAX_NANO):
        raise ValueError(f"{threshold} nano")
    with transaction.atomic():
        levels = {"threshold_nano": threshold, "rearm_nano": rearm_at(threshold)}
        row, created = BalanceWatch.objects.get_or_create(user=user, defaults=levels)
        if not created and row.threshold_nano != threshold:
            BalanceWatch.objects.filter(pk=row.pk).update(**levels, armed=True)


def check(*, now: datetime) -> int:
    """One query for everybody; then one change for each who crossed a line. How many were told."""
    told = 0
    for row in _with_spendable().filter(
        Q(armed=True, spendable__lt=F("threshold_nano")) | Q(armed=False, spendable__gte=F("rearm_nano"))
    ):
        if row.armed:
            told += _fire(row, now)
        else:
            BalanceWatch.objects.filter(pk=row.pk, armed=False, threshold_nano=row.threshold_nano).update(armed=True)
    return told


def _with_spendable() -> QuerySet[BalanceWatch]:
    """Each watch with what its person can spend: the sum over the three classes of credit."""
    theirs = BalanceWatch.objects.filter(user__is_active=True, user__ledger_accounts__kind__in=SPEND_ORDER)
    return theirs.annotate(spendable=Sum(SPENDABLE)).select_related("user")


def _fire(row: BalanceWatch, now: datetime) -> bool:
    with transaction.atomic():
        same = BalanceWatch.objects.filter(pk=row.pk, armed=True, threshold_nano=row.threshold_nano, fired=row.fired)
        if not same.update(armed=False, fired=F("fired") + 1):
            return False  # somebody else was quicker, or the threshold is another one by now
        data = {"threshold_nano": row.threshold_nano, "spendable_nano": int(row.spendable)}  # type: ignore[attr-defined] # annotated
        key = f"low_balance:{row.pk}:{row.fired + 1}"
        notices.write(user=row.user, kind=NoticeKind.LOW_BALANCE, key=key, data=data, now=now)
    return True
