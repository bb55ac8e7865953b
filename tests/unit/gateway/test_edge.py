"""The edge without a server: what a scope may look like, and what needs no database."""

import asyncio
import json
from typing import Any

import pytest

from gateway.asgi import Gateway
from gateway.edge import Request
from gateway.errors import Shape

Sent = list[dict[str, Any]]


def scope(method: str = "GET", path: str = "/v1/models", headers: dict[str, str] | None = None) -> dict[str, Any]:
    fields = {"host": "localhost", **(headers or {})}
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
    }


def ask(gateway: Gateway, of: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
    sent: Sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gateway(of, receive, send))
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], head, json.loads(sent[1]["body"])


def test_a_key_whose_checksum_fails_costs_no_query() -> None:
    """No database fixture: a query would raise."""
    wrong = "qy_" + "a" * 12 + "_" + "b" * 33
    for headers in ({"authorization": f"Bearer {wrong}"}, {"x-api-key": wrong}, {}):
        status, head, body = ask(Gateway(), scope(headers=headers))
        assert status == 401
        assert head["www-authenticate"] == "Bearer"
        assert body["error"]["type"] == "authentication_error"


def test_a_draining_gateway_sends_new_requests_elsewhere() -> None:
    gateway = Gateway()
    gateway.draining = True
    status, head, body = ask(gateway, scope())
    assert (status, head["connection"], head["retry-after"]) == (503, "close", "1")
    assert body["error"]["code"] == "draining"


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/v1/models", {}, Shape.OPENAI),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, Shape.ANTHROPIC),
        ("/v1/messages", {}, Shape.ANTHROPIC),
        ("/v1/messages/batches", {}, Shape.ANTHROPIC),
        ("/v1/chat/completions", {"x-api-key": "x"}, Shape.OPENAI),
    ],
)
def test_the_shape_follows_the_path_and_the_version_header(path: str, headers: dict[str, str], shape: Shape) -> None:
    async def nothing(*_: Any) -> Any: ...

    assert Request(scope(path=path, headers=headers), nothing, nothing).shape is shape


def test_every_answer_is_private_and_typed() -> None:
    _, head, _ = ask(Gateway(), scope(path="/v1/nothing"))
    assert head["cache-control"] == "no-store"
    assert head["x-content-type-options"] == "nosniff"
    assert head["content-type"] == "application/json"


def test_a_bug_is_a_500_in_shape_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("gateway.asgi.Gateway._handler", broken)
    status, _, body = ask(Gateway(), scope())
    assert status == 500
    assert "secret" not in json.dumps(body)
    assert body["error"]["code"] == "internal_error"
