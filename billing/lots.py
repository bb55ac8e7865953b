"""Promotional credit by the lot: which part of it leaves when.

Spending does not touch lots: it knows only the account. They are brought into step lazily, before a new lot and before
one expires: what the account lost since the last look was spent from the lot that expires first; what it gained (calls
that were refunded) goes back to the lot that lasts longest and has room, else to a lot that never expires. Everything
here runs under the lock of the person's promotional account, so lots need none of their own.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts.models import User
from billing.models import AccountKind, LedgerAccount, LedgerTxn, PromoBook, PromoLot
from billing.money import CURRENCY

WARN_BEFORE = timedelta(days=7)


def open_lot(
    *, txn: LedgerTxn, user: User, amount: int, expires_at: datetime | None, source: str, now: datetime
) -> PromoLot:
    """The lot of a posting that has just credited promotional credit, in the same transaction, once per posting."""
    with transaction.atomic():
        account = _locked(user)
        _step(account, user, _open(user), now, gained=amount)
        lot = PromoLot.objects.create(
            user=user,
            txn=txn,
            amount_nano=amount,
            remaining_nano=amount,
            source=source,
            granted_at=now,
            expires_at=expires_at,
            warn_at=_warning(now, expires_at),
        )
        _keep(account, user)
    return lot


def take_back(*, txn: LedgerTxn, now: datetime) -> None:
    """The posting was reversed just now, in this transaction: what is left of its own lot goes first, then others."""
    lot = PromoLot.objects.select_related("user").filter(txn=txn).first()
    if lot is None:
        return
    with transaction.atomic():
        account = _locked(lot.user)
        lots = _open(lot.user)
        _step(account, lot.user, lots, now, lost=lot.amount_nano)
        own = [each for each in lots if each.pk == lot.pk]
        take(own + [each for each in lots if each.pk != lot.pk], lot.amount_nano)
        PromoLot.objects.bulk_update(lots, ["remaining_nano"])
        PromoLot.objects.filter(pk=lot.pk, remaining_nano=0).update(closed_at=now, warn_at=None)
        _keep(account, lot.user)


def reconcile(*, user: User, now: datetime) -> tuple[LedgerAccount, list[PromoLot]]:
    """The account and its lots in the order they are spent, in step and locked until the end of the transaction."""
    account = _locked(user)
    _step(account, user, _open(user), now)
    _keep(account, user)
    return account, _open(user)


def as_they_are(*, user: User, now: datetime) -> list[PromoLot]:
    """The same for a page: nothing is written, nothing is locked. Lots of which something is left."""
    account = LedgerAccount.objects.get(kind=AccountKind.USER_PROMO, owner=user, asset=CURRENCY)
    lots = _open(user)
    _spread_all(user, lots, account.balance - sum(lot.remaining_nano for lot in lots), now)
    return [lot for lot in lots if lot.remaining_nano]


def spread(lots: Sequence[PromoLot], moved: int, now: datetime) -> int:
    """What the account gained (or, below zero, lost) since the last look, over the lots; what found no room."""
    if moved < 0:
        take(lots, -moved)
        return 0
    longest_first = [lot for lot in lots if lot.expires_at is None] + [lot for lot in lots[::-1] if lot.expires_at]
    for lot in longest_first:
        if lot.expires_at is None or lot.expires_at > now:
            part = min(lot.room, moved)
            lot.remaining_nano += part
            moved -= part
    return moved


def _spread_all(user: User, lots: list[PromoLot], moved: int, now: datetime) -> PromoLot | None:
    """As `spread`; what found no room goes to the lot that never expires. That lot, if it had to be made."""
    rest = spread(lots, moved, now)
    if not rest:
        return None
    for lot in lots:
        if lot.txn_id is None:
            lot.amount_nano += rest
            lot.remaining_nano += rest
            return None
    lots.append(PromoLot(user=user, amount_nano=rest, remaining_nano=rest, granted_at=now))
    return lots[-1]


def take(lots: Iterable[PromoLot], amount: int) -> None:
    """`amount` nano from the lots in this order."""
    for lot in lots:
        part = min(lot.remaining_nano, amount)
        lot.remaining_nano -= part
        amount -= part
    if amount:
        raise AssertionError(f"{amount} nano more were spent than all lots held")


def expired(*, lot: PromoLot, amount: int, now: datetime) -> None:
    """`amount` nano of a lot have just been posted as expired (0: nothing was left); an empty one is closed."""
    lot.remaining_nano -= amount
    lot.expired_nano += amount
    if not lot.remaining_nano:
        lot.closed_at, lot.warn_at = now, None
    lot.save(update_fields=["remaining_nano", "expired_nano", "closed_at", "warn_at"])
    PromoBook.objects.filter(user=lot.user_id).update(debits=F("debits") + amount)


def _warning(now: datetime, expires_at: datetime | None) -> datetime | None:
    """A week before; credit for less than a fortnight is spoken of half-way."""
    if expires_at is None:
        return None
    return max(expires_at - WARN_BEFORE, now + (expires_at - now) // 2)


def _locked(user: User) -> LedgerAccount:
    rows = LedgerAccount.objects.select_for_update(no_key=True)
    return rows.get(kind=AccountKind.USER_PROMO, owner=user, asset=CURRENCY)


def _open(user: User) -> list[PromoLot]:
    """In the order they are spent: what expires first, then what never does."""
    found = PromoLot.objects.filter(user=user, closed_at=None)
    return list(found.order_by(F("expires_at").asc(nulls_last=True), "pk"))


def _step(
    account: LedgerAccount, user: User, lots: list[PromoLot], now: datetime, *, gained: int = 0, lost: int = 0
) -> None:
    """Bring the lots into step with the account as it was before `gained` came in or `lost` went out."""
    book, _ = PromoBook.objects.get_or_create(user=user)
    moved = (account.credits - gained - book.credits) - (account.debits - lost - book.debits)
    if made := _spread_all(user, lots, moved, now):
        made.save(force_insert=True)
    PromoLot.objects.bulk_update(lots, ["amount_nano", "remaining_nano"])


def _keep(account: LedgerAccount, user: User) -> None:
    PromoBook.objects.filter(user=user).update(credits=account.credits, debits=account.debits)
