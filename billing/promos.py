"""Promotional credit that expires: told a week before, taken off afterwards, never what is held or was spent."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from accounts.models import User
from billing import ledger, lots, notices
from billing.ledger import Line
from billing.models import AccountKind, LedgerTxn, NoticeKind, PromoLot
from billing.statements import EVENT_NAMES

AT_ONCE = 500
log = structlog.get_logger("billing")


@dataclass(frozen=True)
class LotLine:
    """A lot as its owner reads it. `soon`: it expires within a week."""

    name: str
    source: str
    amount: int  # nano
    remaining: int  # nano
    expires_at: datetime | None
    soon: bool


def lines(*, user: User, now: datetime) -> list[LotLine]:
    """What promotional credit consists of, in the order it is spent. Their sum is the balance of that class."""
    found = lots.as_they_are(user=user, now=now)
    kinds = dict(LedgerTxn.objects.filter(pk__in=[lot.txn_id for lot in found]).values_list("pk", "kind"))
    return [
        LotLine(
            name=str(EVENT_NAMES[kinds.get(lot.txn_id or 0, "usage.refund")]),
            source=lot.source,
            amount=lot.amount_nano,
            remaining=lot.remaining_nano,
            expires_at=lot.expires_at,
            soon=lot.expires_at is not None and lot.expires_at - lots.WARN_BEFORE <= now,
        )
        for lot in found
    ]


def expire_due(*, now: datetime) -> int:
    """Take off what is left of lots whose time has passed. How many postings that took.

    What is held might still be spent, and promotional credit is spent first: as much as is held stays until the holds
    have ended, and goes with a later run. Each nano of a lot expires at most once: the key of a posting says how much
    of the lot had expired before it, read under the lock.
    """
    due = PromoLot.objects.filter(closed_at=None, expires_at__lte=now).order_by("user_id")
    posted = 0
    for user in User.objects.filter(pk__in=due.values("user_id").distinct()).order_by("pk")[:AT_ONCE]:
        with transaction.atomic():
            posted += _expire(user, now)
    return posted


def warn_due(*, now: datetime) -> int:
    """Tell people about lots that expire soon and of which something is left."""
    due = PromoLot.objects.filter(closed_at=None, warn_at__lte=now).order_by("user_id")
    told = 0
    for user in User.objects.filter(pk__in=due.values("user_id").distinct()).order_by("pk")[:AT_ONCE]:
        with transaction.atomic():
            _, theirs = lots.reconcile(user=user, now=now)
            told += sum(_warn(lot, now) for lot in theirs if lot.warn_at is not None and lot.warn_at <= now)
    return told


def _expire(user: User, now: datetime) -> int:
    account, theirs = lots.reconcile(user=user, now=now)
    held, posted = account.held, 0
    for lot in theirs:  # in the order they are spent, so what is held belongs to the first of them
        if lot.expires_at is None or lot.expires_at > now:
            break
        kept = min(held, lot.remaining_nano)
        held -= kept
        part = lot.remaining_nano - kept
        if part:
            _post(lot, user, part, now)
            posted += 1
        if part or not kept:
            lots.expired(lot=lot, amount=part, now=now)
    return posted


def _post(lot: PromoLot, user: User, amount: int, now: datetime) -> None:
    line = Line(
        debit=ledger.account(AccountKind.USER_PROMO, user),
        credit=ledger.account(AccountKind.EXPENSE_PROMO),
        amount=amount,
    )
    ledger.post(
        kind="promo.expire",
        key=f"expire:{lot.pk}" + (f":{lot.expired_nano}" if lot.expired_nano else ""),
        lines=[line],
        actor=None,
        now=now,
        reason=lot.source,
        source_type="promo_lot",
        source_id=str(lot.pk),
    )
    log.info("billing.promo.expired", lot=lot.pk, amount_nano=amount)


def _warn(lot: PromoLot, now: datetime) -> bool:
    PromoLot.objects.filter(pk=lot.pk).update(warn_at=None)
    if not lot.remaining_nano or lot.expires_at is None or lot.expires_at <= now:
        return False
    data = {"amount_nano": lot.remaining_nano, "expires_at": lot.expires_at.isoformat(), "source": lot.source}
    notices.write(user=lot.user, kind=NoticeKind.PROMO_EXPIRING, key=f"promo_expiring:{lot.pk}", data=data, now=now)
    return True
