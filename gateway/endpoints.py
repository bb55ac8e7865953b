"""What is behind each path of `/v1`, by the path exactly as it was sent; and words for what is not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from gateway.auth import Keyring
from gateway.edge import Request
from gateway.errors import ModelNotFound, NotOffered, Shape, WrongMethod
from gateway.protocols.anthropic_messages import Messages
from gateway.protocols.body import GOOGLE_WORDS
from gateway.protocols.openai_chat import Chat
from gateway.protocols.openai_images import Images
from gateway.protocols.openai_responses import Responses
from gateway.protocols.wire import Wire
from gateway.relay import Relay
from gateway.routing import Routing, listed, listed_natively, printable

MODELS = b"/v1/models"
_OFFERED = (
    "Offered are GET /v1/models, POST /v1/chat/completions, /v1/responses, /v1/messages and /v1/images/generations; "
    "see /docs/."
)
_WIRES: dict[bytes, Wire] = {
    f"/v1/{wire.endpoint}".encode(): wire for wire in (Chat(), Responses(), Messages(), Images())
}
_NOT_OFFERED: dict[bytes, tuple[str, str]] = {
    b"/v1/embeddings": (
        "no_embedding_channel",
        "There is no active embedding channel, so /v1/embeddings is not served.",
    ),
    b"/v1/completions": ("not_offered", "The legacy completions API is not offered. Use POST /v1/chat/completions."),
    b"/v1/images": ("not_offered", "Of images only POST /v1/images/generations is offered."),
    b"/v1/messages": (
        "not_offered",
        "Of messages only POST /v1/messages is offered; batches and token counts are not.",
    ),
    b"/v1/responses": ("not_offered", "Answers are not stored: only POST /v1/responses is offered."),
    b"/v1/chat": ("not_offered", "Answers are not stored: only POST /v1/chat/completions is offered."),
    **{
        f"/v1/{name}".encode(): ("not_offered", f"{words} not offered. {_OFFERED}")
        for name, words in {
            "audio": "Audio is",
            "files": "Files are",
            "uploads": "Uploads are",
            "assistants": "Assistants are",
            "threads": "Assistants and threads are",
            "fine_tuning": "Fine-tuning is",
            "batches": "Batches are",
            "moderations": "Moderation is",
            "vector_stores": "Vector stores are",
            "realtime": "The realtime API is",
            "videos": "Video is",
            "complete": "The legacy text completions API is",
        }.items()
    },
}

Handler = Callable[[Request], Awaitable[None]]


@dataclass(frozen=True)
class Endpoints:
    keyring: Keyring
    routing: Routing
    relay: Relay

    def find(self, request: Request) -> Handler:
        """What answers this request. Raises WrongMethod or NotOffered; neither needs a key."""
        path, method = request.path, request.method
        if wire := _WIRES.get(path):
            _only(method, "POST", path)
            return lambda request: self.relay.serve(request, wire)
        if path == MODELS:
            _only(method, "GET", path)
            return self.list_models
        if path.startswith(MODELS + b"/") and len(path) > len(MODELS) + 1:
            if path.endswith((b":generateContent", b":streamGenerateContent", b":countTokens", b":embedContent")):
                raise NotOffered(GOOGLE_WORDS, code="google_native_body")
            _only(method, "GET", path)
            return self.retrieve_model
        raise _not_offered(path)

    async def list_models(self, request: Request) -> None:
        await self.keyring.caller(request)
        cards = (await self.routing.picture()).callable_models()
        if request.shape is Shape.ANTHROPIC:
            data = [listed_natively(card) for card in cards]
            ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
            return await request.answer(200, msgspec.json.encode({"data": data, "has_more": False, **ends}))
        body = {"object": "list", "data": [listed(card) for card in cards]}
        return await request.answer(200, msgspec.json.encode(body))

    async def retrieve_model(self, request: Request) -> None:
        await self.keyring.caller(request)
        name = request.path[len(MODELS) + 1 :].decode("latin-1")
        card = next((card for card in (await self.routing.picture()).callable_models() if card.name == name), None)
        if card is None:
            words = f"There is no model `{printable(name)}`. GET /v1/models lists every model you can call now."
            raise ModelNotFound(words, param="model")
        shown = listed_natively(card) if request.shape is Shape.ANTHROPIC else listed(card)
        await request.answer(200, msgspec.json.encode(shown))


def _only(method: str, allowed: str, path: bytes) -> None:
    if method != allowed:
        raise WrongMethod(f"{path.decode('latin-1')} takes {allowed}, not {printable(method)}.", allow=allowed)


def _not_offered(path: bytes) -> NotOffered:
    parent = b"/".join(path.split(b"/")[:3])
    if found := _NOT_OFFERED.get(parent):
        return NotOffered(found[1], code=found[0])
    if path.endswith(b"/") or b"//" in path:
        return NotOffered(
            f"Nothing is served at this exact path: no trailing or double slashes. {_OFFERED}", code="unknown_path"
        )
    return NotOffered(f"Nothing is served at {printable(path.decode('latin-1'))}. {_OFFERED}", code="unknown_path")
