"""What a provider, a network or a caller can do to a call, and what it may then cost."""

import json
import socket
import time
from typing import Any

import httpx
import pytest

from tests import provider as scripts
from tests.http.gateway.conftest import Person, person
from tests.live_gateway import LiveGateway
from tests.provider import Provider

FREE = {"spendable": 5_000_000_000, "held": 0, "open": 0}
PATHS: dict[str, tuple[str, str]] = {
    "chat": ("/v1/chat/completions", "gpt-5.4-mini"),
    "responses": ("/v1/responses", "gpt-5.4-mini"),
    "messages": ("/v1/messages", "claude-sonnet-4-5"),
    "images": ("/v1/images/generations", "gpt-image-2"),
}
STREAMED = ["chat", "responses", "messages"]
USUAL = {
    "chat": list(scripts.chat_events()),
    "responses": list(scripts.responses_events()),
    "messages": list(scripts.messages_events()),
}
IN_BAND = {
    "chat": scripts.event(
        {"error": {"message": "engine overloaded at 10.1.2.3 sk-abcdef123456", "type": "server_error"}}
    ),
    "responses": scripts.named("response.failed", response={"error": {"message": "engine overloaded"}, "usage": None}),
    "messages": scripts.named("error", error={"type": "overloaded_error", "message": "Overloaded"}),
}


def body_for(name: str, prompt: str, **more: Any) -> dict[str, Any]:
    path_model = {"model": PATHS[name][1], **more}
    if name == "responses":
        return path_model | {"input": prompt}
    if name == "images":
        return path_model | {"prompt": prompt}
    limit = {"max_tokens": 500} if name == "messages" else {}
    return limit | path_model | {"messages": [{"role": "user", "content": prompt}]}


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["error"]["message"])


def frames_of(stream: bytes) -> list[Any]:
    """The events of a stream without what we put into them: `usage.cost`."""
    frames = []
    for frame in stream.decode().strip().split("\n\n"):
        name, _, data = frame.rpartition("data: ")
        value = json.loads(data) if data.startswith("{") else data
        usage = (value.get("response") or value).get("usage") if isinstance(value, dict) else None
        if usage:
            usage.pop("cost", None)
        frames.append((name, value))
    return frames


def uncharged(ada: Person, *, status: str = "failed", because: str = "failed_before_output") -> dict[str, Any]:
    """The last row: nothing charged, nothing held."""
    row = ada.rows[-1]
    assert (row["status"], row["charge_nano"], row["source"]) == (status, 0, "none")
    assert row["not_charged_because"] == because
    assert ada.money == FREE
    return row


# --- before an answer ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    ("given", "status"),
    [
        (500, 502),
        (502, 502),
        (503, 503),
        (529, 503),
        (504, 504),
        (429, 429),
        (401, 502),
        (403, 502),
        (404, 502),
        (302, 502),
        (418, 502),
    ],
)
def test_a_status_is_mapped_and_free(ada: Person, upstream: Provider, name: str, given: int, status: int) -> None:
    text = b'{"error": {"message": "internal host api.example.com key sk-leak-12345678"}}'
    headers = {"Retry-After": "7", "Set-Cookie": "a=b", "Location": f"{upstream.url}/other", "Server": "secret"}
    marker = upstream.script(status=given, body=text, headers=headers)
    answer = ada.post(PATHS[name][0], body_for(name, marker, **({} if name == "images" else {"stream": True})))
    assert answer.status_code == status
    assert ("type" in answer.json()) is (name == "messages")
    for secret in ("sk-leak", "example.com", "127.0.0.1", "sk-upstream"):
        assert secret not in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers.get("retry-after") == ("7" if given in {429, 503, 529} else None)
    assert len(upstream.calls(marker)) == 1
    assert uncharged(ada)["http_status"] == status


@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_providers_complaint_about_the_request_is_passed_on_masked(
    ada: Person, upstream: Provider, status: int
) -> None:
    text = {"error": {"message": f"tools[0] is wrong, see {upstream.url}/docs, key sk-upstream-main-secret"}}
    marker = upstream.script(status=status, body=json.dumps(text).encode())
    found, message = error_of(ada.post(PATHS["chat"][0], body_for("chat", marker)))
    assert found == status
    assert "tools[0] is wrong" in message
    assert "127.0.0.1" not in message
    assert "sk-upstream" not in message
    uncharged(ada)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    "behaviour",
    [
        {"body": b"<html>hello</html>", "content_type": "text/html"},
        {"body": b""},
        {"body": b'{"choices": [{"mess'},
        {"body": b"[]"},
        {"body": b'{"unexpected": true}'},
        {"body": b'{"error": {"message": "overloaded"}}'},
        {"body": b"{}", "headers": {"Content-Encoding": "gzip"}},
        {"body": b'{"cut', "declared_length": 100, "ending": "reset"},
        {"events": [], "ending": "reset"},
    ],
    ids=lambda behaviour: str(behaviour)[:40],
)
def test_a_200_that_is_no_answer_is_a_502(
    ada: Person, upstream: Provider, name: str, behaviour: dict[str, Any]
) -> None:
    marker = upstream.script(**behaviour)
    answer = ada.post(PATHS[name][0], body_for(name, marker))
    assert answer.status_code == 502
    assert "Nothing was charged." in answer.json()["error"]["message"]
    uncharged(ada)
    if name in STREAMED:
        assert ada.post(PATHS[name][0], body_for(name, marker, stream=True)).status_code == 502
        uncharged(ada)


def test_a_provider_that_is_not_there_is_a_502_that_names_nobody(ada: Person) -> None:
    began = time.monotonic()
    status, message = error_of(ada.post("/v1/chat/completions", body_for("chat", "Hello", model="gpt-5.3-codex")))
    assert (status, message) == (502, "The provider could not be reached. Nothing was charged.")
    assert time.monotonic() - began < 2
    assert uncharged(ada)["channel"] == "dead"


@pytest.mark.slow
def test_a_provider_that_accepts_and_stays_silent_is_a_504(ada: Person, upstream: Provider) -> None:
    marker = upstream.script(before_s=60)
    status, _ = error_of(ada.post("/v1/chat/completions", body_for("chat", marker)))
    assert status == 504
    assert upstream.wait_for_end(marker).ended == "left"
    assert len(upstream.calls(marker)) == 1  # it may have worked on it: never sent twice
    uncharged(ada)


# --- failover --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("stream", [False, True])
def test_a_channel_that_is_down_is_invisible(ada: Person, upstream: Provider, *, stream: bool) -> None:
    marker = upstream.script()
    answer = ada.post("/v1/chat/completions", body_for("chat", marker, model="gpt-5.2", stream=stream))
    assert answer.status_code == 200
    assert len(upstream.calls(marker)) == 1
    assert ada.rows[0]["channel"] == "main"


@pytest.mark.parametrize(
    "behaviour",
    [
        {"status": 500, "body": b"{}"},
        {"status": 429, "body": b"{}"},
        {"status": 401, "body": b"{}"},
        {"events": [IN_BAND["chat"]]},
        {"body": b"<html>"},
        {"events": [], "ending": "reset"},
    ],
    ids=str,
)
def test_the_next_channel_takes_over_before_the_first_content(
    ada: Person, upstream: Provider, backup: Provider, behaviour: dict[str, Any]
) -> None:
    marker = upstream.script(**behaviour)
    backup._scripts[marker.strip("[]")] = scripts.Script()
    answer = ada.post("/v1/chat/completions", body_for("chat", marker, model="gpt-5.5", stream=True))
    assert answer.status_code == 200
    assert answer.text.endswith("data: [DONE]\n\n")
    # A kept connection that breaks before any answer is tried once more, on a new one: it may just have been too old.
    assert len(upstream.calls(marker)) in ({1, 2} if behaviour.get("ending") == "reset" else {1})
    assert len(backup.calls(marker)) == 1
    assert backup.calls(marker)[0].body["model"] == "their-backup"
    assert ada.rows[0]["channel"] == "backup"
    assert len(ada.rows) == 1


def test_nothing_is_spliced_after_content(ada: Person, upstream: Provider, backup: Provider) -> None:
    marker = upstream.script(events=[*USUAL["chat"][:3], IN_BAND["chat"]])
    answer = ada.post("/v1/chat/completions", body_for("chat", marker, model="gpt-5.5", stream=True))
    assert "event" not in answer.text.split("\n")[0]
    assert '"error"' in answer.text
    assert backup.calls(marker) == []


# --- in the middle ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("way", ["error event", "reset", "end", "silence"])
def test_a_stream_that_breaks_says_so_and_costs_what_was_delivered(
    ada: Person, upstream: Provider, name: str, way: str
) -> None:
    part = USUAL[name][: 5 if name == "messages" else 4]
    events = [*part, IN_BAND[name]] if way == "error event" else part
    ending = {"reset": "reset", "silence": "silence"}.get(way, "clean")
    marker = upstream.script(events=events, ending=ending, gap_s=0.02)
    answer = ada.post(PATHS[name][0], body_for(name, marker, stream=True))

    assert answer.status_code == 200
    frames = [frame for frame in answer.text.strip().split("\n\n") if not frame.startswith(":")]
    assert "\n\n".join(frames[:-1]).encode() == b"".join(part).strip()  # all that came, and nothing invented
    assert "[DONE]" not in answer.text
    assert 'finish_reason": "stop' not in answer.text
    assert frames[-1].startswith("data: " if name == "chat" else "event: error\ndata: ")
    error = json.loads(frames[-1].split("data: ")[1])
    assert "What was delivered is charged" in json.dumps(error)
    assert answer.headers["x-request-id"] in json.dumps(error)
    for secret in ("10.1.2.3", "sk-abcdef", "127.0.0.1"):
        assert secret not in answer.text

    row = ada.rows[0]
    assert (row["status"], row["http_status"], row["source"]) == ("failed", 200, "counted")
    assert row["error_code"] == ("upstream_timeout" if way == "silence" else "upstream_failed")
    assert row["output_tokens"] in {4, 5}  # `Hello from the` or one word more: 14 to 23 bytes
    if name == "messages":
        assert (row["input_tokens"], row["cached_tokens"]) == (600, 300)  # the provider had said so
    assert 0 < row["charge_nano"] <= row["held_nano"]
    assert ada.money == {"spendable": FREE["spendable"] - row["charge_nano"], "held": 0, "open": 0}


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("way", ["error event", "reset"])
def test_a_stream_that_breaks_before_its_first_content_is_free(
    ada: Person, upstream: Provider, name: str, way: str
) -> None:
    events = [USUAL[name][0]] + ([IN_BAND[name]] if way == "error event" else [])
    marker = upstream.script(events=events, ending="reset" if way == "reset" else "clean", gap_s=0.05)
    answer = ada.post(PATHS[name][0], body_for(name, marker, stream=True))
    assert answer.status_code == 200
    assert "Nothing was charged." in answer.text
    uncharged(ada)


@pytest.mark.parametrize("name", STREAMED)
def test_an_error_as_first_event_is_an_error_answer(ada: Person, upstream: Provider, name: str) -> None:
    marker = upstream.script(events=[IN_BAND[name]])
    status, message = error_of(ada.post(PATHS[name][0], body_for(name, marker, stream=True)))
    assert status == 502
    assert "verloaded" in message
    assert "10.1.2.3" not in message
    uncharged(ada)


def test_an_event_without_end_ends_the_call(ada: Person, upstream: Provider) -> None:
    marker = upstream.script(events=[b"data: " + b"x" * 4_000_000] * 9)
    answer = ada.post("/v1/chat/completions", body_for("chat", marker, stream=True))
    assert "an event that is too large" in answer.text  # in band where a keep-alive came first
    uncharged(ada)


def test_silence_after_a_finished_answer_only_ends_it(ada: Person, upstream: Provider) -> None:
    marker = upstream.script(events=list(scripts.chat_events(usage=False, done=False)), ending="silence")
    answer = ada.post("/v1/chat/completions", body_for("chat", marker, stream=True))
    assert answer.text.endswith("data: [DONE]\n\n")
    assert '"error"' not in answer.text
    assert (ada.rows[0]["status"], ada.rows[0]["source"]) == ("ok", "counted")


# --- silence ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", STREAMED)
def test_silence_before_and_within_a_stream_is_filled_with_comments(ada: Person, upstream: Provider, name: str) -> None:
    marker = upstream.script(before_s=1.5, gap_s=0.01)
    with ada.client.stream("POST", PATHS[name][0], json=body_for(name, marker, stream=True)) as answer:
        began = time.monotonic()
        pieces = answer.iter_raw()
        assert next(pieces).startswith(b": keep-alive\n\n")
        assert time.monotonic() - began < 1.2
        rest = b"".join(pieces)
    shown = frames_of(rest.replace(b": keep-alive\n\n", b""))
    assert shown == frames_of(b"".join(event for event in USUAL[name] if b'"choices": [], "usage"' not in event))
    assert ada.rows[0]["status"] == "ok"


def test_after_a_keep_alive_another_channel_can_still_take_over(
    ada: Person, upstream: Provider, backup: Provider
) -> None:
    marker = upstream.script(before_s=1.2, status=500, body=b"{}")
    backup._scripts[marker.strip("[]")] = scripts.Script()
    answer = ada.post("/v1/chat/completions", body_for("chat", marker, model="gpt-5.5", stream=True))
    assert answer.text.startswith(": keep-alive")
    assert answer.text.endswith("data: [DONE]\n\n")
    assert ada.rows[0]["channel"] == "backup"


def test_after_a_keep_alive_an_error_is_an_event(ada: Person, upstream: Provider) -> None:
    marker = upstream.script(before_s=1.2, status=500, body=b"{}")
    answer = ada.post("/v1/chat/completions", body_for("chat", marker, stream=True))
    assert (answer.status_code, '"error"' in answer.text) == (200, True)
    uncharged(ada)


@pytest.mark.slow
def test_a_call_that_never_ends_is_ended(ada: Person, upstream: Provider) -> None:
    marker = upstream.script(events=[*USUAL["chat"][:2], *([scripts.chunk({"content": "x"})] * 100)], gap_s=0.2)
    began = time.monotonic()
    answer = ada.post("/v1/chat/completions", body_for("chat", marker, stream=True))
    assert 7 < time.monotonic() - began < 11
    assert "took longer than 8 seconds" in answer.text
    assert upstream.wait_for_end(marker).ended == "left"
    assert ada.rows[0]["charge_nano"] > 0


# --- the caller leaves -----------------------------------------------------------------------------------------------
def leave(live: LiveGateway, ada: Person, name: str, body: dict[str, Any], *, after: bytes) -> None:
    """Send a request, read until `after` was seen (or not at all), hang up."""
    data = json.dumps(body).encode()
    head = f"POST {PATHS[name][0]} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ada.key}\r\n"
    head += "Content-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as wire:
        wire.sendall(head.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        seen = b""
        while after and after not in seen:
            seen += wire.recv(4096)
        if not after:
            time.sleep(0.3)


def row_within(ada: Person, seconds: float = 5) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not (rows := ada.rows):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return rows[0]


@pytest.mark.parametrize("name", PATHS)
def test_a_caller_who_leaves_before_the_answer_pays_nothing(
    live: LiveGateway, ada: Person, upstream: Provider, name: str
) -> None:
    marker = upstream.script(before_s=2.5)
    leave(live, ada, name, body_for(name, marker, **({} if name == "images" else {"stream": True})), after=b"")
    seen = upstream.wait_for_end(marker)
    assert seen.ended == "left"
    assert seen.ended_at - seen.at < 2
    row_within(ada)
    assert uncharged(ada, status="stopped", because="client_left_before_output")["http_status"] == 499


@pytest.mark.parametrize("name", STREAMED)
def test_a_caller_who_leaves_in_the_middle_pays_what_was_delivered(
    live: LiveGateway, ada: Person, upstream: Provider, name: str
) -> None:
    marker = upstream.script(events=USUAL[name], gap_s=0.3)
    began = time.monotonic()
    leave(live, ada, name, body_for(name, marker, stream=True), after=b" from")
    seen = upstream.wait_for_end(marker)
    assert seen.ended == "left"
    assert seen.ended_at - began < 2.5
    row = row_within(ada)
    assert (row["status"], row["source"], row["http_status"]) == ("stopped", "counted", 200)
    assert 2 <= row["output_tokens"] <= 4
    assert 0 < row["charge_nano"] <= row["held_nano"]
    assert ada.money["open"] == 0


def test_a_caller_who_leaves_at_the_last_byte_pays_the_providers_numbers(
    live: LiveGateway, ada: Person, upstream: Provider
) -> None:
    marker = upstream.script()
    leave(live, ada, "chat", body_for("chat", marker, stream=True), after=b"[DONE]")
    row = row_within(ada)
    assert (row["status"], row["source"], row["charge_nano"]) == ("ok", "upstream", 560_000)


# --- money under pressure --------------------------------------------------------------------------------------------
def test_more_used_than_held_is_charged_down_to_zero_and_written_down(live: LiveGateway, upstream: Provider) -> None:
    greedy = {"prompt_tokens": 100, "completion_tokens": 5_000}
    answer = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}], "usage": greedy}
    marker = upstream.script(body=json.dumps(answer).encode())
    poor = person(live, "0.002")
    response = poor.post("/v1/chat/completions", body_for("chat", marker, max_tokens=100))
    assert response.status_code == 200
    row = poor.rows[0]
    assert row["charge_nano"] == 2_000_000
    assert row["uncollected_nano"] == 100 * 250 + 5_000 * 2_000 - 2_000_000
    assert poor.money == {"spendable": 0, "held": 0, "open": 0}
