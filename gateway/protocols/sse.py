"""Event-stream framing on bytes: incremental, bounded, and true to what came.

Frames are cut after the blank line that ends an event; their bytes joined are the bytes that were fed. Line ends may be
LF, CRLF or CR, also mixed and cut anywhere (Source: WHATWG HTML, "Server-sent events", read 2026-11-22).
"""

import re
from dataclasses import dataclass

MAX_EVENT_BYTES = 32 * 1024 * 1024  # an event may carry an image
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LOOK_BACK = 3  # bytes of a line end and a half, which the next piece may complete


class EventTooLarge(ValueError):
    """No event end within the limit."""


@dataclass(frozen=True, slots=True)
class Event:
    """One frame. `data` is None for a comment or an empty frame, which carry nothing."""

    raw: bytes
    name: bytes
    data: bytes | None


class Framer:
    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, piece: bytes) -> list[Event]:
        """The events that `piece` completes. Raises EventTooLarge."""
        buffer = self._buffer
        start = max(0, len(buffer) - _LOOK_BACK)
        buffer += piece
        events: list[Event] = []
        begin = 0
        while match := _BLANK_LINE.search(buffer, start):
            events.append(parse(bytes(buffer[begin : match.end()])))
            begin = start = match.end()
        if begin:
            del buffer[:begin]
        if len(buffer) > self._limit:
            raise EventTooLarge(f"an event of more than {self._limit} bytes")
        return events

    @property
    def is_between_events(self) -> bool:
        """Nothing of an unfinished event is waiting."""
        return not self._buffer.strip()


def parse(raw: bytes) -> Event:
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return Event(raw, b"", raw[6:-2])  # nearly every event of the OpenAI shapes
    name, data = b"", None
    for line in raw.removeprefix(b"\xef\xbb\xbf").splitlines():
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data = value if data is None else data + b"\n" + value
        elif field == b"event":
            name = value
    return Event(raw, name, data)


def event(data: bytes, name: str = "") -> bytes:
    """One event as bytes; `data` is one line."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"
