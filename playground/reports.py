"""What the pages show, read in a handful of queries."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import keys
from accounts.models import User
from billing.models import Price, Usage
from billing.money import SYMBOL, format_amount
from playground import charged, failures, gateway_client, payloads, rendering
from playground.answers import live_text
from playground.failures import Explained
from playground.gateway_client import GatewayFailed, OfferedModel
from playground.models import Conversation, Image, ImageJob, Run

RECENT_CONVERSATIONS = 50
GALLERY_JOBS = 60
CHAT, IMAGES = "chat/completions", "images/generations"
DEFAULT_QUALITY = "medium"  # what the gateway makes when nobody says otherwise


@dataclass(frozen=True)
class Choice:
    """A model in the picker."""

    id: str
    hint: str
    max_output_tokens: int
    recommended: bool


@dataclass(frozen=True)
class Family:
    label: str
    models: list[Choice]


@dataclass(frozen=True)
class Offer:
    """The picker; `problem` says why it is empty."""

    families: list[Family]
    default: str
    problem: Explained | None = None

    @property
    def ids(self) -> set[str]:
        return {model.id for family in self.families for model in family.models}


@dataclass(frozen=True)
class Turn:
    """A question and its answer as the page shows them."""

    run: Run
    html: str
    source: str  # to copy
    live: str
    after: int
    problem: Explained | None
    usage: Usage | None
    ttft_s: float | None
    total_s: float | None

    @property
    def tokens_in(self) -> int:
        used = self.usage
        return used.input_tokens + used.cached_tokens + used.cache_write_tokens if used else 0

    @property
    def tokens_out(self) -> int:
        return self.usage.output_tokens + self.usage.reasoning_tokens if self.usage else 0

    @property
    def charge_nano(self) -> int:
        return self.usage.charge_nano - self.usage.refunded_nano if self.usage else 0


@dataclass(frozen=True)
class Chat:
    conversation: Conversation
    turns: list[Turn]

    @property
    def charge_nano(self) -> int:
        """Of the answers on the page, from the ledger."""
        return sum(turn.charge_nano for turn in self.turns)


@dataclass(frozen=True)
class JobCard:
    job: ImageJob
    images: list[Image]
    problem: Explained | None
    usage: Usage | None

    @property
    def places(self) -> range:
        return range(self.job.count)


FAMILIES: dict[str, str | Promise] = {
    "openai": gettext_lazy("OpenAI / Codex"),
    "claude": gettext_lazy("Claude"),
    "gemini": gettext_lazy("Gemini"),
    "gemini-image": gettext_lazy("Gemini, image-capable"),
    "image": gettext_lazy("Image"),
}


def offer(*, user: User, endpoint: str, chosen: str, now: datetime) -> Offer:
    """The models that the gateway lists now for this endpoint, by family, with the price in force."""
    try:
        models = gateway_client.list_models(key=settings.GATEWAY_KEY or keys.playground_key(user=user))
    except GatewayFailed as failure:
        return Offer([], "", failures.explain(failure.as_json()))
    fitting = [model for model in models if _fits(model, endpoint)]
    if not fitting:
        return Offer([], "", failures.explain({"code": "model_not_found", "charged": False}))
    prices = in_force(models=[model.id for model in fitting], now=now)
    families: dict[str, list[Choice]] = {}
    for model in fitting:
        families.setdefault(_family(model), []).append(_choice(model, prices.get(model.id)))
    ids = [model.id for model in fitting]
    return Offer([Family(label, choices) for label, choices in families.items()], _default(fitting, ids, chosen))


def _fits(model: OfferedModel, endpoint: str) -> bool:
    """A gateway that names no endpoints lists everything: it will say itself what does not work."""
    return endpoint in model.endpoints or not model.endpoints


def _family(model: OfferedModel) -> str:
    return str(FAMILIES.get(model.family, model.family or model.owned_by or _("Models")))


def _default(models: list[OfferedModel], ids: list[str], chosen: str) -> str:
    recommended = [model.id for model in models if model.recommended_for]
    first_call = [model.id for model in models if model.recommended_for == "first-call"]
    return chosen if chosen in ids else (first_call or recommended or ids)[0]


def _choice(model: OfferedModel, price: Price | None) -> Choice:
    return Choice(model.id, price_hint(price), model.max_output_tokens, bool(model.recommended_for))


def price_hint(price: Price | None) -> str:
    if price is None:
        return ""
    if price.image_nano:
        least, most = min(price.image_nano.values()), max(price.image_nano.values())
        amounts = _dollars(least) if least == most else f"{_dollars(least)} – {_dollars(most)}"
        return _("%(amounts)s per image") % {"amounts": amounts}
    return _("%(input)s in, %(output)s out per 1M tokens") % {
        "input": _dollars(price.input_nano_per_mtok),
        "output": _dollars(price.output_nano_per_mtok),
    }


def _dollars(nano: int) -> str:
    return f"{SYMBOL}{format_amount(nano)}"


def in_force(*, models: Iterable[str], now: datetime) -> dict[str, Price]:
    """The newest price of each model that has begun. One query."""
    rows = Price.objects.filter(model__in=list(models), effective_from__lte=now).order_by("effective_from")
    return {price.model: price for price in rows}


def image_prices(*, models: Iterable[str], now: datetime) -> dict[str, dict[str, list[str]]]:
    """For the page: what 1, 2, … images cost, by model and size. A model without a price is absent."""
    table: dict[str, dict[str, list[str]]] = {}
    for model, price in in_force(models=models, now=now).items():
        for size in payloads.SIZES:
            nano = _image_nano(price, size)
            if nano is not None:
                table.setdefault(model, {})[size] = [_dollars(nano * n) for n in range(1, payloads.MAX_IMAGES + 1)]
    return table


def _image_nano(price: Price, size: str) -> int | None:
    for name in (f"{size}/{DEFAULT_QUALITY}", f"{size}/*", f"*/{DEFAULT_QUALITY}", "*/*", "*"):
        if name in price.image_nano:
            return int(price.image_nano[name])
    return None


def recent(*, user: User) -> list[Conversation]:
    return list(Conversation.objects.filter(user=user).order_by("-updated_at")[:RECENT_CONVERSATIONS])


def chat(*, conversation: Conversation) -> Chat:
    """The newest answer and all that it follows; siblings are kept but not on this path."""
    by_id = {run.pk: run for run in conversation.runs.order_by("created_at", "pk")}
    run = next(reversed(by_id.values()), None)
    path: list[Run] = []
    while run is not None:
        path.append(run)
        run = by_id.get(run.parent_id) if run.parent_id else None
    return Chat(conversation, turns(user_id=conversation.user_id, runs=reversed(path)))


def turns(*, user_id: int, runs: Iterable[Run]) -> list[Turn]:
    rows = list(runs)
    usages = charged.usages_of(user_id=user_id, request_ids=[run.request_id for run in rows])
    return [_turn(run, usages.get(run.request_id)) for run in rows]


def _turn(run: Run, usage: Usage | None) -> Turn:
    return Turn(
        run=run,
        html=(run.answer_html or rendering.answer_html(run.answer)) if run.ended else "",
        source=rendering.without_data_images(run.answer) if run.ended else "",
        live="" if run.ended else live_text(run.answer, whole=False),
        after=run.last_seq,
        problem=failures.explain(run.error, ledger_is_shown=usage is not None) if run.error else None,
        usage=usage,
        ttft_s=_seconds(run.started_at, run.first_token_at),
        total_s=_seconds(run.started_at, run.ended_at),
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None


def gallery(*, user: User) -> list[JobCard]:
    return cards(ImageJob.objects.filter(user=user).order_by("-created_at")[:GALLERY_JOBS], user_id=user.pk)


def cards(jobs: Iterable[ImageJob], *, user_id: int) -> list[JobCard]:
    """With their images and the ledger's row. Three queries for any number."""
    rows = list(jobs)
    images: dict[UUID, list[Image]] = {}
    for image in Image.objects.filter(job__in=rows).order_by("slot"):
        images.setdefault(image.job_id, []).append(image)
    usages = charged.usages_of(user_id=user_id, request_ids=[job.request_id for job in rows])
    return [
        JobCard(
            job=job,
            images=images.get(job.pk, []),
            problem=_job_problem(job),
            usage=usages.get(job.request_id),
        )
        for job in rows
    ]


def _job_problem(job: ImageJob) -> Explained | None:
    error: dict[str, Any] = job.error
    return failures.explain(error) if error and job.status == ImageJob.Status.FAILED else None
