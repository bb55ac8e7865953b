"""Stretches of time as a person means them: days, weeks and months of their zone, between moments of UTC.

A day has 23 or 25 hours where clocks are changed, and begins within an hour of UTC where a zone is 30 or 45 minutes
off. Hours are those of UTC, because sums are kept by them; in such a zone they begin at :30 or :45.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HOUR, DAY, WEEK, MONTH = "hour", "day", "week", "month"
UNITS = (HOUR, DAY, WEEK, MONTH)
ONE_HOUR = timedelta(hours=1)
# About how long each is, to know whether there would be too many before any is made.
_LENGTH = {HOUR: ONE_HOUR, DAY: timedelta(days=1), WEEK: timedelta(days=7), MONTH: timedelta(days=30)}


@dataclass(frozen=True)
class Span:
    """From the first moment, which is included, to the last, which is not. None: no bound."""

    start: datetime | None = None
    end: datetime | None = None


EVER = Span()


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day of this zone, in UTC, also where clocks are changed at midnight."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def today(now: datetime, zone: ZoneInfo) -> date:
    return now.astimezone(zone).date()


def last_days(days: int, now: datetime, zone: ZoneInfo) -> Span:
    """So many days up to the end of today."""
    day = today(now, zone)
    return Span(midnight(day - timedelta(days=days - 1), zone), midnight(day + timedelta(days=1), zone))


def month_of(first: date, zone: ZoneInfo) -> Span:
    return Span(midnight(first, zone), midnight(next_month(first), zone))


def next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def hour_of(moment: datetime) -> datetime:
    """The hour of UTC in which it lies."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def is_whole(moment: datetime) -> bool:
    return hour_of(moment) == moment


def rounded_up(moment: datetime) -> datetime:
    return moment if is_whole(moment) else hour_of(moment) + ONE_HOUR


def count(unit: str, start: datetime, end: datetime) -> int:
    """About how many of a unit there are between two moments."""
    return -((start - end) // _LENGTH[unit])


def begin(unit: str, moment: datetime, zone: ZoneInfo) -> datetime:
    """The first moment of the hour, day, week or month in which a moment lies."""
    if unit == HOUR:
        return hour_of(moment)
    return midnight(_first_day(unit, moment.astimezone(zone).date()), zone)


def edges(unit: str, start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """The moments that cut a span into its hours, days, weeks or months: its start, each begin between, its end."""
    if start >= end:
        return []
    found = [start]
    if unit == HOUR:
        moment = hour_of(start) + ONE_HOUR
        while moment < end:
            found.append(moment)
            moment += ONE_HOUR
    else:
        day = _NEXT[unit](_first_day(unit, start.astimezone(zone).date()))
        while (moment := midnight(day, zone)) < end:
            if moment > found[-1]:  # a day that a zone left out when it crossed the date line has no moment
                found.append(moment)
            day = _NEXT[unit](day)
    return [*found, end]


_NEXT: dict[str, Callable[[date], date]] = {
    DAY: lambda day: day + timedelta(days=1),
    WEEK: lambda day: day + timedelta(days=7),
    MONTH: next_month,
}


def _first_day(unit: str, day: date) -> date:
    if unit == WEEK:
        return day - timedelta(days=day.weekday())  # weeks begin on Monday
    return day.replace(day=1) if unit == MONTH else day
