"""Reads a JSON body strictly, once, for every endpoint: syntax, sizes, what chooses an upstream, and how long it is.

The top level is kept as raw pieces beside the decoded value. What goes upstream is built from those pieces, so a second
`model` key cannot say one thing to us and another to the provider, and every nested byte stays as the caller wrote it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.errors import BadRequest

MAX_VALUES = 200_000  # nodes of a body; more is an attack, not a conversation
INLINE_TOKENS = 4_096  # the least that an inline picture or file counts as
INLINE_BYTES_PER_TOKEN = 32  # and what a large one does

# These would choose where we send the request or with which key (CVE-2024-6587); never ours to obey.
UPSTREAM_FIELDS = frozenset({"api_base", "base_url", "api_key", "api_version", "extra_headers", "organization"})
GOOGLE_FIELDS = frozenset({"contents", "generationConfig", "generation_config", "systemInstruction", "safetySettings"})
GOOGLE_WORDS = (
    "This looks like a Google-native body (`contents`, `parts`, `generationConfig`). Gemini models are served in the "
    'OpenAI shape: send `{"model": "…", "messages": [{"role": "user", "content": "…"}]}` to POST /v1/chat/completions.'
)

Check = Callable[[Any], str]  # "" when the value will do, else what it must be


@dataclass(frozen=True, slots=True)
class Body:
    pieces: dict[str, msgspec.Raw]
    value: dict[str, Any]
    text_bytes: int  # everything but inline files
    inline_tokens: int

    @property
    def input_bound(self) -> int:
        """Tokens that the input cannot exceed: a token of text is at least one byte."""
        return self.text_bytes + self.inline_tokens

    @property
    def input_count(self) -> int:
        """Our count of the input where the provider says nothing: a token is about four bytes of text."""
        return -(-self.text_bytes // 4) + self.inline_tokens

    def encode(self, changes: dict[str, Any]) -> bytes:
        """The body for the provider: the caller's, with these top-level fields set."""
        pieces = dict(self.pieces)
        for name, value in changes.items():
            pieces[name] = msgspec.Raw(msgspec.json.encode(value))
        return msgspec.json.encode(pieces)


def read(data: bytes) -> Body:
    """Raises BadRequest for everything that is not a JSON object of sane size."""
    if not data.strip():
        raise BadRequest("The body is empty. Send a JSON object.", code="empty_body")
    try:
        value = msgspec.json.decode(data)
        pieces = msgspec.json.decode(data, type=dict[str, msgspec.Raw]) if isinstance(value, dict) else {}
    except RecursionError:
        raise BadRequest("The JSON is nested too deeply.", code="invalid_json") from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not valid UTF-8. Encode the JSON as UTF-8.", code="invalid_json") from None
    except msgspec.ValidationError:
        raise BadRequest("The JSON holds a number that is too large.", code="invalid_json") from None
    except msgspec.MsgspecError as error:
        raise BadRequest(f"The body is not valid JSON: {_first_line(error)}.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise BadRequest(
            "The body must be a JSON object, such as {…}, not a list or a single value.", code="invalid_json"
        )
    for name in UPSTREAM_FIELDS & value.keys():
        raise BadRequest(f"`{name}` is not accepted: the provider is our choice. Remove the field.", param=name)
    inline_bytes, inline_tokens = _measure(value)
    return Body(pieces, value, max(1, len(data) - inline_bytes), inline_tokens)


def require(value: dict[str, Any], checks: dict[str, Check], required: tuple[str, ...] = ()) -> None:
    """Raises BadRequest for the first field that will not do; null counts as absent, unknown fields pass."""
    for name in required:
        if value.get(name) is None:
            raise BadRequest(f"`{name}` is missing.", param=name, code="missing_field")
    for name, check in checks.items():
        given = value.get(name)
        if given is not None and (complaint := check(given)):
            raise BadRequest(f"`{name}` must be {complaint}.", param=name, code="invalid_field")


def integer(low: int, high: int) -> Check:
    words = f"a whole number from {low:,} to {high:,}"
    return lambda value: "" if type(value) is int and low <= value <= high else words


def number(low: float, high: float) -> Check:
    words = f"a number from {low:g} to {high:g}"
    return lambda value: "" if type(value) in {int, float} and low <= value <= high else words


def text(longest: int) -> Check:
    words = f"a text of 1 to {longest:,} characters"
    return lambda value: "" if isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= longest else words


def one_of(*choices: str) -> Check:
    words = "one of " + ", ".join(f"`{choice}`" for choice in choices)
    return lambda value: "" if isinstance(value, str) and value in choices else words


def boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def mapping(value: Any) -> str:
    return "" if isinstance(value, dict) else "an object"


def listing(value: Any) -> str:
    return "" if isinstance(value, list) else "a list"


def text_or_list(value: Any) -> str:
    return "" if isinstance(value, str | list) else "a text or a list"


def refuse_google(value: dict[str, Any]) -> None:
    """Raises BadRequest with what to send instead."""
    if GOOGLE_FIELDS & value.keys() and "messages" not in value:
        raise BadRequest(GOOGLE_WORDS, code="google_native_body", param=min(GOOGLE_FIELDS & value.keys()))


def _measure(value: dict[str, Any]) -> tuple[int, int]:
    """Bytes of inline files, and the tokens they count as. Raises BadRequest for NUL and for too many values."""
    stack: list[Any] = [value]
    seen = inline_bytes = inline_tokens = 0
    while stack:
        node = stack.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise BadRequest(f"The JSON holds more than {MAX_VALUES:,} values.", code="invalid_json")
        if isinstance(node, str):
            if "\x00" in node:
                raise BadRequest("A text in the JSON holds the character U+0000.", code="invalid_json")
            if node.startswith("data:") and ";base64," in node[:200]:
                inline_bytes += len(node)
                inline_tokens += _inline_tokens(node)
        elif isinstance(node, dict):
            data = node.get("data")
            if isinstance(data, str) and (
                "media_type" in node or "format" in node
            ):  # Anthropic's source, OpenAI's audio
                inline_bytes += len(data)
                inline_tokens += _inline_tokens(data)
            stack.extend(node.values())
            if any("\x00" in name for name in node):
                raise BadRequest("A name in the JSON holds the character U+0000.", code="invalid_json")
        elif isinstance(node, list):
            stack.extend(node)
    return inline_bytes, inline_tokens


def _inline_tokens(data: str) -> int:
    return max(INLINE_TOKENS, len(data) // INLINE_BYTES_PER_TOKEN)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].removeprefix("JSON is malformed: ").rstrip(".")
