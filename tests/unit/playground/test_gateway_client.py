"""What the gateway says, in the shapes that gateways use, and what its failures become."""

import json
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync

from playground import gateway_client
from playground.gateway_client import Counted, Finished, GatewayFailed, Opened, Text
from tests.unit.playground.fake_gateway import FakeGateway

PICTURE = "data:image/png;base64,AAAA"


def said(delta: dict[str, Any]) -> list[Any]:
    return gateway_client._pieces(json.dumps({"choices": [{"delta": delta}]}), "req_1")


def test_models_are_listed_with_what_the_gateway_tells(fake_gateway: FakeGateway) -> None:
    first, *_ = gateway_client.list_models(key="k")
    assert (first.id, first.family, first.max_output_tokens) == ("gpt-test", "openai", 1000)
    assert first.endpoints == ("chat/completions", "responses")
    assert fake_gateway.asked[0].headers["authorization"] == "Bearer k"


def test_a_key_of_another_gateway_goes_before_the_persons(fake_gateway: FakeGateway, settings: Any) -> None:
    settings.GATEWAY_KEY = "theirs"
    gateway_client.list_models(key="ours")
    assert fake_gateway.asked[0].headers["authorization"] == "Bearer theirs"


def test_a_foreign_model_list_needs_only_ids() -> None:
    (model,) = gateway_client._models(b'{"data": [{"id": "x"}, {"object": "model"}]}')
    assert (model.id, model.endpoints, model.family) == ("x", (), "")


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"data": 5}', b'{"data": ["x"]}', b"<html>", b"\xff"])
def test_a_model_list_of_nonsense_is_a_failure(raw: bytes) -> None:
    with pytest.raises(GatewayFailed) as failed:
        gateway_client._models(raw)
    assert failed.value.code == "bad_answer"


def test_an_answer_comes_piece_by_piece(fake_gateway: FakeGateway) -> None:
    async def read() -> list[Any]:
        return [piece async for piece in gateway_client.stream_chat(key="k", body={}, client_request_id="run_1")]

    assert async_to_sync(read)() == [
        Opened("req_fake"),
        Text("Hello"),
        Text(" there"),
        Text("."),
        Counted({"input": 7, "output": 3}),
        Finished("stop"),
    ]


@pytest.mark.parametrize(
    ("delta", "pieces"),
    [
        ({}, []),
        ({"content": None}, []),
        ({"content": "a"}, [Text("a")]),
        ({"reasoning_content": "hm"}, [Text("hm", "reasoning")]),
        ({"reasoning": "hm", "content": "a"}, [Text("hm", "reasoning"), Text("a")]),
        ({"content": [{"type": "text", "text": "a"}]}, [Text("a")]),
        ({"images": [{"image_url": {"url": PICTURE}}]}, [Text(f"\n\n![]({PICTURE})\n\n")]),
        ({"content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}, [Text(f"\n\n![]({PICTURE})\n\n")]),
        ({"content": 5, "images": ["x", {"image_url": None}]}, []),
    ],
)
def test_a_delta_of_any_known_shape_is_understood(delta: dict[str, Any], pieces: list[Text]) -> None:
    assert said(delta) == pieces


def test_token_classes_that_nobody_counted_are_absent() -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 4}, "prompt_tokens_details": None}
    counted = gateway_client._tokens({"prompt_tokens": 1, "completion_tokens": True, **details})
    assert counted == {"input": 1, "reasoning": 4}


def test_a_refusal_was_not_charged_and_names_its_request() -> None:
    raw = b'{"error": {"code": "model_not_found", "message": "No.", "request_id": "req_2"}}'
    failed = gateway_client._refused(404, raw, httpx.Headers())
    assert failed.as_json() == {
        "code": "model_not_found",
        "message": "No.",
        "request_id": "req_2",
        "charged": False,
        "status": 404,
    }


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b'{"error": "text"}', b'{"error": {"message": 5}}'])
def test_a_refusal_of_any_form_has_words(raw: bytes) -> None:
    failed = gateway_client._refused(502, raw, httpx.Headers({"x-request-id": "req_3"}))
    assert failed.message
    assert failed.request_id == "req_3"


@pytest.mark.parametrize(("status", "sent_again"), [(429, "yes"), (503, "yes"), (500, "no"), (504, "no")])
def test_only_work_that_never_began_may_be_sent_again(status: int, sent_again: str) -> None:
    assert gateway_client._refused(status, b"", httpx.Headers()).started is (sent_again == "no")


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (httpx.ConnectError("x"), ("gateway_unreachable", False, False)),
        (httpx.ConnectTimeout("x"), ("gateway_unreachable", False, False)),
        (httpx.ReadTimeout("x"), ("gateway_timeout", None, True)),
        (httpx.RemoteProtocolError("x"), ("stream_cut", None, True)),
    ],
)
def test_a_broken_line_says_what_is_known(error: httpx.HTTPError, known: tuple[str, bool | None, bool]) -> None:
    failed = gateway_client._unreachable(error)
    assert (failed.code, failed.charged, failed.started) == known
