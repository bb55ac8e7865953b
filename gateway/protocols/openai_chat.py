"""POST /v1/chat/completions: every text model, and pictures from models that answer with them."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway import errors
from gateway.errors import BadRequest, GatewayError
from gateway.protocols import sse
from gateway.protocols.body import (
    GOOGLE_WORDS,
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
from gateway.protocols.sse import DONE, Event
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

MAX_CHOICES = 8
IMAGE_TOKENS = 1_290  # what a picture counts as when the provider sends no usage (Source: Gemini API pricing, 2026-05)
_INLINE_IMAGE = re.compile(r"data:image/[a-z.+-]+;base64,[A-Za-z0-9+/=]+")
CHECKS: dict[str, Check] = {
    "model": text(200),
    "messages": listing,
    "stream": boolean,
    "stream_options": mapping,
    "max_tokens": integer(1, 10_000_000),
    "max_completion_tokens": integer(1, 10_000_000),
    "n": integer(1, MAX_CHOICES),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "stop": text_or_list,
    "tools": listing,
    "response_format": mapping,
    "logit_bias": mapping,
    "metadata": mapping,
    "logprobs": boolean,
    "user": text(512),
}


class Chat(Wire):
    endpoint = "chat/completions"
    protocol = "openai"
    upstream_path = "/chat/completions"
    limit_field = "max_completion_tokens"

    def read(self, value: dict[str, Any]) -> Ask:
        refuse_google(value)
        require(value, CHECKS, ("model", "messages"))
        _check_messages(value["messages"])
        options = value.get("stream_options") or {}
        if (wants := options.get("include_usage")) is not None and not isinstance(wants, bool):
            raise BadRequest("`stream_options.include_usage` must be true or false.", param="stream_options")
        limits = [
            (value[name], name) for name in ("max_completion_tokens", "max_tokens") if value.get(name) is not None
        ]
        most, limit_name = max(limits, default=(None, ""))  # a provider obeys one of the two; hold for the larger
        return Ask(
            model=value["model"],
            stream=bool(value.get("stream")),
            max_output=most,
            limit_name=limit_name,
            n=value.get("n") or 1,
            wants_usage=bool(wants),
        )

    def changes(self, ask: Ask, value: dict[str, Any]) -> dict[str, Any]:
        if ask.stream and not ask.wants_usage:
            return {"stream_options": {**(value.get("stream_options") or {}), "include_usage": True}}
        return {}

    def answer(self, value: Any) -> tuple[Seen, int]:
        if text_of_error := said(value):
            raise BadAnswer("an error with status 200", text_of_error)
        choices = children(value, "choices")
        if not choices:
            raise BadAnswer("no choices")
        watch = ChatWatch()
        for choice in choices:
            watch.count_content(child(choice, "message"))
        watch.count_usage(child(value, "usage"))
        return watch.seen, watch.counted_bytes

    def watch(self, ask: Ask) -> "ChatWatch":
        return ChatWatch(hide_usage=not ask.wants_usage, choices=ask.n)

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        return sse.event(msgspec.json.encode({"error": errors.openai_object(error, request_id)}))


@dataclass(slots=True)
class ChatWatch(StreamWatch):
    hide_usage: bool = False
    choices: int = 1
    _finished: int = 0

    def watch(self, event: Event) -> Act:
        if event.data is None:
            return Act.FORWARD
        if event.data.strip() == b"[DONE]":
            self.complete = True
            return Act.LAST
        chunk = decode(event.data)
        if event.name == b"error" or said(chunk):
            self.said = said(chunk) or "error event"
            return Act.FAIL
        choices = children(chunk, "choices")
        for choice in choices:
            self.count_content(child(choice, "delta"))
            if choice.get("finish_reason"):
                self._finished += 1
                self.complete = self._finished >= self.choices
        usage = child(chunk, "usage")
        self.count_usage(usage)
        if not usage or (choices and not self.complete):
            return Act.FORWARD
        if self.hide_usage:
            return Act.FORWARD if choices else Act.HIDE
        return Act.COST

    def ending(self) -> bytes:
        return DONE

    def count_content(self, message: dict[str, Any]) -> None:
        content = message.get("content")
        if isinstance(content, str):
            self._count_text(content)
        for part in children(message, "content"):
            self._count_text(part.get("text"))
            self.delivered_images += part.get("type") == "image_url"
        for name in ("reasoning_content", "reasoning", "refusal"):
            self.delivered_bytes += length(message.get(name))
        for call in children(message, "tool_calls"):
            function = child(call, "function")
            self.delivered_bytes += length(function.get("name")) + length(function.get("arguments"))
        self.delivered_images += len(children(message, "images"))
        self.delivered_bytes += length(child(message, "audio").get("transcript"))

    def count_usage(self, usage: dict[str, Any]) -> None:
        """Field by field, the latest value: some providers repeat a growing usage in every chunk."""
        prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
        if prompt is not None:
            self.seen.cached = min(prompt, count(child(usage, "prompt_tokens_details").get("cached_tokens")) or 0)
            self.seen.input = prompt - self.seen.cached
        if completion is not None:
            details = child(usage, "completion_tokens_details")
            self.seen.reasoning = min(completion, count(details.get("reasoning_tokens")) or 0)
            self.seen.output = completion - self.seen.reasoning

    @property
    def counted_bytes(self) -> int:
        """What was delivered, pictures at their count in bytes of text."""
        return self.delivered_bytes + self.delivered_images * IMAGE_TOKENS * 4

    def _count_text(self, content: Any) -> None:
        if not isinstance(content, str):
            return
        if "data:image/" in content:
            content, pictures = _INLINE_IMAGE.subn("", content)
            self.delivered_images += pictures
        self.delivered_bytes += length(content)


def _check_messages(messages: list[Any]) -> None:
    if not messages:
        raise BadRequest("`messages` is empty. Send at least one message.", param="messages", code="invalid_field")
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise BadRequest(
                f"`{where}` must be an object with `role` and `content`.", param=where, code="invalid_field"
            )
        if "parts" in message and "content" not in message:
            raise BadRequest(GOOGLE_WORDS, code="google_native_body", param=f"{where}.parts")
        if not isinstance(message.get("role"), str) or not message["role"]:
            raise BadRequest(
                f"`{where}.role` must be a text such as `user`.", param=f"{where}.role", code="invalid_field"
            )
        check_content(message.get("content"), f"{where}.content", may_be_null=True)


def check_content(content: Any, where: str, *, may_be_null: bool = False) -> None:
    """A text, or a list of objects with a `type`."""
    if isinstance(content, str) or (content is None and may_be_null):
        return
    if not isinstance(content, list):
        raise BadRequest(f"`{where}` must be a text or a list of parts.", param=where, code="invalid_field")
    for index, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise BadRequest(
                f"`{where}[{index}]` must be an object with a `type`.", param=f"{where}[{index}]", code="invalid_field"
            )
