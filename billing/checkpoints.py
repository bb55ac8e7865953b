"""The balances of the house: sums of the journal up to a safe moment, and what came since.

The moment is one before which no transaction can still be open, by the database's clock. Entry numbers would not do: on
PostgreSQL a smaller number may become visible after a larger one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Now

from billing.models import AccountKind, LedgerAccount, LedgerCheckpoint, LedgerScale
from billing.money import CURRENCY

DELAY = timedelta(minutes=10)
BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
# Per account of the house and kind of event, between two moments.
MOVED = """
    SELECT s.account_id, s.kind, SUM(s.debits), SUM(s.credits) FROM (
        SELECT e.debit_id AS account_id, t.kind, e.amount AS debits, 0 AS credits FROM billing_ledgertxn t
        JOIN billing_ledgerentry e ON e.txn_id = t.id
        JOIN billing_ledgeraccount a ON a.id = e.debit_id AND NOT a.live
        WHERE t.created_at >= %s AND t.created_at < %s
        UNION ALL
        SELECT e.credit_id, t.kind, 0, e.amount FROM billing_ledgertxn t
        JOIN billing_ledgerentry e ON e.txn_id = t.id
        JOIN billing_ledgeraccount a ON a.id = e.credit_id AND NOT a.live
        WHERE t.created_at >= %s AND t.created_at < %s
    ) s GROUP BY s.account_id, s.kind
"""
# The same from the beginning to where the sums reach, for the audit.
BEFORE_THEM = """
    SELECT s.account_id, s.kind, SUM(s.debits) AS debits, SUM(s.credits) AS credits FROM (
        SELECT e.debit_id AS account_id, t.kind, e.amount AS debits, 0 AS credits FROM billing_ledgertxn t
        JOIN billing_ledgerentry e ON e.txn_id = t.id
        JOIN billing_ledgeraccount a ON a.id = e.debit_id AND NOT a.live
        WHERE t.created_at < (SELECT MIN(until) FROM billing_ledgercheckpoint)
        UNION ALL
        SELECT e.credit_id, t.kind, 0, e.amount FROM billing_ledgertxn t
        JOIN billing_ledgerentry e ON e.txn_id = t.id
        JOIN billing_ledgeraccount a ON a.id = e.credit_id AND NOT a.live
        WHERE t.created_at < (SELECT MIN(until) FROM billing_ledgercheckpoint)
    ) s GROUP BY s.account_id, s.kind
"""


@dataclass(frozen=True)
class Moved:
    """What events of one kind did to one account. Nano."""

    account_id: int
    kind: str
    debits: int
    credits: int


@dataclass(frozen=True)
class TrialLine:
    """All accounts of one kind together. `balance` is positive on the account's own side."""

    kind: AccountKind
    debits: int
    credits: int
    sign: int

    @property
    def balance(self) -> int:
        return self.sign * (self.credits - self.debits)


def advance() -> datetime:
    """Add what has settled down since the last time; until which moment the sums reach now. Safe to repeat."""
    with transaction.atomic():
        # One at a time: the row of the unit of account is there exactly once.
        LedgerScale.objects.select_for_update(no_key=True).get(asset=CURRENCY)
        since, until = _reached(), _horizon()
        if until <= since:
            return since
        known = {(row.account_id, row.txn_kind): row for row in LedgerCheckpoint.objects.all()}
        for moved in between(since, until):
            row = known.get((moved.account_id, moved.kind))
            if row is None:
                row = LedgerCheckpoint(account_id=moved.account_id, txn_kind=moved.kind, debits=0, credits=0)
            row.debits, row.credits, row.until = row.debits + moved.debits, row.credits + moved.credits, until
            row.save()
        LedgerCheckpoint.objects.update(until=until)
    return until


def house() -> dict[tuple[int, str], Moved]:
    """What every account of the house was debited and credited, by account and kind of event, until now."""
    sums = {
        (row.account_id, row.txn_kind): Moved(row.account_id, row.txn_kind, row.debits, row.credits)
        for row in LedgerCheckpoint.objects.all()
    }
    for more in between(_reached(), END):
        name = (more.account_id, more.kind)
        old = sums.get(name, Moved(*name, 0, 0))
        sums[name] = Moved(*name, old.debits + more.debits, old.credits + more.credits)
    return sums


def between(since: datetime, until: datetime) -> list[Moved]:
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(MOVED, [adapt(since), adapt(until)] * 2)
        return [Moved(int(pk), str(kind), int(out), int(into)) for pk, kind, out, into in cursor.fetchall()]


def trial_balance(house: Iterable[Moved]) -> list[TrialLine]:
    """Every kind of account with what it was debited and credited; over all of them both sums are the same."""
    owned = LedgerAccount.objects.filter(live=True).values_list("kind", "sign").order_by()
    sums = {
        (kind, sign): (int(out), int(into))
        for kind, sign, out, into in owned.annotate(d=Sum("debits"), c=Sum("credits"))
    }
    of_house = {row.pk: row for row in LedgerAccount.objects.filter(live=False)}
    sums |= {(row.kind, row.sign): (0, 0) for row in of_house.values()}
    for moved in house:
        row = of_house[moved.account_id]
        debits, credits_ = sums[row.kind, row.sign]
        sums[row.kind, row.sign] = (debits + moved.debits, credits_ + moved.credits)
    order = list(AccountKind)
    lines = [TrialLine(AccountKind(kind), *both, sign) for (kind, sign), both in sums.items()]
    return sorted(lines, key=lambda line: order.index(line.kind))


def _reached() -> datetime:
    first = LedgerCheckpoint.objects.values_list("until", flat=True).first()
    return first or BEGINNING


def _horizon() -> datetime:
    """A moment that every open transaction began after."""
    scale = LedgerScale.objects.annotate(now=Now()).values_list("now", flat=True)
    horizon: datetime = scale[0] - DELAY
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT MIN(xact_start) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            oldest = cursor.fetchone()[0]
        horizon = min(horizon, oldest) if oldest else horizon
    return horizon


def debits_of(house: Iterable[Moved], kind: AccountKind, *events: str) -> int:
    """What an account of the house was debited by these events. Nano."""
    return sum(each.debits for each in _of(house, kind, events))


def credits_of(house: Iterable[Moved], kind: AccountKind, *events: str) -> int:
    return sum(each.credits for each in _of(house, kind, events))


def _of(house: Iterable[Moved], kind: AccountKind, events: tuple[str, ...]) -> list[Moved]:
    pks = set(LedgerAccount.objects.filter(kind=kind, owner=None).values_list("pk", flat=True))
    return [each for each in house if each.account_id in pks and each.kind in events]
