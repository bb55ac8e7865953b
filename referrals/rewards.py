"""From paid spend to rewards: accrue, mature, convert, claw back.

Every verb about one person's rewards takes the row of their link first (links.lock), then posts; so caps, balances and
allocations are read and changed one after the other. Each posting has a key made of what it is for: running anything
twice posts once.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import F, Sum

from accounts.models import User
from billing import ledger
from billing.models import AccountKind, LedgerTxn
from billing.money import BASIS_POINTS
from referrals import allocations, links, policies, spend
from referrals.models import AccruedDay, Policy, Referral, Reward

LOOK_BACK_DAYS = 7  # closed days read again each time: a charge may be committed after its day was closed


class NotClosed(Exception):
    """The day is not over in UTC."""


class NothingToConvert(ValueError):
    """An amount that is not above zero."""


@dataclass(frozen=True)
class Accrued:
    days: list[date]
    rewards: int
    amount: int  # nano
    clawed_back: int  # nano


@dataclass(frozen=True)
class Matured:
    rewards: int
    amount: int  # nano
    netted: int  # nano that repaid a debt


def compute(base_nano: int, rate_bp: int, room_nano: int | None) -> int:
    """Nano earned: base x rate, rounded down, at most what the caps leave (None: no cap)."""
    earned = base_nano * rate_bp // BASIS_POINTS
    return earned if room_nano is None else min(earned, max(room_nano, 0))


def accrue(*, now: datetime, day: date | None = None, include_today: bool = False) -> Accrued:
    """Bring the rewards of closed UTC days in line with the ledger: all missed days, and the last week again.

    Safe to run at any time, in parallel and twice. With `day`, that day only. With `include_today` also the running
    day: what it earns later becomes a further part. Raises NotClosed for a `day` that is not over.
    """
    today = now.astimezone(UTC).date()
    if day is not None and day >= today and not (include_today and day == today):
        raise NotClosed(f"{day} is not over")
    days = [day] if day is not None else _days_to_walk(today)
    if include_today and today not in days:
        days.append(today)
    changes: list[int] = []
    for each in days:
        changes += _accrue_day(each, now)
        if each < today:
            AccruedDay.objects.get_or_create(day=each, defaults={"accrued_at": now})
    return Accrued(
        days=days,
        rewards=sum(1 for change in changes if change > 0),
        amount=sum(change for change in changes if change > 0),
        clawed_back=-sum(change for change in changes if change < 0),
    )


def claw_back(
    *, referral: Referral, day: date, policy: Policy, base_nano_now: int, now: datetime, actor: User | None = None
) -> int:
    """Take back what a shrunken day no longer earns; the nano taken. The newest part gives first.

    From the pending pool while the reward is pending; later from what is available, the rest becomes a debt that
    future rewards repay. Never from an open withdrawal.
    """
    taken = 0
    with transaction.atomic():
        links.lock(user=referral.referrer)
        parts = list(Reward.objects.filter(referral=referral, day=day, policy=policy).order_by("-part"))
        excess = sum(part.base_nano - part.base_reversed for part in parts) - base_nano_now
        for part in parts:
            share = min(excess, part.base_nano - part.base_reversed)
            if share > 0:
                taken += _reverse(part, share, now, actor)
                excess -= share
    return taken


def mature(*, now: datetime) -> Matured:
    """Move rewards through the holding period to the available pool; an open debt is repaid from them at once."""
    amount = netted = count = 0
    for pk, referrer_id in list(Reward.objects.due(now).order_by("matures_at", "pk").values_list("pk", "referrer_id")):
        with transaction.atomic():
            links.lock(user=User.objects.get(pk=referrer_id))
            if not Reward.objects.due(now).filter(pk=pk).update(state=Reward.State.AVAILABLE, matured_at=now):
                continue
            reward = Reward.objects.select_related("referrer", "policy").get(pk=pk)
            _post_mature(reward, now)
            netted += net_debt(user=reward.referrer, upto=reward.left, key=f"reward:{reward.public_id}:net", now=now)
            amount += reward.left
            count += 1
    return Matured(rewards=count, amount=amount, netted=netted)


def convert(*, user: User, amount: int, client_id: str, now: datetime) -> LedgerTxn:
    """Available rewards into API credit, for good. The same client id again returns the first conversion.

    Raises ledger.InsufficientBalance when less is available, ledger.IdempotencyMismatch when the client id was used
    for another amount, NothingToConvert below one nano.
    """
    if amount <= 0:
        raise NothingToConvert(amount)
    with transaction.atomic():
        links.lock(user=user)
        posted = ledger.post(
            kind="reward.convert",
            key=f"convert:{user.public_id}:{client_id}",
            lines=[_line(user, AccountKind.REF_AVAILABLE, AccountKind.USER_REWARD, amount)],
            actor=user,
            now=now,
            source_type="conversion",
            source_id=client_id,
        )
        if posted.created:
            allocations.fund(user=user, amount=amount, conversion=posted.txn)
    return posted.txn


def net_debt(*, user: User, upto: int, key: str, now: datetime) -> int:
    """Repay an open reward debt from what just became available; the nano repaid. The caller holds the lock."""
    amount = min(ledger.balances(user).ref_debt, upto)
    if amount <= 0:
        return 0
    ledger.post(
        kind="reward.net",
        key=key,
        lines=[_line(user, AccountKind.REF_AVAILABLE, AccountKind.REF_DEBT, amount)],
        actor=None,
        now=now,
        reason="Debt from rewards taken back",
    )
    return amount


def _days_to_walk(today: date) -> list[date]:
    first = Referral.objects.order_by("joined_at").values_list("joined_at", flat=True).first()
    if first is None:
        return []
    begin = first.astimezone(UTC).date()
    done = set(AccruedDay.objects.values_list("day", flat=True))
    recent = today - timedelta(days=LOOK_BACK_DAYS)
    closed = [begin + timedelta(days=n) for n in range((today - begin).days)]
    walk = {each for each in closed if each not in done or each >= recent}
    since = min(walk, default=recent)
    return sorted(walk | {each for each in spend.days_refunded_since(_start(since)) if begin <= each < today})


def _accrue_day(day: date, now: datetime) -> list[int]:
    changes = []
    for reign in policies.reigns(_start(day), _start(day + timedelta(days=1))):
        spent = spend.of_referees(start=reign.start, end=reign.end)
        rows = Reward.objects.filter(day=day, policy=reign.policy).values_list("referral__referee_id")
        counted = dict(rows.annotate(base=Sum(F("base_nano") - F("base_reversed"))).order_by())
        differs = [pk for pk in spent.keys() | counted.keys() if spent.get(pk, 0) != counted.get(pk, 0)]
        referrals = Referral.objects.filter(referee_id__in=differs).select_related("referee", "referrer")
        changes += [_bring_in_line(referral, reign, day, now) for referral in referrals.order_by("pk")]
    return changes


def _bring_in_line(referral: Referral, reign: policies.Reign, day: date, now: datetime) -> int:
    """One referee, day and policy; the nano gained, negative when taken back."""
    policy = reign.policy
    start = max(reign.start, referral.joined_at)
    end = min(reign.end, referral.joined_at + policy.earning_time)
    with transaction.atomic():
        link = links.lock(user=referral.referrer)
        base = spend.of(referral.referee, start=start, end=end)
        counted = sum(
            r.base_nano - r.base_reversed for r in Reward.objects.filter(referral=referral, day=day, policy=policy)
        )
        if base < counted:
            return -claw_back(referral=referral, day=day, policy=policy, base_nano_now=base, now=now)
        referrer_earns = link.disabled_at is None and User.objects.filter(pk=link.user_id, is_active=True).exists()
        if base == counted or not policy.enabled or not referrer_earns:
            return 0
        return _add_part(referral, policy, day, base - counted, now)


def _add_part(referral: Referral, policy: Policy, day: date, base: int, now: datetime) -> int:
    uncapped = compute(base, policy.rate_bp, None)
    room = _room(referral, policy, day)
    amount = compute(base, policy.rate_bp, room)
    if amount <= 0:
        return 0
    reward = Reward.objects.create(
        referral=referral,
        referrer_id=referral.referrer_id,
        day=day,
        policy=policy,
        part=Reward.objects.filter(referral=referral, day=day, policy=policy).count() + 1,
        base_nano=base,
        rate_bp=policy.rate_bp,
        uncapped_nano=uncapped,
        room_nano=room,
        amount=amount,
        matures_at=_start(day + timedelta(days=1 + policy.holding_days)),
    )
    ledger.post(
        kind="reward.accrue",
        key=f"reward:{policy.version}:referee-day:{referral.pk}:{day}:{reward.part}",
        lines=[
            ledger.Line(
                debit=ledger.account(AccountKind.EXPENSE_REFERRAL),
                credit=ledger.account(AccountKind.REF_PENDING, referral.referrer),
                amount=amount,
            )
        ],
        actor=None,
        now=now,
        source_type="reward",
        source_id=reward.public_id,
        policy_version=policy.version,
    )
    return amount


def _room(referral: Referral, policy: Policy, day: date) -> int | None:
    """What the caps leave. They count what was earned, not what is left of it: a refund frees nothing, so the answer
    for a day does not depend on when one asks.
    """
    rooms = []
    if policy.cap_per_referee_nano is not None:
        rooms.append(policy.cap_per_referee_nano - _earned(referral=referral))
    if policy.cap_per_month_nano is not None:
        month = {"day__year": day.year, "day__month": day.month}
        rooms.append(policy.cap_per_month_nano - _earned(referrer=referral.referrer_id, **month))
    return max(min(rooms), 0) if rooms else None


def _earned(**which: object) -> int:
    return int(Reward.objects.filter(**which).aggregate(total=Sum("amount"))["total"] or 0)


def _reverse(reward: Reward, base: int, now: datetime, actor: User | None) -> int:
    """Take `base` nano of spend out of one part."""
    base_reversed = reward.base_reversed + base
    still_earned = min(reward.amount, compute(reward.base_nano - base_reversed, reward.rate_bp, reward.room_nano))
    taken = reward.left - still_earned
    was_pending = reward.state in {Reward.State.PENDING, Reward.State.ON_HOLD}
    state = Reward.State.REVERSED if still_earned == 0 else Reward.State(reward.state)
    Reward.objects.filter(pk=reward.pk).update(
        base_reversed=base_reversed, reversed=reward.amount - still_earned, state=state
    )
    if taken:
        ledger.post(
            kind="reward.claw",
            key=f"claw:{base_reversed}:{reward.public_id}",
            lines=_claw_lines(reward.referrer, taken, pending=was_pending),
            actor=actor,
            now=now,
            reason="Spend behind the reward was refunded",
            source_type="reward",
            source_id=reward.public_id,
            policy_version=reward.policy_id,
        )
    return taken


def _claw_lines(user: User, amount: int, *, pending: bool) -> list[ledger.Line]:
    if pending:
        return [_line_to_expense(user, AccountKind.REF_PENDING, amount)]
    from_available = min(ledger.balances(user).available, amount)
    lines = []
    if from_available:
        lines.append(_line_to_expense(user, AccountKind.REF_AVAILABLE, from_available))
    if amount > from_available:
        lines.append(_line_to_expense(user, AccountKind.REF_DEBT, amount - from_available))
    return lines


def _post_mature(reward: Reward, now: datetime) -> None:
    ledger.post(
        kind="reward.mature",
        key=f"reward:{reward.public_id}:mature",
        lines=[_line(reward.referrer, AccountKind.REF_PENDING, AccountKind.REF_AVAILABLE, reward.left)],
        actor=None,
        now=now,
        source_type="reward",
        source_id=reward.public_id,
        policy_version=reward.policy_id,
    )


def _line(user: User, debit: AccountKind, credit: AccountKind, amount: int) -> ledger.Line:
    return ledger.Line(debit=ledger.account(debit, user), credit=ledger.account(credit, user), amount=amount)


def _line_to_expense(user: User, debit: AccountKind, amount: int) -> ledger.Line:
    return ledger.Line(
        debit=ledger.account(debit, user), credit=ledger.account(AccountKind.EXPENSE_REFERRAL), amount=amount
    )


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
