"""The docs page: samples filled for the reader, models and policy as they are now, and what each error means."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from console import samples
from gateway import catalogue, errors
from referrals import policies


@dataclass(frozen=True)
class ReadySample:
    id: str
    language: str
    lexer: str
    code: str


@dataclass(frozen=True)
class ErrorRow:
    status: int
    code: str
    meaning: str | Promise
    remedy: str | Promise


def _row(error: type[errors.GatewayError], meaning: Promise, remedy: Promise, code: str = "") -> ErrorRow:
    return ErrorRow(error.status, code or error.code, meaning, remedy)


_AGAIN = _("Send it again; wait as long as the header retry-after says, where there is one.")
_KEY = _("Check the variable, or make a new key.")
ERRORS: tuple[ErrorRow, ...] = (
    _row(errors.BadRequest, _("The request cannot be understood."), _("Change what the message names.")),
    _row(errors.BadRequest, _("The body is empty."), _("Send a JSON object."), "empty_body"),
    _row(errors.BadRequest, _("The body is not JSON."), _("Send UTF-8 JSON, one object."), "invalid_json"),
    _row(errors.BadRequest, _("A field is missing."), _("Add the field that the message names."), "missing_field"),
    _row(
        errors.BadRequest,
        _("A field has a wrong value."),
        _("Correct the field that the message names."),
        "invalid_field",
    ),
    _row(
        errors.BadRequest,
        _("A header cannot be read."),
        _("Correct the header that the message names."),
        "invalid_header",
    ),
    _row(
        errors.BadRequest,
        _("The model exists, but not on this endpoint."),
        _("Call it on an endpoint that the message names."),
        "model_not_on_endpoint",
    ),
    _row(
        errors.BadRequest,
        _("The body is in Google's own shape."),
        _("Send messages to /v1/chat/completions."),
        "google_native_body",
    ),
    _row(
        errors.NotAuthenticated,
        _("No key was sent."),
        _("Send the header Authorization or x-api-key."),
        "missing_api_key",
    ),
    _row(errors.NotAuthenticated, _("The key is mistyped, revoked or of another service."), _KEY),
    _row(errors.InsufficientCredit, _("The balance does not cover this call."), _("Add credit, or ask for less.")),
    _row(
        errors.InsufficientCredit,
        _("A spend limit of the key or the account does not cover this call."),
        _("Wait until it resets, or change it at /limits/."),
        "spend_limit_reached",
    ),
    _row(
        errors.InsufficientCredit,
        _("The account is paused: a payment was disputed or taken back."),
        _("Add credit, or write to support."),
        "account_frozen",
    ),
    _row(errors.NotFound, _("There is no such thing."), _("Check the address.")),
    _row(errors.ModelNotFound, _("There is no model of this name."), _("Take a name from GET /v1/models.")),
    _row(errors.NotOffered, _("This part of the API is not offered."), _("See the endpoints on this page.")),
    _row(
        errors.NotOffered,
        _("There is no active embedding channel."),
        _("Embeddings cannot be had here now."),
        "no_embedding_channel",
    ),
    _row(
        errors.NotOffered, _("Nothing is served at this path."), _("Check the base URL and the path."), "unknown_path"
    ),
    _row(errors.WrongMethod, _("The endpoint takes another method."), _("Use the method in the header allow.")),
    _row(errors.BodyTimeout, _("The body stopped arriving."), _("Send it again.")),
    _row(errors.BodyTooLarge, _("The body is too large."), _("Send less, or smaller files.")),
    _row(errors.WrongMediaType, _("The body is not declared as JSON."), _("Send Content-Type: application/json.")),
    _row(errors.HeadTooLarge, _("The headers are too large."), _("Send fewer or shorter headers.")),
    _row(errors.Bug, _("An error of ours."), _("Send it again. If it stays, tell support the request id.")),
    _row(errors.StoreDown, _("Our database does not answer."), _AGAIN),
    _row(errors.NoChannel, _("No provider serves this model now."), _("Take another model, or wait.")),
    _row(errors.NoChannel, _("The model has no price yet."), _("Take another model."), "no_price"),
    _row(errors.Draining, _("This server is being replaced."), _AGAIN),
    _row(errors.UpstreamRefused, _("The provider refuses the request."), _("The message has the provider's words.")),
    _row(errors.UpstreamLimited, _("The provider limits the rate."), _AGAIN),
    _row(errors.UpstreamFailed, _("The provider failed or cannot be reached."), _AGAIN),
    _row(errors.UpstreamBusy, _("The provider is overloaded."), _AGAIN),
    _row(errors.UpstreamTimeout, _("The provider did not answer in time."), _("Send it again.")),
)


def context(reader: User | None, *, now: datetime) -> dict[str, Any]:
    """What the page shows. A person who is signed in is told which key is theirs; never the key itself."""
    families = catalogue.models_for_page()
    key = usable_key(reader) if reader else None
    return {
        "families": families,
        "models": {name.replace("-", "_"): model for name, model in samples.chosen_models(families).items()},
        "topics": ready_samples(families, key),
        "key": key,
        "origin": settings.PUBLIC_URL,
        "errors": ERRORS,
        "rules": rules_in_force(now),
        "keep_alive_s": int(settings.GATEWAY_KEEP_ALIVE_S),
        "max_body_mib": settings.GATEWAY_MAX_BODY_BYTES // 1024**2,
    }


def usable_key(reader: User) -> ApiKey | None:
    """The newest one of the person who looks."""
    return ApiKey.objects.of(reader).usable().first()


def ready_samples(families: list[catalogue.FamilyRows], key: ApiKey | None) -> dict[str, list[ReadySample]]:
    """By topic (`-` as `_`, so that a template can name it); a topic that no model serves now is missing."""
    models = samples.chosen_models(families)
    ready: dict[str, list[ReadySample]] = {}
    for sample in samples.SAMPLES:
        if model := models.get(sample.role):
            code = sample.filled(origin=settings.PUBLIC_URL, model=model, key_hint=key.hint if key else "")
            shown = ReadySample(sample.id, sample.language, sample.lexer, code)
            ready.setdefault(sample.topic.replace("-", "_"), []).append(shown)
    return ready


def rules_in_force(now: datetime) -> list[tuple[str, str]]:
    """The referral policy as headings and sentences; empty before the first one."""
    try:
        return policies.describe(policies.in_force(now))
    except policies.NoPolicy:
        return []
