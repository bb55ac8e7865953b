"""POST /v1/messages: the Claude native shape."""

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway import errors
from gateway.errors import BadRequest, GatewayError, Shape
from gateway.protocols import sse
from gateway.protocols.body import (
    Check,
    boolean,
    integer,
    listing,
    mapping,
    number,
    refuse_google,
    require,
    text,
    text_or_list,
)
from gateway.protocols.openai_chat import check_content
from gateway.protocols.sse import Event
from gateway.protocols.wire import (
    Act,
    Ask,
    BadAnswer,
    Seen,
    StreamWatch,
    Wire,
    child,
    children,
    count,
    decode,
    length,
    said,
)

DEFAULT_VERSION = b"2023-06-01"
CHECKS: dict[str, Check] = {
    "model": text(200),
    "messages": listing,
    "max_tokens": integer(1, 10_000_000),
    "system": text_or_list,
    "stream": boolean,
    "temperature": number(0, 1),
    "top_p": number(0, 1),
    "top_k": integer(0, 1_000_000),
    "stop_sequences": listing,
    "tools": listing,
    "tool_choice": mapping,
    "thinking": mapping,
    "metadata": mapping,
}


class Messages(Wire):
    endpoint = "messages"
    protocol = "anthropic"
    upstream_path = "/v1/messages"
    shape = Shape.ANTHROPIC
    limit_field = "max_tokens"

    def read(self, value: dict[str, Any]) -> Ask:
        refuse_google(value)
        require(value, CHECKS, ("model", "max_tokens", "messages"))
        if not value["messages"]:
            raise BadRequest("`messages` is empty. Send at least one message.", param="messages", code="invalid_field")
        for index, message in enumerate(value["messages"]):
            where = f"messages[{index}]"
            if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
                raise BadRequest(
                    f"`{where}` must be an object with the role `user` or `assistant`. Instructions go to `system`.",
                    param=where,
                    code="invalid_field",
                )
            check_content(message.get("content"), f"{where}.content")
        most = value["max_tokens"]
        return Ask(value["model"], bool(value.get("stream")), max_output=most, limit_name="max_tokens")

    def answer(self, value: Any) -> tuple[Seen, int]:
        if text_of_error := said(value):
            raise BadAnswer("an error with status 200", text_of_error)
        if not isinstance(value, dict) or not isinstance(value.get("content"), list):
            raise BadAnswer("no content")
        watch = MessagesWatch()
        usage = child(value, "usage")
        watch.count_input(usage)
        watch.count_output(usage)
        for block in children(value, "content"):
            watch.count_block(block)
        return watch.seen, watch.delivered_bytes

    def watch(self, ask: Ask) -> "MessagesWatch":  # noqa: ARG002 nothing in it changes how to follow
        return MessagesWatch()

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        return sse.event(msgspec.json.encode(errors.anthropic_object(error, request_id)), "error")


@dataclass(slots=True)
class MessagesWatch(StreamWatch):
    """Input comes first, in `message_start`; `message_delta` brings a growing output count: the last one is true."""

    def watch(self, event: Event) -> Act:
        if event.data is None:
            return Act.FORWARD
        chunk = decode(event.data)
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if event.name == b"error" or kind == "error":
            self.said = said(chunk) or "error event"
            return Act.FAIL
        if kind == "content_block_delta":
            self.count_block(child(chunk, "delta"))
        elif kind == "content_block_start":
            self.count_block(child(chunk, "content_block"))
        elif kind == "message_start":
            self.count_input(child(child(chunk, "message"), "usage"))
        elif kind == "message_delta":
            self.count_input(child(chunk, "usage"))
            self.count_output(child(chunk, "usage"))
            return Act.COST
        elif kind == "message_stop":
            self.complete = True
            return Act.LAST
        return Act.FORWARD

    def count_block(self, block: dict[str, Any]) -> None:
        for name in ("text", "thinking", "partial_json"):
            self.delivered_bytes += length(block.get(name))
        if made := child(block, "input"):
            self.delivered_bytes += len(msgspec.json.encode(made))

    def count_input(self, usage: dict[str, Any]) -> None:
        """Anthropic's input count leaves the cache out already. An absent field keeps its value; 0 is a value."""
        if (given := count(usage.get("input_tokens"))) is not None:
            self.seen.input = given
        if (read := count(usage.get("cache_read_input_tokens"))) is not None:
            self.seen.cached = read
        if (written := count(usage.get("cache_creation_input_tokens"))) is not None:
            self.seen.cache_write = written

    def count_output(self, usage: dict[str, Any]) -> None:
        if (made := count(usage.get("output_tokens"))) is not None:
            self.seen.output = made
