"""Spend limits: how much one key, or a whole account, may spend in a day, a week or a month.

1. A hold passes when spent + held + what it asks for stays within every limit that applies: those of its key and those
   of the account. What open holds have set aside counts always, whenever they were made. So no number of calls at once
   can pass a limit, and a call that would cost nothing is never refused.
2. A charge counts in the period in which it settles, a refund in that same one: given back later, it changes nothing.
3. Periods begin at midnight, on Monday, or on the 1st, in the time zone of the account.
4. Another time zone counts from the next period. The present one ends when both zones have reached the day of its
   reset: the reset may move to later, what was spent is never forgotten early.
5. A limit that is set in the middle of a period counts what was spent in it before, to the nano.
6. At 50, 80 and 100 % its owner is told, once per period for each amount that was set; a charge that passes several of
   them tells the highest. From 80 % on, the first refusal counts as 100 %: what is left may never be spent.

All of it is decided while the person's credit accounts are locked: every hold, charge, refund and change of a limit
locks them first. So plain reads are enough, and the rows of limits come last in the lock order.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from accounts import time_zones
from accounts.models import ApiKey, User
from billing import notices, periods
from billing.ledger import SPEND_ORDER, LedgerError, locked_of
from billing.limit_standings import Standing, ends, roll, standings_of
from billing.models import NoticeKind, SpendLimit, Usage, UsageHour
from billing.money import CURRENCY, MAX_NANO, NANO, format_amount

__all__ = ["Book", "CannotSet", "SpendLimitReached", "Standing", "explain", "note_refund", "note_refusals"]
__all__ += ["note_spend", "open_book", "remove_limit", "set_limit", "standings"]

PERCENTS = (100, 80, 50)
MAX_LIMIT = min(1_000_000 * NANO, MAX_NANO)
LONGEST_CALL = timedelta(days=1)  # far more than a call can last (GATEWAY_TOTAL_TIMEOUT_S)
log = structlog.get_logger("billing")


class CannotSet(Exception):
    """A limit that cannot be: its amount, its window or its key. Nothing was changed."""


class SpendLimitReached(LedgerError):
    """A limit does not cover the hold; nothing was held. `left`: nano that could still be held."""

    def __init__(self, limit: Standing, left: int) -> None:
        super().__init__(
            f"only {format_amount(left)} {CURRENCY} are left of the {limit.scope}'s limit for the {limit.window}"
        )
        self.limit = limit
        self.left = left
        self.resets_at = limit.resets_at
        self.scope = limit.scope
        self.window = limit.window


class Book:
    """The limits of some people at one moment, and what a group of holds has taken from them since."""

    def __init__(self, standings: Mapping[int, Sequence[Standing]]) -> None:
        self._standings = standings
        self._taken: dict[int, int] = {}

    def refusal(self, user_id: int, key_id: int, amount: int) -> SpendLimitReached | None:
        """The tightest limit that does not cover `amount`; of several, the one that resets last."""
        tightest: SpendLimitReached | None = None
        for limit in self._of(user_id, key_id):
            left = max(0, limit.amount_nano - limit.spent_nano - limit.held_nano - self._taken.get(limit.pk, 0))
            if 0 < amount > left and (tightest is None or _order(limit, left) < _order(tightest.limit, tightest.left)):
                tightest = SpendLimitReached(limit, left)
        return tightest

    def take(self, user_id: int, key_id: int, amount: int) -> None:
        """Held: it is gone for the next of the group."""
        for limit in self._of(user_id, key_id):
            self._taken[limit.pk] = self._taken.get(limit.pk, 0) + amount

    def _of(self, user_id: int, key_id: int) -> list[Standing]:
        return [limit for limit in self._standings.get(user_id, ()) if limit.key_id in (None, key_id)]


def _order(limit: Standing, left: int) -> tuple[int, timedelta]:
    return left, -(limit.resets_at - limit.period_start)


def open_book(user_ids: Collection[int], now: datetime) -> Book:
    """The limits of these people, whose credit accounts are locked. One query where nobody has any, else two."""
    return Book(standings_of(_limits_of(user_ids), now))


def standings(user: User, now: datetime, *, key: ApiKey | None = None) -> list[Standing]:
    """All limits of a person, or those that a key is under: the account's first, from the day to the month."""
    rows = _limits_of([user.pk])
    if key is not None:
        rows = [row for row in rows if row.key_id in (None, key.pk)]
    found = standings_of(rows, now).get(user.pk, [])
    windows = list(SpendLimit.Window.values)
    return sorted(found, key=lambda each: (each.key_id or 0, windows.index(each.window)))


def explain(error: SpendLimitReached) -> str:
    """For the caller: what happened, when it resets, where to change it. The gateway adds that it cost nothing."""
    limit = error.limit
    whose = f"of the API key “{limit.key_name}”" if limit.scope == "key" else "of your account"
    adjective = {"day": "daily", "week": "weekly", "month": "monthly"}[limit.window]
    local = limit.resets_at.astimezone(time_zones.zone(limit.zone))
    held = max(0, limit.amount_nano - limit.spent_nano - error.left)
    used = f"{_shown(limit.spent_nano)} is spent" + (f", {_shown(held)} is held by running calls" if held else "")
    return (
        f"The {adjective} spend limit {whose} is {_shown(limit.amount_nano)}: {used}, and the "
        f"{_shown(error.left)} that is left does not cover the most that this call may cost. It resets at "
        f"{local:%Y-%m-%d %H:%M} ({limit.zone}); to go on before that, raise it at /limits/."
    )


def _shown(nano: int) -> str:
    return f"{CURRENCY} {format_amount(nano)}"


# What was charged


def note_spend(charged: Sequence[tuple[int, int, int]], now: datetime) -> None:
    """Count charges (user, key, nano) that settle at `now`; in their transaction, the people's accounts locked.

    One query where nobody has a limit, else one change for each limit that they touch.
    """
    spent = [(user_id, key_id, nano) for user_id, key_id, nano in charged if nano]
    if not spent:
        return
    for row in _limits_of({user_id for user_id, _, _ in spent}):
        more = sum(nano for user_id, key_id, nano in spent if user_id == row.user_id and row.key_id in (None, key_id))
        if more:
            roll(row, now)
            if now >= row.period_start:  # a clock that lags behind the one that rolled: it was the period before
                row.spent_nano = min(row.spent_nano + more, MAX_NANO)
            _notice(row, _passed(row), now)
            _save(row)


def note_refund(usage: Usage, amount: int, now: datetime) -> None:
    """`amount` nano of a charge was given back, in the same transaction: it can be spent again if the call was charged
    in the present period. A refund locks an account of its person before it comes here.
    """
    for row in _limits_of([usage.user_id]):
        if row.key_id in (None, usage.key_id):
            roll(row, now)
            if usage.settled_at >= row.period_start:
                row.spent_nano = max(0, row.spent_nano - amount)
            _save(row)


def note_refusals(refusals: Iterable[SpendLimitReached], now: datetime) -> None:
    """Calls were refused, in the transaction that decided it: from 80 % on, their owner is told that it has begun.

    Without a query but for the first refusal of a period.
    """
    for limit in {error.limit.pk: error.limit for error in refusals}.values():
        if limit.percent >= PERCENTS[1] and limit.noticed_percent < PERCENTS[0]:
            for row in _rows(Q(pk=limit.pk)):
                roll(row, now)
                _notice(row, PERCENTS[0], now)
                _save(row)


def _notice(row: SpendLimit, percent: int, now: datetime) -> None:
    if percent <= row.noticed_percent:
        return
    row.noticed_percent = percent
    facts = {
        "percent": percent,
        "window": str(row.window),
        "limit_nano": row.amount_nano,
        "spent_nano": row.spent_nano,
        "resets_at": ends(row).isoformat(),
        "zone": row.user.time_zone,
    }
    if row.key is not None:
        facts |= {"key_name": row.key.name, "key_hint": row.key.hint}
    notices.write(
        user=row.user,
        kind=NoticeKind.LIMIT_REACHED,
        key=f"limit:{row.public_id}:{row.period_start:%Y%m%dT%H%M}:{row.amount_nano}:{percent}",
        data=facts,
        now=now,
        ring=False,
    )


def _passed(row: SpendLimit) -> int:
    """The highest percent that is told of which has been spent, 0 if none."""
    return next((percent for percent in PERCENTS if row.spent_nano * 100 >= row.amount_nano * percent), 0)


def _save(row: SpendLimit) -> None:
    row.save(update_fields=["spent_nano", "period_start", "zone", "noticed_percent"])


# Setting and removing


def set_limit(*, user: User, key: ApiKey | None, window: str, amount: int, actor: User, now: datetime) -> SpendLimit:
    """`key`, or with None the whole account, may spend `amount` nano in each window; a new amount replaces the old.

    What was spent in this period counts. Raises CannotSet.
    """
    if window not in SpendLimit.Window.values:
        raise CannotSet("There are daily, weekly and monthly limits.")
    if not 0 < amount <= MAX_LIMIT:
        raise CannotSet(f"A limit is more than zero and at most {format_amount(MAX_LIMIT)}.")
    with transaction.atomic():
        _lock(user)
        owner = User.objects.get(pk=user.pk)
        if key is not None and not ApiKey.objects.of(owner).filter(pk=key.pk, revoked_at=None).exists():
            raise CannotSet("This key is not one of yours, or was revoked.")
        row = _rows(Q(user=owner, key=key, window=window)).first()
        before = row.amount_nano if row is not None else None
        if row is None:
            zone = time_zones.zone(owner.time_zone)
            start = periods.begin(window, now, zone)
            row = SpendLimit(user=owner, key=key, window=window, period_start=start, zone=zone.key)
            row.spent_nano = _spent_since(owner, key, start)
        else:
            roll(row, now)
        row.amount_nano = amount
        if before != amount:
            row.noticed_percent = _passed(row)  # whoever sets it sees what is spent; they are told of what comes
        row.save()
    log.info(
        "billing.limit.set",
        limit=row.public_id,
        user=owner.public_id,
        key=key.public_id if key is not None else "",
        window=window,
        amount_nano=amount,
        before_nano=before,
        by=actor.public_id,
    )
    return row


def remove_limit(*, limit: SpendLimit, actor: User, now: datetime) -> None:
    """Calls are no longer held against it. Safe to repeat."""
    with transaction.atomic():
        _lock(limit.user)
        removed, _ = SpendLimit.objects.filter(pk=limit.pk).delete()
    if removed:
        log.info("billing.limit.removed", limit=limit.public_id, user=limit.user.public_id, by=actor.public_id, at=now)


def _lock(user: User) -> None:
    """No hold and no charge of this person until the end of the transaction."""
    locked_of([user.pk], *SPEND_ORDER)


def _spent_since(user: User, key: ApiKey | None, start: datetime) -> int:
    """What settled since `start` and was not given back: the sums of whole hours, and single calls at the edge.

    Hours are those in which calls began. A call that began before `start` and settled after it counts, too.
    """
    whole = periods.rounded_up(start)
    mine = Q(user=user) if key is None else Q(user=user, key=key)
    hours = UsageHour.objects.filter(mine, hour__gte=whole)
    edge = Usage.objects.filter(mine, started_at__gte=start - LONGEST_CALL, started_at__lt=whole, settled_at__gte=start)
    net = Sum("charge_nano", default=0) - Sum("refunded_nano", default=0)
    return int(hours.aggregate(net=net)["net"]) + int(edge.aggregate(net=net)["net"])


def _rows(which: Q) -> QuerySet[SpendLimit]:
    return SpendLimit.objects.filter(which).select_related("user", "key")


def _limits_of(user_ids: Collection[int]) -> list[SpendLimit]:
    return list(_rows(Q(user__in=list(user_ids))).order_by("pk"))
