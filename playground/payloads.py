"""JSON bodies of the playground's own calls, read strictly: types, sizes, unknown fields, text no database keeps."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError
from django.utils.translation import gettext as _

from playground.jobs import Order
from playground.runs import LAST, Question

MAX_PROMPT_CHARS = 100_000
MAX_SYSTEM_CHARS = 20_000
MAX_IMAGE_PROMPT_CHARS = 8_000
MAX_OUTPUT_TOKENS = 1_000_000
MAX_IMAGES = 4
SIZES = ("1024x1024", "1536x1024", "1024x1536")

P = TypeVar("P")
ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class BadPayload(Exception):
    """The body is not what the call takes. `status` is the HTTP status that says so."""

    def __init__(self, message: str, *, status: int = 400, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.field = field


class RunPayload(msgspec.Struct, forbid_unknown_fields=True):
    id: UUID
    model: ModelName
    prompt: str
    conversation: UUID | None = None  # None: a new one, under the run's own id
    parent: UUID | msgspec.UnsetType | None = msgspec.UNSET  # unset: follow the newest
    system: str = ""
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=MAX_OUTPUT_TOKENS)] | None = None


class JobPayload(msgspec.Struct, forbid_unknown_fields=True):
    id: UUID
    model: ModelName
    prompt: str
    size: Literal["1024x1024", "1536x1024", "1024x1536"] = "1024x1024"
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_IMAGES)] = 1


def question(request: HttpRequest) -> Question:
    """Raises BadPayload."""
    payload = _decode(request, lambda body: msgspec.json.decode(body, type=RunPayload))
    return Question(
        id=payload.id,
        conversation=payload.conversation or payload.id,
        parent=LAST if payload.parent is msgspec.UNSET else payload.parent,
        model=_text(payload.model, "model", 80),
        prompt=_text(payload.prompt, "prompt", MAX_PROMPT_CHARS),
        system=_text(payload.system, "system", MAX_SYSTEM_CHARS, empty=True),
        max_tokens=payload.max_tokens,
    )


def order(request: HttpRequest) -> Order:
    """Raises BadPayload."""
    payload = _decode(request, lambda body: msgspec.json.decode(body, type=JobPayload))
    return Order(
        id=payload.id,
        model=_text(payload.model, "model", 80),
        prompt=_text(payload.prompt, "prompt", MAX_IMAGE_PROMPT_CHARS),
        size=payload.size,
        count=payload.count,
    )


def _decode(request: HttpRequest, read: Callable[[bytes], P]) -> P:
    if request.content_type != "application/json":
        raise BadPayload(_("Send the body as application/json."), status=415)
    try:
        return read(request.body)
    except RequestDataTooBig:
        raise BadPayload(_("The body is too large. Shorten the prompt."), status=413) from None
    except UnreadablePostError:
        raise BadPayload(_("The body did not arrive whole.")) from None
    except msgspec.ValidationError as error:
        raise BadPayload(
            _("A field is not as expected: %(reason)s.") % {"reason": error}, field=_field(error)
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadPayload(_("The body is not valid JSON in UTF-8.")) from None


def _field(error: msgspec.ValidationError) -> str:
    """The decoder ends its message with the path: "… - at `$.prompt`"."""
    _, found, path = str(error).rpartition("`$.")
    return path.rstrip("`") if found else ""


def _text(text: str, field: str, limit: int, *, empty: bool = False) -> str:
    if "\x00" in text:
        raise BadPayload(_("The text holds a NUL character. Remove it."), field=field)
    if len(text) > limit:
        words = _("The text has %(length)s characters; %(limit)s is the most.")
        raise BadPayload(words % {"length": f"{len(text):,}", "limit": f"{limit:,}"}, status=413, field=field)
    if not empty and not text.strip():
        raise BadPayload(_("Write something first."), field=field)
    return text
