"""Settle calls once; give a charge back.

One short transaction closes the holds, posts to the ledger, writes the usage rows and the sums of their hour. A call's
row is written once, under its request id, so a second settlement finds the first. Calls that end at the same moment are
settled together (docs/adr/0009): their person's accounts are written once, by one posting.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Sum

from accounts.models import User
from billing import limits, reservations, rollups
from billing.ledger import (
    SPEND_ORDER,
    Event,
    IdempotencyMismatch,
    LedgerError,
    Line,
    account,
    locked_of,
    move_held,
    post,
    post_fresh,
)
from billing.models import CLASS_COLUMNS, AccountKind, Hold, LedgerAccount, LedgerEntry, LedgerTxn, Price, Usage
from billing.prices import Tokens, cost

__all__ = ["Call", "RefundTooLarge", "Settlement", "Tokens", "refund", "settle", "settle_many"]

log = structlog.get_logger("billing")


class RefundTooLarge(LedgerError):
    """More than what is left of the charge."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who asked for what."""

    request_id: str
    user_id: int
    key_id: int
    model: str
    endpoint: str
    channel: str
    stream: bool
    client_request_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a call ended and what it used. `not_charged_because` is a code of billing/receipts.py, "" for a charge."""

    call: Call
    tokens: Tokens
    price: Price | None
    source: Usage.Source
    status: Usage.Status
    http_status: int
    error_code: str = ""
    sent_ms: int | None = None
    first_byte_ms: int | None = None
    total_ms: int = 0
    not_charged_because: str = ""

    @property
    def due(self) -> int:
        """Nano that the call costs."""
        return cost(self.price, self.tokens) if self.price is not None and not self.not_charged_because else 0


def settle(*, now: datetime, **facts: Any) -> Usage:
    """One call; `facts` are the fields of a Settlement."""
    return settle_many([Settlement(**facts)], now=now)[0]


def settle_many(settlements: Sequence[Settlement], *, now: datetime) -> list[Usage]:
    """Charge what calls cost and write their rows, in one transaction. Again: the first row, nothing moves.

    Never below zero: what the hold and then the spendable credit do not cover is `uncollected_nano`, and an alert. A
    call settled after its hold expired is charged from what is spendable now; its row says `late`.
    """
    try:
        rows, written = _settle(settlements, now)
    except IntegrityError:
        # Without a hold there is no row to lock: somebody else settled one of these at the same moment.
        if len(settlements) > 1:
            return [settle_many([each], now=now)[0] for each in settlements]
        return [Usage.objects.get(pk=settlements[0].call.request_id)]
    for usage in written:
        if usage.uncollected_nano or usage.late:
            log.error(
                "billing.charge.uncollected" if usage.uncollected_nano else "billing.charge.late",
                request=usage.pk,
                charge_nano=usage.charge_nano,
                uncollected_nano=usage.uncollected_nano,
                late=usage.late,
            )
    return rows


def refund(*, usage: Usage, amount: int, n: int, actor: User | None, reason: str, now: datetime) -> LedgerTxn:
    """Give back `amount` nano of a charge to the classes it came from, in proportion; the `n`-th refund of this call.

    The same refund again is the first one. Raises RefundTooLarge, IdempotencyMismatch for the same `n` with another
    amount, NotATransfer below one nano.
    """
    key = f"usage:{usage.pk}:refund:{n}"
    with transaction.atomic():
        fresh = Usage.objects.select_for_update(no_key=True, of=("self",)).get(pk=usage.pk)
        before = LedgerTxn.objects.filter(idempotency_key=key).first()
        if before is not None:
            if sum(before.entries.values_list("amount", flat=True)) != amount:
                raise IdempotencyMismatch(key)
            return before
        left = _left_of(fresh)
        if amount > sum(left.values()):
            raise RefundTooLarge(f"{amount} of {sum(left.values())} nano")
        revenue = account(AccountKind.REVENUE_API)
        accounts = LedgerAccount.objects.in_bulk(left)
        shares = proportion(amount, left)
        posted = post(
            kind="usage.refund",
            key=key,
            lines=[Line(debit=revenue, credit=accounts[pk], amount=share) for pk, share in shares.items()],
            actor=actor,
            now=now,
            reason=reason,
            source_type="usage",
            source_id=usage.pk,
        )
        Usage.objects.filter(pk=usage.pk).update(refunded_nano=F("refunded_nano") + amount)
        rollups.add_refund(fresh, amount)
        limits.note_refund(fresh, amount, now)
    return posted.txn


def proportion(amount: int, left: dict[int, int]) -> dict[int, int]:
    """`amount` over the accounts as `left` is spread over them; the largest remainders get the odd nano."""
    total = sum(left.values())
    shares = {pk: amount * part // total for pk, part in left.items()} if total else {}
    by_remainder = sorted(left, key=lambda pk: (-(amount * left[pk] % total), pk)) if total else []
    for pk in by_remainder[: amount - sum(shares.values())]:
        shares[pk] += 1
    return {pk: share for pk, share in shares.items() if share}


def _settle(settlements: Sequence[Settlement], now: datetime) -> tuple[list[Usage], list[Usage]]:
    """The row of each, and those that were written just now."""
    with transaction.atomic(durable=True):
        asked = {each.call.request_id: each for each in settlements}
        holds = reservations.lock(asked)
        running = {name for name, held in holds.items() if held.state == Hold.State.OPEN}
        # An open hold has no row yet, so only the others are looked for.
        rows = (
            {row.pk: row for row in Usage.objects.filter(pk__in=asked.keys() - running)} if running < set(asked) else {}
        )
        to_write = [each for name, each in asked.items() if name not in rows or _only_expired(rows[name])]
        expired = [rows[each.call.request_id] for each in to_write if each.call.request_id in rows]
        written = _charge(to_write, holds, expired, now) if to_write else []
        rows |= {row.pk: row for row in written}
    return [rows[each.call.request_id] for each in settlements], written


def _only_expired(row: Usage) -> bool:
    """The sweeper wrote it; the call itself may still come."""
    return row.status == Usage.Status.EXPIRED and not row.late


def _charge(
    settlements: Sequence[Settlement], holds: Mapping[str, Hold], expired: Sequence[Usage], now: datetime
) -> list[Usage]:
    # All accounts by ascending id before the first is changed: two settlements of one person take turns.
    accounts = locked_of({each.call.user_id for each in settlements}, *SPEND_ORDER)
    before = {row.pk: row for row in expired}
    free = _Purse(accounts)
    rows, ended = [], []
    for each in settlements:
        held = holds.get(each.call.request_id)
        if held is not None and held.state == Hold.State.OPEN:
            ended.append(held)
        else:
            held = None
        rows.append(_row(each, free.pay(each, held), held, before.get(each.call.request_id), now))
    move_held(reservations.freed(ended, accounts))
    for state in (Hold.State.SETTLED, Hold.State.RELEASED):
        pks = [row.pk for row in rows if (row.charge_nano + row.uncollected_nano > 0) == (state == Hold.State.SETTLED)]
        open_ones = {held.pk for held in ended}.intersection(pks)
        if open_ones:
            Hold.objects.filter(pk__in=open_ones).update(state=state, closed_at=now)
    _post(rows, accounts, now)
    rollups.add(expired, sign=-1)
    for row in rows:
        if row.late:
            row.save(force_update=True)
    Usage.objects.bulk_create(row for row in rows if not row.late)
    rollups.add(rows)
    limits.note_spend([(row.user_id, row.key_id, row.charge_nano) for row in rows], now)
    return rows


class _Purse:
    """What each person can still spend while a group of calls is settled one after the other."""

    def __init__(self, accounts: Mapping[int, Mapping[AccountKind, LedgerAccount]]) -> None:
        self._left = {
            user_id: {kind: each.spendable for kind, each in kinds.items()} for user_id, kinds in accounts.items()
        }

    def pay(self, settlement: Settlement, held: Hold | None) -> dict[AccountKind, int]:
        """Which class pays how much: what was held first, then what is spendable. The rest of the hold is free."""
        left, own = self._left[settlement.call.user_id], held.parts if held is not None else {}
        due = settlement.due
        parts = reservations.split(due, own)
        for kind, part in own.items():
            left[kind] += part - parts.get(kind, 0)
        for kind, more in reservations.split(due - sum(parts.values()), left).items():
            parts[kind] = parts.get(kind, 0) + more
            left[kind] -= more
        return parts


def _row(
    settlement: Settlement, parts: Mapping[AccountKind, int], held: Hold | None, expired: Usage | None, now: datetime
) -> Usage:
    call, tokens, charge = settlement.call, settlement.tokens, sum(parts.values())
    held_nano = held.amount if held is not None else 0
    return Usage(
        request_id=call.request_id,
        user_id=call.user_id,
        key_id=call.key_id,
        model=call.model,
        endpoint=call.endpoint,
        channel=call.channel,
        stream=call.stream,
        client_request_id=call.client_request_id,
        started_at=call.started_at,
        settled_at=now,
        status=settlement.status,
        http_status=settlement.http_status,
        error_code=settlement.error_code,
        source=settlement.source,
        price=settlement.price,
        sent_ms=settlement.sent_ms,
        first_byte_ms=settlement.first_byte_ms,
        total_ms=settlement.total_ms,
        not_charged_because=settlement.not_charged_because,
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        cache_write_tokens=tokens.cache_write,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        images=tokens.images,
        image_class=tokens.image_class,
        held_nano=expired.held_nano if expired is not None else held_nano,
        charge_nano=charge,
        uncollected_nano=settlement.due - charge,
        late=expired is not None,
        **{CLASS_COLUMNS[kind]: part for kind, part in parts.items()},
    )


def _post(rows: Sequence[Usage], accounts: Mapping[int, Mapping[AccountKind, LedgerAccount]], now: datetime) -> None:
    """One posting for all charges of a person: a busy account is written once per group, not once per call."""
    charged: dict[int, list[Usage]] = {}
    for row in rows:
        if row.charge_nano:
            charged.setdefault(row.user_id, []).append(row)
    if not charged:
        return
    revenue = account(AccountKind.REVENUE_API)
    events = []
    for user_id, theirs in sorted(charged.items()):
        sums = {kind: sum(row.parts.get(kind, 0) for row in theirs) for kind in SPEND_ORDER}
        lines = [Line(accounts[user_id][kind], revenue, amount) for kind, amount in sums.items() if amount]
        events.append(Event("usage", _key(theirs), lines, "usage", theirs[0].pk if len(theirs) == 1 else ""))
    for txn, (_, theirs) in zip(post_fresh(events, now=now), sorted(charged.items()), strict=True):
        for row in theirs:
            row.txn = txn


def _key(rows: Sequence[Usage]) -> str:
    if len(rows) == 1:
        return f"usage:{rows[0].pk}"
    names = " ".join(sorted(row.pk for row in rows))
    return f"usages:{hashlib.sha256(names.encode()).hexdigest()}"


def _left_of(usage: Usage) -> dict[int, int]:
    """What of each class has not been given back, by account id."""
    given_back = dict(
        LedgerEntry.objects.filter(txn__kind="usage.refund", txn__source_type="usage", txn__source_id=usage.pk)
        .values_list("credit_id")
        .annotate(total=Sum("amount"))
        .order_by()
    )
    accounts = LedgerAccount.objects.filter(owner=usage.user_id, kind__in=usage.parts).order_by("pk")
    left = {each.pk: usage.parts[AccountKind(each.kind)] - given_back.get(each.pk, 0) for each in accounts}
    return {pk: amount for pk, amount in left.items() if amount > 0}
