"""What every public API shape can do for the relay."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

import msgspec

from gateway.errors import GatewayError, Shape
from gateway.protocols.sse import Event

MAX_COUNT = 10**8  # tokens of one call; a provider that says more is not believed


class BadAnswer(ValueError):
    """A 200 that is not what the endpoint promises. `said` is the provider's own error text, if it sent one."""

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(reason)
        self.said = said


@dataclass(frozen=True, slots=True)
class Ask:
    """What a body asks for, as far as we must know."""

    model: str
    stream: bool = False
    max_output: int | None = None  # tokens, as the caller said; None: the caller set no limit
    limit_name: str = ""  # the field in which the caller said it
    n: int = 1
    wants_usage: bool = False
    image_class: str = ""  # "<size>/<quality>"; set only where images are what is sold


@dataclass(slots=True)
class Seen:
    """What the provider said it used. None is unknown, which is not 0. The token classes do not overlap."""

    input: int | None = None
    cached: int = 0
    cache_write: int = 0
    output: int | None = None
    reasoning: int = 0
    images: int = 0
    image_class: str = ""


class Act(Enum):
    FORWARD = "forward"  # to the caller as it came
    HIDE = "hide"  # the caller did not ask for it
    COST = "cost"  # says what was used: to the caller with the charge in it, once that is known
    LAST = "last"  # to the caller; the answer is complete
    FAIL = "fail"  # the provider reports an error; the caller gets ours


@dataclass(slots=True)
class StreamWatch(ABC):
    """Follows one stream: what was used, what was delivered, how it ended."""

    seen: Seen = field(default_factory=Seen)
    delivered_bytes: int = 0  # of output text, for our own count
    delivered_images: int = 0
    complete: bool = False  # the provider finished its answer
    said: str = ""  # its error text

    @abstractmethod
    def watch(self, event: Event) -> Act: ...

    @property
    def counted_bytes(self) -> int:
        """What was delivered, in bytes of text."""
        return self.delivered_bytes

    def ending(self) -> bytes:
        """What to add when the provider closed after a complete answer but left out the last event."""
        return b""


class Wire(ABC):
    endpoint: ClassVar[str]
    protocol: ClassVar[str]  # of the channels that speak it
    upstream_path: ClassVar[str]  # behind a channel's base URL
    shape: ClassVar[Shape] = Shape.OPENAI
    limit_field: ClassVar[str] = ""  # the one that bounds the output; "" where output is not bounded in tokens
    usage_path: ClassVar[tuple[str, ...]] = ("usage",)  # where a whole answer says what was used
    event_usage_path: ClassVar[tuple[str, ...]] = ("usage",)  # and where the events of a stream do

    @abstractmethod
    def read(self, value: dict[str, Any]) -> Ask:
        """Raises BadRequest."""

    def changes(self, ask: Ask, value: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 for the shapes that need them
        """Top-level fields that must differ from the caller's, whatever the channel."""
        return {}

    @abstractmethod
    def answer(self, value: Any) -> tuple[Seen, int]:
        """What a whole answer used, and the bytes of text in it. Raises BadAnswer."""

    def watch(self, ask: Ask) -> StreamWatch:
        raise NotImplementedError(f"{self.endpoint} does not stream")

    @abstractmethod
    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        """The in-band form of an error, after the stream has begun."""


def count(value: Any) -> int | None:
    """A provider's number if it can be one, else None."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def decode(data: bytes) -> Any:
    """An event's JSON, or None: the caller gets it as it came, we read nothing from it."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def length(value: Any) -> int:
    return len(value.encode("utf-8", "replace")) if isinstance(value, str) else 0


def child(value: Any, name: str) -> dict[str, Any]:
    """`value[name]` where both are objects, else an empty one."""
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def children(value: Any, name: str) -> list[dict[str, Any]]:
    inner = value.get(name) if isinstance(value, dict) else None
    return [item for item in inner if isinstance(item, dict)] if isinstance(inner, list) else []


def said(value: Any) -> str:
    """The text of an error in either shape; "" when there is none."""
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, str):
        return error
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ("unknown error" if error else "")
