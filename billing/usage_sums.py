"""Sums of calls, whole or in groups, out of the sums of each day and each hour.

Only what a boundary cuts is looked at more closely: of a day of UTC that a zone's midnight cuts, the hours of the
shorter side; of an hour that it cuts (a zone 30 or 45 minutes off, a span given to the minute), the calls of the
shorter side. Everything is asked in one statement, so it is of one moment: the parts add up to the whole, whatever is
being charged meanwhile. How long it takes depends on days, keys and models, hardly on the number of calls.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import add
from typing import Any

from django.db import connection

from billing import rollups
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


def total(which: Which) -> Sums:
    return by_column(which, "").get(None, NOTHING)


def by_column(which: Which, name: str) -> dict[Any, Sums]:
    """By model, key (its number), endpoint or status; `name` "" is one group of all, under None."""
    column = COLUMNS[name] if name else ""
    question = _Question(which)
    for piece in _pieces(which, [which.span.start or FIRST, which.span.end or LAST]):
        question.ask(piece.source, piece.span, sign=piece.effect[0], label=column or "NULL")
    found: dict[Any, Sums] = {}
    for label, _begin, numbers in question.answers():
        found[label] = found.get(label, NOTHING) + Sums(*numbers)
    return {label: sums for label, sums in found.items() if sums != NOTHING}


def by_time(which: Which, edges: Sequence[datetime]) -> list[Sums]:
    """For each stretch between two edges. What the span has outside of them is left out."""
    if len(edges) < 2:  # noqa: PLR2004 nothing lies between
        return []
    found = [[0] * len(NAMES) for _ in edges[1:]]

    def count(effect: _Effect, numbers: Sequence[int]) -> None:
        for place, times in effect.items():
            found[place] = [sum_ + times * number for sum_, number in zip(found[place], numbers, strict=True)]

    question = _Question(which)
    pieces = _pieces(which, edges)
    effects: dict[tuple[str, datetime], _Effect] = {}
    for source in (DAYS, HOURS):
        blocks = [block for piece in pieces if piece.source is source for block in source.blocks_of(piece)]
        effects |= {(source.table, begin): effect for begin, effect in blocks}
        question.ask_blocks(source, sorted(begin for begin, _ in blocks))
    calls = [piece for piece in pieces if piece.source is CALLS]
    for number, piece in enumerate(calls):
        question.ask(CALLS, piece.span, label=f"'{number}'")
    for label, begin, numbers in question.answers():
        effect = calls[int(label)].effect if begin is None else effects.get((label, begin), {})
        count(effect, numbers)
    return [Sums(*numbers) for numbers in found]


# --- what has to be asked, so that little is read ---------------------------------------------------------------------

# What a piece does to the sums: how often it counts in which stretch (1, or -1 where a block around it counted it too).
_Effect = dict[int, int]


@dataclass(frozen=True)
class _Source:
    """A table of sums of blocks of one length; or the calls themselves."""

    table: str
    column: str
    length: timedelta = timedelta()

    def begin(self, moment: datetime) -> datetime:
        return FIRST + (moment - FIRST) // self.length * self.length

    def adapted(self, moment: datetime) -> str | None:
        if self.column == "day":
            return connection.ops.adapt_datefield_value(moment.date())
        return connection.ops.adapt_datetimefield_value(moment)

    def blocks_of(self, piece: "_Piece") -> Iterator[tuple[datetime, _Effect]]:
        begin = piece.start
        while begin < piece.end:
            yield begin, piece.effect
            begin += self.length


DAYS = _Source("billing_usageday", "day", timedelta(days=1))
HOURS = _Source("billing_usagehour", "hour", ONE_HOUR)
CALLS = _Source("billing_usage", "started_at")
# Beyond every call. Both are midnights of UTC, so that an open end is never within a block.
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
# So much of a block may be asked of the finer source; when it is more, all of it is.
REST = {DAYS.table: timedelta(hours=12), HOURS.table: timedelta(minutes=30)}


@dataclass(frozen=True)
class _Piece:
    start: datetime
    end: datetime
    effect: _Effect
    source: _Source = CALLS

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def _pieces(which: Which, edges: Sequence[datetime]) -> list[_Piece]:
    """The stretches as pieces of days, hours and calls that add up to them."""
    wanted = [_Piece(start, end, {place: 1}) for place, (start, end) in enumerate(pairwise(edges)) if start < end]
    if which.charged is not None:
        return wanted
    found = []
    for source in (DAYS, HOURS):
        taken, wanted = _by_blocks(source, wanted)
        found += taken
    return [*found, *wanted]


def _by_blocks(source: _Source, wanted: Sequence[_Piece]) -> tuple[list[_Piece], list[_Piece]]:
    """What whole blocks say of the pieces, and what is left to a finer source. `wanted` is in order of time."""
    taken: list[_Piece] = []
    cut: dict[datetime, list[_Piece]] = {}  # blocks with an end of a piece in them, and their parts
    for piece in wanted:
        first, last = source.begin(piece.start + source.length - _TICK), source.begin(piece.end)
        if first < last:
            taken.append(_Piece(first, last, piece.effect, source))
        for start, end in ((piece.start, min(first, piece.end)), (max(last, piece.start), piece.end)):
            if start < end and not any(part.start == start for part in cut.get(source.begin(start), [])):
                cut.setdefault(source.begin(start), []).append(_Piece(start, end, piece.effect))
    left: list[_Piece] = []
    for begin, parts in cut.items():
        filled = _filled(begin, begin + source.length, parts)
        main = max(filled, key=lambda part: (part.length, not part.effect))
        if source.length - main.length > REST[source.table]:
            left += parts
            continue
        if main.effect:
            taken.append(_Piece(begin, begin + source.length, main.effect, source))
        left += [
            _Piece(part.start, part.end, effect)
            for part in filled
            if part is not main and (effect := _minus(part.effect, main.effect))
        ]
    return taken, sorted(left, key=lambda piece: piece.start)


def _filled(begin: datetime, end: datetime, parts: Sequence[_Piece]) -> list[_Piece]:
    """The whole block, with what nobody asked for as parts that count nowhere."""
    found: list[_Piece] = []
    at = begin
    for part in parts:
        if at < part.start:
            found.append(_Piece(at, part.start, {}))
        found.append(part)
        at = part.end
    return [*found, _Piece(at, end, {})] if at < end else found


def _minus(effect: _Effect, other: _Effect) -> _Effect:
    changed = {place: effect.get(place, 0) - other.get(place, 0) for place in {*effect, *other}}
    return {place: count for place, count in changed.items() if count}


_TICK = timedelta(microseconds=1)


class _Question:
    """One statement of many parts. Each row: a label, the block that it is of (None: no block), the sums."""

    def __init__(self, which: Which) -> None:
        self.which = which
        self._parts: list[str] = []
        self._values: list[Any] = []
        columns = which.columns
        self._wanted = " AND ".join(f"{name} = %s" for name in columns)
        self._given = list(columns.values())

    def ask(self, source: _Source, span: Span, *, sign: int = 1, label: str = "NULL") -> None:
        """The sums of a piece. The label is a column to group by, or the same for all."""
        group = f" GROUP BY {label}" if label in COLUMNS.values() else ""
        wanted = [(source.column, ">=", span.start), (source.column, "<", span.end)]
        if source is CALLS and (charged := self.which.charged) is not None:
            wanted += [("settled_at", ">=", charged.start), ("settled_at", "<", charged.end)]
            group = f" AND charge_nano > 0{group}"
        self._ask(source, f"{label}, NULL", wanted, group, sign)

    def ask_blocks(self, source: _Source, begins: Sequence[datetime]) -> None:
        """The sums of each of these blocks: between the first and the last, or by name where most are not wanted."""
        if not begins:
            return
        end = begins[-1] + source.length
        # As text: a driver would read the days and hours of one answer as what its first part has.
        label, group = f"'{source.table}', CAST({source.column} AS TEXT)", f" GROUP BY {source.column}"
        wanted = [(source.column, ">=", begins[0]), (source.column, "<", end)]
        if len(begins) * 2 < (end - begins[0]) // source.length:
            places = ", ".join(["%s"] * len(begins))
            group = f" AND {source.column} IN ({places}){group}"
            self._ask(source, label, wanted, group, 1, begins)
        else:
            self._ask(source, label, wanted, group, 1)

    def answers(self) -> Iterator[tuple[Any, datetime | None, list[int]]]:
        """Label, block, sums in the order of NAMES."""
        if not self._parts:
            return
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(self._parts), self._values)
            rows = cursor.fetchall()
        for label, begin, *numbers in rows:
            if numbers[0] is not None:  # not the sums of nothing
                yield label, _moment(begin), [int(each or 0) for each in numbers]

    def _ask(
        self,
        source: _Source,
        labels: str,
        wanted: Sequence[tuple[str, str, datetime | None]],
        rest: str,
        sign: int,
        values: Sequence[datetime] = (),
    ) -> None:
        minus = "-" if sign < 0 else ""
        one = "COUNT(*)" if source is CALLS else "SUM(calls)"
        sums = ", ".join(f"{minus}{one}" if name == "calls" else f"{minus}SUM({name})" for name in NAMES)
        bounds = [(f" AND {column} {sign_} %s", source.adapted(at)) for column, sign_, at in wanted if at is not None]
        where = self._wanted + "".join(text for text, _ in bounds)
        self._parts.append(f"SELECT {labels}, {sums} FROM {source.table} WHERE {where}{rest}")  # noqa: S608 our own names, no values
        self._values += [*self._given, *(value for _, value in bounds), *(source.adapted(value) for value in values)]


def _moment(begin: str | None) -> datetime | None:
    """Of a day its midnight."""
    moment = datetime.fromisoformat(begin) if begin else None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
