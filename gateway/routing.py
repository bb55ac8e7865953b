"""Which models exist and which channels may serve a call, from a picture of the tables at most two seconds old."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

import structlog

from gateway.channels import KeyUnreadable, api_key_of
from gateway.errors import BadRequest, ModelNotFound, NoChannel, StoreDown
from gateway.models import Channel, Endpoint, Model, Route
from gateway.store import Store

FRESH_S = 2.0
STALE_S = 60.0  # a picture this old still serves while the database is away
log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Card:
    """A model as the gateway needs it."""

    name: str
    family: str
    endpoints: tuple[str, ...]
    owned_by: str
    context_tokens: int
    max_output_tokens: int
    default_output_tokens: int
    recommended_for: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Way:
    """One channel that serves one model."""

    channel: str
    protocol: str
    base_url: str
    upstream_name: str
    priority: int
    weight: int
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Picture:
    models: dict[str, Card]
    ways: dict[str, list[Way]]  # by model name

    def card(self, name: str, endpoint: str) -> Card:
        """Raises ModelNotFound, or BadRequest for a model of another endpoint."""
        card = self.models.get(name)
        if card is None:
            raise ModelNotFound(
                f"There is no model `{printable(name)}`. GET /v1/models lists every model you can call now.",
                param="model",
            )
        if endpoint not in card.endpoints:
            served = " and ".join(f"POST /v1/{other}" for other in card.endpoints)
            raise BadRequest(
                f"The model `{card.name}` is not served on /v1/{endpoint}. Call it on {served}.",
                param="model",
                code="model_not_on_endpoint",
            )
        return card

    def candidates(self, name: str, protocol: str, draw: Callable[[], float]) -> list[Way]:
        """Channels in the order to try: priority first, then by chance in proportion to weight. Raises NoChannel."""
        ways = [way for way in self.ways.get(name, ()) if way.protocol == protocol]
        if not ways:
            raise NoChannel(
                f"No provider serves `{name}` on this endpoint at the moment. GET /v1/models lists what works."
            )
        return sorted(ways, key=lambda way: (-way.priority, -(draw() ** (1 / way.weight))))

    def callable_models(self) -> list[Card]:
        """Those that some enabled channel serves on one of their endpoints."""
        return [
            card for card in self.models.values() if any(_serves(way, card) for way in self.ways.get(card.name, ()))
        ]


class Routing:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._picture: Picture | None = None
        self._taken = 0.0
        self._taking: asyncio.Task[Picture] | None = None

    async def picture(self) -> Picture:
        """Raises StoreDown when there is none, or only one that is too old."""
        age = monotonic() - self._taken
        if self._picture is not None and age < FRESH_S:
            return self._picture
        if self._taking is None or self._taking.done():
            self._taking = asyncio.create_task(self._take())
        try:
            return await asyncio.shield(self._taking)
        except StoreDown:
            if self._picture is None or age > STALE_S:
                raise
            return self._picture

    async def _take(self) -> Picture:
        asked_at = monotonic()
        self._picture = await self._store.read(take_picture)
        self._taken = asked_at
        return self._picture


def take_picture() -> Picture:
    ways: dict[str, list[Way]] = {}
    for route in Route.objects.filter(channel__enabled=True, model__active=True).select_related("channel", "model"):
        if (way := _way(route)) is not None:
            ways.setdefault(route.model.name, []).append(way)
    return Picture({model.name: _card(model) for model in Model.objects.filter(active=True)}, ways)


def listed(card: Card) -> dict[str, Any]:
    """A model as `GET /v1/models` shows it in the OpenAI shape; the fields after `owned_by` are ours."""
    return {
        "id": card.name,
        "object": "model",
        "created": int(card.created_at.timestamp()),
        "owned_by": card.owned_by,
        "family": card.family,
        "endpoints": card.endpoints,
        "context_tokens": card.context_tokens,
        "max_output_tokens": card.max_output_tokens,
        "recommended_for": card.recommended_for,
    }


def listed_natively(card: Card) -> dict[str, Any]:
    """The same in the Anthropic shape."""
    return {
        "type": "model",
        "id": card.name,
        "display_name": card.name,
        "created_at": card.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "max_input_tokens": card.context_tokens,
        "max_tokens": card.max_output_tokens,
    }


def printable(name: str) -> str:
    """A caller's text in an answer: short, without control characters."""
    return "".join(character if character.isprintable() else "?" for character in name[:100])


def _serves(way: Way, card: Card) -> bool:
    return any(
        (endpoint == Endpoint.MESSAGES) == (way.protocol == Channel.Protocol.ANTHROPIC) for endpoint in card.endpoints
    )


def _card(model: Model) -> Card:
    return Card(
        name=model.name,
        family=model.family,
        endpoints=tuple(model.endpoints),
        owned_by=model.owned_by,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        default_output_tokens=model.default_output_tokens,
        recommended_for=model.recommended_for,
        created_at=model.created_at,
    )


def _way(route: Route) -> Way | None:
    channel = route.channel
    try:
        api_key = api_key_of(channel)
    except KeyUnreadable:
        log.error("gateway.channel.key_unreadable", channel=channel.name)  # noqa: TRY400 no trace: it would hold the row
        return None
    return Way(
        channel=channel.name,
        protocol=channel.protocol,
        base_url=channel.base_url,
        upstream_name=route.upstream_name,
        priority=channel.priority,
        weight=channel.weight,
        api_key=api_key,
    )
