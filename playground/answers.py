"""An answer while it grows: what was said so far, what readers have not been sent yet, and how it looks live.

Pure: no network, no database, no clock.
"""

from dataclasses import dataclass, field
from typing import Any

MAX_ANSWER_CHARS = 24 * 1024 * 1024  # with pictures inside; text alone never gets near
MAX_FRAME_CHARS = 16_384
PLACEHOLDER = "🖼"
_OPENING = "](data:image/"


@dataclass(frozen=True, slots=True)
class Frame:
    """One numbered event of a run."""

    seq: int
    event: str
    data: dict[str, Any]


class LiveText:
    """Text for people who watch: a picture inside it is megabytes of base64, so a sign stands in its place.

    Fed in pieces of any size it gives the same as fed at once.
    """

    def __init__(self) -> None:
        self._held = ""  # may be the beginning of a picture
        self._inside = False

    def feed(self, text: str) -> str:
        shown: list[str] = []
        rest = self._held + text
        self._held = ""
        while rest:
            if self._inside:
                end = rest.find(")")
                if end < 0:
                    break
                self._inside, rest = False, rest[end:]
                continue
            start = rest.find(_OPENING)
            if start >= 0:
                shown.append(rest[:start] + "](" + PLACEHOLDER)
                self._inside, rest = True, rest[start + len(_OPENING) :]
                continue
            keep = _overlap(rest)
            shown.append(rest[: len(rest) - keep])
            self._held = rest[len(rest) - keep :]
            break
        return "".join(shown)

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held


def live_text(text: str, *, whole: bool) -> str:
    """All of it at once. While more is to come (not `whole`) the end may be held back, as for those who watch."""
    live = LiveText()
    return live.feed(text) + (live.flush() if whole else "")


def _overlap(text: str) -> int:
    """How many characters at the end may be the beginning of a picture."""
    for length in range(min(len(_OPENING) - 1, len(text)), 0, -1):
        if text.endswith(_OPENING[:length]):
            return length
    return 0


@dataclass
class Answer:
    """Collects pieces; `take` gives what is new as numbered frames, so that many tokens travel as one."""

    seq: int = 0
    text_parts: list[str] = field(default_factory=list)
    reasoning_parts: list[str] = field(default_factory=list)
    length: int = 0
    closed: bool = False
    _fresh: list[tuple[str, str]] = field(default_factory=list)
    _live: LiveText = field(default_factory=LiveText)

    @property
    def text(self) -> str:
        return "".join(self.text_parts)

    @property
    def reasoning(self) -> str:
        return "".join(self.reasoning_parts)

    @property
    def too_long(self) -> bool:
        return self.length > MAX_ANSWER_CHARS

    def add(self, kind: str, text: str) -> None:
        self.length += len(text)
        if kind == "reasoning":
            self.reasoning_parts.append(text)
            self._put(kind, text)
        else:
            self.text_parts.append(text)
            self._put("text", self._live.feed(text))

    def close(self) -> None:
        """No more text will come: give out what was held back."""
        self.closed = True
        self._put("text", self._live.flush())

    def take(self) -> list[Frame]:
        """New text as delta frames, neighbours of one kind merged, none larger than MAX_FRAME_CHARS."""
        frames: list[Frame] = []
        for kind, text in self._fresh:
            frames += [
                self.event("delta", kind=kind, text=text[at : at + MAX_FRAME_CHARS])
                for at in range(0, len(text), MAX_FRAME_CHARS)
            ]
        self._fresh = []
        return frames

    def event(self, name: str, **data: Any) -> Frame:
        """The next numbered frame."""
        self.seq += 1
        return Frame(self.seq, name, data)

    def whole(self) -> Frame:
        """Everything so far as one frame: for a log that lost its beginning. Pending text is in it."""
        self._fresh = []
        return self.event("reset", text=live_text(self.text, whole=self.closed), reasoning=self.reasoning)

    def _put(self, kind: str, text: str) -> None:
        if not text:
            return
        if self._fresh and self._fresh[-1][0] == kind:
            self._fresh[-1] = (kind, self._fresh[-1][1] + text)
        else:
            self._fresh.append((kind, text))


def merged(frames: list[Frame], *, limit: int = 65_536) -> list[Frame]:
    """For a reader who catches up: neighbouring deltas of one kind as one frame with the last number."""
    out: list[Frame] = []
    for frame in frames:
        last = out[-1] if out else None
        if (
            last is not None
            and last.event == frame.event == "delta"
            and last.data["kind"] == frame.data["kind"]
            and len(last.data["text"]) + len(frame.data["text"]) <= limit
        ):
            out[-1] = Frame(frame.seq, "delta", {**last.data, "text": last.data["text"] + frame.data["text"]})
        else:
            out.append(frame)
    return out
