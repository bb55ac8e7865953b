"""The demo provider: honest, deterministic, and only for its own channels."""

import asyncio
import io
import json
from typing import Any

import pytest
from PIL import Image

from gateway import demo
from gateway.demo import pictures, words
from gateway.demo.asgi import application


def call(path: str, body: object, key: str | None = None) -> tuple[int, Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {demo.key() if key is None else key}".encode())]
    scope = {"type": "http", "method": "POST", "path": f"/demo-provider{path}", "headers": headers}
    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.mark.parametrize(
    "prompt", ["What is it?", "", "Say hello", "a\n\n  b\t", "你好，世界？", "x" * 5000, "` ``` `"]
)
def test_it_says_what_it_is_and_streams_what_it_says(prompt: str) -> None:
    text = words.answer("gpt-5.5", prompt)
    assert "demo provider" in text or "演示服务商" in text
    assert "".join(words.pieces(text)) == text
    assert "\n- " in text
    assert "```python" in text
    assert words.answer("gpt-5.5", prompt) == text


def test_it_answers_in_the_language_of_the_prompt() -> None:
    assert "没有任何模型" in words.answer("gpt-5.5", "你好")


def test_without_its_key_it_says_nothing() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    for key in ("", "demo-wrong", demo.key() + "x"):
        assert call("/v1/chat/completions", body, key)[0] == 401
    assert call("/v1/chat/completions", body)[0] == 200


def test_its_key_depends_on_the_installation(settings: Any) -> None:
    before = demo.key()
    settings.SECRET_KEY = "another"
    assert demo.key() != before


@pytest.mark.parametrize("body", [[], "x", 5, None])
def test_a_body_that_is_no_object_is_a_400(body: object) -> None:
    assert call("/v1/chat/completions", body)[0] == 400


def test_an_unknown_path_is_a_404() -> None:
    assert call("/v1/embeddings", {})[0] == 404


@pytest.mark.parametrize("size", ["9x9", "5000x5000", "axb", "1024", "1024x1024x3"])
def test_a_size_that_makes_no_sense_is_a_400(size: str) -> None:
    assert call("/v1/images/generations", {"prompt": "x", "size": size})[0] == 400


@pytest.mark.parametrize("prompt", ["A fox", "", "狐狸", "\u200b\u0000", "word " * 500])
def test_a_picture_has_the_size_that_was_asked_for_and_is_always_the_same(prompt: str) -> None:
    first = pictures.draw(prompt, (320, 200))
    assert Image.open(io.BytesIO(first)).size == (320, 200)
    assert pictures.draw(prompt, (320, 200)) == first
    assert pictures.draw(prompt, (320, 200), 1) != first


def test_a_limit_cuts_the_answer_and_says_so() -> None:
    _, body = call(
        "/v1/chat/completions", {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    )
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] <= 5
