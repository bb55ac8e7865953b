"""The ledger as its owner reads it: one month, every movement of credit, a running balance. Days are UTC."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from django.db.models import Case, Count, F, Max, Q, QuerySet, Sum, When
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import LedgerAccount, LedgerEntry, LedgerTxn, Redemption, Usage

_MONTH = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])", re.ASCII)
EVENT_NAMES = {
    "topup": gettext_lazy("Top-up"),
    "topup.bonus": gettext_lazy("Top-up bonus"),
    "redeem": gettext_lazy("Redeem code"),
    "grant": gettext_lazy("Credit granted"),
    "usage": gettext_lazy("API calls"),
    "usage.refund": gettext_lazy("Charge refunded"),
    "promo.expire": gettext_lazy("Promotional credit expired"),
    "reward.convert": gettext_lazy("Reward turned into credit"),
    "refund": gettext_lazy("Top-up refunded"),
    "refund.undo": gettext_lazy("Refund came back"),
    "dispute": gettext_lazy("Payment disputed"),
    "dispute.won": gettext_lazy("Dispute won"),
    "debt.repay": gettext_lazy("Debt repaid"),
    "adjust": gettext_lazy("Adjustment"),
    "reversal": gettext_lazy("Correction"),
}


@dataclass(frozen=True)
class StatementLine:
    day: date
    at: datetime
    name: str
    detail: str
    amount: int  # nano, negative when spent
    balance: int  # nano, after it
    calls: int = 0  # of a line that stands for the API calls of one day
    request_id: str = ""  # of the call that a refund gives back


@dataclass(frozen=True)
class Statement:
    """One month: opening + amounts of all lines = closing."""

    month: date  # its first day
    opening: int  # nano
    closing: int  # nano
    lines: list[StatementLine]  # newest first
    older: date | None
    newer: date | None


def midnight(day: date) -> datetime:
    """The first moment of a day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def statement(*, credit: list[LedgerAccount], month: str, now: datetime) -> Statement:
    """Every movement of a person's accounts of credit in a month (`YYYY-MM`; anything else is the current one).

    Reckoned back from the live balance, so the usual page never reads the whole journal.
    """
    first, current = _first_of(month, now), _first_of("", now)
    start, end = midnight(first), midnight(_next(first))
    entries = LedgerEntry.objects.filter(Q(debit__in=credit) | Q(credit__in=credit))
    ours = [account.pk for account in credit]
    later = _net(entries.filter(txn__effective_at__gte=end), ours)
    closing = sum(account.balance for account in credit) - later
    inside = entries.filter(txn__effective_at__gte=start, txn__effective_at__lt=end)
    lines = _lines(inside, ours, _code_names(credit), _calls(credit, start, end))
    opening = closing - sum(line.amount for line in lines)
    has_older = entries.filter(txn__effective_at__lt=start).exists()
    return Statement(
        month=first,
        opening=opening,
        closing=closing,
        lines=_with_balances(lines, opening),
        older=(first - timedelta(days=1)).replace(day=1) if has_older else None,
        newer=_next(first) if first < current else None,
    )


def _calls(credit: list[LedgerAccount], start: datetime, end: datetime) -> dict[date, int]:
    """Charged calls a day. One posting may stand for several calls, so they are counted by their rows."""
    owners = {account.owner_id for account in credit}
    charged = Usage.objects.filter(user__in=owners, txn__effective_at__gte=start, txn__effective_at__lt=end)
    days = charged.annotate(day=TruncDate("txn__effective_at", tzinfo=UTC)).values_list("day")
    return dict(days.annotate(count=Count("pk")).order_by())


def _lines(
    entries: QuerySet[LedgerEntry], ours: list[int], names: dict[int, str], calls: dict[date, int]
) -> list[StatementLine]:
    spent = entries.filter(txn__kind="usage").annotate(day=TruncDate("txn__effective_at", tzinfo=UTC)).values("day")
    days = spent.annotate(amount=Sum("amount"), at=Max("txn__effective_at")).order_by()
    name = str(EVENT_NAMES["usage"])
    lines = [
        StatementLine(row["day"], row["at"], name, "", -row["amount"], 0, calls.get(row["day"], 0)) for row in days
    ]
    events: dict[LedgerTxn, int] = {}
    for entry in entries.exclude(txn__kind="usage").select_related("txn").order_by("pk"):
        gained = entry.amount if entry.credit_id in ours else -entry.amount
        events[entry.txn] = events.get(entry.txn, 0) + gained
    return lines + [_one_line(txn, amount, names) for txn, amount in events.items()]


def _one_line(txn: LedgerTxn, amount: int, names: dict[int, str]) -> StatementLine:
    return StatementLine(
        day=txn.effective_at.astimezone(UTC).date(),
        at=txn.effective_at,
        name=str(EVENT_NAMES.get(txn.kind, txn.kind)),
        detail=names.get(txn.pk, txn.reason),
        amount=amount,
        balance=0,
        request_id=txn.source_id if txn.kind == "usage.refund" else "",
    )


def _with_balances(lines: list[StatementLine], opening: int) -> list[StatementLine]:
    balance, done = opening, []
    for line in sorted(lines, key=lambda each: (each.day, each.at)):
        balance += line.amount
        done.append(replace(line, balance=balance))
    return done[::-1]


def _net(entries: QuerySet[LedgerEntry], ours: list[int]) -> int:
    """What the accounts gained by these entries."""
    signed = Case(When(credit__in=ours, then=F("amount")), default=-F("amount"))
    return int(entries.aggregate(net=Sum(signed, default=0))["net"])


def _first_of(month: str, now: datetime) -> date:
    current = now.astimezone(UTC).date().replace(day=1)
    if not _MONTH.fullmatch(month):
        return current
    return min(date(int(month[:4]), int(month[5:]), 1), current)


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _code_names(credit: list[LedgerAccount]) -> dict[int, str]:
    """The last characters of each redeemed code, by transaction."""
    owners = {account.owner_id for account in credit}
    rows = Redemption.objects.filter(user__in=owners).values_list("txn_id", "code__code")
    return {txn: _("ending in %(end)s") % {"end": code[-4:]} for txn, code in rows}
