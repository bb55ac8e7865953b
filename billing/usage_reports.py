"""What the usage page shows, as frozen data: calls a page at a time, sums in groups that add up to the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Max, Min
from django.utils.translation import gettext as _

from accounts.models import ApiKey, User
from billing import periods, usage_rows, usage_sums
from billing.models import Usage, UsageHour
from billing.usage_rows import Place, place_of
from billing.usage_sums import COLUMNS, NOTHING, Sums, Which

PAGE = 50
MOST_BARS = 400
MOST_GROUPS = 50  # models, keys …; what follows is one line, so that the lines still add up
HEIGHT = 100  # of the highest bar
# The unit that suits a span: the finest with not more than so many of it.
FITS = {periods.HOUR: 49, periods.DAY: 62, periods.WEEK: 80}
FINER = {periods.MONTH: periods.DAY, periods.WEEK: periods.DAY, periods.DAY: periods.HOUR, periods.HOUR: ""}


@dataclass(frozen=True)
class Group:
    """One bar, one line: a stretch of time, a model, a key …"""

    label: str
    sums: Sums
    narrowed: Mapping[str, str]  # the parameters that show only this; empty for what is no single thing
    value: str | None = None  # the model, the id of the key, the moment at which it begins …
    start: datetime | None = None  # of a stretch of time
    end: datetime | None = None
    height: int = 0  # of its bar, of HEIGHT


@dataclass(frozen=True)
class Summary:
    groups: Sequence[Group]
    by: str  # what it is grouped by
    measure: str  # what the bars show: charge, or calls where nothing was charged
    totals: Sums
    coarser: bool = False  # there would have been too many bars of what was asked for

    @property
    def is_time(self) -> bool:
        return self.by in periods.UNITS

    @property
    def highest(self) -> int:
        return max((_measured(group.sums, self.measure) for group in self.groups), default=0)


@dataclass(frozen=True)
class UsagePage:
    calls: Sequence[Usage]
    summary: Summary
    newer: str  # cursors of the pages on both sides, "" at the ends
    older: str
    has_any: bool  # calls at all, whatever is filtered

    @property
    def totals(self) -> Sums:
        return self.summary.totals


def page(which: Which, *, by: str, zone: ZoneInfo, after: str, before: str, now: datetime) -> UsagePage:
    """A cursor that is none of ours starts at the newest call."""
    calls, newer, older = listed(which, after=usage_rows.opened(after), before=usage_rows.opened(before))
    sums = summary(which, by=by, zone=zone, now=now)
    has_any = bool(sums.totals.calls) or UsageHour.objects.filter(user=which.user_id).exists()
    return UsagePage(calls, sums, newer, older, has_any)


def listed(which: Which, *, after: Place | None, before: Place | None, limit: int = 0) -> tuple[list[Usage], str, str]:
    """One page of calls and the cursors of its neighbours."""
    limit = limit or PAGE
    if before is not None:
        calls = usage_rows.take(which, limit + 1, before=before)
        more, calls = len(calls) > limit, calls[-limit:]
        return calls, _sealed(calls[:1], there=more), _sealed(calls[-1:], there=True)
    calls = usage_rows.take(which, limit + 1, after=after)
    more, calls = len(calls) > limit, calls[:limit]
    return calls, _sealed(calls[:1], there=after is not None), _sealed(calls[-1:], there=more)


def summary(which: Which, *, by: str, zone: ZoneInfo, now: datetime) -> Summary:
    """The groups that were asked for, and their sum. `by` "" is time, in the unit that fits."""
    if by in COLUMNS:
        found = usage_sums.by_column(which, by)
        return _made(by, _ranked(by, found), sum(found.values(), NOTHING))
    edges, unit, coarser = _edges(which, by, zone, now)
    sums = usage_sums.by_time(which, edges)
    groups = [
        Group(
            label=_period(unit, start, zone, edges),
            sums=each,
            narrowed=_narrowed(unit, start, end, zone),
            value=start.astimezone(zone).isoformat(),
            start=start.astimezone(zone),
            end=end.astimezone(zone),
        )
        for (start, end), each in zip(pairwise(edges), sums, strict=True)
    ]
    return _made(unit, groups, sum(sums, NOTHING), coarser=coarser)


def models_of(user: User) -> list[str]:
    """Every model that somebody has called. From one name to the next in the index, however many calls there are."""
    query = """
        WITH RECURSIVE found(model) AS (
            SELECT MIN(model) FROM billing_usageday WHERE user_id = %s
            UNION ALL
            SELECT (SELECT MIN(h.model) FROM billing_usageday h WHERE h.user_id = %s AND h.model > found.model)
            FROM found WHERE found.model IS NOT NULL
        ) SELECT model FROM found WHERE model IS NOT NULL
    """
    with connection.cursor() as cursor:
        cursor.execute(query, [user.pk, user.pk])
        return [row[0] for row in cursor.fetchall()]


def _edges(which: Which, by: str, zone: ZoneInfo, now: datetime) -> tuple[list[datetime], str, bool]:
    """Where the span is cut, into what, and whether that is coarser than was asked for."""
    start, end = which.span.start, which.span.end
    if start is None or end is None or periods.count(periods.MONTH, start, end) > MOST_BARS:
        lived = UsageHour.objects.filter(user=which.user_id).aggregate(first=Min("hour"), last=Max("hour"))
        first, last = lived["first"] or periods.hour_of(now), lived["last"] or periods.hour_of(now)
        start = max(start or first, periods.begin(periods.DAY, first, zone))
        tomorrow = periods.midnight(periods.today(max(now, last), zone) + timedelta(days=1), zone)
        end = min(end or tomorrow, tomorrow)
        start = periods.begin(periods.DAY, start, zone) if which.span.start is None else start
    unit = by or next((each for each, most in FITS.items() if periods.count(each, start, end) <= most), periods.MONTH)
    fine = periods.UNITS[periods.UNITS.index(unit) :]
    fitting = next((each for each in fine if periods.count(each, start, end) <= MOST_BARS), periods.MONTH)
    return periods.edges(fitting, start, end, zone), fitting, fitting != unit


def _made(by: str, groups: Sequence[Group], totals: Sums, *, coarser: bool = False) -> Summary:
    measure = "charge" if totals.charge_nano else "calls"
    made = Summary(groups, by, measure, totals, coarser)
    highest = made.highest
    drawn = [replace(each, height=_height(_measured(each.sums, measure), highest)) for each in groups]
    return Summary(drawn, by, measure, totals, coarser)


def _measured(sums: Sums, measure: str) -> int:
    return sums.charge_nano if measure == "charge" else sums.calls


def _height(value: int, highest: int) -> int:
    """What is not nothing can be seen."""
    return max(value * HEIGHT // highest, 2) if value > 0 and highest > 0 else 0


def _ranked(by: str, found: Mapping[Any, Sums]) -> list[Group]:
    ranked = sorted(found.items(), key=lambda each: (-each[1].charge_nano, -each[1].calls, str(each[0])))
    names = _names(by, [label for label, _sums in ranked[:MOST_GROUPS]])
    groups = []
    for label, sums in ranked[:MOST_GROUPS]:
        name, value = names[label]
        groups.append(Group(name, sums, {by: value}, value))
    if rest := [sums for _label, sums in ranked[MOST_GROUPS:]]:
        words = _("%(count)s others") % {"count": len(rest)}
        groups.append(Group(words, sum(rest, NOTHING), {}))
    return groups


def _names(by: str, labels: Sequence[Any]) -> dict[Any, tuple[str, str]]:
    """What each is called, and its value in the URL."""
    if by == "key":
        keys = ApiKey.objects.filter(pk__in=labels)
        return {key.pk: (f"{key.name} · {key.hint}", key.public_id) for key in keys}
    if by == "status":
        return {label: (str(Usage.Status(label).label), label) for label in labels}
    return {label: (f"/v1/{label}" if by == "endpoint" else label, label) for label in labels}


def _period(unit: str, start: datetime, zone: ZoneInfo, edges: Sequence[datetime]) -> str:
    local = start.astimezone(zone)
    if unit == periods.MONTH:
        return f"{local:%Y-%m}"
    if unit == periods.HOUR:
        changes = edges[0].astimezone(zone).utcoffset() != edges[-1].astimezone(zone).utcoffset()
        return f"{local:%Y-%m-%d %H:%M %z}" if changes else f"{local:%Y-%m-%d %H:%M}"
    return f"{local:%Y-%m-%d}"


def _narrowed(unit: str, start: datetime, end: datetime, zone: ZoneInfo) -> dict[str, str]:
    return {"from": clock(start, zone), "to": clock(end, zone), "by": FINER[unit]}


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """As the form reads it back: the clock of the zone; with its offset for an hour that comes a second time."""
    local = moment.astimezone(zone)
    text = f"{local:%Y-%m-%dT%H:%M:%S.%f}" if local.second or local.microsecond else f"{local:%Y-%m-%dT%H:%M}"
    return f"{text}{local:%z}" if local.fold else text


def _sealed(calls: Sequence[Usage], *, there: bool) -> str:
    return place_of(calls[0]).sealed if calls and there else ""
