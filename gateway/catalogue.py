"""The catalogue as data: load it, show it. Models and prices are rows; nothing in the code knows a model's name."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from billing import prices
from billing.models import Price
from billing.money import CURRENCY, NotAnAmount, parse_amount
from gateway.models import Endpoint, Model

SHIPPED = Path(__file__).parent / "data" / "catalogue.json"
_TOKEN_PRICES = {
    "input": "input_nano_per_mtok",
    "cached_input": "cached_input_nano_per_mtok",
    "cache_write": "cache_write_nano_per_mtok",
    "output": "output_nano_per_mtok",
    "reasoning": "reasoning_nano_per_mtok",
}
# The class whose price counts where one has none of its own; by the names of prices.per_mtok.
_BROAD = {"input": "", "cached": "input", "cache_write": "input", "output": "", "reasoning": "output"}
_ALWAYS = ("input", "output")  # the other classes fall back to these when absent
_FIELDS = {
    "owned_by": str,
    "context_tokens": int,
    "max_output_tokens": int,
    "default_output_tokens": int,
    "recommended_for": str,
    "active": bool,
}


class BadCatalogue(ValueError):
    """The file does not describe models; the text says where."""


@dataclass(frozen=True)
class Loaded:
    created: int
    changed: int
    prices_set: int
    prices_kept: int  # an operator's price is in force: the catalogue leaves it
    total: int


@dataclass(frozen=True)
class ModelRow:
    """One line of the public table."""

    name: str
    owned_by: str
    endpoints: tuple[str, ...]
    context_tokens: int
    max_output_tokens: int
    recommended_for: str
    price: Price | None
    following: Price | None = None  # the next one that is to begin

    @property
    def coming(self) -> list[tuple[str, int]]:
        """What the next price will be: class or image size and nano, only what differs from the one in force.

        A class that costs as its broader one, now and then, goes without saying.
        """
        if self.following is None:
            return []
        now, then = self.per_mtok, prices.per_mtok(self.following)
        images = self.price.image_nano if self.price else {}
        changed = [
            (name, nano)
            for name, nano in then.items()
            if nano != now.get(name, 0)
            and not (nano == then.get(_BROAD[name]) and now.get(name) == now.get(_BROAD[name]))
        ]
        return changed + [(name, nano) for name, nano in self.following.image_nano.items() if nano != images.get(name)]

    @property
    def per_mtok(self) -> dict[str, int]:
        """Nano per 1,000,000 tokens by class (input, cached, cache_write, output, reasoning), fallbacks resolved."""
        return prices.per_mtok(self.price) if self.price else {}

    @property
    def sizes(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Per size the qualities with nano per image, cheaper first: PostgreSQL keeps no order of names in JSON."""
        found: dict[str, list[tuple[str, int]]] = {}
        for name, nano in self.price.image_nano.items() if self.price else ():
            size, _, quality = name.partition("/")
            found.setdefault(size, []).append((quality, nano))
        rows = [(size, sorted(qualities, key=lambda each: each[1])) for size, qualities in found.items()]
        return sorted(rows, key=lambda row: (row[1][0][1], _width_first(row[0])))


def _width_first(size: str) -> tuple[int, str]:
    """Wide before tall where they cost the same."""
    width = size.partition("x")[0]
    return (-int(width) if width.isdigit() else 0, size)


@dataclass(frozen=True)
class FamilyRows:
    key: str
    label: str
    models: tuple[ModelRow, ...]

    @property
    def by_image(self) -> bool:
        return any(model.sizes for model in self.models)

    @property
    def qualities(self) -> list[str]:
        return [quality for quality, _ in next((model.sizes[0][1] for model in self.models if model.sizes), [])]

    @property
    def has_cache_write(self) -> bool:
        return any(model.price and model.price.cache_write_nano_per_mtok is not None for model in self.models)


def read_file(path: Path = SHIPPED) -> dict[str, Any]:
    """Raises BadCatalogue."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCatalogue(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadCatalogue(f"{path} must hold an object with `models`.")
    return data


def load(*, data: dict[str, Any], now: datetime) -> Loaded:
    """Models as `data` describes them, and a new price only where it differs from the one in force.

    A price that an operator has set stays, whatever `data` says: an update of the software must not undo it. Models
    that are not in `data` stay as they are; `"active": false` retires one. Raises BadCatalogue and then changes
    nothing.
    """
    entries = data.get("models")
    if not isinstance(entries, list) or not entries:
        raise BadCatalogue("`models` must be a list with at least one model.")
    if data.get("currency", CURRENCY) != CURRENCY:
        raise BadCatalogue(f"`currency` must be {CURRENCY}.")
    rows = [(_model_fields(entry), _price_fields(entry)) for entry in entries]
    created = changed = 0
    set_: list[bool | None] = []
    with transaction.atomic():
        for position, (fields, price) in enumerate(rows):
            state = _store(fields | {"position": position})
            created, changed = created + (state == "created"), changed + (state == "changed")
            set_.append(_set_price(fields["name"], price, now))
    return Loaded(created, changed, set_.count(True), set_.count(None), len(rows))


def models_for_page(at: datetime | None = None) -> list[FamilyRows]:
    """Active models by family, with the price in force by the database's clock and the next one. Two queries.

    With `at` the prices of that moment, without what came after it.
    """
    in_force: dict[str, Price] = {}
    following: dict[str, Price] = {}
    for price in Price.objects.annotate(begun=Q(effective_from__lte=at or Now())).order_by("effective_from"):
        if price.begun:
            in_force[price.model] = price
        elif at is None:
            following.setdefault(price.model, price)
    families: dict[str, list[ModelRow]] = {}
    for model in Model.objects.filter(active=True):
        families.setdefault(model.family, []).append(_row(model, in_force.get(model.name), following.get(model.name)))
    return [
        FamilyRows(family.value, str(family.label), tuple(families[family.value]))
        for family in Model.Family
        if family.value in families
    ]


def _row(model: Model, price: Price | None, following: Price | None) -> ModelRow:
    return ModelRow(
        name=model.name,
        owned_by=model.owned_by,
        endpoints=tuple(model.endpoints),
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        recommended_for=model.recommended_for,
        price=price,
        following=following,
    )


def _store(fields: dict[str, Any]) -> str:
    row = Model.objects.filter(name=fields["name"]).first()
    if row is None:
        Model.objects.create(**fields)
        return "created"
    differing = [name for name, value in fields.items() if getattr(row, name) != value]
    for name in differing:
        setattr(row, name, fields[name])
    if differing:
        row.save(update_fields=differing)
    return "changed" if differing else "same"


def _set_price(model: str, price: dict[str, Any], now: datetime) -> bool | None:
    """Whether it was set; None when it differs from the one in force and that one is an operator's."""
    current = prices.in_force(model, now)
    if current is not None and all(getattr(current, name) == value for name, value in price.items()):
        return False
    if current is not None and current.created_by_id is not None:
        return None
    prices.set_price(model=model, effective_from=now, **price)
    return True


def _model_fields(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise BadCatalogue("Every model needs a `name`.")
    name = entry["name"]
    fields: dict[str, Any] = {"name": name, "recommended_for": "", "active": True}
    for field, kind in _FIELDS.items():
        if field in entry:
            if type(entry[field]) is not kind:
                raise BadCatalogue(f"{name}: `{field}` must be {kind.__name__}.")
            fields[field] = entry[field]
    if entry.get("family") not in Model.Family.values:
        raise BadCatalogue(f"{name}: `family` must be one of {', '.join(Model.Family.values)}.")
    if "owned_by" not in fields:
        raise BadCatalogue(f"{name}: `owned_by` is missing.")
    return fields | {"family": entry["family"], "endpoints": _endpoints(name, entry.get("endpoints"))}


def _endpoints(name: str, given: Any) -> list[str]:
    if not isinstance(given, list) or not given or not set(given) <= set(Endpoint.values):
        raise BadCatalogue(f"{name}: `endpoints` must be some of {', '.join(Endpoint.values)}.")
    return given


def _price_fields(entry: dict[str, Any]) -> dict[str, Any]:
    given = entry.get("price")
    if not isinstance(given, dict) or not given:
        raise BadCatalogue(f"{entry['name']}: `price` is missing.")
    fields: dict[str, Any] = {
        field: _nano(entry["name"], given[name]) if given.get(name) is not None else (0 if name in _ALWAYS else None)
        for name, field in _TOKEN_PRICES.items()
    }
    fields["image_nano"] = {size: _nano(entry["name"], amount) for size, amount in _images(entry["name"], given)}
    if unknown := given.keys() - _TOKEN_PRICES.keys() - {"images"}:
        raise BadCatalogue(f"{entry['name']}: unknown price {', '.join(sorted(unknown))}.")
    return fields


def _images(name: str, given: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    images = given.get("images", {})
    if not isinstance(images, dict):
        raise BadCatalogue(f"{name}: `images` must map `size/quality` to an amount.")
    return images.items()


def _nano(name: str, amount: Any) -> int:
    try:
        return parse_amount(amount)
    except (NotAnAmount, TypeError):
        raise BadCatalogue(f'{name}: {amount!r} is not an amount such as "1.25".') from None
