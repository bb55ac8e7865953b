"""Calls, newest first, a page at a time by keyset (`started_at`, `request_id`), however rare what is looked for.

The calls have an index by person and one by key. What else they are filtered by is looked up in the sums of each hour
first: those say which hours, and which keys in them, have such calls at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.core import signing
from django.db import connection
from django.db.models import Q, QuerySet, Sum

from billing import periods
from billing.models import Usage, UsageHour
from billing.periods import ONE_HOUR, Span
from billing.usage_sums import Which

SALT = "billing.usage.page"
HOURS = 50  # looked through at a time
CELLS = 120  # hours of one key in one statement; SQLite takes 500
FEW = 3  # hours that are read through as they are


@dataclass(frozen=True)
class Place:
    """Between two calls: just behind this one, in the direction one goes."""

    started_at: datetime
    request_id: str

    @property
    def sealed(self) -> str:
        return signing.dumps([self.started_at.isoformat(), self.request_id], salt=SALT)


def place_of(call: Usage) -> Place:
    return Place(call.started_at, call.request_id)


def opened(text: str) -> Place | None:
    """None for what is not one of ours."""
    try:
        moment, last = signing.loads(text[:400], salt=SALT)
        return Place(datetime.fromisoformat(moment), str(last))
    except (signing.BadSignature, ValueError, TypeError):
        return None


def take(which: Which, limit: int, *, after: Place | None = None, before: Place | None = None) -> list[Usage]:
    """At most `limit` calls, newest first: those behind `after` (older), or those just ahead of `before` (newer)."""
    newer = before is not None
    calls = _beyond(_meant(which), after or before, newer=newer)
    if not which.is_sparse or which.charged is not None:
        found = list(_in_order(calls, newer=newer).select_related("key")[:limit])
    else:
        found = _take_sparse(which, calls, limit, after or before, newer=newer)
    return found[::-1] if newer else found


def _meant(which: Which) -> QuerySet[Usage]:
    calls = Usage.objects.filter(**which.columns, **_within("started_at", which.span))
    if which.charged is not None:
        calls = calls.filter(charge_nano__gt=0, **_within("settled_at", which.charged))
    return calls


def _within(column: str, span: Span) -> dict[str, datetime]:
    bounds = {f"{column}__gte": span.start, f"{column}__lt": span.end}
    return {name: moment for name, moment in bounds.items() if moment is not None}


def _beyond(calls: QuerySet[Usage], place: Place | None, *, newer: bool) -> QuerySet[Usage]:
    if place is None:
        return calls
    sign = "gt" if newer else "lt"
    at, last = place.started_at, place.request_id
    # The first condition is what an index is entered by; without it everything before the page would be read.
    return calls.filter(**{f"started_at__{sign}e": at}).filter(
        Q(**{f"started_at__{sign}": at}) | Q(started_at=at, **{f"request_id__{sign}": last})
    )


def _in_order(calls: QuerySet[Usage], *, newer: bool) -> QuerySet[Usage]:
    return calls.order_by("started_at", "request_id") if newer else calls.order_by("-started_at", "-request_id")


def _take_sparse(which: Which, calls: QuerySet[Usage], limit: int, place: Place | None, *, newer: bool) -> list[Usage]:
    found: list[str] = []
    hours = _hours(which, place, newer=newer)
    while len(found) < limit:
        batch = list(hours[:HOURS])
        if not batch:
            break
        here = periods.hour_of(place.started_at) if place else None  # of this hour nobody knows how much is left
        wanted, sure = [], 0
        for hour, count in batch:
            wanted.append(hour)
            sure += 0 if hour == here else count
            if sure >= limit - len(found):
                break
        found += _in_hours(which, calls, wanted, limit - len(found), newer=newer)
        hours = hours.filter(**{"hour__gt" if newer else "hour__lt": wanted[-1]})
    return list(_in_order(Usage.objects.filter(pk__in=found), newer=newer).select_related("key"))


def _hours(which: Which, place: Place | None, *, newer: bool) -> QuerySet[UsageHour, tuple[datetime, int]]:
    """The hours that have such calls, in the order of the page, and how many each has."""
    cells = UsageHour.objects.filter(calls__gt=0, **which.columns)
    span = which.span
    if span.start is not None:
        cells = cells.filter(hour__gte=periods.hour_of(span.start))
    if span.end is not None:
        cells = cells.filter(hour__lt=span.end)
    if place is not None:
        cells = cells.filter(**{"hour__gte" if newer else "hour__lte": periods.hour_of(place.started_at)})
    return cells.values_list("hour").annotate(count=Sum("calls")).order_by("hour" if newer else "-hour")


def _in_hours(which: Which, calls: QuerySet[Usage], hours: Sequence[datetime], limit: int, *, newer: bool) -> list[str]:
    """The ids of the first calls in these hours."""
    low, high = min(hours), max(hours) + ONE_HOUR
    ids = _in_order(calls, newer=newer).values_list("request_id", "started_at")
    cells: list[tuple[int, datetime]] = []
    if len(hours) > FEW:
        found = UsageHour.objects.filter(calls__gt=0, hour__in=hours, **which.columns)
        cells = list(found.values_list("key_id", "hour").distinct().order_by("key_id", "hour"))
    if not 0 < len(cells) <= CELLS:  # they lie close together: read from one end to the other
        return [name for name, _ in ids.filter(started_at__gte=low, started_at__lt=high)[:limit]]
    parts: list[str] = []
    values: list[Any] = []
    for key_id, span in _runs(cells):
        # Constants in each part: the planner knows how few rows it asks for. A join would be a guess.
        part = ids.filter(key_id=key_id, **_within("started_at", span))[:limit]
        text, given = part.query.sql_with_params()
        parts.append(f"SELECT * FROM ({text}) AS part{len(parts)}")  # noqa: S608 made by Django
        values += given
    way = "ASC" if newer else "DESC"
    order = f" ORDER BY started_at {way}, request_id {way} LIMIT {limit}"
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts) + order, values)
        return [row[0] for row in cursor.fetchall()]


def _runs(cells: Sequence[tuple[int, datetime]]) -> list[tuple[int, Span]]:
    """Hours of one key that follow each other are one stretch. `cells` in their order."""
    runs = []
    numbered = enumerate(cells)
    for (key_id, _start), run in groupby(numbered, key=_run_of):
        hours = [cell[1] for _, cell in run]
        runs.append((key_id, Span(hours[0], hours[-1] + timedelta(hours=1))))
    return runs


def _run_of(numbered: tuple[int, tuple[int, datetime]]) -> tuple[int, Any]:
    number, (key_id, hour) = numbered
    return key_id, hour - number * ONE_HOUR
