"""Monthly statements: what a month of somebody's credit was, sealed once it is over.

A month is one of UTC, the ledger's day; a movement belongs to the month in which it was posted. Nothing is posted into
a month that has ended, because every posting bears the moment at which it is made; a month is sealed a day after its
end, and `verify` builds each sealed document again from the journal.

Every month from the first movement on has its statement, also one in which nothing moved, so a chain has no gaps.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from accounts.models import User
from billing.ledger import SPEND_ORDER
from billing.models import AccountKind, LedgerAccount, LedgerEntry, SealedStatement, Usage
from billing.money import CURRENCY
from billing.statement_check import START, faults, seal
from billing.statements import midnight

DELAY = timedelta(days=1)
VERSION = 1
CLASSES = {AccountKind.USER_PAID: "paid", AccountKind.USER_PROMO: "promo", AccountKind.USER_REWARD: "reward"}
_MONTH = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])", re.ASCII)
log = structlog.get_logger("billing")


@dataclass(frozen=True)
class Movement:
    """One event, or all calls of one day. Nano by class, negative when it left."""

    day: date
    kind: str
    amounts: dict[str, int]
    txn: int | None  # None: the calls of the day
    calls: int
    detail: str = ""
    request_id: str = ""

    @property
    def total(self) -> int:
        return sum(self.amounts.values())


@dataclass(frozen=True)
class Month:
    """Opening + movements = closing, for each class."""

    first: date
    opening: dict[str, int]
    movements: list[Movement]  # oldest first

    @property
    def closing(self) -> dict[str, int]:
        return {
            name: opening + sum(each.amounts[name] for each in self.movements) for name, opening in self.opening.items()
        }


def month_of(*, user: User, first: date) -> Month:
    """A month as the journal has it now; five queries."""
    accounts = {row.pk: CLASSES[AccountKind(row.kind)] for row in _accounts(user)}
    start, end = midnight(first), midnight(following(first))
    entries = LedgerEntry.objects.filter(Q(debit__in=accounts) | Q(credit__in=accounts))
    opening = _sums(entries.filter(txn__effective_at__lt=start), accounts)
    inside = entries.filter(txn__effective_at__gte=start, txn__effective_at__lt=end)
    moved = [*_events(inside, accounts), *_calls(user, inside, accounts, start, end)]
    return Month(first, opening, sorted(moved, key=lambda each: (each.day, each.txn is None, each.txn or 0)))


def document(user: User, month: Month) -> str:
    """The canonical text of a month: what is hashed."""
    lines = sorted(month.movements, key=lambda each: (each.day, each.txn or 0))
    facts = {
        "version": VERSION,
        "account": user.public_id,
        "currency": CURRENCY,
        "unit": "nano",
        "month": f"{month.first:%Y-%m}",
        "opening": _texts(month.opening),
        "movements": [
            {
                "day": each.day.isoformat(),
                "event": each.kind,
                "amounts": _texts(each.amounts),
                "posting": each.txn,
                "calls": each.calls,
            }
            for each in lines
        ],
        "closing": _texts(month.closing),
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def seal_due(*, now: datetime) -> int:
    """Seal every month that is over and is not sealed yet; how many statements were made. Safe to repeat."""
    last = (now - DELAY).astimezone(UTC).date().replace(day=1)  # not over yet, or only just
    count = 0
    for user in _unsealed(last).iterator():
        for first in _open_months(user, last):
            count += _seal(user, first, now)
    return count


def chain(user: User) -> QuerySet[SealedStatement]:
    return SealedStatement.objects.filter(user=user).order_by("month")


def lines(user: User) -> Iterator[str]:
    """The chain as a file: one statement a line, for billing/statement_check.py."""
    for row in chain(user).iterator():
        yield json.dumps({"document": row.document, "previous": row.previous_hash, "hash": row.hash}) + "\n"


def verify(*, user: User) -> tuple[int, list[str]]:
    """How many statements somebody has and what is wrong with them: their hashes, their sums, and the journal."""
    count, wrong = faults(lines(user))
    for row in chain(user).iterator():
        if document(user, month_of(user=user, first=row.month)) != row.document:
            wrong.append(f"statement of {row.month:%Y-%m} is not what the journal says")
    return count, wrong


def verify_all() -> dict[str, list[str]]:
    """Everybody's chain; what is wrong, by the public id of the account, and an alarm for each."""
    wrong = {}
    for user in User.objects.filter(pk__in=SealedStatement.objects.values("user")).order_by("pk").iterator():
        _count, found = verify(user=user)
        if found:
            wrong[user.public_id] = found
            log.error("billing.statement.broken", user=user.public_id, faults=found)
    return wrong


def following(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def first_month(user: User) -> date | None:
    """Of the first movement."""
    accounts = list(_accounts(user).values_list("pk", flat=True))
    entries = LedgerEntry.objects.filter(Q(debit__in=accounts) | Q(credit__in=accounts))
    earliest: datetime | None = entries.aggregate(at=Min("txn__effective_at"))["at"]
    return earliest.astimezone(UTC).date().replace(day=1) if earliest else None


def months(user: User, today: date) -> list[date]:
    """From the first movement to now, the oldest first."""
    first, found = first_month(user), []
    while first is not None and first <= today:
        found.append(first)
        first = following(first)
    return found


def read_month(text: str, *, user: User, today: date) -> date | None:
    """`2026-11` as its first day; None for what is no month, has not begun, or was before the first movement."""
    if not _MONTH.fullmatch(text):
        return None
    first = date(int(text[:4]), int(text[5:]), 1)
    return first if first in months(user, today) else None


def _unsealed(last: date) -> QuerySet[User]:
    """People with credit or a past of it, whose last month is not sealed."""
    moved = LedgerAccount.objects.filter(kind__in=SPEND_ORDER, credits__gt=0).values("owner")
    before = (last - timedelta(days=1)).replace(day=1)
    done = SealedStatement.objects.filter(month=before).values("user")
    return User.objects.filter(pk__in=moved).exclude(pk__in=done).order_by("pk")


def _open_months(user: User, last: date) -> Iterator[date]:
    latest = chain(user).last()
    first = following(latest.month) if latest else first_month(user)
    while first is not None and first < last:
        yield first
        first = following(first)


def _seal(user: User, first: date, now: datetime) -> bool:
    text = document(user, month_of(user=user, first=first))
    latest = chain(user).last()
    previous = latest.hash if latest else START
    try:
        with transaction.atomic():
            SealedStatement.objects.create(
                user=user,
                month=first,
                document=text,
                previous_hash=previous,
                hash=seal(previous, text),
                sealed_at=now,
            )
    except IntegrityError:  # another worker was quicker
        return False
    log.info("billing.statement.sealed", user=user.public_id, month=f"{first:%Y-%m}")
    return True


def _accounts(user: User) -> QuerySet[LedgerAccount]:
    return LedgerAccount.objects.filter(owner=user, kind__in=SPEND_ORDER)


def _sums(entries: QuerySet[LedgerEntry], accounts: dict[int, str]) -> dict[str, int]:
    sums = dict.fromkeys(sorted(accounts.values()), 0)
    for side, sign in (("credit", 1), ("debit", -1)):
        rows = (
            entries.filter(**{f"{side}__in": accounts}).values_list(f"{side}_id").annotate(s=Sum("amount")).order_by()
        )
        for pk, amount in rows:
            sums[accounts[pk]] += sign * int(amount)
    return sums


def _calls(
    user: User, entries: QuerySet[LedgerEntry], accounts: dict[int, str], start: datetime, end: datetime
) -> list[Movement]:
    """One line for each day: amounts from the journal, the number of calls from their rows."""
    spent = entries.filter(txn__kind="usage").annotate(day=TruncDate("txn__effective_at", tzinfo=UTC))
    days: dict[date, dict[str, int]] = {}
    for day, pk, amount in spent.values_list("day", "debit_id").annotate(s=Sum("amount")).order_by():
        days.setdefault(day, dict.fromkeys(sorted(accounts.values()), 0))[accounts[pk]] -= int(amount)
    charged = Usage.objects.filter(user=user, txn__effective_at__gte=start, txn__effective_at__lt=end)
    by_day = charged.annotate(day=TruncDate("txn__effective_at", tzinfo=UTC)).values_list("day")
    counts = dict(by_day.annotate(n=Count("pk")).order_by())
    return [Movement(day, "usage", amounts, None, counts.get(day, 0)) for day, amounts in sorted(days.items())]


def _events(entries: QuerySet[LedgerEntry], accounts: dict[int, str]) -> list[Movement]:
    found: dict[int, Movement] = {}
    rows = entries.exclude(txn__kind="usage").select_related("txn").order_by("txn_id", "pk")
    for entry in rows:
        txn = entry.txn
        line = found.get(txn.pk)
        if line is None:
            line = found[txn.pk] = Movement(
                day=txn.effective_at.astimezone(UTC).date(),
                kind=txn.kind,
                amounts=dict.fromkeys(sorted(accounts.values()), 0),
                txn=txn.pk,
                calls=0,
                detail=txn.reason,
                request_id=txn.source_id if txn.kind == "usage.refund" else "",
            )
        for pk, sign in ((entry.credit_id, 1), (entry.debit_id, -1)):
            if pk in accounts:
                line.amounts[accounts[pk]] += sign * entry.amount
    return list(found.values())


def _texts(amounts: dict[str, int]) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}
