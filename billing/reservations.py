"""Set aside the most a call may cost, give it back. A hold ends exactly once: settled, released or expired.

Calls that ask at the same moment are decided in one transaction, in the order in which they came. Holds by ascending id
first, then accounts by ascending id: that is the lock order everywhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.utils.dateparse import parse_datetime

from accounts.models import User
from billing import limits, rollups, standing
from billing.ledger import SPEND_ORDER, InsufficientBalance, LedgerError, locked_of, move_held
from billing.limits import SpendLimitReached
from billing.models import CLASS_COLUMNS, AccountKind, Hold, LedgerAccount, Usage

SWEEP_AT_ONCE = 500
log = structlog.get_logger("billing")


class AlreadyHeld(LedgerError):
    """This request id has a hold of another amount or person, or one that has ended."""


class AccountFrozen(LedgerError):
    """Its owner may not make calls; `reason` is one of billing/standing.py."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ask:
    """`amount` nano for one call. `context` describes it for the usage row of a hold that nobody settles.

    `smaller`, where a call can do with less: what it would hold if only so much can be spent, 0 for "then not at all".
    """

    request_id: str
    user_id: int
    key_id: int
    amount: int
    now: datetime
    expires_at: datetime
    context: Mapping[str, Any]
    smaller: Callable[[int], int] | None = None


def hold(
    *,
    request_id: str,
    user: User,
    key_id: int,
    amount: int,
    now: datetime,
    expires_at: datetime,
    context: Mapping[str, Any],
) -> Hold:
    """Take `amount` nano out of what can be spent: promotional credit first, then rewards, then paid.

    The same hold again is the first one. Raises InsufficientBalance (`.spendable` says what there is),
    SpendLimitReached, AccountFrozen, AlreadyHeld.
    """
    [made] = hold_many([Ask(request_id, user.pk, key_id, amount, now, expires_at, context)])
    if isinstance(made, LedgerError):
        raise made
    return made


def hold_many(asks: Sequence[Ask]) -> list[Hold | LedgerError]:
    """A hold or the refusal for each, in their order; what one takes is gone for the next.

    A refused ask changes nothing and does not disturb the others. Refusals are InsufficientBalance, SpendLimitReached,
    AccountFrozen and AlreadyHeld.
    """
    if any(ask.amount < 0 for ask in asks):
        raise ValueError("an amount below zero")
    try:
        answers = _set_aside(asks)
    except IntegrityError:
        if len(asks) > 1:  # one of them was held before; which one, each finds out for itself
            return [hold_many([ask])[0] for ask in asks]
        return [_the_first(asks[0], Hold.objects.get(pk=asks[0].request_id))]
    refused = {ask.request_id for ask, answer in zip(asks, answers, strict=True) if isinstance(answer, LedgerError)}
    before = Hold.objects.in_bulk(refused) if refused else {}
    return [
        _the_first(ask, before[ask.request_id]) if ask.request_id in before else answer
        for ask, answer in zip(asks, answers, strict=True)
    ]


def extend(request_ids: Iterable[str], *, expires_at: datetime) -> int:
    """The heartbeat of calls that still run: their holds live on. How many were moved.

    A hold whose row is locked is being settled or swept at this moment: it is left out, nobody waits for anybody.
    """
    later = Hold.objects.filter(pk__in=list(request_ids), state=Hold.State.OPEN, expires_at__lt=expires_at)
    with transaction.atomic(durable=True):
        running = later.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)
        return later.filter(pk__in=list(running)).update(expires_at=expires_at)


def release(*, request_id: str, now: datetime) -> bool:
    """Give a hold back, nothing charged. False when it is not open."""
    with transaction.atomic(durable=True):
        held = lock([request_id]).get(request_id)
        if held is None or held.state != Hold.State.OPEN:
            return False
        close([held], Hold.State.RELEASED, now)
    return True


def sweep(*, now: datetime) -> int:
    """End the holds whose deadline has passed: the money is free again, one usage row says that nothing was charged."""
    overdue = Hold.objects.filter(state=Hold.State.OPEN, expires_at__lte=now).order_by("expires_at")
    ended = 0
    for request_id in list(overdue.values_list("pk", flat=True)[:SWEEP_AT_ONCE]):
        with transaction.atomic(durable=True):
            held = lock([request_id]).get(request_id)
            if held is None or held.state != Hold.State.OPEN or held.expires_at > now:
                continue  # settled a moment ago, or alive after all
            close([held], Hold.State.EXPIRED, now)
            _write_interrupted(held, now)
        ended += 1
        log.warning("billing.hold.expired", request=request_id, held_nano=held.amount)
    return ended


def lock(request_ids: Iterable[str]) -> dict[str, Hold]:
    """The holds as they are and stay until the end of the transaction."""
    rows = Hold.objects.select_for_update(no_key=True).filter(pk__in=list(request_ids)).order_by("pk")
    return {row.pk: row for row in rows}


def close(holds: Sequence[Hold], state: Hold.State, now: datetime) -> None:
    """End open holds whose rows are locked; what was held can be spent again."""
    accounts = locked_of({held.user_id for held in holds}, *SPEND_ORDER)
    move_held(freed(holds, accounts))
    Hold.objects.filter(pk__in=[held.pk for held in holds], state=Hold.State.OPEN).update(state=state, closed_at=now)


def freed(
    holds: Iterable[Hold], accounts: Mapping[int, Mapping[AccountKind, LedgerAccount]]
) -> dict[LedgerAccount, int]:
    """By how much each account's `held` changes when these holds end."""
    changes: dict[LedgerAccount, int] = {}
    for held in holds:
        for kind, part in held.parts.items():
            account = accounts[held.user_id][kind]
            changes[account] = changes.get(account, 0) - part
    return changes


def split(amount: int, available: Mapping[AccountKind, int]) -> dict[AccountKind, int]:
    """`amount` over the classes of credit in the order they are spent; less when there is less."""
    parts: dict[AccountKind, int] = {}
    for kind in SPEND_ORDER:
        part = min(amount - sum(parts.values()), max(available.get(kind, 0), 0))
        if part > 0:
            parts[kind] = part
    return parts


def _set_aside(asks: Sequence[Ask]) -> list[Hold | LedgerError]:
    people, now = {ask.user_id for ask in asks}, max(ask.now for ask in asks)
    with transaction.atomic(durable=True):
        accounts = locked_of(people, *SPEND_ORDER)
        frozen, book = standing.frozen(people), limits.open_book(people, now)
        taken: dict[LedgerAccount, int] = {}
        answers: list[Hold | LedgerError] = []
        for ask in asks:
            if ask.user_id in frozen:
                answers.append(AccountFrozen(frozen[ask.user_id]))
            else:
                answers.append(_decide(ask, accounts.get(ask.user_id, {}), taken, book))
        Hold.objects.bulk_create(answer for answer in answers if isinstance(answer, Hold))
        move_held(taken)
        limits.note_refusals((answer for answer in answers if isinstance(answer, SpendLimitReached)), now)
    return answers


def _decide(
    ask: Ask, accounts: Mapping[AccountKind, LedgerAccount], taken: dict[LedgerAccount, int], book: limits.Book
) -> Hold | LedgerError:
    available = {kind: each.spendable - taken.get(each, 0) for kind, each in accounts.items()}
    spendable = sum(available.values())
    limit = book.refusal(ask.user_id, ask.key_id, ask.amount)
    left = spendable if limit is None else min(spendable, limit.left)
    amount = ask.amount
    if amount > left:
        amount = ask.smaller(left) if ask.smaller is not None else 0
        if not 0 < amount <= left:
            return limit if limit is not None and limit.left < spendable else InsufficientBalance(spendable)
    book.take(ask.user_id, ask.key_id, amount)
    parts = split(amount, available)
    for kind, part in parts.items():
        taken[accounts[kind]] = taken.get(accounts[kind], 0) + part
    return Hold(
        request_id=ask.request_id,
        user_id=ask.user_id,
        key_id=ask.key_id,
        amount=amount,
        context=dict(ask.context),
        created_at=ask.now,
        expires_at=ask.expires_at,
        **{CLASS_COLUMNS[kind]: part for kind, part in parts.items()},
    )


def _the_first(ask: Ask, before: Hold) -> Hold | LedgerError:
    """The hold that was there already, if it is what was asked for."""
    fits = before.amount == ask.amount or (ask.smaller is not None and before.amount < ask.amount)
    if before.user_id != ask.user_id or not fits or before.state != Hold.State.OPEN:
        return AlreadyHeld(ask.request_id)
    return before


def _write_interrupted(held: Hold, now: datetime) -> None:
    """The row of a call whose end nobody saw: the process died."""
    context = held.context
    row = Usage(
        request_id=held.pk,
        user_id=held.user_id,
        key_id=held.key_id,
        model=context.get("model", ""),
        endpoint=context.get("endpoint", ""),
        channel=context.get("channel", ""),
        stream=bool(context.get("stream")),
        client_request_id=context.get("client_request_id", ""),
        price_id=context.get("price_id"),
        status=Usage.Status.EXPIRED,
        http_status=500,
        error_code="interrupted",
        source=Usage.Source.NONE,
        held_nano=held.amount,
        not_charged_because="interrupted",
        started_at=parse_datetime(context.get("started_at") or "") or held.created_at,
        settled_at=now,
    )
    row.save(force_insert=True)
    rollups.add([row])
