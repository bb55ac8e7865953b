"""What a model costs at a moment, and what a call comes to. One division per charge, at the end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, connection, transaction

from accounts.models import User
from billing.ledger import refused_by
from billing.models import Price
from billing.money import NANO, PER_MTOK, divide_half_up

MAX_PRICE = 10_000 * NANO  # per million tokens or per image; with MAX_UNITS no cost leaves a bigint
MAX_UNITS = 10**10  # tokens or images of one class in one call


class PriceTaken(Exception):
    """This model has a price from this very moment, or one that the caller has not seen. Prices are not edited."""


class NotAPrice(ValueError):
    """A price below zero or above MAX_PRICE."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one call used. The classes do not overlap: `input` has neither cached nor cache-written tokens in it,
    `output` no reasoning. `image_class` is `"<size>/<quality>"`.
    """

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    images: int = 0
    image_class: str = ""

    def __post_init__(self) -> None:
        for count in (self.input, self.cached, self.cache_write, self.output, self.reasoning, self.images):
            if not 0 <= count <= MAX_UNITS:
                raise ValueError(f"{count} is not a number of tokens")


@dataclass(frozen=True, slots=True)
class Component:
    """One class of what was used: `units` x `price_nano` / `per`."""

    name: str
    units: int
    price_nano: int
    per: int  # 1,000,000 tokens, or 1 image

    @property
    def cost_nano(self) -> tuple[int, int]:
        """Whole nano and the rest in millionths of a nano: exact, nothing is rounded per line."""
        return divmod(self.units * self.price_nano * (PER_MTOK // self.per), PER_MTOK)


def in_force(model: str, at: datetime) -> Price | None:
    """The price of a model at a moment. One query."""
    return Price.objects.filter(model=model, effective_from__lte=at).order_by("-effective_from").first()


def in_force_many(asked: Iterable[tuple[str, datetime]]) -> list[Price | None]:
    """The same for many pairs of model and moment, in their order. One query."""
    pairs = list(asked)
    history: dict[str, list[Price]] = {}
    for price in _rows_of(pairs) if pairs else ():
        history.setdefault(price.model, []).append(price)
    return [next((each for each in history.get(model, []) if each.effective_from <= at), None) for model, at in pairs]


def _rows_of(pairs: list[tuple[str, datetime]]) -> Iterable[Price]:
    """No more rows than can be answers, the latest first: every call asks, and the past of a model grows.

    As text, because it takes an eighth of a millisecond and the same from a QuerySet more than one.
    """
    models, moments = {model for model, _ in pairs}, [at for _, at in pairs]
    query = (
        f"SELECT * FROM billing_price AS price WHERE model IN ({', '.join(['%s'] * len(models))}) "  # noqa: S608 no values
        "AND effective_from <= %s AND NOT EXISTS (SELECT 1 FROM billing_price AS later WHERE later.model = price.model "
        "AND later.effective_from > price.effective_from AND later.effective_from <= %s) ORDER BY effective_from DESC"
    )
    adapted = [connection.ops.adapt_datetimefield_value(at) for at in (max(moments), min(moments))]
    return Price.objects.raw(query, [*models, *adapted])


def set_price(  # noqa: PLR0913 the columns of a price
    *,
    model: str,
    effective_from: datetime,
    input_nano_per_mtok: int = 0,
    cached_input_nano_per_mtok: int | None = None,
    cache_write_nano_per_mtok: int | None = None,
    output_nano_per_mtok: int = 0,
    reasoning_nano_per_mtok: int | None = None,
    image_nano: Mapping[str, int] | None = None,
    by: User | None = None,
    seen: int | None = None,
) -> Price:
    """A price from a moment on; earlier ones stay. `by` None is the catalogue; with `seen`, the latest version that the
    operator has looked at, a colleague who was quicker is not overruled unawares. Raises PriceTaken, NotAPrice.
    """
    price = Price(
        model=model,
        effective_from=effective_from,
        created_by=by,
        input_nano_per_mtok=input_nano_per_mtok,
        cached_input_nano_per_mtok=cached_input_nano_per_mtok,
        cache_write_nano_per_mtok=cache_write_nano_per_mtok,
        output_nano_per_mtok=output_nano_per_mtok,
        reasoning_nano_per_mtok=reasoning_nano_per_mtok,
        image_nano=dict(image_nano or {}),
    )
    for nano in (*per_mtok(price).values(), *price.image_nano.values()):
        if not isinstance(nano, int) or not 0 <= nano <= MAX_PRICE:
            raise NotAPrice(f"{model}: {nano}")
    try:
        with transaction.atomic():
            if seen is not None and _latest_locked(model) != seen:
                raise PriceTaken(f"{model} after version {seen}")
            price.save(force_insert=True)
    except IntegrityError as error:
        if refused_by(error) in {"price_one_per_moment", "billing_price.model"}:
            raise PriceTaken(f"{model} from {effective_from}") from error
        raise
    return price


def latest(model: str) -> Price | None:
    """The last that was set, whether or not it has begun."""
    return Price.objects.filter(model=model).select_related("created_by").order_by("-pk").first()


def _latest_locked(model: str) -> int | None:
    """Operators of one model wait for each other here; calls, which refer to its rows, do not."""
    rows = Price.objects.filter(model=model).order_by("pk")
    list(rows[:1].select_for_update(no_key=True))
    return rows.values_list("pk", flat=True).last()


def per_mtok(price: Price) -> dict[str, int]:
    """Nano per 1,000,000 tokens by class, with the broader class's price where a class has none of its own."""
    return {
        "input": _input(price),
        "cached": _cached(price),
        "cache_write": _written(price),
        "output": price.output_nano_per_mtok,
        "reasoning": _reasoning(price),
    }


def cost(price: Price, tokens: Tokens) -> int:
    """Nano, rounded half-up once; at least 1 when anything was used that has a price."""
    millionths = sum(part.units * part.price_nano * (PER_MTOK // part.per) for part in components(price, tokens))
    return max(divide_half_up(millionths, PER_MTOK), 1) if millionths else 0


def components(price: Price, tokens: Tokens) -> list[Component]:
    """The charge line by line: only what was used."""
    parts = [
        Component("input", tokens.input, _input(price), PER_MTOK),
        Component("cached", tokens.cached, _cached(price), PER_MTOK),
        Component("cache_write", tokens.cache_write, _written(price), PER_MTOK),
        Component("output", tokens.output, price.output_nano_per_mtok, PER_MTOK),
        Component("reasoning", tokens.reasoning, _reasoning(price), PER_MTOK),
    ]
    if tokens.images:
        parts.append(Component("images", tokens.images, image_price(price, tokens.image_class), 1))
    return [part for part in parts if part.units]


def image_price(price: Price, image_class: str) -> int:
    """Nano per image of a `"<size>/<quality>"`. The narrowest match counts; of a class that is not listed, the dearest:
    so the hold covers it, whatever the provider draws.
    """
    size, _, quality = image_class.partition("/")
    for name in (image_class, f"{size}/*", f"*/{quality}", "*/*", "*"):
        if name in price.image_nano:
            return int(price.image_nano[name])
    return max(price.image_nano.values(), default=0)


def _input(price: Price) -> int:
    return price.input_nano_per_mtok


def _cached(price: Price) -> int:
    return price.input_nano_per_mtok if price.cached_input_nano_per_mtok is None else price.cached_input_nano_per_mtok


def _written(price: Price) -> int:
    return price.input_nano_per_mtok if price.cache_write_nano_per_mtok is None else price.cache_write_nano_per_mtok


def _reasoning(price: Price) -> int:
    return price.output_nano_per_mtok if price.reasoning_nano_per_mtok is None else price.reasoning_nano_per_mtok
