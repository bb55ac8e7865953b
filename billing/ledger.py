"""Post transfers; open accounts; read balances.

One entry is one transfer, so debits and credits are equal by construction. What may not happen is refused by the
database (billing/guards.py and the CHECKs of the models); here the refusals get their names.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import uuid4

from django.db import DataError, IntegrityError, connection, transaction

from accounts.models import User
from billing import lots
from billing.models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn
from billing.money import CURRENCY, MAX_NANO, format_amount

# Every person has these: kind and sign (+1: we owe them, -1: they owe us).
OWNED = {
    AccountKind.USER_PROMO: 1,
    AccountKind.USER_REWARD: 1,
    AccountKind.USER_PAID: 1,
    AccountKind.USER_DEBT: -1,
    AccountKind.REF_PENDING: 1,
    AccountKind.REF_AVAILABLE: 1,
    AccountKind.REF_RESERVED: 1,
    AccountKind.REF_DEBT: -1,
}
# The order in which credit is spent: what may expire first, what can be refunded in money last.
SPEND_ORDER = (AccountKind.USER_PROMO, AccountKind.USER_REWARD, AccountKind.USER_PAID)
TOO_LARGE = "the balance would exceed what the ledger can hold"


class LedgerError(Exception):
    """The ledger refused; nothing was posted."""


class InsufficientBalance(LedgerError):
    """A guarded account would fall below zero. `spendable`: nano that could have been taken."""

    def __init__(self, spendable: int) -> None:
        super().__init__(f"only {format_amount(spendable)} {CURRENCY} can be taken")
        self.spendable = spendable


class IdempotencyMismatch(LedgerError):
    """The key was used for something else."""


class FlowNotAllowed(LedgerError):
    """This event may not move money between these two accounts, or they belong to two people."""


class AlreadyReversed(LedgerError):
    """A transaction can be reversed once."""


class NotATransfer(LedgerError, ValueError):
    """No line, an amount that is not above zero or too large, or one account on both sides."""


@dataclass(frozen=True)
class Line:
    """`amount` nano from the debit side to the credit side."""

    debit: LedgerAccount
    credit: LedgerAccount
    amount: int

    def __post_init__(self) -> None:
        if not 0 < self.amount <= MAX_NANO or self.debit.pk == self.credit.pk:
            raise NotATransfer(f"{self.amount} from {self.debit} to {self.credit}")


@dataclass(frozen=True)
class Event:
    """What `post_fresh` writes: a transaction and its lines."""

    kind: str
    key: str
    lines: Sequence[Line]
    source_type: str = ""
    source_id: str = ""


@dataclass(frozen=True)
class Posted:
    txn: LedgerTxn
    created: bool  # False: the same operation was posted before


@dataclass(frozen=True)
class Balances:
    """Nano. Credit (paid, promo, reward) includes what is held; `spendable` does not."""

    paid: int
    promo: int
    reward: int
    held: int
    spendable: int
    pending: int
    available: int
    reserved: int
    ref_debt: int
    user_debt: int


def open_accounts(*, user: User) -> None:
    """All accounts of a person, with the person: nobody ever waits for a row that is not there. Safe to repeat."""
    LedgerAccount.objects.bulk_create(
        [LedgerAccount(kind=kind, owner=user, sign=sign, guarded=True, live=True) for kind, sign in OWNED.items()],
        ignore_conflicts=True,
    )


def account(kind: AccountKind, owner: User | None = None) -> LedgerAccount:
    return LedgerAccount.objects.get(kind=kind, owner=owner, asset=CURRENCY)


def post(  # noqa: PLR0913 each of them is a column of the journal
    *,
    kind: str,
    key: str,
    lines: Sequence[Line],
    actor: User | None,
    now: datetime,
    reason: str = "",
    source_type: str = "",
    source_id: str = "",
    policy_version: int | None = None,
    reverses: LedgerTxn | None = None,
) -> Posted:
    """Write one event and its entries, once per `key`.

    The same key with the same content answers the first transaction with `created=False`. Content is the event, its
    entries, its source and policy; not who repeats it, when and with which words.

    Raises InsufficientBalance, IdempotencyMismatch, FlowNotAllowed, AlreadyReversed, NotATransfer. After a refusal
    nothing has changed and an outer transaction can go on.
    """
    if not lines:
        raise NotATransfer("a transaction without entries")
    content = _content(kind, lines, source_type, source_id, policy_version, reverses)
    if first := _first(key, content):
        return first
    try:
        with transaction.atomic():
            txn = LedgerTxn.objects.create(
                kind=kind,
                idempotency_key=key,
                request_hash=content,
                actor=actor,
                reason=reason,
                source_type=source_type,
                source_id=source_id,
                policy_version=policy_version,
                reverses=reverses,
                effective_at=now,
            )
            _lock([line.debit for line in lines] + [line.credit for line in lines])
            LedgerEntry.objects.bulk_create(
                LedgerEntry(txn=txn, debit=line.debit, credit=line.credit, amount=line.amount)
                for line in _ordered(lines)
            )
    except IntegrityError as error:
        if first := _first(key, content):  # somebody else posted it while we tried
            return first
        raise _named(error, lines) from error
    except DataError as error:  # PostgreSQL refuses the sum before the CHECK can
        raise NotATransfer(TOO_LARGE) from error
    return Posted(txn, created=True)


def post_fresh(events: Sequence[Event], *, now: datetime) -> list[LedgerTxn]:
    """Write events of the system that cannot have been posted before: a row of their own, written in the same
    transaction, would refuse the second time. Nothing is looked up, and all of them take two statements.

    The accounts are locked, held amounts already freed. Raises IntegrityError; then the whole transaction is void.
    """
    txns = LedgerTxn.objects.bulk_create(
        LedgerTxn(
            kind=event.kind,
            idempotency_key=event.key,
            request_hash=_content(event.kind, event.lines, event.source_type, event.source_id, None, None),
            source_type=event.source_type,
            source_id=event.source_id,
            effective_at=now,
        )
        for event in events
    )
    entries = [
        LedgerEntry(txn=txn, debit=line.debit, credit=line.credit, amount=line.amount)
        for txn, event in zip(txns, events, strict=True)
        for line in event.lines
    ]
    LedgerEntry.objects.bulk_create(sorted(entries, key=lambda entry: entry.debit_id))
    return txns


def reverse(*, txn: LedgerTxn, actor: User, reason: str, now: datetime) -> LedgerTxn:
    """The mirror of a transaction, once; nothing is edited. Charges, rewards and withdrawals have their own events.

    Raises InsufficientBalance when the money is gone, FlowNotAllowed for an event that has its own way back.
    """
    entries = txn.entries.select_related("debit", "credit").order_by("pk")
    lines = [Line(debit=entry.credit, credit=entry.debit, amount=entry.amount) for entry in entries]
    key = f"rev:{txn.pk}"
    with transaction.atomic():
        posted = post(kind="reversal", key=key, lines=lines, actor=actor, now=now, reason=reason, reverses=txn)
        if posted.created:
            lots.take_back(txn=txn, now=now)
    return posted.txn


def grant(
    *,
    user: User,
    amount: int,
    kind: Literal["paid", "promo"],
    reason: str,
    actor: User | None,
    now: datetime,
    key: str | None = None,
    expires_at: datetime | None = None,
) -> LedgerTxn:
    """Credit for a person: `paid` was paid outside of the console, `promo` is a gift. With `key` at most once.

    Only a gift can expire: with `expires_at`, what is left of it then is taken off.
    """
    if expires_at is not None and (kind != "promo" or expires_at <= now):
        raise NotATransfer("only promotional credit expires, and not in the past")
    debit, credit = {
        "paid": (AccountKind.CASH_OFFLINE, AccountKind.USER_PAID),
        "promo": (AccountKind.EXPENSE_PROMO, AccountKind.USER_PROMO),
    }[kind]
    line = Line(debit=account(debit), credit=account(credit, user), amount=amount)
    with transaction.atomic():
        posted = post(kind="grant", key=f"grant:{key or uuid4()}", lines=[line], actor=actor, now=now, reason=reason)
        if posted.created and kind == "promo":
            lots.open_lot(txn=posted.txn, user=user, amount=amount, expires_at=expires_at, source=reason, now=now)
    return posted.txn


def balances(user: User) -> Balances:
    """What a person has, in one query."""
    return balances_of(LedgerAccount.objects.filter(owner=user, asset=CURRENCY))


def balances_of(rows: Iterable[LedgerAccount]) -> Balances:
    """The same from rows that are loaded."""
    found = {row.kind: row for row in rows}
    credit = [found[kind] for kind in SPEND_ORDER if kind in found]

    def of(kind: AccountKind) -> int:
        return found[kind].balance if kind in found else 0

    return Balances(
        paid=of(AccountKind.USER_PAID),
        promo=of(AccountKind.USER_PROMO),
        reward=of(AccountKind.USER_REWARD),
        held=sum(row.held for row in credit),
        spendable=sum(row.spendable for row in credit),
        pending=of(AccountKind.REF_PENDING),
        available=of(AccountKind.REF_AVAILABLE),
        reserved=of(AccountKind.REF_RESERVED),
        ref_debt=of(AccountKind.REF_DEBT),
        user_debt=of(AccountKind.USER_DEBT),
    )


def locked(user: User, *kinds: AccountKind) -> dict[AccountKind, LedgerAccount]:
    """A person's accounts as they are now and stay until the end of the transaction.

    PostgreSQL locks the rows in the order of their ids; SQLite's writer lock was taken at BEGIN.
    """
    return locked_of([user.pk], *kinds).get(user.pk, {})


def locked_of(user_ids: Iterable[int], *kinds: AccountKind) -> dict[int, dict[AccountKind, LedgerAccount]]:
    """The same for several people at once, by the person's id."""
    rows = LedgerAccount.objects.select_for_update(no_key=True).filter(
        owner__in=list(user_ids), kind__in=kinds, asset=CURRENCY
    )
    found: dict[int, dict[AccountKind, LedgerAccount]] = {}
    for row in rows.order_by("pk"):
        found.setdefault(row.owner_id or 0, {})[AccountKind(row.kind)] = row
    return found


def move_held(changes: Mapping[LedgerAccount, int]) -> None:
    """What is held of each account (whose rows are locked) becomes more or less, in one statement."""
    if not changes:
        return
    cases = " ".join(["WHEN %s THEN %s"] * len(changes))
    places = ", ".join(["%s"] * len(changes))
    values = [part for account, change in changes.items() for part in (account.pk, change)]
    query = f"UPDATE billing_ledgeraccount SET held = held + CASE id {cases} END WHERE id IN ({places})"  # noqa: S608 no values
    with connection.cursor() as cursor:
        cursor.execute(query, [*values, *(account.pk for account in changes)])


def refused_by(error: IntegrityError) -> str:
    """The name of the constraint or trigger behind an error of the database, "" if it has none."""
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    if name:
        return str(name)
    match = re.search(r"constraint failed: (?:index ')?([\w.]+)", str(error))
    return match[1] if match else ""


def _content(
    kind: str,
    lines: Sequence[Line],
    source_type: str,
    source_id: str,
    policy_version: int | None,
    reverses: LedgerTxn | None,
) -> str:
    entries = sorted([line.debit.pk, line.credit.pk, line.amount] for line in lines)
    parts = [kind, entries, source_type, source_id, policy_version, reverses.pk if reverses else None]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _first(key: str, content: str) -> Posted | None:
    txn = LedgerTxn.objects.filter(idempotency_key=key).first()
    if txn is None:
        return None
    if txn.request_hash != content:
        raise IdempotencyMismatch(key)
    return Posted(txn, created=False)


def _lock(accounts: list[LedgerAccount]) -> None:
    """Several live accounts are locked by ascending id before any is written: no two postings wait for each other."""
    live = sorted({each.pk for each in accounts if each.live})
    if len(live) > 1 and connection.features.has_select_for_update:
        list(LedgerAccount.objects.select_for_update(no_key=True).filter(pk__in=live).order_by("pk").values_list("pk"))


def _ordered(lines: Sequence[Line]) -> list[Line]:
    """An account is raised before it is lowered: the CHECK looks after each entry, not at the end. Else by id."""
    waiting = sorted(lines, key=lambda line: sorted((line.debit.pk, line.credit.pk)))
    ordered: list[Line] = []
    while waiting:
        raised = [(_raises(line), line) for line in waiting]
        ready = next(
            (line for line in waiting if not any(_lowers(line) & up for up, other in raised if other is not line)),
            waiting[0],
        )
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _raises(line: Line) -> set[int]:
    return _guarded(line.credit, 1) | _guarded(line.debit, -1)


def _lowers(line: Line) -> set[int]:
    return _guarded(line.debit, 1) | _guarded(line.credit, -1)


def _guarded(account: LedgerAccount, sign: int) -> set[int]:
    return {account.pk} if account.guarded and account.sign == sign else set()


def _named(error: IntegrityError, lines: Sequence[Line]) -> Exception:
    name = refused_by(error)
    if name == "ledger_account_never_negative":
        lowered = {pk for line in lines for pk in _lowers(line)}
        rows = LedgerAccount.objects.filter(pk__in=lowered)
        return InsufficientBalance(min((max(0, row.balance - row.held) for row in rows), default=0))
    if name in {"ledger_entry_flow", "ledger_entry_one_owner"}:
        pairs = ", ".join(f"{line.debit.kind} to {line.credit.kind}" for line in lines)
        return FlowNotAllowed(pairs)
    if "reverses" in name:
        return AlreadyReversed(str(error))
    if name == "ledger_entry_same_asset":
        return NotATransfer("the two accounts are kept in other currencies")
    if name == "ledger_account_bounds":
        return NotATransfer(TOO_LARGE)
    return error
