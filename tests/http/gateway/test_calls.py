"""The good path of every endpoint: the answer, the row that explains it, the money."""

import json
from typing import Any

import httpx
import pytest

from tests import gateway_world as world
from tests.http.gateway.conftest import Person, person
from tests.live_gateway import LiveGateway
from tests.provider import TEXT, Provider

CREDIT = 5_000_000_000
CHAT = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "Hello"}]}
CALLS: dict[str, tuple[str, dict[str, Any], int, dict[str, int]]] = {
    # path, body, charge in nano by the catalogue's prices, tokens
    "chat": ("/v1/chat/completions", CHAT, 560_000, {"input": 600, "cached": 400, "output": 150, "reasoning": 50}),
    "responses": (
        "/v1/responses",
        {"model": "gpt-5.4-mini", "input": "Hello"},
        560_000,
        {"input": 600, "cached": 400, "output": 150, "reasoning": 50},
    ),
    "messages": (
        "/v1/messages",
        {"model": "claude-sonnet-4-5", "max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}]},
        5_265_000,
        {"input": 600, "cached": 300, "cache_write": 100, "output": 200},
    ),
}


def text_of(name: str, body: Any) -> str:
    if name == "chat":
        return str(body["choices"][0]["message"]["content"])
    return str((body["output"][0] if name == "responses" else body)["content"][0]["text"])


def deltas_of(stream: str) -> str:
    """The text in all deltas of any of the three shapes."""
    text = ""
    for line in stream.splitlines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line[6:])
        for choice in event.get("choices", []):
            text += choice["delta"].get("content", "")
        delta = event.get("delta")
        text += delta if isinstance(delta, str) else (delta or {}).get("text", "")
    return text


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_answered_charged_and_explained(ada: Person, upstream: Provider, *, name: str, stream: bool) -> None:
    path, body, charge, tokens = CALLS[name]
    marker = upstream.script()
    sent = json.loads(json.dumps(body).replace("Hello", f"Hello {marker}")) | ({"stream": True} if stream else {})
    answer = ada.post(path, sent, headers={"Idempotency-Key": "my-own-id"})

    assert answer.status_code == 200, answer.text
    if stream:
        assert deltas_of(answer.text) == TEXT
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"
        last = {"chat": "data: [DONE]", "responses": "response.completed", "messages": "message_stop"}[name]
        assert last in answer.text.strip().split("\n\n")[-1]
    else:
        assert text_of(name, answer.json()) == TEXT
        assert answer.headers["x-qyuan-cost"] == {560_000: "0.00056", 5_265_000: "0.005265"}[charge]

    row = ada.rows[0]
    assert answer.headers["x-request-id"].startswith("req_")
    assert (
        row
        | {
            "user": ada.user,
            "key": ada.key_id,
            "model": body["model"],
            "endpoint": path.removeprefix("/v1/"),
            "channel": "claude" if name == "messages" else "main",
            "stream": stream,
            "status": "ok",
            "http_status": 200,
            "source": "upstream",
            "client_request_id": "my-own-id",
            "charge_nano": charge,
            "uncollected_nano": 0,
            "error_code": "",
            **{f"{kind}_tokens": number for kind, number in tokens.items()},
        }
        == row
    )
    assert row["held_nano"] >= charge
    assert row["first_byte_ms"] is not None
    assert ada.money == {"spendable": CREDIT - charge, "held": 0, "open": 0}
    assert upstream.calls(marker)[0].headers["x-request-id"] == answer.headers["x-request-id"]


def test_images_are_charged_by_the_picture(ada: Person, upstream: Provider) -> None:
    marker = upstream.script()
    body = {"model": "gpt-image-2", "prompt": f"A fox {marker}", "n": 2, "size": "1536x1024", "quality": "high"}
    answer = ada.post("/v1/images/generations", body)
    assert [item["b64_json"] for item in answer.json()["data"]] == ["aGVsbG8=", "aGVsbG8="]
    assert answer.headers["x-qyuan-cost"] == "0.50"
    row = ada.rows[0]
    assert (row["images"], row["image_class"], row["charge_nano"]) == (2, "1536x1024/high", 500_000_000)
    assert ada.money["spendable"] == CREDIT - 500_000_000


def test_fewer_pictures_than_asked_for_cost_less(ada: Person, upstream: Provider) -> None:
    marker = upstream.script(body=json.dumps({"created": 1, "data": [{"b64_json": "aGVsbG8="}]}).encode())
    answer = ada.post("/v1/images/generations", {"model": "gpt-image-2", "prompt": f"x {marker}", "n": 3})
    assert answer.status_code == 200
    assert (ada.rows[0]["images"], ada.rows[0]["charge_nano"]) == (1, 42_000_000)
    assert upstream.calls(marker)[0].body["quality"] == "medium"  # what was held for is what was asked for


def test_the_image_model_of_the_chat_endpoint_works_there(ada: Person, upstream: Provider) -> None:
    marker = upstream.script()
    body = CHAT | {"model": "gemini-3.1-flash-image", "messages": [{"role": "user", "content": marker}]}
    assert ada.post("/v1/chat/completions", body).status_code == 200
    wrong = ada.post("/v1/images/generations", {"model": "gemini-3.1-flash-image", "prompt": "A fox"})
    assert wrong.status_code == 400
    assert "Call it on POST /v1/chat/completions" in wrong.json()["error"]["message"]


def test_claude_answers_on_chat_too_through_a_channel_of_that_protocol(ada: Person, upstream: Provider) -> None:
    answer = ada.post("/v1/chat/completions", CHAT | {"model": "claude-sonnet-4-5"})
    assert answer.status_code == 200
    assert (ada.rows[0]["channel"], ada.rows[0]["model"]) == ("main", "claude-sonnet-4-5")


@pytest.mark.parametrize("name", CALLS)
def test_either_header_authenticates_on_every_endpoint(ada: Person, name: str) -> None:
    path, body, _, _ = CALLS[name]
    for headers in ({"x-api-key": ada.key}, {"Authorization": f"bearer  {ada.key}"}):
        assert httpx.post(ada.live.url + path, json=body, headers=headers, trust_env=False).status_code == 200
    assert httpx.get(f"{ada.live.url}/v1/models", headers={"x-api-key": ada.key}, trust_env=False).status_code == 200


def test_the_body_travels_as_it_came_with_our_key_and_nothing_of_the_callers_head(
    ada: Person, upstream: Provider
) -> None:
    marker = upstream.script()
    raw = b'{"model":"gpt-5.4-mini","messages":[{"role":"user","content":"%s \\u00e9"}], "new_thing": {"x": [1, 2.50]}}'
    headers = {
        "Content-Type": "application/json",
        "Cookie": "session=1",
        "X-Forwarded-For": "9.9.9.9",
        "OpenAI-Organization": "o",
    }
    ada.client.post("/v1/chat/completions", content=raw % marker.encode(), headers=headers)
    seen = upstream.calls(marker)[0]
    assert seen.raw == (raw % marker.encode()).replace(b'}], "new_thing": ', b'}],"new_thing":')
    assert set(seen.headers) == {
        "host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "x-request-id",
        "authorization",
    }  # fmt: skip
    assert seen.headers["authorization"] == "Bearer sk-upstream-main-secret"
    assert ada.key not in str(seen.headers)


def test_a_renamed_model_is_billed_under_our_name(ada: Person, upstream: Provider) -> None:
    marker = upstream.script()
    ada.post("/v1/chat/completions", CHAT | {"model": "gpt-5.4", "messages": [{"role": "user", "content": marker}]})
    assert upstream.calls(marker)[0].body["model"] == "their-gpt"
    assert ada.rows[0]["model"] == "gpt-5.4"


def test_anthropic_headers_travel_and_a_version_is_always_there(ada: Person, upstream: Provider) -> None:
    path, body, _, _ = CALLS["messages"]
    for sent, expected in (
        ({}, "2023-06-01"),
        ({"anthropic-version": "2024-01-01", "anthropic-beta": "b1,b2"}, "2024-01-01"),
    ):
        marker = upstream.script()
        ada.post(path, body | {"messages": [{"role": "user", "content": marker}]}, headers=sent)
        seen = upstream.calls(marker)[0].headers
        assert seen["anthropic-version"] == expected
        assert seen.get("anthropic-beta") == sent.get("anthropic-beta")
        assert seen["x-api-key"] == "sk-upstream-claude-secret"
        assert "authorization" not in seen


def test_usage_is_hidden_from_a_stream_that_did_not_ask_and_there_once_where_it_did(ada: Person) -> None:
    without = ada.post("/v1/chat/completions", CHAT | {"stream": True}).text
    assert '"usage"' not in without
    with_ = ada.post("/v1/chat/completions", CHAT | {"stream": True, "stream_options": {"include_usage": True}}).text
    assert with_.count('"usage"') == 1
    assert [row["charge_nano"] for row in ada.rows] == [560_000, 560_000]


def test_without_usage_we_count_and_say_so(ada: Person, upstream: Provider) -> None:
    for stream in (False, True):
        marker = upstream.script(usage=False)
        body = CHAT | {"messages": [{"role": "user", "content": marker}], "stream": stream}
        assert ada.post("/v1/chat/completions", body).status_code == 200
    for row in ada.rows:
        assert (row["source"], row["output_tokens"], row["status"]) == ("counted", -(-len(TEXT) // 4), "ok")
        assert 20 <= row["input_tokens"] <= 40
        assert row["charge_nano"] > 0


def test_a_gone_last_event_is_added_after_a_finished_answer(ada: Person, upstream: Provider) -> None:
    from tests.provider import chat_events

    marker = upstream.script(events=list(chat_events(usage=True, done=False)))
    answer = ada.post(
        "/v1/chat/completions", CHAT | {"messages": [{"role": "user", "content": marker}], "stream": True}
    )
    assert answer.text.endswith("data: [DONE]\n\n")
    assert ada.rows[0]["charge_nano"] == 560_000


def test_the_largest_affordable_limit_is_sent_and_said_where_the_caller_set_none(
    live: LiveGateway, upstream: Provider
) -> None:
    poor = person(live, "0.001")
    marker = upstream.script()
    with poor.client:
        answer = poor.post("/v1/chat/completions", CHAT | {"messages": [{"role": "user", "content": marker}]})
    assert answer.status_code == 200
    limit = int(answer.headers["x-qyuan-max-tokens"])
    assert upstream.calls(marker)[0].body["max_completion_tokens"] == limit
    assert 400 < limit < 500  # 0.001 less the input, at 2.00 per million
    assert poor.money["spendable"] == 440_000

    gemini = person(live, "0.001")
    marker = upstream.script()
    with gemini.client:
        gemini.post(
            "/v1/chat/completions",
            CHAT | {"model": "gemini-3-flash", "messages": [{"role": "user", "content": marker}]},
        )
    assert "max_tokens" in upstream.calls(marker)[0].body


def test_the_hold_knows_what_the_sweeper_needs(ada: Person) -> None:
    ada.post("/v1/chat/completions", CHAT | {"stream": True})
    context = ada.live.call(world.context_of_hold, ada.user)
    assert context["key_id"] == ada.key_id
    assert (context["model"], context["endpoint"], context["channel"]) == ("gpt-5.4-mini", "chat/completions", "main")
    assert context["stream"] is True
    assert context["price_id"]
    assert context["started_at"]


def test_the_last_use_of_a_key_is_written_down(ada: Person) -> None:
    assert ada.live.call(world.last_used, ada.key_id) is None
    assert ada.client.get("/v1/models").status_code == 200
    assert ada.live.call(world.last_used, ada.key_id) is not None


def test_models_in_both_shapes_and_only_those_somebody_serves(ada: Person) -> None:
    listed = ada.client.get("/v1/models").json()
    names = [model["id"] for model in listed["data"]]
    assert listed["object"] == "list"
    assert {"gpt-5.4-mini", "claude-sonnet-4-5", "gpt-image-2"} <= set(names)
    assert "gemini-2.5-pro" not in names  # in the catalogue, but no channel here
    one = ada.client.get("/v1/models/claude-sonnet-4-5").json()
    assert one in listed["data"]
    assert (one["object"], one["endpoints"]) == ("model", ["chat/completions", "messages"])

    native = ada.client.get("/v1/models", headers={"anthropic-version": "2023-06-01"}).json()
    assert [model["id"] for model in native["data"]] == names
    assert native["first_id"] == names[0]
    assert native["has_more"] is False
    one = ada.client.get("/v1/models/claude-sonnet-4-5", headers={"anthropic-version": "2023-06-01"}).json()
    assert (one["type"], one["id"]) == ("model", "claude-sonnet-4-5")


def test_the_books_are_clean(live: LiveGateway, ada: Person) -> None:
    ada.post("/v1/chat/completions", CHAT)
    assert not any(live.call(world.audit).values())
