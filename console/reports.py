"""What the dashboard shows, as frozen data. Days are those of the person."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from accounts import time_zones
from accounts.models import ApiKey, User
from billing import periods, usage_sums
from billing.models import Usage, UsageDay
from billing.usage_sums import Which

DAYS = 30
CHART_HEIGHT = 100
LAST_CALLS = 5


@dataclass(frozen=True)
class Day:
    date: date
    calls: int
    charge: int  # nano
    height: int  # of its bar, of CHART_HEIGHT
    x: int


@dataclass(frozen=True)
class Spend:
    calls: int
    charge: int  # nano, refunds deducted


@dataclass(frozen=True)
class Step:
    """One line of the checklist, ticked by what really happened."""

    name: str
    done: bool


@dataclass(frozen=True)
class Overview:
    today: Spend
    week: Spend
    month: Spend
    days: list[Day]
    last: list[Usage]
    steps: list[Step]
    first_call: Usage | None  # that succeeded with a key of theirs
    zone: ZoneInfo  # where their days begin

    @property
    def settled_in(self) -> bool:
        return all(step.done for step in self.steps)

    @property
    def today_date(self) -> date:
        return self.days[-1].date

    @property
    def chart_width(self) -> int:
        return len(self.days) * 10


def overview(*, user: User, now: datetime) -> Overview:
    """A few queries, each over an index that begins with the user; sums come from hours and days."""
    zone = time_zones.zone(user.time_zone)
    days = _days(user, zone, now)
    good = UsageDay.objects.filter(user=user, status=Usage.Status.OK, calls__gt=0)
    first_call = _first(good)
    return Overview(
        today=_sum(days[-1:]),
        week=_sum(days[-7:]),
        month=_sum(days),
        days=days,
        last=list(Usage.objects.filter(user=user).select_related("key").order_by("-started_at")[:LAST_CALLS]),
        steps=[
            Step("verified", done=True),  # nobody gets here without
            Step("key", done=ApiKey.objects.of(user).exists()),
            Step("call", done=first_call is not None),
            Step("playground", done=_played(user, good)),
        ],
        first_call=first_call,
        zone=zone,
    )


def _first(good: QuerySet[UsageDay]) -> Usage | None:
    """The first call that succeeded with a key of theirs; its day says where it is."""
    own = good.filter(key__purpose=ApiKey.Purpose.API).order_by("day").first()
    if own is None:
        return None
    start = datetime(own.day.year, own.day.month, own.day.day, tzinfo=UTC)
    calls = Usage.objects.filter(user=own.user_id, status=own.status, key__purpose=ApiKey.Purpose.API)
    return calls.filter(started_at__gte=start, started_at__lt=start + timedelta(days=1)).order_by("started_at").first()


def _played(user: User, good: QuerySet[UsageDay]) -> bool:
    """By the one key of the playground: a join would look at every day of every other key."""
    keys = list(ApiKey.objects.filter(user=user, purpose=ApiKey.Purpose.PLAYGROUND).values_list("pk", flat=True))
    return bool(keys) and good.filter(key__in=keys).exists()


def _days(user: User, zone: ZoneInfo, now: datetime) -> list[Day]:
    span = periods.last_days(DAYS, now, zone)
    assert span.start is not None
    assert span.end is not None
    edges = periods.edges(periods.DAY, span.start, span.end, zone)
    sums = usage_sums.by_time(Which(user.pk), edges)
    most = max((each.net_nano for each in sums), default=0)
    days = []
    for index, (start, each) in enumerate(zip(edges, sums, strict=False)):
        height = max(each.net_nano * CHART_HEIGHT // most, 2) if each.net_nano else 0
        days.append(Day(start.astimezone(zone).date(), each.calls, each.net_nano, height, index * 10))
    return days


def _sum(days: list[Day]) -> Spend:
    return Spend(calls=sum(day.calls for day in days), charge=sum(day.charge for day in days))
