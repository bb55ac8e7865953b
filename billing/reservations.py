"""Set aside the most a call may cost, give it back. A hold ends exactly once: settled, released or expired.

Business row first, then accounts by ascending id: that is the lock order everywhere.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.dateparse import parse_datetime

from accounts.models import User
from billing.ledger import SPEND_ORDER, InsufficientBalance, LedgerError, locked
from billing.models import CLASS_COLUMNS, AccountKind, Hold, LedgerAccount, Usage

SWEEP_AT_ONCE = 500
log = structlog.get_logger("billing")


class AlreadyHeld(LedgerError):
    """This request id has a hold of another amount or person, or one that has ended."""


def hold(
    *, request_id: str, user: User, amount: int, now: datetime, expires_at: datetime, context: Mapping[str, Any]
) -> Hold:
    """Take `amount` nano out of what can be spent: promotional credit first, then rewards, then paid.

    The same hold again is the first one. Raises InsufficientBalance (`.spendable` says what there is), AlreadyHeld.
    `context` describes the call for the usage row of a hold that nobody settles.
    """
    if amount < 0:
        raise ValueError(amount)
    made = Hold(
        request_id=request_id,
        user_id=user.pk,
        amount=amount,
        context=dict(context),
        created_at=now,
        expires_at=expires_at,
    )
    try:
        _set_aside(made)
    except (IntegrityError, InsufficientBalance):
        before = Hold.objects.filter(pk=request_id).first()
        if before is None:
            raise
        if (before.user_id, before.amount, before.state) != (user.pk, amount, Hold.State.OPEN):
            raise AlreadyHeld(request_id) from None
        return before
    return made


def release(*, request_id: str, now: datetime) -> bool:
    """Give a hold back, nothing charged. False when it is not open."""
    with transaction.atomic(durable=True):
        held = lock(request_id)
        if held is None or held.state != Hold.State.OPEN:
            return False
        close(held, Hold.State.RELEASED, now)
    return True


def sweep(*, now: datetime) -> int:
    """End the holds whose deadline has passed: the money is free again, one usage row says that nothing was charged."""
    overdue = Hold.objects.filter(state=Hold.State.OPEN, expires_at__lte=now).order_by("expires_at")
    ended = 0
    for request_id in list(overdue.values_list("pk", flat=True)[:SWEEP_AT_ONCE]):
        with transaction.atomic(durable=True):
            held = lock(request_id)
            if held is None or held.state != Hold.State.OPEN:
                continue  # settled a moment ago
            close(held, Hold.State.EXPIRED, now)
            _write_interrupted(held, now)
        ended += 1
        log.warning("billing.hold.expired", request=request_id, held_nano=held.amount)
    return ended


def lock(request_id: str) -> Hold | None:
    """The hold as it is and stays until the end of the transaction."""
    return Hold.objects.select_for_update(no_key=True).filter(pk=request_id).first()


def close(held: Hold, state: Hold.State, now: datetime) -> dict[AccountKind, int]:
    """End an open hold whose row is locked; what was held of each class."""
    for account in LedgerAccount.objects.filter(owner=held.user_id, kind__in=held.parts).order_by("pk"):
        LedgerAccount.objects.filter(pk=account.pk).update(held=F("held") - held.parts[AccountKind(account.kind)])
    Hold.objects.filter(pk=held.pk, state=Hold.State.OPEN).update(state=state, closed_at=now)
    return held.parts


def split(amount: int, available: Mapping[AccountKind, int]) -> dict[AccountKind, int]:
    """`amount` over the classes of credit in the order they are spent; less when there is less."""
    parts: dict[AccountKind, int] = {}
    for kind in SPEND_ORDER:
        part = min(amount - sum(parts.values()), max(available.get(kind, 0), 0))
        if part > 0:
            parts[kind] = part
    return parts


def _set_aside(made: Hold) -> None:
    with transaction.atomic(durable=True):
        accounts = locked(User(pk=made.user_id), *SPEND_ORDER)
        parts = split(made.amount, {kind: account.spendable for kind, account in accounts.items()})
        if sum(parts.values()) < made.amount:
            raise InsufficientBalance(sum(account.spendable for account in accounts.values()))
        for kind, part in parts.items():
            setattr(made, CLASS_COLUMNS[kind], part)
        made.save(force_insert=True)
        for pk, part in sorted((accounts[kind].pk, part) for kind, part in parts.items()):
            LedgerAccount.objects.filter(pk=pk).update(held=F("held") + part)


def _write_interrupted(held: Hold, now: datetime) -> None:
    """The row of a call whose end nobody saw: the process died."""
    context = held.context
    if not context.get("key_id"):
        log.error("billing.hold.without_context", request=held.pk)
        return
    Usage.objects.get_or_create(
        request_id=held.pk,
        defaults={
            "user_id": held.user_id,
            "key_id": context["key_id"],
            "model": context.get("model", ""),
            "endpoint": context.get("endpoint", ""),
            "channel": context.get("channel", ""),
            "stream": bool(context.get("stream")),
            "client_request_id": context.get("client_request_id", ""),
            "price_id": context.get("price_id"),
            "status": Usage.Status.EXPIRED,
            "http_status": 500,
            "error_code": "interrupted",
            "source": Usage.Source.NONE,
            "held_nano": held.amount,
            "not_charged_because": "interrupted",
            "settled_at": now,
            "started_at": parse_datetime(context.get("started_at") or "") or held.created_at,
        },
    )
