"""Settle a call once; give a charge back.

One short transaction closes the hold, posts to the ledger and writes the usage row. The request id is the key of all
three, so a second settlement finds the first.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Sum

from accounts.models import User
from billing import reservations
from billing.ledger import SPEND_ORDER, IdempotencyMismatch, LedgerError, Line, account, locked, post
from billing.models import CLASS_COLUMNS, AccountKind, Hold, LedgerAccount, LedgerEntry, LedgerTxn, Price, Usage
from billing.prices import Tokens, cost

__all__ = ["Call", "RefundTooLarge", "Tokens", "refund", "settle"]

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
class _Taken:
    held: int  # nano that had been set aside
    parts: dict[AccountKind, int]
    accounts: dict[AccountKind, LedgerAccount]

    @property
    def charge(self) -> int:
        return sum(self.parts.values())


def settle(  # noqa: PLR0913 the facts of one call
    *,
    call: Call,
    tokens: Tokens,
    price: Price | None,
    source: Usage.Source,
    status: Usage.Status,
    http_status: int,
    now: datetime,
    error_code: str = "",
    first_byte_ms: int | None = None,
    total_ms: int = 0,
    not_charged_because: str = "",
) -> Usage:
    """Charge what a call cost and write its row. Again: the first row, nothing moves.

    Never below zero: what the hold and then the spendable credit do not cover is `uncollected_nano`, and an alert. A
    call settled after its hold expired is charged from what is spendable now; its row says `late`.
    """
    due = cost(price, tokens) if price is not None and not not_charged_because else 0
    facts: dict[str, Any] = {
        "user_id": call.user_id,
        "key_id": call.key_id,
        "model": call.model,
        "endpoint": call.endpoint,
        "channel": call.channel,
        "stream": call.stream,
        "client_request_id": call.client_request_id,
        "started_at": call.started_at,
        "settled_at": now,
        "status": status,
        "http_status": http_status,
        "error_code": error_code,
        "source": source,
        "price": price,
        "first_byte_ms": first_byte_ms,
        "total_ms": total_ms,
        "not_charged_because": not_charged_because,
        "input_tokens": tokens.input,
        "cached_tokens": tokens.cached,
        "cache_write_tokens": tokens.cache_write,
        "output_tokens": tokens.output,
        "reasoning_tokens": tokens.reasoning,
        "images": tokens.images,
        "image_class": tokens.image_class,
    }
    try:
        with transaction.atomic(durable=True):
            held = reservations.lock(call.request_id)
            first = Usage.objects.filter(pk=call.request_id).first()
            if first is not None and (first.status != Usage.Status.EXPIRED or first.late):
                return first
            taken = _take(call, held, due, now)
            txn = _post(call, taken, now)
            usage = _write(call, first, {**facts, "txn": txn}, taken, due)
    except IntegrityError:
        # Without a hold there is no row to lock: somebody else settled this call at the same moment.
        first = Usage.objects.filter(pk=call.request_id).first()
        if first is None:
            raise
        return first
    if usage.uncollected_nano or usage.late:
        log.error(
            "billing.charge.uncollected" if usage.uncollected_nano else "billing.charge.late",
            request=usage.pk,
            charge_nano=usage.charge_nano,
            uncollected_nano=usage.uncollected_nano,
            late=usage.late,
        )
    return usage


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
    return posted.txn


def proportion(amount: int, left: dict[int, int]) -> dict[int, int]:
    """`amount` over the accounts as `left` is spread over them; the largest remainders get the odd nano."""
    total = sum(left.values())
    shares = {pk: amount * part // total for pk, part in left.items()} if total else {}
    by_remainder = sorted(left, key=lambda pk: (-(amount * left[pk] % total), pk)) if total else []
    for pk in by_remainder[: amount - sum(shares.values())]:
        shares[pk] += 1
    return {pk: share for pk, share in shares.items() if share}


def _take(call: Call, held: Hold | None, due: int, now: datetime) -> _Taken:
    """Close the hold; say what of `due` is paid from which class: what was held, then what is spendable."""
    # All three accounts by ascending id before the first is changed: two settlements of one person take turns.
    accounts = locked(User(pk=call.user_id), *SPEND_ORDER)
    own: dict[AccountKind, int] = {}
    if held is not None and held.state == Hold.State.OPEN:
        own = reservations.close(held, Hold.State.SETTLED if due else Hold.State.RELEASED, now)
    parts = reservations.split(due, own)
    rest = {kind: each.spendable + own.get(kind, 0) - parts.get(kind, 0) for kind, each in accounts.items()}
    for kind, more in reservations.split(due - sum(parts.values()), rest).items():
        parts[kind] = parts.get(kind, 0) + more
    return _Taken(sum(own.values()), parts, accounts)


def _post(call: Call, taken: _Taken, now: datetime) -> LedgerTxn | None:
    if not taken.parts:
        return None
    revenue = account(AccountKind.REVENUE_API)
    return post(
        kind="usage",
        key=f"usage:{call.request_id}",
        lines=[Line(debit=taken.accounts[kind], credit=revenue, amount=part) for kind, part in taken.parts.items()],
        actor=None,
        now=now,
        source_type="usage",
        source_id=call.request_id,
    ).txn


def _write(call: Call, expired: Usage | None, facts: dict[str, Any], taken: _Taken, due: int) -> Usage:
    usage = Usage(
        request_id=call.request_id,
        charge_nano=taken.charge,
        uncollected_nano=due - taken.charge,
        held_nano=expired.held_nano if expired is not None else taken.held,
        late=expired is not None,
        **{CLASS_COLUMNS[kind]: part for kind, part in taken.parts.items()},
        **facts,
    )
    usage.save(force_insert=expired is None, force_update=expired is not None)
    return usage


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
