"""What the referrer's pages show, read once per page into frozen rows. No rule lives here."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import User
from billing import ledger
from billing.models import AccountKind, LedgerEntry, LedgerTxn
from billing.money import CENT, Nano, floor_to
from referrals import links, policies
from referrals.models import Link, Policy, Referral, Reward, RewardAllocation, Withdrawal

PERCENT = 100
State = Withdrawal.State


@dataclass(frozen=True)
class Pools:
    """Nano. pending + available + in_withdrawal + converted + paid_out - debt = earned, always."""

    pending: int
    available: int
    in_withdrawal: int
    converted: int
    paid_out: int
    debt: int

    @property
    def earned(self) -> int:
        return self.pending + self.available + self.in_withdrawal + self.converted + self.paid_out - self.debt

    @property
    def withdrawable(self) -> Nano:
        """Down to the cent: what a form may offer."""
        return floor_to(self.available, CENT)


@dataclass(frozen=True)
class Goal:
    """How far it is to a withdrawal."""

    threshold: int  # nano
    missing: int  # nano
    percent: int  # rounded down; 100 only when it is reached
    next_release: date | None
    next_release_amount: int  # nano


@dataclass(frozen=True)
class RefereeRow:
    name: str  # masked
    joined_at: datetime
    earns_until: datetime
    earning: bool
    earned: int  # nano, less what was taken back
    cap_left: int | None  # nano


@dataclass(frozen=True)
class RewardRow:
    reward: Reward
    name: str  # of the referee, masked
    rate: str
    capped: bool


@dataclass(frozen=True)
class Step:
    """One stop on the way of a withdrawal."""

    label: str
    state: str  # done, current, todo, failed
    at: datetime | None


@dataclass(frozen=True)
class EventLine:
    """A line of the history as the person sees it: never who of support did it."""

    label: str
    by_support: bool
    at: datetime


@dataclass(frozen=True)
class Overview:
    link: Link
    policy: Policy
    pools: Pools
    goal: Goal
    people: int
    open_withdrawal: Withdrawal | None
    may_withdraw: bool


@dataclass(frozen=True)
class Posting:
    """One event in the life of a reward, as the ledger has it."""

    label: str
    amount: int  # nano
    at: datetime
    reason: str


@dataclass(frozen=True)
class RewardDetail:
    reward: Reward
    name: str  # of the referee, masked
    rate: str
    capped: bool
    postings: list[Posting]
    exits: list[RewardAllocation]


def overview(*, user: User, now: datetime) -> Overview:
    policy = policies.in_force(now)
    totals = pools(user)
    open_withdrawal = Withdrawal.objects.filter(user=user).open().first()
    reached = totals.withdrawable >= policy.threshold_nano
    return Overview(
        link=links.link_of(user=user),
        policy=policy,
        pools=totals,
        goal=_goal(user, policy, totals),
        people=Referral.objects.filter(referrer=user).count(),
        open_withdrawal=open_withdrawal,
        may_withdraw=reached and open_withdrawal is None and policy.enabled and not totals.debt,
    )


def pools(user: User) -> Pools:
    balances = ledger.balances(user)
    converted = _moved("reward.convert", Q(debit__kind=AccountKind.REF_AVAILABLE, debit__owner=user))
    paid = _moved("wd.paid", Q(debit__kind=AccountKind.REF_RESERVED, debit__owner=user))
    returned = _moved("wd.returned", Q(credit__kind=AccountKind.REF_AVAILABLE, credit__owner=user))
    return Pools(
        pending=balances.pending,
        available=balances.available,
        in_withdrawal=balances.reserved,
        converted=converted,
        paid_out=paid - returned,
        debt=balances.ref_debt,
    )


def referees(*, user: User) -> QuerySet[Referral]:
    """The people this person brought, the newest first, with what each earned; `referee_row` makes the line."""
    return (
        Referral.objects.filter(referrer=user)
        .select_related("referee")
        .annotate(
            earned=Coalesce(Sum(F("rewards__amount") - F("rewards__reversed")), 0),
            gross=Coalesce(Sum("rewards__amount"), 0),
        )
        .order_by("-joined_at", "-pk")
    )


def referee_row(referral: Referral, policy: Policy, now: datetime) -> RefereeRow:
    until = referral.joined_at + policy.earning_time
    cap = policy.cap_per_referee_nano
    return RefereeRow(
        name=masked(referral.referee.email),
        joined_at=referral.joined_at,
        earns_until=until,
        earning=policy.enabled and now < until,
        earned=referral.earned,  # type: ignore[attr-defined] # annotated by `referees`
        cap_left=None if cap is None else max(0, cap - referral.gross),  # type: ignore[attr-defined] # as above
    )


def rewards(*, user: User) -> QuerySet[Reward]:
    return Reward.objects.of(user).select_related("referral__referee", "policy")


def reward_row(reward: Reward) -> RewardRow:
    return RewardRow(
        reward=reward,
        name=masked(reward.referral.referee.email),
        rate=policies.percent(reward.rate_bp),
        capped=reward.amount < reward.uncapped_nano,
    )


def reward_detail(*, user: User, public_id: str) -> RewardDetail:
    """Raises Reward.DoesNotExist for another person's reward as for one that never was."""
    reward = rewards(user=user).get(public_id=public_id)
    row = reward_row(reward)
    return RewardDetail(
        reward=reward,
        name=row.name,
        rate=row.rate,
        capped=row.capped,
        postings=_postings(reward),
        exits=list(reward.allocations.select_related("withdrawal", "conversion").order_by("pk")),
    )


def _postings(reward: Reward) -> list[Posting]:
    labels = {
        "reward.accrue": _("Earned, pending"),
        "reward.mature": _("Released: available"),
        "reward.claw": _("Taken back"),
    }
    reason = _("The spend behind it was refunded.")
    rows = LedgerTxn.objects.filter(source_type="reward", source_id=reward.public_id)
    return [
        Posting(labels.get(kind, kind), int(total), at, reason if kind == "reward.claw" else "")
        for kind, at, total in rows.order_by("pk")
        .annotate(total=Sum("entries__amount"))
        .values_list("kind", "effective_at", "total")
    ]


def steps(withdrawal: Withdrawal) -> list[Step]:
    """requested, review, approved, paid; where it stands, and where it stopped."""
    reached = {event.new_state: event.at for event in withdrawal.events.order_by("at", "pk")}
    path = [State.REQUESTED, State.IN_REVIEW, State.APPROVED, State.PAID]
    labels = {State.IN_REVIEW: _("Review"), State.APPROVED: _("Approved"), State.PAID: _("Paid")}
    place = {State.ON_HOLD: State.IN_REVIEW, State.PAYING: State.APPROVED, State.RETURNED: State.PAID}
    current = place.get(State(withdrawal.state), State(withdrawal.state))
    if current not in path:
        done = [state for state in path if state in reached]
        made = [Step(labels.get(state, str(state.label)), "done", reached[state]) for state in done]
        return [*made, Step(withdrawal.get_state_display(), "failed", withdrawal.closed_at)]
    here = path.index(current)
    finished = current == State.PAID
    found = [
        Step(
            labels.get(state, str(state.label)),
            "done" if number < here or finished else "current" if number == here else "todo",
            reached.get(state) if number <= here else None,
        )
        for number, state in enumerate(path)
    ]
    if withdrawal.state == State.RETURNED:
        found.append(Step(withdrawal.get_state_display(), "failed", reached.get(State.RETURNED)))
    return found


def events_for_person(withdrawal: Withdrawal) -> list[EventLine]:
    """Claims and looks at the payee are support's own business and are left out."""
    labels = {
        "request": _("You asked for the withdrawal."),
        "hold": _("Support put it on hold."),
        "approve": _("Support approved it."),
        "reject": _("Support rejected it."),
        "revoke": _("Support took the approval back."),
        "start_paying": _("The payment is being sent."),
        "mark_paid": _("The payment was sent."),
        "mark_failed": _("The payment did not go through."),
        "mark_returned": _("The payment came back."),
        "cancel": _("You cancelled it."),
        "expire": _("It expired because nothing happened for a long time."),
    }
    lines = []
    review_seen = False
    for event in withdrawal.events.order_by("at", "pk"):
        label = labels.get(event.action)
        if event.action == "claim" and not review_seen:
            label, review_seen = _("Support is looking at it."), True
        if label:
            lines.append(EventLine(label, event.actor_id not in {None, withdrawal.user_id}, event.at))
    return lines


def masked(email: str) -> str:
    """`b…n@e…` for ben@example.com: known to who invited them, useless to anybody else."""
    local, _, domain = email.partition("@")
    ends = f"{local[0]}…{local[-1]}" if len(local) > 1 else f"{local}…"
    return f"{ends}@{domain[:1]}…"


def _goal(user: User, policy: Policy, totals: Pools) -> Goal:
    waiting = Reward.objects.filter(referrer=user, state=Reward.State.PENDING)
    release = waiting.order_by("matures_at").values_list("matures_at", flat=True).first()
    amount = 0
    if release is not None:
        amount = waiting.filter(matures_at=release).aggregate(total=Sum(F("amount") - F("reversed")))["total"] or 0
    missing = max(0, policy.threshold_nano - totals.withdrawable)
    share = min(PERCENT, totals.withdrawable * PERCENT // policy.threshold_nano) if policy.threshold_nano else PERCENT
    return Goal(
        threshold=policy.threshold_nano,
        missing=missing,
        percent=int(share),
        next_release=release.astimezone(UTC).date() if release else None,
        next_release_amount=int(amount),
    )


def _moved(kind: str, side: Q) -> int:
    return int(LedgerEntry.objects.filter(side, txn__kind=kind).aggregate(total=Sum("amount"))["total"] or 0)
