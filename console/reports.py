"""What the dashboard shows, as frozen data. Days are UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, F, Sum
from django.db.models.functions import TruncDate

from accounts.models import ApiKey, User
from billing.models import Usage

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
    """Five queries, each over an index that begins with the user."""
    calls = Usage.objects.filter(user=user)
    days = _days(user, now.astimezone(UTC).date())
    good = calls.filter(status=Usage.Status.OK)
    first_call = good.filter(key__purpose=ApiKey.Purpose.API).order_by("started_at").first()
    return Overview(
        today=_sum(days[-1:]),
        week=_sum(days[-7:]),
        month=_sum(days),
        days=days,
        last=list(calls.select_related("key").order_by("-started_at")[:LAST_CALLS]),
        steps=[
            Step("verified", done=True),  # nobody gets here without
            Step("key", done=ApiKey.objects.of(user).exists()),
            Step("call", done=first_call is not None),
            Step("playground", done=good.filter(key__purpose=ApiKey.Purpose.PLAYGROUND).exists()),
        ],
        first_call=first_call,
    )


def _days(user: User, today: date) -> list[Day]:
    begin = today - timedelta(days=DAYS - 1)
    start = datetime(begin.year, begin.month, begin.day, tzinfo=UTC)
    rows = (
        Usage.objects.filter(user=user, started_at__gte=start)
        .annotate(day=TruncDate("started_at", tzinfo=UTC))
        .values("day")
        .annotate(calls=Count("pk"), charge=Sum(F("charge_nano") - F("refunded_nano")))
    )
    found = {row["day"]: row for row in rows}
    most = max((row["charge"] for row in found.values()), default=0)
    days = []
    for index in range(DAYS):
        day = begin + timedelta(days=index)
        row = found.get(day, {"calls": 0, "charge": 0})
        height = max(row["charge"] * CHART_HEIGHT // most, 2) if row["charge"] else 0
        days.append(Day(day, row["calls"], row["charge"], height, index * 10))
    return days


def _sum(days: list[Day]) -> Spend:
    return Spend(calls=sum(day.calls for day in days), charge=sum(day.charge for day in days))
