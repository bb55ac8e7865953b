"""Sums of calls, whole or in groups, out of the sums of each hour.

Only where a boundary falls within an hour of UTC (a zone that is 30 or 45 minutes off, a span given to the minute) are
the calls of that hour looked at, and of its two sides only the shorter one. Everything is asked in one statement, so it
is of one moment: the parts add up to the whole, whatever is being charged meanwhile.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import add, sub
from typing import Any

from django.db import connection

from billing import periods, rollups
from billing.periods import EVER, ONE_HOUR, Span

# What a sum can be grouped by, beside stretches of time: the column of both tables.
COLUMNS = {"model": "model", "key": "key_id", "endpoint": "endpoint", "status": "status"}


@dataclass(frozen=True)
class Which:
    """Which calls are meant. Empty: all of the person's."""

    user_id: int
    span: Span = EVER
    key_id: int | None = None
    model: str = ""
    endpoint: str = ""
    status: str = ""
    # Only calls that were charged in this span, as a line of the statement says; `span` bounds when they began.
    charged: Span | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What both tables are asked for, beside time."""
        given = {"key_id": self.key_id, "model": self.model, "endpoint": self.endpoint, "status": self.status}
        return {"user_id": self.user_id, **{name: value for name, value in given.items() if value}}

    @property
    def is_sparse(self) -> bool:
        """No index of the calls has these columns: the hours say where such calls are."""
        return bool(self.model or self.endpoint or self.status)


@dataclass(frozen=True)
class Sums:
    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    images: int = 0
    charge_nano: int = 0
    promo_nano: int = 0
    reward_nano: int = 0
    paid_nano: int = 0
    uncollected_nano: int = 0
    refunded_nano: int = 0

    @property
    def tokens_in(self) -> int:
        return self.input_tokens + self.cached_tokens + self.cache_write_tokens

    @property
    def tokens_out(self) -> int:
        return self.output_tokens + self.reasoning_tokens

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    @property
    def net_nano(self) -> int:
        """What the calls came to in the end."""
        return self.charge_nano - self.refunded_nano

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*map(add, self.values(), other.values()))

    def values(self) -> list[int]:
        return [getattr(self, name) for name in NAMES]


NAMES = tuple(each.name for each in fields(Sums))
assert set(NAMES) == set(rollups.SUMS)
NOTHING = Sums()
HOURS = -1  # the piece that is made of whole hours


def total(which: Which) -> Sums:
    return by_column(which, "").get(None, NOTHING)


def by_column(which: Which, name: str) -> dict[Any, Sums]:
    """By model, key (its number), endpoint or status; `name` "" is one group of all, under None."""
    question = _Question(which, COLUMNS[name] if name else "")
    span = which.span
    first = span.start and periods.rounded_up(span.start)
    last = span.end and periods.hour_of(span.end)
    if which.charged is not None or (first and last and first > last):
        question.calls(span)
    else:
        question.hours(Span(first, last))
        if first != span.start:
            question.calls(Span(span.start, first))
        if last != span.end:
            question.calls(Span(last, span.end))
    found: dict[Any, Sums] = {}
    for _piece, label, numbers in question.answers():
        found[label] = found.get(label, NOTHING) + Sums(*numbers)
    return {label: sums for label, sums in found.items() if sums != NOTHING}


def by_time(which: Which, edges: Sequence[datetime]) -> list[Sums]:
    """For each stretch between two edges. What the span has outside of them is left out."""
    if len(edges) < 2:  # noqa: PLR2004 nothing lies between
        return []
    question = _Question(which, "hour")
    targets = _ask_stretches(question, edges) if which.charged is not None else _ask_hours(question, edges)
    found = [[0] * len(NAMES) for _ in edges[1:]]
    for piece, hour, numbers in question.answers():
        if piece == HOURS:
            place, taken_from = targets.moved.get(hour, _place(edges, hour)), None
        else:
            place, taken_from = targets.pieces[piece]
        found[place] = list(map(add, found[place], numbers))
        if taken_from is not None:
            found[taken_from] = list(map(sub, found[taken_from], numbers))
    return [Sums(*numbers) for numbers in found]


@dataclass
class _Targets:
    """Where an answer belongs: the stretch of an hour that an edge cuts, and of each piece of such an hour."""

    moved: dict[datetime, int] = field(default_factory=dict)
    pieces: dict[int, tuple[int, int | None]] = field(default_factory=dict)  # counts here; is taken from there


def _ask_stretches(question: "_Question", edges: Sequence[datetime]) -> _Targets:
    targets = _Targets()
    for place, (start, end) in enumerate(pairwise(edges)):
        targets.pieces[question.calls(Span(start, end))] = (place, None)
    return targets


def _ask_hours(question: "_Question", edges: Sequence[datetime]) -> _Targets:
    """Whole hours, and the calls of those that an edge cuts: all but the longest piece where the rest says that one."""
    targets = _Targets()
    whole = Span(periods.rounded_up(edges[0]), periods.hour_of(edges[-1]))
    question.hours(whole)
    cut: dict[datetime, list[datetime]] = {}
    for edge in edges:
        if not periods.is_whole(edge):
            cut.setdefault(periods.hour_of(edge), []).append(edge)
    for hour, inside in cut.items():
        pieces = [(_place(edges, start), Span(start, end)) for start, end in pairwise([hour, *inside, hour + ONE_HOUR])]
        if hour >= edges[0] and hour + ONE_HOUR <= edges[-1]:
            longest, _ = max(pieces, key=lambda piece: _length(piece[1]))
            targets.moved[hour] = longest
            for place, span in pieces:
                if place != longest:
                    targets.pieces[question.calls(span)] = (place, longest)
        else:
            for place, span in pieces:
                if 0 <= place < len(edges) - 1:
                    targets.pieces[question.calls(span)] = (place, None)
    return targets


def _place(edges: Sequence[datetime], moment: datetime) -> int:
    return bisect_right(edges, moment) - 1


def _length(span: Span) -> timedelta:
    assert span.start is not None
    assert span.end is not None
    return span.end - span.start


class _Question:
    """One statement of many parts, each with its number, a label to group by and the sums."""

    def __init__(self, which: Which, by: str) -> None:
        self.which = which
        self._by = by
        self._parts: list[str] = []
        self._values: list[Any] = []
        columns = which.columns
        self._wanted = " AND ".join(f"{name} = %s" for name in columns)
        self._given = list(columns.values())
        self._sums = {
            "billing_usagehour": ", ".join(f"SUM({name})" for name in NAMES),
            "billing_usage": ", ".join("COUNT(*)" if name == "calls" else f"SUM({name})" for name in NAMES),
        }

    def hours(self, span: Span) -> None:
        self._ask("billing_usagehour", "hour", span, HOURS, self._by or "NULL")

    def calls(self, span: Span) -> int:
        """The number of this piece."""
        label = "NULL" if self._by in {"", "hour"} else self._by
        number = len(self._parts)
        self._ask("billing_usage", "started_at", span, number, label)
        return number

    def answers(self) -> Iterator[tuple[int, Any, list[int]]]:
        """Number of the piece (HOURS: whole hours), label, sums in the order of NAMES."""
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(self._parts), self._values)
            rows = cursor.fetchall()
        for number, label, *numbers in rows:
            if numbers[0] is not None:  # not the sums of nothing
                shown = _moment(label) if self._by == "hour" else label
                yield number, shown, [int(each or 0) for each in numbers]

    def _ask(self, table: str, column: str, span: Span, number: int, label: str) -> None:
        wanted, values = [self._wanted], list(self._given)
        charged = self.which.charged if table == "billing_usage" else None
        for at, bounds in ((column, span), ("settled_at", charged or EVER)):
            for sign, bound in ((">=", bounds.start), ("<", bounds.end)):
                if bound is not None:
                    wanted.append(f"{at} {sign} %s")
                    values.append(connection.ops.adapt_datetimefield_value(bound))
        if charged is not None:
            wanted.append("charge_nano > 0")
        group = "" if label == "NULL" else f" GROUP BY {label}"
        self._parts.append(
            f"SELECT {number}, {label}, {self._sums[table]} FROM {table} WHERE {' AND '.join(wanted)}{group}"  # noqa: S608 our own names, no values
        )
        self._values += values


def _moment(label: Any) -> datetime | None:
    """SQLite keeps moments as text."""
    moment = datetime.fromisoformat(label) if isinstance(label, str) else label
    return None if moment is None else moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
