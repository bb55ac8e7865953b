"""What the operator sees of prices: all models, one model's history, and what a new price would have meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, QuerySet, Sum
from django.utils.translation import gettext_lazy

from billing import prices
from billing.models import Price, Usage, UsageHour
from billing.money import BASIS_POINTS, PER_MTOK, divide_half_up

LOOKED_BACK = timedelta(days=30)
TREND_WIDTH, TREND_HEIGHT = 600, 80
CLASSES = {
    "input": gettext_lazy("Input"),
    "cached": gettext_lazy("Cached input"),
    "cache_write": gettext_lazy("Cache write"),
    "output": gettext_lazy("Output"),
    "reasoning": gettext_lazy("Reasoning"),
}
_COLUMNS = {
    "input": "input_tokens",
    "cached": "cached_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}


@dataclass(frozen=True)
class ModelPrice:
    """A line of the list."""

    model: str
    current: Price | None
    following: Price | None  # the next one that is to begin

    @property
    def per_mtok(self) -> dict[str, int]:
        return prices.per_mtok(self.current) if self.current else {}


@dataclass(frozen=True)
class Part:
    """One price of a version beside the same price of the version before."""

    label: str
    nano: int | None  # None: this size and quality is not listed any more and costs as the dearest
    before: int | None  # None: there was none

    @property
    def change_bp(self) -> int | None:
        """Basis points more (or less), rounded half up; None where there is nothing to compare with."""
        return _change_bp(self.before, self.nano) if self.before and self.nano is not None else None


@dataclass(frozen=True)
class Version:
    price: Price
    state: str  # "past", "current" or "coming"
    parts: list[Part]


@dataclass(frozen=True)
class Trend:
    by_image: bool  # the dearest image is drawn, else the output price
    points: str  # of an SVG polyline, TREND_WIDTH x TREND_HEIGHT
    least: int  # nano
    most: int  # nano
    now: int  # where today is, from the left


@dataclass(frozen=True)
class Line:
    """What of one class was used in the last 30 days, at the prices of then and at the new one."""

    label: str
    units: int
    was: int  # nano for all of it, at the price in force now
    would: int  # nano, at the new price


@dataclass(frozen=True)
class Impact:
    """What the last 30 days would have cost at another price. Nothing of them is changed."""

    since: datetime
    calls: int
    people: int
    charged: int  # nano, what was really charged or could not be collected, at whatever price was in force
    would: int  # nano, the same use at the new price
    lines: list[Line]

    @property
    def difference(self) -> int:
        return self.would - self.charged

    @property
    def change_bp(self) -> int | None:
        return _change_bp(self.charged, self.would) if self.charged else None


def models(*, now: datetime) -> list[ModelPrice]:
    """Every model that has a price. One query: there are few prices, and they are append-only."""
    history: dict[str, list[Price]] = {}
    for price in Price.objects.select_related("created_by").order_by("effective_from"):
        history.setdefault(price.model, []).append(price)
    return [
        ModelPrice(
            model=model,
            current=next((row for row in reversed(rows) if row.effective_from <= now), None),
            following=next((row for row in rows if row.effective_from > now), None),
        )
        for model, rows in sorted(history.items())
    ]


def following(model: str, *, now: datetime) -> list[Price]:
    """Its prices that are to begin, the next one first."""
    return list(Price.objects.filter(model=model, effective_from__gt=now).order_by("effective_from"))


def history(model: str, *, now: datetime) -> list[Version]:
    """Every price a model had, has and will have, the latest first."""
    rows = list(Price.objects.filter(model=model).select_related("created_by").order_by("effective_from"))
    current = next((row for row in reversed(rows) if row.effective_from <= now), None)
    versions = []
    for before, row in zip([None, *rows], rows, strict=False):
        state = "coming" if row.effective_from > now else "current" if row == current else "past"
        versions.append(Version(row, state, _parts(row, before)))
    return versions[::-1]


def trend(versions: Sequence[Version], *, now: datetime) -> Trend | None:
    """The way of the output price (or of the dearest image) through time, to draw; None if it never changed."""
    rows = [version.price for version in reversed(versions)]
    values = [row.output_nano_per_mtok or max(row.image_nano.values(), default=0) for row in rows]
    if len(set(values)) < 2:  # noqa: PLR2004 a line needs two heights
        return None
    start, end = rows[0].effective_from, max(now, rows[-1].effective_from)
    span, top = max(int((end - start).total_seconds()), 1), max(values)
    marks = [int((row.effective_from - start).total_seconds()) * TREND_WIDTH // span for row in rows]
    heights = [TREND_HEIGHT - value * TREND_HEIGHT // top for value in values]
    points = [
        f"{x},{height}"
        for begin, finish, height in zip(marks, [*marks[1:], TREND_WIDTH], heights, strict=True)
        for x in (begin, finish)
    ]
    today = int((now - start).total_seconds()) * TREND_WIDTH // span
    return Trend(not rows[-1].output_nano_per_mtok, " ".join(points), min(values), top, today)


def impact(new: Price, *, now: datetime) -> Impact:
    """The use of the last 30 days at `new`, which need not be stored. Sums of hours, and images by size and quality.

    Each call is rounded on its own and this is one sum, so it may differ from single charges by a nano per call.
    """
    since = (now - LOOKED_BACK).replace(minute=0, second=0, microsecond=0)
    hours = UsageHour.objects.filter(model=new.model, hour__gte=since)
    sums = hours.aggregate(
        calls=Sum("calls", default=0),
        people=Count("user", distinct=True),
        charged=Sum(F("charge_nano") + F("uncollected_nano"), default=0),
        images=Sum("images", default=0),
        **{name: Sum(column, default=0) for name, column in _COLUMNS.items()},
    )
    current = prices.in_force(new.model, now) or new
    was, would = prices.per_mtok(current), prices.per_mtok(new)
    lines = [
        Line(str(label), sums[name], _tokens(sums[name], was[name]), _tokens(sums[name], would[name]))
        for name, label in CLASSES.items()
        if sums[name]
    ]
    for image_class, count in _images(new.model, since) if sums["images"] else ():
        each, other = prices.image_price(current, image_class), prices.image_price(new, image_class)
        lines.append(Line(image_class, count, count * each, count * other))
    return Impact(since, sums["calls"], sums["people"], sums["charged"], sum(line.would for line in lines), lines)


def _images(model: str, since: datetime) -> "QuerySet[Usage, tuple[str, int]]":
    """Hours do not tell sizes apart. Only the calls of those who made images are read, by the index of their calls."""
    painters = UsageHour.objects.filter(model=model, hour__gte=since, images__gt=0).values("user")
    made = Usage.objects.filter(
        user__in=painters, model=model, started_at__gte=since, images__gt=0, not_charged_because=""
    )
    return made.values_list("image_class").annotate(count=Sum("images")).order_by("image_class")


def _tokens(units: int, nano_per_mtok: int) -> int:
    return divide_half_up(units * nano_per_mtok, PER_MTOK)


def _parts(row: Price, before: Price | None) -> list[Part]:
    then: Mapping[str, int] = prices.per_mtok(before) if before is not None else {}
    tokens = [Part(str(CLASSES[name]), nano, then.get(name)) for name, nano in prices.per_mtok(row).items()]
    images: Mapping[str, int] = before.image_nano if before is not None else {}
    sizes = [Part(name, row.image_nano.get(name), images.get(name)) for name in sorted({*row.image_nano, *images})]
    return [part for part in tokens if part.nano or part.before] + sizes


def _change_bp(before: int, after: int) -> int:
    change = divide_half_up(abs(after - before) * BASIS_POINTS, before)
    return change if after >= before else -change
