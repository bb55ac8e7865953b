"""The states of a withdrawal, drawn once, and the one function that changes them.

requested ─► in_review ─► approved ─► paying ─► paid ─► returned
    │  ▲        │  ▲          │ ▲───── failed ──┘
    │  │        ▼  │          ▼
    │  └──── on_hold       revoked          also: cancelled (user), rejected (support), expired (timer)
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from referrals import links, notices, refusals
from referrals.models import Withdrawal, WithdrawalEvent

State = Withdrawal.State
CLAIM = timedelta(minutes=30)  # after that a colleague may take over


@dataclass(frozen=True)
class Step:
    old: frozenset[str]
    new: str
    told: bool  # whether the person gets a mail


def _step(old: tuple[str, ...], new: str, *, told: bool = True) -> Step:
    return Step(frozenset(old), new, told)


STEPS = {
    "claim": _step((State.REQUESTED, State.IN_REVIEW, State.ON_HOLD), State.IN_REVIEW, told=False),
    "release_claim": _step((State.IN_REVIEW,), State.IN_REVIEW, told=False),
    "hold": _step((State.REQUESTED, State.IN_REVIEW), State.ON_HOLD),
    "approve": _step((State.IN_REVIEW,), State.APPROVED),
    "reject": _step((State.IN_REVIEW, State.ON_HOLD), State.REJECTED),
    "revoke": _step((State.APPROVED,), State.REVOKED),
    "start_paying": _step((State.APPROVED,), State.PAYING, told=False),
    "mark_paid": _step((State.APPROVED, State.PAYING), State.PAID),
    "mark_failed": _step((State.APPROVED, State.PAYING), State.APPROVED),
    "mark_returned": _step((State.PAID,), State.RETURNED),
    "cancel": _step((State.REQUESTED, State.IN_REVIEW), State.CANCELLED),
    "expire": _step((State.REQUESTED, State.ON_HOLD), State.EXPIRED),
}


def locked(withdrawal: Withdrawal) -> Withdrawal:
    """The row as it is now, nobody else changing it until the transaction ends."""
    links.lock(user=withdrawal.user)
    return Withdrawal.objects.select_related("user", "policy", "claimed_by", "approved_by").get(pk=withdrawal.pk)


def check_claim(fresh: Withdrawal, by: User, now: datetime) -> None:
    """Raises ClaimedByOther while a colleague's claim lasts."""
    holder, since = fresh.claimed_by, fresh.claimed_at
    if holder is not None and since is not None and holder != by and since + CLAIM > now:
        raise refusals.ClaimedByOther(holder.email, since + CLAIM)


def check_possible(fresh: Withdrawal, action: str, *, seen_by_user: bool = False) -> None:
    """Raises NotPossible, naming who did what a moment before (colleagues only)."""
    if fresh.state not in STEPS[action].old:
        last = fresh.events.filter(new_state=fresh.state).exclude(action="reveal").select_related("actor").last()
        who = "" if seen_by_user or last is None or last.actor is None else last.actor.email
        raise refusals.already(fresh, last.at if last else None, who)


def move(
    fresh: Withdrawal,
    action: str,
    *,
    actor: User | None,
    now: datetime,
    note: str = "",
    ip: str | None = None,
    **changes: Any,
) -> Withdrawal:
    """One conditional update and one event; mail after the commit. The caller locked and checked.

    Raises NotPossible when the state is another by now, ReferenceTaken when the payment reference is not new.
    """
    step = STEPS[action]
    try:
        with transaction.atomic():
            updated = Withdrawal.objects.filter(pk=fresh.pk, state=fresh.state).update(state=step.new, **changes)
    except IntegrityError as error:
        if "payment_reference" in changes:
            raise refusals.ReferenceTaken from error
        raise
    if updated != 1:
        raise refusals.already(Withdrawal.objects.get(pk=fresh.pk), None, "")
    record(fresh, action, old=fresh.state, new=step.new, actor=actor, now=now, note=note, ip=ip)
    if step.told:
        tell(fresh, action)
    for name, value in {"state": step.new, **changes}.items():
        setattr(fresh, name, value)
    return fresh


def tell(withdrawal: Withdrawal, action: str) -> None:
    """Mail after the commit; a mail server that is down undoes nothing."""
    transaction.on_commit(lambda: notices.send(withdrawal_id=withdrawal.pk, action=action), robust=True)


def record(
    withdrawal: Withdrawal,
    action: str,
    *,
    old: str,
    new: str,
    actor: User | None,
    now: datetime,
    note: str = "",
    ip: str | None = None,
) -> WithdrawalEvent:
    return WithdrawalEvent.objects.create(
        withdrawal=withdrawal, actor=actor, action=action, old_state=old, new_state=new, note=note[:500], ip=ip, at=now
    )
