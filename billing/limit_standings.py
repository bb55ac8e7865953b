"""Where a spend limit stands at one moment: its period, what was spent in it, what is held, when it begins anew."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum

from accounts import time_zones
from billing import periods
from billing.models import Hold, SpendLimit
from billing.money import format_amount

FULL = 1000  # a meter is drawn in thousandths
LEAST_SHOWN = 6  # of them, so that a little is seen, too


@dataclass(frozen=True, slots=True)
class Standing:
    """A limit as it is at one moment, in the period of that moment."""

    pk: int
    public_id: str
    key_id: int | None
    key_public_id: str
    key_name: str
    key_hint: str
    window: str
    amount_nano: int
    spent_nano: int
    held_nano: int
    noticed_percent: int
    period_start: datetime
    resets_at: datetime
    zone: str  # of the account: how a reader wants to see the reset

    @property
    def scope(self) -> str:
        return "account" if self.key_id is None else "key"

    @property
    def left_nano(self) -> int:
        """What a new hold may take."""
        return max(0, self.amount_nano - self.spent_nano - self.held_nano)

    @property
    def percent(self) -> int:
        """Of the limit that was spent, rounded down; more than 100 when it was lowered below."""
        return self.spent_nano * 100 // self.amount_nano

    @property
    def spent_part(self) -> int:
        """Of the meter, in thousandths."""
        return min(FULL, max(self.spent_nano * FULL // self.amount_nano, LEAST_SHOWN if self.spent_nano else 0))

    @property
    def held_part(self) -> int:
        """Of the meter, after what was spent."""
        part = max(self.held_nano * FULL // self.amount_nano, LEAST_SHOWN if self.held_nano else 0)
        return min(FULL - self.spent_part, part)

    @property
    def used_part(self) -> int:
        """Spent and held, in thousandths; not cut off at the end of the meter."""
        return (self.spent_nano + self.held_nano) * FULL // self.amount_nano

    @property
    def amount_text(self) -> str:
        return format_amount(self.amount_nano)

    @property
    def window_name(self) -> str:
        return str(SpendLimit.Window(self.window).label)

    @property
    def tone(self) -> str:
        """How a meter is painted."""
        if not self.left_nano:
            return "danger"
        return "warning" if self.percent >= 80 else "accent"  # noqa: PLR2004 per cent, as the notice


def standings_of(rows: Iterable[SpendLimit], now: datetime) -> dict[int, list[Standing]]:
    rows = list(rows)
    held = _held({row.user_id for row in rows}) if rows else {}
    found: dict[int, list[Standing]] = {}
    for row in rows:
        roll(row, now)
        theirs = held.get(row.user_id, {})
        found.setdefault(row.user_id, []).append(
            Standing(
                pk=row.pk,
                public_id=row.public_id,
                key_id=row.key_id,
                key_public_id=row.key.public_id if row.key is not None else "",
                key_name=row.key.name if row.key is not None else "",
                key_hint=row.key.hint if row.key is not None else "",
                window=str(row.window),
                amount_nano=row.amount_nano,
                spent_nano=row.spent_nano,
                held_nano=sum(theirs.values()) if row.key_id is None else theirs.get(row.key_id, 0),
                noticed_percent=row.noticed_percent,
                period_start=row.period_start,
                resets_at=ends(row),
                zone=row.user.time_zone,
            )
        )
    return found


def _held(user_ids: Collection[int]) -> dict[int, dict[int, int]]:
    """What open holds have set aside, by person and key."""
    sums = (
        Hold.objects.filter(user__in=list(user_ids), state=Hold.State.OPEN)
        .values_list("user_id", "key_id")
        .annotate(total=Sum("amount"))
        .order_by()
    )
    held: dict[int, dict[int, int]] = {}
    for user_id, key_id, total in sums:
        held.setdefault(user_id, {})[key_id] = int(total)
    return held


def roll(row: SpendLimit, now: datetime) -> None:
    """Into the period of `now`, if the one of the row has ended. In memory."""
    end = ends(row)
    if now < end:
        return
    zone = time_zones.zone(row.user.time_zone)
    row.period_start = max(periods.begin(row.window, now, zone), end)
    row.zone = zone.key
    row.spent_nano = row.noticed_percent = 0


def ends(row: SpendLimit) -> datetime:
    """When it begins anew: at the start of the day that follows its period, in the zone in which the period was counted
    and in the account's zone of today, whichever is later.
    """
    counted = time_zones.zone(row.zone)
    day = _day_after(row.window, row.period_start.astimezone(counted).date())
    return max(periods.midnight(day, counted), periods.midnight(day, time_zones.zone(row.user.time_zone)))


def _day_after(window: str, day: date) -> date:
    """The first day of the next period."""
    if window == SpendLimit.Window.DAY:
        return day + timedelta(days=1)
    if window == SpendLimit.Window.WEEK:
        return day + timedelta(days=7 - day.weekday())
    return periods.next_month(day.replace(day=1))
