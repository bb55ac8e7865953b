"""What the support desk reads: the queue, and everything about one request on one page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import User
from billing.models import AccountKind, LedgerAccount, LedgerEntry
from billing.money import SYMBOL, format_amount
from referrals import reports, transitions
from referrals.models import Referral, RewardAllocation, Withdrawal, WithdrawalEvent

State = Withdrawal.State


@dataclass(frozen=True)
class StateCount:
    state: str
    label: str
    count: int
    amount: int  # nano, gross


@dataclass(frozen=True)
class Row:
    withdrawal: Withdrawal
    days: int  # since it was asked for
    hours: int
    claimed_by: str  # while the claim lasts


@dataclass(frozen=True)
class Funding:
    """What one referee's rewards give to this request."""

    email: str
    joined_at: datetime
    amount: int  # nano of this request
    days: int
    spent: int  # nano of paid spend behind these rewards
    taken_back: int  # nano of these rewards


@dataclass(frozen=True)
class EventLine:
    """A line of the history with everything support may know."""

    label: str
    change: str  # old and new state in words, empty when it stayed
    note: str
    at: datetime
    actor: str
    ip: str


@dataclass(frozen=True)
class Action:
    """One thing support may do now, and what it does to the books."""

    name: str
    label: str
    posts: str
    danger: bool = False


@dataclass(frozen=True)
class Case:
    withdrawal: Withdrawal
    pools: reports.Pools
    available_before: int  # nano, when it was asked for
    funding: list[Funding]
    events: list[EventLine]
    others: list[Withdrawal]
    people: int
    brought_by: str
    actions: list[Action]
    claimed_by_me: bool
    claim_ends: datetime | None


def queue(*, state: str = "", q: str = "") -> QuerySet[Withdrawal]:
    """The requests to work on, the oldest first; or those of one state; or what a search finds in all of them."""
    rows = Withdrawal.objects.select_related("user", "claimed_by", "approved_by")
    if q:
        return rows.filter(Q(public_id__iexact=q) | Q(user__email__iexact=q) | Q(payment_reference__iexact=q)).order_by(
            "-requested_at", "-pk"
        )
    if state in State.values:
        return rows.filter(state=state).order_by("-requested_at", "-pk")
    return rows.open().order_by("requested_at", "pk")


def row(withdrawal: Withdrawal, now: datetime) -> Row:
    claimed = withdrawal.claimed_at is not None and withdrawal.claimed_at + transitions.CLAIM > now
    return Row(
        withdrawal=withdrawal,
        days=(now - withdrawal.requested_at).days,
        hours=(now - withdrawal.requested_at) // timedelta(hours=1),
        claimed_by=withdrawal.claimed_by.email if claimed and withdrawal.claimed_by else "",
    )


def counts() -> list[StateCount]:
    rows = Withdrawal.objects.values_list("state").annotate(
        count=Count("pk"), total=Sum(Coalesce("approved_amount", "amount"))
    )
    found: dict[str, tuple[int, int]] = {state: (count, int(total)) for state, count, total in rows.order_by()}
    return [StateCount(state, str(label), *found.get(state, (0, 0))) for state, label in State.choices]


def case(*, public_id: str, by: User, now: datetime) -> Case:
    """Raises Withdrawal.DoesNotExist."""
    withdrawal = Withdrawal.objects.select_related("user", "policy", "claimed_by", "approved_by", "paid_by").get(
        public_id=public_id
    )
    person = withdrawal.user
    relation = Referral.objects.filter(referee=person).select_related("referrer").first()
    claimed = withdrawal.claimed_at is not None and withdrawal.claimed_at + transitions.CLAIM > now
    mine = claimed and withdrawal.claimed_by == by
    return Case(
        withdrawal=withdrawal,
        pools=reports.pools(person),
        available_before=_available_before(withdrawal),
        funding=_funding(withdrawal),
        events=[_event_line(event) for event in withdrawal.events.select_related("actor").order_by("at", "pk")],
        others=list(Withdrawal.objects.of(person).exclude(pk=withdrawal.pk)[:20]),
        people=Referral.objects.filter(referrer=person).count(),
        brought_by=relation.referrer.email if relation else "",
        actions=_actions(withdrawal, by, mine),
        claimed_by_me=mine,
        claim_ends=withdrawal.claimed_at + transitions.CLAIM if claimed and withdrawal.claimed_at else None,
    )


def _available_before(withdrawal: Withdrawal) -> int:
    account = LedgerAccount.objects.get(owner=withdrawal.user, kind=AccountKind.REF_AVAILABLE)
    earlier = LedgerEntry.objects.filter(
        txn_id__lt=LedgerEntry.objects.filter(txn__idempotency_key=f"wd:{withdrawal.public_id}:reserve").values(
            "txn_id"
        )[:1]
    )
    credit = earlier.filter(credit=account).aggregate(total=Sum("amount"))["total"] or 0
    debit = earlier.filter(debit=account).aggregate(total=Sum("amount"))["total"] or 0
    return int(credit) - int(debit)


def _event_line(event: WithdrawalEvent) -> EventLine:
    labels = {
        "request": _("Requested"),
        "claim": _("Claimed"),
        "release_claim": _("Claim given back"),
        "hold": _("Put on hold"),
        "approve": _("Approved"),
        "reject": _("Rejected"),
        "revoke": _("Approval taken back"),
        "start_paying": _("Payment started"),
        "mark_paid": _("Marked paid"),
        "mark_failed": _("Payment failed"),
        "mark_returned": _("Money came back"),
        "cancel": _("Cancelled by the person"),
        "expire": _("Expired"),
        "reveal": _("Payee looked at"),
    }
    moved = event.old_state and event.old_state != event.new_state
    change = f"{State(event.old_state).label} → {State(event.new_state).label}" if moved else ""
    return EventLine(
        label=labels.get(event.action, event.action),
        change=change,
        note=event.note,
        at=event.at,
        actor=event.actor.email if event.actor else _("the system"),
        ip=event.ip or "",
    )


def _funding(withdrawal: Withdrawal) -> list[Funding]:
    rows = (
        RewardAllocation.objects.filter(withdrawal=withdrawal)
        .values("reward__referral__referee__email")
        .annotate(
            joined_at=Min("reward__referral__joined_at"),
            total=Sum("amount"),
            days=Count("reward__day", distinct=True),
            spent=Sum("reward__base_nano"),
            taken_back=Sum("reward__reversed"),
            latest=Max("reward__day"),
        )
        .order_by("-total")
    )
    return [
        Funding(
            email=row["reward__referral__referee__email"],
            joined_at=row["joined_at"],
            amount=int(row["total"]),
            days=row["days"],
            spent=int(row["spent"]),
            taken_back=int(row["taken_back"]),
        )
        for row in rows
    ]


def _actions(withdrawal: Withdrawal, by: User, mine: bool) -> list[Action]:  # noqa: FBT001 private
    """What the state allows; rules about people (own request, second person) are said when tried or known before."""
    if withdrawal.user == by:
        return []
    offered = [action for action in _all_actions(withdrawal) if _offered(withdrawal, action.name, by)]
    return [action for action in offered if action.name != "claim"] if mine else offered


def _offered(withdrawal: Withdrawal, name: str, by: User) -> bool:
    if withdrawal.state not in transitions.STEPS[name].old:
        return False
    if name == "release_claim":
        return withdrawal.claimed_by == by
    if name == "revoke":
        return withdrawal.approved_by != by
    if name == "mark_paid":
        return not (withdrawal.needs_second_person and withdrawal.approved_by == by)
    return True


def _all_actions(withdrawal: Withdrawal) -> list[Action]:
    gross, net, fee = (_money(nano) for nano in (withdrawal.gross, withdrawal.net, withdrawal.fee))
    nothing = _("Posts nothing: only the state changes.")
    back = _("Posts %(amount)s from “in withdrawal” back to “available”.") % {"amount": gross}
    paid = _("Posts %(net)s from “in withdrawal” to “paid out”.") % {"net": net}
    if withdrawal.fee:
        paid += " " + _("The fee of %(fee)s goes to revenue.") % {"fee": fee}
    return [
        Action("claim", _("Claim"), nothing),
        Action(
            "approve",
            _("Approve"),
            _("Posts nothing for the full amount; the rest of a smaller one goes back to “available”."),
        ),
        Action("start_paying", _("Start paying"), nothing),
        Action("mark_paid", _("Mark paid"), paid),
        Action("mark_failed", _("Payment failed"), _("Posts nothing: the amount stays set aside, to be sent again.")),
        Action("hold", _("Put on hold"), nothing),
        Action("release_claim", _("Give the claim back"), nothing),
        Action("reject", _("Reject"), back, danger=True),
        Action("revoke", _("Take the approval back"), back, danger=True),
        Action(
            "mark_returned",
            _("Money came back"),
            _("Posts %(net)s from “paid out” back to “available”.") % {"net": net},
            danger=True,
        ),
    ]


def _money(nano: int) -> str:
    return f"{SYMBOL}{format_amount(nano)}"
