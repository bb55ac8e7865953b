"""Bad input of every kind: a clear 4xx in the caller's shape, nothing charged, nothing held, nothing secret said."""

import json
import socket
import time
from typing import Any

import httpx
import pytest

from tests import gateway_world as world
from tests.http.gateway.conftest import Person, person
from tests.live_gateway import LiveGateway
from tests.provider import Provider
from tests.unit.gateway.test_body import BAD as BAD_BODIES
from tests.unit.gateway.test_protocols import BAD as BAD_FIELDS

HELLO = [{"role": "user", "content": "Hello"}]
PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": "gpt-5.4-mini", "messages": HELLO}),
    "responses": ("/v1/responses", {"model": "gpt-5.4-mini", "input": "Hello"}),
    "messages": ("/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": HELLO}),
    "images": ("/v1/images/generations", {"model": "gpt-image-2", "prompt": "A fox"}),
}
FREE = {"spendable": 5_000_000_000, "held": 0, "open": 0}


def refused(answer: httpx.Response, status: int, *, native: bool = False, code: str = "") -> str:
    """The message of an error in the right shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    if native:
        assert set(body) == {"type", "error", "request_id"}
        assert (body["type"], body["request_id"]) == ("error", answer.headers["request-id"])
    else:
        assert set(body) == {"error"}
        assert body["error"]["request_id"] == answer.headers["x-request-id"]
        assert code in ("", body["error"]["code"])
    message = str(body["error"]["message"])
    assert message.endswith("Nothing was charged.")
    return message


@pytest.mark.parametrize("name", PATHS)
def test_no_broken_body_gets_through(ada: Person, upstream: Provider, name: str) -> None:
    path, _ = PATHS[name]
    before = len(upstream.journal)
    for what, data in BAD_BODIES.items():
        began = time.perf_counter()
        answer = ada.client.post(path, content=data, headers={"Content-Type": "application/json"})
        refused(answer, 400, native=name == "messages")
        assert time.perf_counter() - began < 1.5, what
    assert len(upstream.journal) == before
    assert ada.money == FREE
    assert ada.rows == []


@pytest.mark.parametrize("name", PATHS)
def test_no_wrong_field_gets_through(ada: Person, upstream: Provider, name: str) -> None:
    path, body = PATHS[name]
    before = len(upstream.journal)
    for wrong in BAD_FIELDS[name]:
        refused(ada.post(path, body | wrong), 400, native=name == "messages")
    for field in ("api_base", "base_url", "api_key", "extra_headers", "organization"):
        assert f"`{field}`" in refused(
            ada.post(path, body | {field: "http://127.0.0.1:9"}), 400, native=name == "messages"
        )
    assert len(upstream.journal) == before
    assert ada.money == FREE


@pytest.mark.parametrize("name", PATHS)
def test_sizes_and_encodings(ada: Person, name: str) -> None:
    path, body = PATHS[name]
    native = name == "messages"
    large = ada.client.post(path, content=b"x" * 3_000_001, headers={"Content-Type": "application/json"})
    assert "3,000,000 bytes" in refused(large, 413, native=native)
    chunked = ada.client.post(path, content=iter([b"x" * 1_000_000] * 4), headers={"Content-Type": "application/json"})
    refused(chunked, 413, native=native)
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ):
        refused(ada.client.post(path, content=json.dumps(body), headers=headers), 415, native=native)
    assert ada.money == FREE


@pytest.mark.parametrize("name", PATHS)
def test_a_google_body_is_told_what_to_send(ada: Person, name: str) -> None:
    path, body = PATHS[name]
    sent = {"model": body["model"], "contents": [{"parts": [{"text": "Hello"}]}], "generationConfig": {}}
    answer = ada.post(path, sent)
    assert "POST /v1/chat/completions" in refused(answer, 400, native=name == "messages", code="google_native_body")


@pytest.mark.parametrize("name", PATHS)
def test_models_that_do_not_fit(ada: Person, name: str) -> None:
    path, body = PATHS[name]
    native = name == "messages"
    for model in ("gpt-99", "GPT-5.4-MINI", "gpt-5.4-mini ", "../models", "a\u200bb", "x" * 200):
        message = refused(ada.post(path, body | {"model": model}), 404, native=native, code="model_not_found")
        assert "GET /v1/models" in message
    other = "gpt-5.4-mini" if name in {"messages", "images"} else "gpt-image-2"
    assert "Call it on POST /v1/" in refused(ada.post(path, body | {"model": other}), 400, native=native)
    if name == "messages":
        refused(ada.post(path, body | {"model": "claude-opus-4-7"}), 503, native=True)
    if name == "chat":
        silent = ada.post(path, body | {"model": "gemini-2.5-pro"})
        assert "No provider serves" in refused(silent, 503, code="no_channel")
        assert silent.headers["retry-after"] == "30"


def test_a_limit_beyond_the_model_is_refused(ada: Person) -> None:
    for name, field in (("chat", "max_tokens"), ("responses", "max_output_tokens"), ("messages", "max_tokens")):
        path, body = PATHS[name]
        answer = ada.post(path, body | {field: 500_000})
        assert f"`{field}` is at most" in refused(answer, 400, native=name == "messages")


# --- keys ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [*PATHS, "models"])
def test_without_a_good_key_there_is_only_401(ada: Person, name: str) -> None:
    path, body = PATHS.get(name, ("/v1/models", {}))
    flipped = ada.key[:-1] + ("a" if ada.key[-1] != "a" else "b")
    wrong: list[dict[str, Any]] = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer sk-not-ours"},
        {"Authorization": f"Bearer {flipped}"},
        {"Authorization": f"Basic {ada.key}"},
        {"Authorization": ada.key},
        {"Authorization": "Bearer ключ".encode()},
        {"x-api-key": flipped},
        {"x-api-key": f"Bearer {ada.key}"},
        {"Cookie": f"session={ada.key}"},
    ]
    for headers in wrong:
        method = "GET" if name == "models" else "POST"
        answer = httpx.request(
            method, f"{ada.live.url}{path}?key={ada.key}&api_key={ada.key}", headers=headers, json=body, trust_env=False
        )
        message = refused(answer, 401, native=name == "messages")
        assert "API key" in message
        assert ada.key not in answer.text
        assert flipped not in answer.text


@pytest.mark.slow
def test_a_revoked_key_gets_no_new_request_within_five_seconds(ada: Person) -> None:
    assert ada.client.get("/v1/models").status_code == 200
    ada.live.call(world.revoke, ada.key_id)
    deadline = time.monotonic() + 5.5
    while (answer := ada.client.get("/v1/models")).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    refused(answer, 401)


# --- credit ----------------------------------------------------------------------------------------------------------
def test_without_credit_there_is_402_with_what_it_would_cover(live: LiveGateway, upstream: Provider) -> None:
    poor, broke = person(live, "0.001"), person(live, "0")
    before = len(upstream.journal)
    path, body = PATHS["chat"]
    message = refused(poor.post(path, body | {"max_tokens": 4000}), 402, code="insufficient_credit")
    assert "it covers 4" in message  # a little under 500 tokens at 2.00 per million
    assert "USD 0.001" in message
    able = int(message.split("it covers ")[1].split(".")[0].replace(",", ""))
    over = poor.post("/v1/responses", PATHS["responses"][1] | {"max_output_tokens": 4000})
    refused(over, 402)
    assert over.json()["error"]["param"] == "max_output_tokens"
    refused(broke.post(path, body), 402)
    refused(broke.post("/v1/messages", PATHS["messages"][1]), 402, native=True)
    message = refused(person(live, "0.10").post("/v1/images/generations", PATHS["images"][1] | {"n": 3}), 402)
    assert "It covers 2 of these images" in message
    assert len(upstream.journal) == before
    assert poor.post(path, body | {"max_tokens": able}).status_code == 200


# --- paths and methods -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/embeddings", "There is no active embedding channel"),
        ("/v1/audio/speech", "Audio is not offered"),
        ("/v1/audio/transcriptions", "Audio is not offered"),
        ("/v1/files", "Files are not offered"),
        ("/v1/assistants", "Assistants are not offered"),
        ("/v1/fine_tuning/jobs", "Fine-tuning is not offered"),
        ("/v1/batches", "Batches are not offered"),
        ("/v1/images/edits", "only POST /v1/images/generations"),
        ("/v1/messages/count_tokens", "only POST /v1/messages"),
        ("/v1/messages/batches", "only POST /v1/messages"),
        ("/v1/responses/resp_1", "only POST /v1/responses"),
        ("/v1/completions", "Use POST /v1/chat/completions"),
        ("/v1/models/gemini-2.5-pro:generateContent", "POST /v1/chat/completions"),
        ("/v1/models/", "no trailing or double slashes"),
        ("/v1/chat/completions/", "only POST /v1/chat/completions"),
        ("//v1//models", "no trailing or double slashes"),
        ("/v1//models", "no trailing or double slashes"),
        ("/v1", "Nothing is served at /v1."),
        ("/v1/", "no trailing or double slashes"),
        ("/v1/MODELS", "Nothing is served at"),
        ("/v1/%6dodels", "Nothing is served at"),
        ("/v1/nothing", "Nothing is served at"),
        ("/v1/models%2f", "Nothing is served at"),
    ],
)
def test_what_is_not_served_says_so_in_either_shape(ada: Person, path: str, words: str) -> None:
    native = path.startswith("/v1/messages")
    answer = raw(ada.live, f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    assert answer.startswith(b"HTTP/1.1 404")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert words in body["error"]["message"]
    assert ("type" in body) is native
    as_native = httpx.post(
        f"{ada.live.url}/v1/embeddings", headers={"anthropic-version": "2023-06-01"}, trust_env=False
    )
    assert as_native.json()["type"] == "error"


@pytest.mark.parametrize("path", ["%2e%2e", "%00", "a" * 500, "%E2%80%8B", "GPT-5.4-MINI", "..%2f", "gpt-5.4-mini%20"])
def test_no_model_has_an_odd_name(ada: Person, path: str) -> None:
    refused(ada.client.get(f"/v1/models/{path}"), 404, code="model_not_found")


def test_wrong_methods_get_405_with_the_right_one(ada: Person) -> None:
    for path, allowed in (("/v1/models", "GET"), ("/v1/chat/completions", "POST"), ("/v1/messages", "POST")):
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - {allowed}:
            answer = ada.client.request(method, path, headers={"Origin": "https://evil.example"})
            refused(answer, 405, native=path == "/v1/messages")
            assert answer.headers["allow"] == allowed
            assert not [name for name in answer.headers if name.startswith("access-control")]
    head = ada.client.head("/v1/chat/completions")
    assert (head.status_code, head.content) == (405, b"")


# --- heads, on the wire ----------------------------------------------------------------------------------------------
def raw(live: LiveGateway, request: bytes, *, wait: float = 3.0) -> bytes:
    """Everything the server answers to these bytes until it closes or is silent for a while."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=wait) as wire:
        wire.sendall(request)
        answer = b""
        try:
            while piece := wire.recv(65536):
                answer += piece
                head, _, body = answer.partition(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                if length and len(body) >= int(length):
                    wire.settimeout(0.05)  # a second answer would come now
        except TimeoutError:
            pass
    return answer


@pytest.mark.parametrize(
    "head",
    [
        "Host: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        "Host: 127.0.0.1\r\nTransfer-Encoding: xchunked",
        "Host: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3",
        "Host: 127.0.0.1\r\nHost: evil.example\r\nContent-Length: 2",
        "Content-Length: 2",
        "Host: evil.example\r\nContent-Length: 2",
        "Host: 127.0.0.1/?\r\nContent-Length: 2",
        "Host: 127.0.0.1#\r\nContent-Length: 2",
        "Host: 127.0.0.1\r\nContent-Length: 2\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b",
        "Host: 127.0.0.1\r\nContent-Length: 2\r\nX-A: 1\r\n folded: 2",
        "Host: 127.0.0.1\r\nContent-Length: -2",
    ],
)
def test_an_ambiguous_head_is_refused_and_the_tail_gets_no_second_answer(ada: Person, head: str) -> None:
    smuggled = f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ada.key}\r\n\r\n"
    answer = raw(ada.live, f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n\r\n{{}}{smuggled}".encode())
    assert answer.startswith(b"HTTP/1.1 400"), answer[:200]
    assert b"HTTP/1.1 200" not in answer


def test_heads_without_end_are_refused(ada: Person) -> None:
    many = "".join(f"X-{number}: 1\r\n" for number in range(150))
    for extra in (many, f"X-Long: {'a' * 40_000}\r\n"):
        answer = raw(ada.live, f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n{extra}\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 431")
    long = raw(ada.live, f"GET /v1/{'a' * 3000} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert long.startswith(b"HTTP/1.1 431")


def test_a_body_that_stops_arriving_is_given_up(ada: Person) -> None:
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
    head += f"Authorization: Bearer {ada.key}"
    began = time.monotonic()
    answer = raw(ada.live, f"{head}\r\n\r\n{{".encode(), wait=5)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer.lower()
    assert 1 < time.monotonic() - began < 4
    assert ada.money == FREE


@pytest.mark.parametrize("value", [b"x" * 129, "ключ".encode(), b"a\tb"])
def test_a_request_id_of_the_caller_is_plain_and_short(ada: Person, value: bytes) -> None:
    path, body = PATHS["chat"]
    for name in ("Idempotency-Key", "X-Client-Request-Id"):
        refused(ada.post(path, body, headers={name: value}), 400, code="invalid_header")


def test_a_request_id_that_the_caller_sends_is_not_ours(ada: Person) -> None:
    answer = ada.client.get("/v1/models", headers={"X-Request-ID": "req_mine" * 1000})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"].startswith("req_")
    assert "mine" not in answer.headers["x-request-id"]


def test_header_values_for_the_provider_must_be_plain(ada: Person, upstream: Provider) -> None:
    path, body = PATHS["messages"]
    before = len(upstream.journal)
    refused(ada.post(path, body, headers={"anthropic-version": "é".encode()}), 400, native=True)
    assert len(upstream.journal) == before


def test_nothing_secret_is_in_the_log(ada: Person, upstream: Provider) -> None:
    secret = "a very private prompt 8c1f"
    path, body = PATHS["chat"]
    ada.post(path, body | {"messages": [{"role": "user", "content": secret}]})
    ada.post(path, body | {"messages": secret, "max_tokens": 10})
    ada.client.post(path, content=secret.encode() + b"{", headers={"Content-Type": "application/json"})
    log = ada.live.log()
    assert "gateway.request.settled" in log
    assert "gateway.request.refused" in log
    for private in (secret, ada.key, "sk-upstream", "Hello from the provider"):
        assert private not in log
