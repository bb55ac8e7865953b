"""POST /v1/images/generations: pictures, paid per picture delivered."""

from typing import Any

import msgspec

from gateway import errors
from gateway.errors import BadRequest, GatewayError
from gateway.protocols import sse
from gateway.protocols.body import Check, boolean, integer, one_of, refuse_google, require, text
from gateway.protocols.wire import Ask, BadAnswer, Seen, Wire, children, said

MAX_IMAGES = 10
SIZES = ("1024x1024", "1536x1024", "1024x1536")
QUALITIES = ("low", "medium", "high")
DEFAULT_SIZE, DEFAULT_QUALITY = "1024x1024", "medium"
CHECKS: dict[str, Check] = {
    "model": text(200),
    "prompt": text(32_000),
    "n": integer(1, MAX_IMAGES),
    "size": one_of("auto", *SIZES),
    "quality": one_of("auto", *QUALITIES),
    "response_format": one_of("b64_json", "url"),
    "output_format": one_of("png", "jpeg", "webp"),
    "output_compression": integer(0, 100),
    "background": one_of("auto", "transparent", "opaque"),
    "stream": boolean,
    "user": text(512),
}


class Images(Wire):
    endpoint = "images/generations"
    protocol = "openai"
    upstream_path = "/images/generations"

    def read(self, value: dict[str, Any]) -> Ask:
        refuse_google(value)
        require(value, CHECKS, ("model", "prompt"))
        if value.get("response_format") == "url":
            raise BadRequest(
                "Images come as `data[].b64_json`; URLs are not offered. Leave `response_format` out.",
                param="response_format",
            )
        if value.get("stream"):
            raise BadRequest("Images are not streamed. Leave `stream` out.", param="stream")
        return Ask(model=value["model"], n=value.get("n") or 1, image_class=_class(value))

    def changes(self, ask: Ask, value: dict[str, Any]) -> dict[str, Any]:
        """Size and quality go upstream in full, so that what is made is what was held for."""
        size, _, quality = ask.image_class.partition("/")
        chosen = {"size": size, "quality": quality}
        return {name: choice for name, choice in chosen.items() if value.get(name) != choice}

    def answer(self, value: Any) -> tuple[Seen, int]:
        if text_of_error := said(value):
            raise BadAnswer("an error with status 200", text_of_error)
        pictures = [
            item for item in children(value, "data") if isinstance(item.get("b64_json"), str) and item["b64_json"]
        ]
        if not pictures:
            raise BadAnswer("no pictures")
        return Seen(images=len(pictures)), 0

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        return sse.event(msgspec.json.encode({"error": errors.openai_object(error, request_id)}))


def _class(value: dict[str, Any]) -> str:
    size, quality = value.get("size"), value.get("quality")
    return "/".join(
        (
            DEFAULT_SIZE if size in (None, "auto") else size,
            DEFAULT_QUALITY if quality in (None, "auto") else quality,
        )
    )
