"""The official `anthropic` package, unmodified, against a running server and the demo provider behind it."""

import asyncio
from decimal import Decimal
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from tests import gateway_world as world
from tests import provider as scripts
from tests.live_gateway import LiveGateway
from tests.provider import Provider

# The package warns about models that their maker will retire; which models we sell is not its business.
pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
HELLO: Any = [{"role": "user", "content": "What is the capital of France?"}]
MODELS = ["claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-4-6", "claude-opus-4-6-thinking", "claude-opus-4-7"]


def rows(server: LiveGateway, ada: dict[str, Any]) -> list[dict[str, Any]]:
    return server.call(world.usage_of, ada["user"])


@pytest.mark.parametrize("model", MODELS)
def test_messages(claude: Anthropic, server: LiveGateway, ada: dict[str, Any], model: str) -> None:
    answer = claude.messages.create(model=model, max_tokens=1000, messages=HELLO)
    block = answer.content[0]
    assert block.type == "text"
    assert "demo provider" in block.text
    assert answer.stop_reason == "end_turn"
    row = rows(server, ada)[0]
    assert (row["endpoint"], row["source"]) == ("messages", "upstream")
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.input_tokens, answer.usage.output_tokens)
    assert answer._request_id
    assert answer._request_id.startswith("req_")


def test_messages_stream(claude: Anthropic, server: LiveGateway, ada: dict[str, Any]) -> None:
    with claude.messages.stream(model="claude-sonnet-4-5", max_tokens=1000, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "capital of France" in text
    assert final.usage.output_tokens == rows(server, ada)[0]["output_tokens"]
    kinds = [
        event.type
        for event in claude.messages.create(model="claude-sonnet-4-5", max_tokens=20, messages=HELLO, stream=True)
    ]
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"


def test_every_answer_says_what_it_cost_in_a_field_that_the_package_leaves_readable(
    claude: Anthropic, server: LiveGateway, ada: dict[str, Any]
) -> None:
    question: Any = {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": HELLO}
    usages: list[Any] = [claude.messages.create(**question).usage]
    usages += [
        event.usage for event in claude.messages.create(**question, stream=True) if event.type == "message_delta"
    ]
    with claude.messages.stream(**question) as stream:
        usages += [event.usage for event in stream if event.type == "message_delta"]
    said = [Decimal(usage.model_extra["cost"]) for usage in usages]
    assert said == [Decimal(row["charge_nano"]) / 10**9 for row in rows(server, ada)]
    assert len(said) == 3
    assert all(said)


def test_messages_async(server: LiveGateway, ada: dict[str, Any]) -> None:
    async def run() -> str:
        async with anthropic.AsyncAnthropic(base_url=server.url, api_key=ada["key"]) as client:
            answer = await client.messages.create(model="claude-opus-4-7", max_tokens=500, messages=HELLO)
            return str(answer.content[0].model_dump()["text"])

    assert "demo provider" in asyncio.run(run())


def test_a_bearer_token_works_as_well(server: LiveGateway, ada: dict[str, Any]) -> None:
    with Anthropic(base_url=server.url, auth_token=ada["key"], api_key=None, max_retries=0) as client:
        assert client.messages.create(model="claude-sonnet-4-5", max_tokens=50, messages=HELLO).content


def test_models(claude: Anthropic) -> None:
    names = [model.id for model in claude.models.list()]
    assert set(MODELS) <= set(names)
    assert claude.models.retrieve("claude-sonnet-4-5").type == "model"
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("claude-9")


# --- errors ----------------------------------------------------------------------------------------------------------
def test_a_wrong_key_is_an_authentication_error(server: LiveGateway) -> None:
    with Anthropic(base_url=server.url, api_key="sk-ant-wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError) as refused:
            client.messages.create(model="claude-sonnet-4-5", max_tokens=10, messages=HELLO)
        body: Any = refused.value.body
        assert body["error"]["type"] == "authentication_error"


def test_an_unknown_model_is_a_not_found_error(claude: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="GET /v1/models"):
        claude.messages.create(model="claude-9", max_tokens=10, messages=HELLO)


def test_a_wrong_field_is_a_bad_request_error(claude: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="`max_tokens` must be a whole number"):
        claude.messages.create(model="claude-sonnet-4-5", max_tokens=0, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError, match="not served on /v1/messages"):
        claude.messages.create(model="gpt-5.4-mini", max_tokens=10, messages=HELLO)


def test_without_credit_it_is_an_api_status_error_402(server: LiveGateway) -> None:
    broke = server.call(world.new_person, "0")
    with Anthropic(base_url=server.url, api_key=broke["key"], max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError, match="credit") as refused:
            client.messages.create(model="claude-sonnet-4-5", max_tokens=10, messages=HELLO)
        assert refused.value.status_code == 402


def test_what_is_not_offered_is_a_not_found_error_with_words(claude: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="batches and token counts are not"):
        claude.messages.count_tokens(model="claude-sonnet-4-5", messages=HELLO)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, anthropic.RateLimitError),
        (400, anthropic.BadRequestError),
        (529, anthropic.InternalServerError),
        (500, anthropic.InternalServerError),
    ],
)
def test_a_providers_failure_becomes_its_exception(
    claude: Anthropic, upstream: Provider, status: int, error: type[anthropic.APIStatusError]
) -> None:
    marker = upstream.script(status=status, body=b'{"type": "error", "error": {"type": "x", "message": "no"}}')
    prompt: Any = [{"role": "user", "content": marker}]
    with pytest.raises(error, match="Nothing was charged"):
        claude.messages.create(model="scripted-claude", max_tokens=10, messages=prompt)


def test_an_error_in_the_middle_of_a_stream_is_raised_after_what_was_delivered(
    claude: Anthropic, upstream: Provider
) -> None:
    marker = upstream.script(events=list(scripts.messages_events())[:4], ending="reset", gap_s=0.02)
    prompt: Any = [{"role": "user", "content": marker}]
    text: list[str] = []

    def read() -> None:
        for event in claude.messages.create(model="scripted-claude", max_tokens=500, messages=prompt, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text.append(event.delta.text)  # noqa: PERF401 what came before the error must stay

    with pytest.raises(anthropic.APIStatusError, match="What was delivered is charged"):
        read()
    assert "".join(text) == "Hello from"
