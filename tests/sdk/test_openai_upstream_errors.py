"""What the `openai` package raises when a provider fails: a scripted one stands behind the gateway."""

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests import provider as scripts
from tests.provider import Provider


def ask(gpt: OpenAI, marker: str, *, stream: bool = False) -> Any:
    messages: Any = [{"role": "user", "content": marker}]
    return gpt.chat.completions.create(model="scripted-gpt", messages=messages, stream=stream)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, openai.RateLimitError),
        (400, openai.BadRequestError),
        (422, openai.UnprocessableEntityError),
        (500, openai.InternalServerError),
        (401, openai.InternalServerError),
    ],
)
def test_a_status_becomes_its_exception(
    gpt: OpenAI, upstream: Provider, status: int, error: type[openai.APIStatusError]
) -> None:
    marker = upstream.script(status=status, body=b'{"error": {"message": "no"}}', headers={"Retry-After": "3"})
    with pytest.raises(error) as refused:
        ask(gpt, marker)
    assert "Nothing was charged." in refused.value.message
    assert (refused.value.response.headers.get("retry-after") == "3") is (status == 429)


def test_an_error_in_the_middle_of_a_stream_is_raised_after_what_was_delivered(gpt: OpenAI, upstream: Provider) -> None:
    marker = upstream.script(events=list(scripts.chat_events())[:3], ending="reset", gap_s=0.02)
    text: list[str] = []

    def read() -> None:
        for chunk in ask(gpt, marker, stream=True):
            text.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 what came before the error must stay

    with pytest.raises(openai.APIError, match="What was delivered is charged"):
        read()
    assert "".join(text) == "Hello from"
