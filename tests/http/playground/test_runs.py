"""POST /playground/runs/ and what follows: strict input, one run per id, nothing for strangers."""

import json
import uuid
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import reverse

from accounts.models import User
from playground import payloads, runner
from playground.models import Conversation, Run
from tests.unit.playground.make import finished_run, make_run

URL = "/playground/runs/"


@pytest.fixture
def begun(monkeypatch: Any) -> list[uuid.UUID]:
    """Runs that would be generated: here they only wait."""
    started: list[uuid.UUID] = []

    def only_note(run_id: uuid.UUID, *, clock: Any) -> None:
        started.append(run_id)

    monkeypatch.setattr(runner, "start", only_note)
    return started


@pytest.fixture
def ready(live_redis: str, begun: list[uuid.UUID], ada: User, client: Client) -> Client:
    client.force_login(ada)
    return client


def body(**changes: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "model": "gpt-test", "prompt": "Why?"} | changes


def post(client: Client, data: Any) -> Any:
    raw = data if isinstance(data, bytes | str) else json.dumps(data)
    return client.post(URL, raw, content_type="application/json")


def test_a_question_becomes_a_run(ready: Client, begun: list[uuid.UUID], ada: User) -> None:
    asked = body(system="Be brief.", max_tokens=100)
    answer = post(ready, asked)
    assert answer.status_code == 201
    run = Run.objects.get()
    assert begun == [run.pk]
    assert (str(run.pk), run.user, run.prompt, run.system, run.max_tokens) == (
        asked["id"],
        ada,
        "Why?",
        "Be brief.",
        100,
    )
    said = answer.json()
    assert said["events"] == f"/playground/runs/{run.pk}/events"
    assert said["page"] == f"/playground/c/{run.conversation_id}/"


def test_the_same_question_again_is_the_same_run(ready: Client, begun: list[uuid.UUID]) -> None:
    asked = body()
    first, second = post(ready, asked), post(ready, asked)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert len(begun) == 1


def test_another_question_under_the_same_id_is_refused(ready: Client) -> None:
    asked = body()
    post(ready, asked)
    answer = post(ready, asked | {"prompt": "Something else"})
    assert answer.status_code == 409
    assert Run.objects.get().prompt == "Why?"


def test_a_question_without_a_parent_follows_the_newest(ready: Client, ada: User) -> None:
    before = finished_run(ada, "one", "1")
    post(ready, body(conversation=str(before.conversation_id)))
    assert Run.objects.get(prompt="Why?").parent == before


def test_an_explicit_beginning_has_no_parent(ready: Client, ada: User) -> None:
    before = finished_run(ada, "one", "1")
    post(ready, body(conversation=str(before.conversation_id), parent=None))
    assert Run.objects.get(prompt="Why?").parent is None


def test_an_unfinished_answer_is_waited_for(ready: Client, ada: User) -> None:
    before = make_run(ada)
    answer = post(ready, body(conversation=str(before.conversation_id)))
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "still_running"


def test_without_redis_nothing_begins_and_nothing_is_charged(
    client: Client, ada: User, begun: list[uuid.UUID], settings: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody there
    client.force_login(ada)
    answer = post(client, body())
    assert answer.status_code == 503
    assert "Nothing was charged." in answer.json()["error"]["message"]
    assert not Run.objects.exists()
    assert begun == []


LONG = "x" * (payloads.MAX_PROMPT_CHARS + 1)
BAD: dict[str, tuple[Any, int]] = {
    "no body": (b"", 415),
    "not json": (b"{", 400),
    "a list": (b"[]", 400),
    "a number": (b"7", 400),
    "not utf-8": (b'{"prompt": "\xff\xfe"}', 400),
    "utf-16": ('{"a": 1}'.encode("utf-16"), 400),
    "a lone surrogate": (b'{"id":"%s","model":"m","prompt":"\\ud800"}' % str(uuid.uuid4()).encode(), 400),
    "deep": (b"[" * 50_000, 400),
    "no id": ({"model": "m", "prompt": "x"}, 400),
    "no prompt": (body() | {"prompt": None}, 400),
    "empty prompt": (body(prompt=""), 400),
    "blank prompt": (body(prompt=" \n\t"), 400),
    "prompt is a number": (body(prompt=5), 400),
    "prompt is a list": (body(prompt=["x"]), 400),
    "prompt too long": (body(prompt=LONG), 413),
    "body too large": (json.dumps(body(prompt="x" * 2_000_000)), 413),
    "nul": (body(prompt="a\x00b"), 400),
    "nul in system": (body(system="\x00"), 400),
    "nul in model": (body(model="\x00"), 400),
    "system too long": (body(system="x" * 20_001), 413),
    "id is no uuid": (body(id="1"), 400),
    "id is a number": (body(id=1), 400),
    "conversation is no uuid": (body(conversation="x"), 400),
    "parent is no uuid": (body(parent="x"), 400),
    "model too long": (body(model="m" * 81), 400),
    "model empty": (body(model=""), 400),
    "max_tokens 0": (body(max_tokens=0), 400),
    "max_tokens -1": (body(max_tokens=-1), 400),
    "max_tokens huge": (body(max_tokens=10**30), 400),
    "max_tokens text": (body(max_tokens="5"), 400),
    "max_tokens true": (body(max_tokens=True), 400),
    "max_tokens 1.5": (body(max_tokens=1.5), 400),
    "unknown field": (body(api_base="https://evil.example"), 400),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_body_is_refused_in_json(ready: Client, begun: list[uuid.UUID], name: str) -> None:
    data, status = BAD[name]
    answer = post(ready, data)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["message"].endswith("Nothing was charged.")
    assert error["charged"] is False
    assert begun == []
    assert not Run.objects.exists()


def test_a_form_is_not_json(ready: Client) -> None:
    assert ready.post(URL, {"prompt": "x"}).status_code == 415


def test_the_token_of_the_page_is_needed(ada: User, live_redis: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    assert post(strict, body()).status_code == 403
    assert not Run.objects.exists()


def test_a_question_is_posted(ready: Client) -> None:
    assert ready.get(URL).status_code == 405


def test_nobody_is_told_to_sign_in(client: Client, ada: User) -> None:
    run = make_run(ada)
    assert post(client, body()).status_code == 401
    assert client.get(reverse("playground:run-events", args=[run.pk])).json()["error"]["code"] == "signed_out"
    assert client.post(reverse("playground:run-stop", args=[run.pk])).status_code == 401


def test_cleo_sees_nothing_of_ada(ready: Client, ada: User, cleo: User) -> None:
    run = finished_run(ada, "secret question", "secret answer")
    ready.force_login(cleo)
    for name in ("run", "run-events"):
        answer = ready.get(reverse(f"playground:{name}", args=[run.pk]))
        assert answer.status_code == 404
        assert b"secret" not in answer.content
    assert ready.post(reverse("playground:run-stop", args=[run.pk])).status_code == 404
    assert ready.get(reverse("playground:conversation", args=[run.conversation_id])).status_code == 404
    assert ready.post(reverse("playground:conversation-delete", args=[run.conversation_id])).status_code == 404
    assert post(ready, body(id=str(run.pk))).status_code == 404
    assert post(ready, body(conversation=str(run.conversation_id))).status_code == 404
    assert post(ready, body(parent=str(run.pk))).status_code == 404
    assert Run.objects.count() == 1


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=1.5", "after=99999999999999999999"])
def test_a_wrong_cursor_is_refused(ready: Client, ada: User, query: str) -> None:
    run = make_run(ada)
    assert ready.get(reverse("playground:run-events", args=[run.pk]) + f"?{query}").status_code == 400


def test_stop_is_safe_to_ask_twice_and_too_late(ready: Client, ada: User) -> None:
    waiting, done = make_run(ada), finished_run(ada, "q", "a")
    stop = reverse("playground:run-stop", args=[waiting.pk])
    assert [ready.post(stop).json()["status"] for _ in range(2)] == ["stopped", "stopped"]
    assert ready.post(reverse("playground:run-stop", args=[done.pk])).json()["status"] == "completed"


def test_the_stream_of_a_finished_run_tells_it_all(ada: User, live_redis: str) -> None:
    run = finished_run(ada, "q", "the answer")
    client = AsyncClient()
    client.force_login(ada)

    async def read() -> tuple[Any, str]:
        answer = await client.get(reverse("playground:run-events", args=[run.pk]))
        return answer, b"".join([piece async for piece in answer.streaming_content]).decode()  # type: ignore[attr-defined]

    answer, text = async_to_sync(read)()
    assert answer["Content-Type"].startswith("text/event-stream")
    assert answer["Cache-Control"] == "no-store, no-transform"
    assert answer["X-Accel-Buffering"] == "no"
    assert text.startswith("retry: 1500\n\nevent: open\n")
    assert '"text":"the answer"' in text
    assert text.endswith('id: 5\nevent: end\ndata: {"status":"completed"}\n\n')


def test_last_event_id_is_where_a_reader_stands(ada: User, live_redis: str) -> None:
    run = finished_run(ada, "q", "the answer")
    client = AsyncClient()
    client.force_login(ada)

    async def read() -> str:
        url = reverse("playground:run-events", args=[run.pk])
        answer = await client.get(url, headers={"Last-Event-ID": "4"})
        return b"".join([piece async for piece in answer.streaming_content]).decode()  # type: ignore[attr-defined]

    assert "the answer" not in async_to_sync(read)()


def test_a_deleted_conversation_is_gone(ready: Client, ada: User) -> None:
    run = finished_run(ada, "q", "a")
    url = reverse("playground:conversation-delete", args=[run.conversation_id])
    assert ready.get(url).status_code == 405
    assert ready.post(url).status_code == 302
    assert not Conversation.objects.exists()
    assert not Run.objects.exists()
