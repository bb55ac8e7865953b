"""Credit that operators give: one person up to a limit, two people above it, and nobody to themselves.

The limit counts what one operator gave to one person within a day, so that it cannot be passed in slices.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Sum

from accounts.models import User
from billing import ledger
from billing.models import Grant, LedgerTxn
from billing.models.credit import REASON_LENGTH
from billing.money import MAX_NANO, parse_amount

MIN_REASON = 10  # characters: long enough to say why
WINDOW = timedelta(days=1)
log = structlog.get_logger("billing")


class CannotGrant(Exception):
    """Nothing was granted, nothing has changed."""


class NotAGrant(CannotGrant, ValueError):
    """An amount, a reason or a time that makes no sense."""


class AnotherGrant(CannotGrant):
    """The same form was sent before, for something else."""


class NotYours(CannotGrant):
    """Whoever asked, or is to receive, cannot approve."""


class AlreadyDecided(CannotGrant):
    """A colleague was quicker."""


class CannotCorrect(CannotGrant):
    """It was taken back before, never posted, or the credit is spent. `spendable`: nano that is left of its class."""

    def __init__(self, spendable: int | None = None) -> None:
        super().__init__(spendable)
        self.spendable = spendable


@dataclass(frozen=True)
class Order:
    """What the form says. The same `client_id` again is the same grant."""

    client_id: UUID
    kind: Literal["paid", "promo"]
    amount: int
    reason: str
    credit_expires_at: datetime | None = None


def limit() -> int:
    """Nano that one operator may grant to one person in a day."""
    return parse_amount(settings.GRANT_SECOND_PERSON_ABOVE)


def needs_two(*, user: User, amount: int, by: User, now: datetime) -> bool:
    """Above the limit together with what this operator gave them within a day; or to oneself."""
    lately = Grant.objects.filter(
        user=user, requested_by=by, state=Grant.State.POSTED, two_people=False, decided_at__gt=now - WINDOW
    )
    given = lately.aggregate(sum=Sum("amount_nano", default=0))["sum"]
    return user.pk == by.pk or given + amount > limit()


def ask(*, user: User, order: Order, by: User, now: datetime) -> Grant:
    """Grant at once, or leave it for a second person. Raises NotAGrant, AnotherGrant.

    The person's row is locked, so grants to one person take turns and the limit is counted right.
    """
    _check(order, now)
    try:
        with transaction.atomic():
            User.objects.select_for_update(no_key=True, of=("self",)).get(pk=user.pk)
            if before := Grant.objects.filter(client_id=order.client_id).first():
                return _same(before, user, order, by)
            two = needs_two(user=user, amount=order.amount, by=by, now=now)
            grant = Grant(
                client_id=order.client_id,
                user=user,
                kind=Grant.Kind(order.kind),
                amount_nano=order.amount,
                credit_expires_at=order.credit_expires_at,
                reason=order.reason,
                state=Grant.State.PENDING,
                two_people=two,
                requested_by=by,
                requested_at=now,
            )
            if two:
                grant.save(force_insert=True)
            else:
                _post(grant, by, now).save(force_insert=True)
    except IntegrityError:  # the same form at the same moment for somebody else
        before = Grant.objects.filter(client_id=order.client_id).first()
        if before is None:
            raise
        return _same(before, user, order, by)
    log.info("billing.grant.asked", grant=grant.public_id, by=by.public_id, state=grant.state)
    return grant


def approve(*, grant: Grant, by: User, words: str, now: datetime) -> Grant:
    """The second person agrees, and it is posted. Raises NotYours, AlreadyDecided, NotAGrant."""
    with transaction.atomic():
        fresh = _pending(grant)
        if by.pk in {fresh.requested_by_id, fresh.user_id}:
            raise NotYours
        if fresh.credit_expires_at is not None and fresh.credit_expires_at <= now:
            raise NotAGrant("its credit would have expired by now")
        fresh.decision = words[:REASON_LENGTH]
        _post(fresh, by, now).save(force_update=True)
    log.info("billing.grant.approved", grant=fresh.public_id, by=by.public_id)
    return fresh


def refuse(*, grant: Grant, by: User, words: str, now: datetime) -> Grant:
    """Nothing is granted. Whoever asked may take it back this way too. Raises AlreadyDecided."""
    with transaction.atomic():
        fresh = _pending(grant)
        fresh.state, fresh.decided_by, fresh.decided_at = Grant.State.REFUSED, by, now
        fresh.decision = words[:REASON_LENGTH]
        fresh.save(force_update=True)
    log.info("billing.grant.refused", grant=fresh.public_id, by=by.public_id)
    return fresh


def correct(*, grant: Grant, by: User, reason: str, now: datetime) -> LedgerTxn:
    """Take a grant back by its mirror, while the credit is there. Raises CannotCorrect, NotAGrant."""
    if not MIN_REASON <= len(reason.strip()) <= REASON_LENGTH:
        raise NotAGrant("a reason")
    if grant.txn is None or LedgerTxn.objects.filter(reverses=grant.txn).exists():
        raise CannotCorrect
    try:
        return ledger.reverse(txn=grant.txn, actor=by, reason=reason.strip(), now=now)
    except ledger.InsufficientBalance as refused:
        raise CannotCorrect(refused.spendable) from None
    except ledger.AlreadyReversed:
        raise CannotCorrect from None


def _check(order: Order, now: datetime) -> None:
    expires_at = order.credit_expires_at
    wrong = (
        not 0 < order.amount <= MAX_NANO
        or not MIN_REASON <= len(order.reason.strip()) <= REASON_LENGTH
        or (expires_at is not None and (order.kind != "promo" or expires_at <= now))
    )
    if wrong:
        raise NotAGrant(f"{order.amount} nano")


def _post(grant: Grant, by: User, now: datetime) -> Grant:
    grant.txn = ledger.grant(
        user=grant.user,
        amount=grant.amount_nano,
        kind="paid" if grant.kind == Grant.Kind.PAID else "promo",
        reason=grant.reason,
        actor=by,
        now=now,
        key=grant.public_id,
        expires_at=grant.credit_expires_at,
    )
    grant.state, grant.decided_by, grant.decided_at = Grant.State.POSTED, by, now
    return grant


def _pending(grant: Grant) -> Grant:
    fresh = Grant.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=grant.pk)
    if fresh.state != Grant.State.PENDING:
        raise AlreadyDecided
    return fresh


def _same(before: Grant, user: User, order: Order, by: User) -> Grant:
    asked = (user.pk, by.pk, order.kind, order.amount, order.reason, order.credit_expires_at)
    if asked != (
        before.user_id,
        before.requested_by_id,
        before.kind,
        before.amount_nano,
        before.reason,
        before.credit_expires_at,
    ):
        raise AnotherGrant
    return before
