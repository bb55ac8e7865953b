"""POST /v1/responses: the Responses shape."""

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.errors import BadRequest, GatewayError
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

CHECKS: dict[str, Check] = {
    "model": text(200),
    "input": text_or_list,
    "instructions": text_or_list,
    "stream": boolean,
    "max_output_tokens": integer(1, 10_000_000),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "tools": listing,
    "reasoning": mapping,
    "text": mapping,
    "metadata": mapping,
    "store": boolean,
    "background": boolean,
    "previous_response_id": text(200),
    "user": text(512),
}


class Responses(Wire):
    endpoint = "responses"
    protocol = "openai"
    upstream_path = "/responses"
    limit_field = "max_output_tokens"
    event_usage_path = ("response", "usage")

    def read(self, value: dict[str, Any]) -> Ask:
        refuse_google(value)
        if "messages" in value and "input" not in value:
            raise BadRequest(
                "The Responses API takes `input`, not `messages`. Rename the field, or use POST /v1/chat/completions.",
                param="messages",
                code="missing_field",
            )
        require(value, CHECKS, ("model", "input"))
        _check_input(value["input"])
        if value.get("background"):
            raise BadRequest(
                "`background` is not offered. Leave it out and use `stream` for long answers.", param="background"
            )
        most = value.get("max_output_tokens")
        return Ask(value["model"], bool(value.get("stream")), max_output=most, limit_name="max_output_tokens")

    def answer(self, value: Any) -> tuple[Seen, int]:
        if text_of_error := said(value):
            raise BadAnswer("an error with status 200", text_of_error)
        if not isinstance(value, dict) or not isinstance(value.get("output"), list) or value.get("status") == "failed":
            raise BadAnswer("no output")
        watch = ResponsesWatch()
        watch.count_usage(child(value, "usage"))
        for item in children(value, "output"):
            watch.delivered_bytes += length(item.get("arguments"))
            watch.delivered_bytes += sum(length(part.get("text")) for part in children(item, "content"))
            watch.delivered_bytes += sum(length(part.get("text")) for part in children(item, "summary"))
        return watch.seen, watch.delivered_bytes

    def watch(self, ask: Ask) -> "ResponsesWatch":  # noqa: ARG002 nothing in it changes how to follow
        return ResponsesWatch()

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        body = {
            "type": "error",
            "code": error.code,
            "message": f"{error.message} {error.charged}",
            "param": error.param,
            "sequence_number": 0,
            "request_id": request_id,
        }
        return sse.event(msgspec.json.encode(body), "error")


@dataclass(slots=True)
class ResponsesWatch(StreamWatch):
    def watch(self, event: Event) -> Act:
        if event.data is None:
            return Act.FORWARD
        if event.data.strip() == b"[DONE]":  # some add it; the last event of the shape came before
            return Act.LAST if self.complete else Act.FORWARD
        chunk = decode(event.data)
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if event.name == b"error" or kind in {"error", "response.failed"} or (kind is None and said(chunk)):
            return self._fail(chunk)
        if isinstance(kind, str) and kind.endswith(".delta"):
            self.delivered_bytes += length(chunk.get("delta"))
        elif kind in {"response.completed", "response.incomplete"}:
            self.count_usage(child(child(chunk, "response"), "usage"))
            self.complete = True
            return Act.LAST
        return Act.FORWARD

    def count_usage(self, usage: dict[str, Any]) -> None:
        given, made = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
        if given is not None:
            self.seen.cached = min(given, count(child(usage, "input_tokens_details").get("cached_tokens")) or 0)
            self.seen.input = given - self.seen.cached
        if made is not None:
            details = child(usage, "output_tokens_details")
            self.seen.reasoning = min(made, count(details.get("reasoning_tokens")) or 0)
            self.seen.output = made - self.seen.reasoning

    def _fail(self, chunk: Any) -> Act:
        response = child(chunk, "response")
        self.count_usage(child(response, "usage"))
        message = chunk.get("message") if isinstance(chunk, dict) else ""
        self.said = said(response) or said(chunk) or (message if isinstance(message, str) else "") or "error event"
        return Act.FAIL


def _check_input(given: Any) -> None:
    if not given or (isinstance(given, str) and not given.strip()):
        raise BadRequest("`input` is empty. Send a text or a list of items.", param="input", code="invalid_field")
    if isinstance(given, list):
        for index, item in enumerate(given):
            if not isinstance(item, dict):
                raise BadRequest(f"`input[{index}]` must be an object.", param=f"input[{index}]", code="invalid_field")
