"""A person's money as support and operators see it, as frozen data. Keys are shown by hint, never more."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import ApiKey, User
from billing import grants, ledger, promos, statements
from billing.models import Grant, Hold, LedgerAccount, LedgerEntry, LedgerTxn, Usage

FOUND = 50
MOVEMENTS = 20
HOLDS = 20
KEYS = 50
GRANTS = 50
SHORTEST = 3  # letters of an address
_SCAN = 80  # entries that are read for MOVEMENTS lines


@dataclass(frozen=True)
class PersonLine:
    user: User
    balances: ledger.Balances


@dataclass(frozen=True)
class Movement:
    """One posting as it changed the person's credit."""

    txn: LedgerTxn
    name: str
    amount: int  # nano, negative when spent
    is_reversed: bool


@dataclass(frozen=True)
class GrantLine:
    """A grant, and what the person who looks may still do with it."""

    grant: Grant
    is_reversed: bool
    may_approve: bool
    may_refuse: bool
    may_correct: bool


@dataclass(frozen=True)
class PersonPage:
    user: User
    balances: ledger.Balances
    lots: list[promos.LotLine]
    holds: list[Hold]
    movements: list[Movement]
    keys: list[ApiKey]
    grants: list[GrantLine]
    limit: int  # nano that one operator may grant alone in a day


def search(q: str) -> list[PersonLine]:
    """By part of an address, public id, the beginning of a key's hint, or request id. Nothing found: an empty list."""
    users = list(_matching(q.strip()).order_by("email")[:FOUND])
    accounts: dict[int, list[LedgerAccount]] = {user.pk: [] for user in users}
    for account in LedgerAccount.objects.filter(owner__in=users):
        accounts[account.owner_id or 0].append(account)
    return [PersonLine(user, ledger.balances_of(accounts[user.pk])) for user in users]


def pending() -> list[Grant]:
    """Grants that wait for a second person, the oldest first."""
    waiting = Grant.objects.filter(state=Grant.State.PENDING).select_related("user", "requested_by")
    return list(waiting.order_by("requested_at")[:FOUND])


def person(*, public_id: str, by: User, now: datetime) -> PersonPage:
    """Raises User.DoesNotExist."""
    user = User.objects.get(public_id=public_id)
    accounts = list(LedgerAccount.objects.filter(owner=user))
    given = Grant.objects.filter(user=user).select_related("requested_by", "decided_by").order_by("-requested_at")
    return PersonPage(
        user=user,
        balances=ledger.balances_of(accounts),
        lots=promos.lines(user=user, now=now),
        holds=list(Hold.objects.filter(user=user, state=Hold.State.OPEN).order_by("-created_at")[:HOLDS]),
        movements=_movements([account for account in accounts if account.kind in ledger.SPEND_ORDER]),
        keys=list(ApiKey.objects.of(user)[:KEYS]),
        grants=_grants(sorted(given[:GRANTS], key=lambda grant: grant.state != Grant.State.PENDING), by),
        limit=grants.limit(),
    )


def _matching(q: str) -> QuerySet[User]:
    if q.startswith("req_"):
        owners = Usage.objects.filter(pk=q).values("user"), Hold.objects.filter(pk=q).values("user")
        return User.objects.filter(Q(pk__in=owners[0]) | Q(pk__in=owners[1]))
    if q.startswith("usr_"):
        return User.objects.filter(public_id=q)
    if q.startswith("qy_"):
        public, _, rest = q.removeprefix("qy_").partition("_")
        keys = ApiKey.objects.filter(public_id=public) if rest else ApiKey.objects.filter(public_id__startswith=public)
        return User.objects.filter(pk__in=keys.values("user")) if len(public) >= SHORTEST else User.objects.none()
    return User.objects.filter(email__contains=q.lower()) if len(q) >= SHORTEST else User.objects.none()


def _movements(credit: list[LedgerAccount]) -> list[Movement]:
    """The latest postings. Each side has its own index, so both are read from the end."""
    ours = {account.pk for account in credit}
    entries: list[LedgerEntry] = []
    for side in ("debit", "credit"):
        found = LedgerEntry.objects.filter(**{f"{side}__in": ours}).select_related("txn", "txn__actor")
        entries += found.order_by("-pk")[:_SCAN]
    amounts: dict[int, int] = {}
    txns: dict[int, LedgerTxn] = {}
    for entry in {entry.pk: entry for entry in entries}.values():
        txns[entry.txn_id] = entry.txn
        signed = entry.amount if entry.credit_id in ours else -entry.amount
        amounts[entry.txn_id] = amounts.get(entry.txn_id, 0) + signed
    latest = sorted(txns.values(), key=lambda txn: (txn.effective_at, txn.pk), reverse=True)[:MOVEMENTS]
    undone = _reversed({txn.pk for txn in latest})
    return [
        Movement(txn, str(statements.EVENT_NAMES.get(txn.kind, txn.kind)), amounts[txn.pk], txn.pk in undone)
        for txn in latest
    ]


def _grants(found: list[Grant], by: User) -> list[GrantLine]:
    undone = _reversed({grant.txn_id for grant in found if grant.txn_id})
    lines = []
    for grant in found:
        waits = by.is_superuser and grant.state == Grant.State.PENDING
        is_posted = grant.state == Grant.State.POSTED
        lines.append(
            GrantLine(
                grant=grant,
                is_reversed=grant.txn_id in undone,
                may_approve=waits and by.pk not in {grant.requested_by_id, grant.user_id},
                may_refuse=waits,
                may_correct=by.is_superuser and is_posted and grant.txn_id not in undone,
            )
        )
    return lines


def _reversed(txn_ids: set[int]) -> set[int | None]:
    return set(LedgerTxn.objects.filter(reverses__in=txn_ids).values_list("reverses_id", flat=True))
