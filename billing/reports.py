"""What the usage and wallet pages show, as frozen data. Days are UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing
from django.db.models import Count, Q, QuerySet, Sum

from accounts.models import User
from billing import ledger
from billing.models import LedgerAccount, Redemption, Usage
from billing.statements import Statement, midnight, statement

PAGE = 50
SALT = "billing.usage.page"
CREDIT_KINDS = list(ledger.SPEND_ORDER)


@dataclass(frozen=True)
class Totals:
    """Of everything that is filtered, not of one page."""

    calls: int
    charge: int  # nano
    refunded: int  # nano
    uncollected: int  # nano
    tokens_in: int
    tokens_out: int
    images: int


@dataclass(frozen=True)
class UsagePage:
    calls: list[Usage]
    totals: Totals
    following: str  # cursor of the next page, "" at the end


@dataclass(frozen=True)
class Wallet:
    balances: ledger.Balances
    statement: Statement
    redemptions: list[Redemption]


def usage(*, user: User, chosen: Mapping[str, Any], cursor: str, now: datetime) -> UsagePage:
    """The calls that fit, newest first, by keyset. A cursor that is none of ours starts at the beginning."""
    calls = _filtered(user, chosen, now)
    totals = _totals(calls)
    page = calls
    if after := _opened(cursor):
        moment, last = after
        page = page.filter(Q(started_at__lt=moment) | Q(started_at=moment, request_id__lt=last))
    rows = list(page.select_related("key").order_by("-started_at", "-request_id")[: PAGE + 1])
    following = ""
    if len(rows) > PAGE:
        rows = rows[:PAGE]
        following = signing.dumps([rows[-1].started_at.isoformat(), rows[-1].request_id], salt=SALT)
    return UsagePage(rows, totals, following)


def wallet(*, user: User, month: str, now: datetime) -> Wallet:
    """What somebody has, and the statement of one month."""
    accounts = list(LedgerAccount.objects.filter(owner=user))
    credit = [account for account in accounts if account.kind in CREDIT_KINDS]
    return Wallet(
        balances=ledger.balances_of(accounts),
        statement=statement(credit=credit, month=month, now=now),
        redemptions=list(Redemption.objects.filter(user=user).select_related("code").order_by("-pk")[:5]),
    )


def _filtered(user: User, chosen: Mapping[str, Any], now: datetime) -> QuerySet[Usage]:
    calls = Usage.objects.filter(user=user)
    for name, column in {"model": "model", "key": "key__public_id", "status": "status"}.items():
        if value := chosen.get(name):
            calls = calls.filter(**{column: value})
    if day := chosen.get("day"):  # by the moment of the charge: what the statement says of that day adds up here
        start = midnight(day)
        return calls.filter(txn__effective_at__gte=start, txn__effective_at__lt=start + timedelta(days=1))
    if days := chosen.get("days"):
        today = now.astimezone(UTC).date()
        calls = calls.filter(started_at__gte=midnight(today - timedelta(days=int(days) - 1)))
    return calls


def _totals(calls: QuerySet[Usage]) -> Totals:
    sums = calls.aggregate(
        calls=Count("pk"),
        charge=Sum("charge_nano", default=0),
        refunded=Sum("refunded_nano", default=0),
        uncollected=Sum("uncollected_nano", default=0),
        input=Sum("input_tokens", default=0),
        cached=Sum("cached_tokens", default=0),
        written=Sum("cache_write_tokens", default=0),
        output=Sum("output_tokens", default=0),
        reasoning=Sum("reasoning_tokens", default=0),
        images=Sum("images", default=0),
    )
    return Totals(
        calls=sums["calls"],
        charge=sums["charge"],
        refunded=sums["refunded"],
        uncollected=sums["uncollected"],
        tokens_in=sums["input"] + sums["cached"] + sums["written"],
        tokens_out=sums["output"] + sums["reasoning"],
        images=sums["images"],
    )


def _opened(cursor: str) -> tuple[str, str] | None:
    try:
        moment, last = signing.loads(cursor[:400], salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return str(moment), str(last)
