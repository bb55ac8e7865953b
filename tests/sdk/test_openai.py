"""The official `openai` package, unmodified, against a running server and the demo provider behind it."""

import asyncio
import base64
import io
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from PIL import Image

from tests import gateway_world as world
from tests.live_gateway import LiveGateway

HELLO: Any = [{"role": "user", "content": "What is the capital of France?"}]
TEXT_MODELS = ["gpt-5.4-mini", "gpt-5.3-codex", "claude-sonnet-4-5", "gemini-2.5-pro", "gpt-oss-120b-medium"]


def rows(server: LiveGateway, ada: dict[str, Any]) -> list[dict[str, Any]]:
    return server.call(world.usage_of, ada["user"])


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_chat(gpt: OpenAI, server: LiveGateway, ada: dict[str, Any], model: str) -> None:
    answer = gpt.chat.completions.create(model=model, messages=HELLO)
    text = answer.choices[0].message.content or ""
    assert "demo provider" in text
    assert "What is the capital of France?" in text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    row = rows(server, ada)[0]
    assert (row["model"], row["source"], row["status"]) == (model, "upstream", "ok")
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert row["charge_nano"] > 0
    assert answer._request_id
    assert answer._request_id.startswith("req_")


def test_chat_stream_with_and_without_usage(gpt: OpenAI, server: LiveGateway, ada: dict[str, Any]) -> None:
    whole = gpt.chat.completions.create(model="gpt-5.4-mini", messages=HELLO).choices[0].message.content
    chunks = list(gpt.chat.completions.create(model="gpt-5.4-mini", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert len(chunks) > 20
    assert all(chunk.usage is None for chunk in chunks)
    options: Any = {"include_usage": True}
    chunks = list(
        gpt.chat.completions.create(model="gpt-5.4-mini", messages=HELLO, stream=True, stream_options=options)
    )
    assert [chunk.usage is not None for chunk in chunks].count(True) == 1
    assert chunks[-1].choices == []
    assert len({row["charge_nano"] for row in rows(server, ada)}) == 1  # the same answer, the same price, three ways


def test_chat_async(server: LiveGateway, ada: dict[str, Any]) -> None:
    async def run() -> str:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=ada["key"]) as client:
            stream = await client.chat.completions.create(model="gemini-3-flash", messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert "demo provider" in asyncio.run(run())


def test_a_limit_is_obeyed_and_costs_accordingly(gpt: OpenAI, server: LiveGateway, ada: dict[str, Any]) -> None:
    answer = gpt.chat.completions.create(model="gpt-5.4-mini", messages=HELLO, max_tokens=10)
    assert answer.choices[0].finish_reason == "length"
    assert rows(server, ada)[0]["output_tokens"] <= 10


def test_responses(gpt: OpenAI, server: LiveGateway, ada: dict[str, Any]) -> None:
    answer = gpt.responses.create(model="gpt-5.4", input="Say hello")
    assert answer.status == "completed"
    assert answer.output_text.startswith("hello")
    assert answer.usage is not None
    row = rows(server, ada)[0]
    assert (row["endpoint"], row["output_tokens"]) == ("responses", answer.usage.output_tokens)


def test_responses_stream(gpt: OpenAI, server: LiveGateway, ada: dict[str, Any]) -> None:
    text, kinds = "", []
    for event in gpt.responses.create(model="gpt-5.4-mini", input=HELLO, stream=True):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
        if event.type == "response.completed":
            assert event.response.output_text == text
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "capital of France" in text
    assert rows(server, ada)[0]["source"] == "upstream"
    with gpt.responses.stream(model="gpt-5.4-mini", input="Hello") as stream:
        assert "demo provider" in stream.get_final_response().output_text


@pytest.mark.parametrize(("size", "pixels"), [("1024x1024", (1024, 1024)), ("1536x1024", (1536, 1024))])
def test_images(gpt: OpenAI, server: LiveGateway, ada: dict[str, Any], size: Any, pixels: tuple[int, int]) -> None:
    answer = gpt.images.generate(model="gpt-image-2", prompt="A lighthouse above a quiet harbour", size=size, n=2)
    assert answer.data is not None
    pictures = [Image.open(io.BytesIO(base64.b64decode(item.b64_json or ""))) for item in answer.data]
    assert [(picture.format, picture.size) for picture in pictures] == [("PNG", pixels)] * 2
    assert pictures[0].tobytes() != pictures[1].tobytes()
    row = rows(server, ada)[0]
    assert (row["images"], row["image_class"]) == (2, f"{size}/medium")


def test_the_image_model_of_chat(gpt: OpenAI, server: LiveGateway, ada: dict[str, Any]) -> None:
    prompt: Any = [{"role": "user", "content": "A red fox in the snow"}]
    answer = gpt.chat.completions.create(model="gemini-3.1-flash-image", messages=prompt)
    extra = answer.choices[0].message.model_extra or {}
    kind, _, data = extra["images"][0]["image_url"]["url"].partition(";base64,")
    assert kind == "data:image/png"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (1024, 1024)
    assert rows(server, ada)[0]["output_tokens"] > 1290


def test_models(gpt: OpenAI) -> None:
    models = {model.id: model for model in gpt.models.list()}
    assert len(models) == 27 + 2  # the catalogue and two scripted ones
    assert gpt.models.retrieve("gpt-5.4-mini") == models["gpt-5.4-mini"]
    assert models["gpt-5.4-mini"].owned_by == "openai"


# --- errors ----------------------------------------------------------------------------------------------------------
def test_a_wrong_key_is_an_authentication_error(server: LiveGateway) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.models.list()
        assert refused.value.code == "invalid_api_key"
        assert refused.value.type == "authentication_error"


def test_an_unknown_model_is_a_not_found_error(gpt: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="GET /v1/models") as refused:
        gpt.chat.completions.create(model="gpt-99", messages=HELLO)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        gpt.models.retrieve("gpt-99")


def test_a_wrong_field_is_a_bad_request_error(gpt: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(model="gpt-5.4-mini", messages=[])
    assert refused.value.param == "messages"
    with pytest.raises(openai.BadRequestError, match="not served on /v1/images/generations"):
        gpt.images.generate(model="gpt-5.4-mini", prompt="A fox")
    with pytest.raises(openai.BadRequestError, match="`api_base` is not accepted"):
        gpt.responses.create(model="gpt-5.4-mini", input="x", extra_body={"api_base": "http://127.0.0.1:1"})


def test_without_credit_it_is_an_api_status_error_402(server: LiveGateway) -> None:
    broke = server.call(world.new_person, "0")
    with OpenAI(base_url=f"{server.url}/v1", api_key=broke["key"], max_retries=0) as client:
        with pytest.raises(openai.APIStatusError, match="/billing/") as refused:
            client.chat.completions.create(model="gpt-5.4-mini", messages=HELLO)
        assert (refused.value.status_code, refused.value.code) == (402, "insufficient_credit")


def test_what_is_not_offered_is_a_not_found_error_with_words(gpt: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no active embedding channel"):
        gpt.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(openai.NotFoundError, match="Audio is not offered"):
        gpt.audio.speech.create(model="tts-1", input="x", voice="alloy")
    with pytest.raises(openai.NotFoundError, match="Files are not offered"):
        gpt.files.list()
    with pytest.raises(openai.NotFoundError, match="Moderation is not offered"):
        gpt.moderations.create(input="x")


def test_a_body_that_is_too_large_is_an_api_status_error_413(gpt: OpenAI) -> None:
    huge: Any = [{"role": "user", "content": "x" * (33 * 1024 * 1024)}]
    with pytest.raises(openai.APIStatusError) as refused:
        gpt.chat.completions.create(model="gpt-5.4-mini", messages=huge)
    assert refused.value.status_code == 413


def test_a_channel_that_is_down_is_not_noticed(gpt: OpenAI) -> None:
    assert gpt.chat.completions.create(model="gpt-5.2", messages=HELLO).choices


def test_every_answer_says_what_it_cost_in_a_field_that_the_package_leaves_readable(
    gpt: OpenAI, server: LiveGateway, ada: dict[str, Any]
) -> None:
    raw = gpt.chat.completions.with_raw_response.create(model="gpt-5.4-mini", messages=HELLO)
    options: Any = {"include_usage": True}
    chunks = list(
        gpt.chat.completions.create(model="gpt-5.4-mini", messages=HELLO, stream=True, stream_options=options)
    )
    events = list(gpt.responses.create(model="gpt-5.4-mini", input="Hello", stream=True))
    with gpt.responses.stream(model="gpt-5.4-mini", input="Hello") as stream:
        followed = stream.get_final_response()
    usages: list[Any] = [
        raw.parse().usage,
        chunks[-1].usage,
        gpt.responses.create(model="gpt-5.4-mini", input="Hello").usage,
        events[-1].response.usage,  # type: ignore[union-attr]  # response.completed
        followed.usage,
        gpt.images.generate(model="gpt-image-2", prompt="A fox").usage,
    ]
    said = [Decimal(usage.model_extra["cost"]) for usage in usages]
    charged = [Decimal(row["charge_nano"]) / 10**9 for row in rows(server, ada)]
    assert sorted(said) == sorted(charged)
    assert all(said)
    assert raw.headers["x-qyuan-cost"] == usages[0].model_extra["cost"]


def test_curl_as_the_documentation_shows_it(server: LiveGateway, ada: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {ada['key']}", "Content-Type": "application/json"}
    body = b'{"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "Hello"}]}'
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=body, headers=headers, trust_env=False)
    assert answer.status_code == 200
