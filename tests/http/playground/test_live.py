"""The playground on a running server with a real worker: answers and images survive what happens to processes."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
import redis

from tests.http.playground.live import (
    CHAT_MODEL,
    IMAGE_PRICE_NANO,
    Frame,
    Visitor,
    connect,
    eventually,
    text_of,
    visiting,
)
from tests.stack import Stack
from tests.unit.playground.fake_gateway import FakeGateway, picture, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]
WORDS = [f"word{number} " for number in range(30)]


@pytest.fixture(scope="module")
def told(shared_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGateway]:
    """The provider behind the models of these tests."""
    with serving() as provider:
        connect(shared_stack, provider, tmp_path_factory.mktemp("models"))
        yield provider


@pytest.fixture
def provider(told: FakeGateway) -> FakeGateway:
    fresh = FakeGateway(url=told.url)
    for name in ("words", "pause_s", "hang_after", "cut_after", "error_after", "status", "images", "image_pause_s"):
        setattr(told, name, getattr(fresh, name))
    told.asked.clear()
    told.left = 0
    return told


@pytest.fixture
def ada(stack: Stack, provider: FakeGateway) -> Iterator[Visitor]:
    with visiting(stack, stack.new_user("ada", credit="5.00")) as visitor:
        # The gateway looks for new models every few seconds.
        eventually(lambda: CHAT_MODEL in visitor.client.get("/playground/").text)
        yield visitor


def usage(visitor: Visitor, field: str, client_id: str) -> list[int]:
    """A number of every usage row under a client id, from the database of the server."""
    rows = f"Usage.objects.filter(client_request_id__startswith={client_id!r}).values_list({field!r}, flat=True)"
    code = f"from billing.models import Usage; print(*{rows})"
    return [int(number) for number in visitor.stack.manage("shell", "-v", "0", "-c", code).split()]


def test_an_answer_streams_and_shows_what_the_ledger_says(ada: Visitor, provider: FakeGateway) -> None:
    run = ada.ask()
    frames = ada.read(run["events"])
    assert text_of(frames) == "Hello there."
    assert frames[-1].data == {"status": "completed"}
    cost = next(frame for frame in frames if frame.event == "cost").data
    assert [int(cost["charge_nano"])] == usage(ada, "charge_nano", f"run_{run['id']}")
    assert int(cost["charge_nano"]) == 7 * 1000 + 3 * 2000


def test_two_tabs_and_a_reader_who_comes_back_see_the_same(ada: Visitor, provider: FakeGateway) -> None:
    provider.words, provider.pause_s = WORDS, 0.03
    run = ada.ask()
    with ThreadPoolExecutor(2) as tabs:
        other = tabs.submit(ada.read, run["events"])
        first = ada.read(run["events"], until=lambda frame: (frame.id or 0) >= 3)
        rest = ada.read(f"{run['events']}?after={first[-1].id}")
        whole = other.result(60)
    assert text_of(first + rest) == text_of(whole) == "".join(WORDS)
    numbers = [frame.id for frame in first + rest if frame.id is not None]
    assert all(before < after for before, after in pairwise(numbers))
    assert len(provider.asked) == 1


def test_a_page_that_is_opened_in_the_middle_stands_where_the_answer_stands(
    ada: Visitor, provider: FakeGateway
) -> None:
    provider.words, provider.pause_s = WORDS * 4, 0.05
    run = ada.ask()
    ada.read(run["events"], until=lambda frame: "word20 " in frame.data.get("text", ""))
    html = eventually(lambda: "word1 " in (page := ada.client.get(run["page"]).text) and page)
    after = html.split(f'data-run="{run["id"]}"')[1].split('data-after="')[1].split('"')[0]
    printed = html.split("data-live>")[1].split("</div>")[0]
    rest = ada.read(f"{run['events']}?after={after}")
    assert int(after) > 0
    assert printed + text_of(rest) == "".join(WORDS * 4)


def test_stop_ends_the_call_upstream_and_charges_what_was_delivered(ada: Visitor, provider: FakeGateway) -> None:
    provider.words, provider.hang_after = ["Half ", "an answer", "never"], 2
    run = ada.ask()
    ada.read(run["events"], until=lambda frame: frame.event == "delta")
    assert ada.post(run["stop"]).json()["status"] == "running"
    frames = ada.read(run["events"])
    assert frames[-1].data == {"status": "stopped"}
    eventually(lambda: provider.left == 1, within_s=3)
    charged = usage(ada, "charge_nano", f"run_{run['id']}")
    assert len(charged) == 1
    assert 0 < charged[0] < 100 * 2000
    assert next(frame for frame in frames if frame.event == "cost").data["charge_nano"] == str(charged[0])


def test_leaving_is_not_stopping(ada: Visitor, provider: FakeGateway) -> None:
    provider.words, provider.pause_s = WORDS, 0.03
    run = ada.ask()
    ada.read(run["events"], until=lambda frame: frame.event == "delta")
    assert text_of(ada.read(run["events"])) == "".join(WORDS)
    assert provider.left == 0


def test_a_lost_event_log_loses_no_word(ada: Visitor, provider: FakeGateway) -> None:
    provider.words, provider.pause_s = WORDS * 4, 0.04
    run = ada.ask()
    ada.read(run["events"], until=lambda frame: (frame.id or 0) >= 5)
    client = redis.Redis.from_url(ada.stack.env["REDIS_URL"])
    assert client.delete(f"run:{run['id']}") == 1
    assert text_of(ada.read(run["events"])) == "".join(WORDS * 4)
    client.delete(f"run:{run['id']}")
    assert text_of(ada.read(run["events"])) == "".join(WORDS * 4)


def test_ten_clicks_are_one_run(ada: Visitor, provider: FakeGateway) -> None:
    run_id = str(uuid.uuid4())
    with ThreadPoolExecutor(10) as clicks:
        answers = list(clicks.map(lambda _: ada.ask(id=run_id), range(10)))
    assert {answer["id"] for answer in answers} == {run_id}
    ada.read(answers[0]["events"])
    assert len(provider.asked) == 1
    assert len(usage(ada, "charge_nano", f"run_{run_id}")) == 1


def test_a_killed_server_leaves_an_interrupted_answer_with_what_was_said(ada: Visitor, provider: FakeGateway) -> None:
    provider.words, provider.pause_s = WORDS * 20, 0.05
    run = ada.ask()
    eventually(lambda: "word1 " in ada.client.get(run["page"]).text)
    ada.stack.kill_server()
    ada.stack.start_server()
    frames = ada.read(run["events"])
    assert frames[-1].data == {"status": "interrupted"}
    assert text_of(frames).startswith("word0 word1 ")
    assert "The answer was interrupted" in ada.client.get(run["fragment"]).text


def test_an_orderly_restart_lets_an_answer_finish(ada: Visitor, provider: FakeGateway) -> None:
    provider.words, provider.pause_s = WORDS, 0.1
    run = ada.ask()
    ada.read(run["events"], until=lambda frame: frame.event == "delta")
    ada.stack.stop_server()
    ada.stack.start_server()
    frames = ada.read(run["events"])
    assert frames[-1].data == {"status": "completed"}
    assert text_of(frames) == "".join(WORDS)


def job_html(visitor: Visitor, job: dict[str, Any]) -> str:
    return visitor.client.get(job["fragment"]).text


def is_in(visitor: Visitor, job: dict[str, Any], status: str) -> bool:
    return f'data-status="{status}"' in job_html(visitor, job)


def test_an_image_arrives_over_the_event_stream(ada: Visitor, provider: FakeGateway) -> None:
    provider.image_pause_s = 0.3
    job = ada.order(count=2)
    provider.images = [picture(), picture("WEBP")]

    def done(frame: Frame) -> bool:
        return frame.event == "job" and frame.data["id"] == job["id"] and frame.data["ended"]

    frames = ada.read(job["events"], until=done)
    statuses = [frame.data["status"] for frame in frames if frame.event == "job"]
    assert statuses[-1] == "succeeded"
    assert "running" in statuses
    html = job_html(ada, job)
    sources = [part.split('"')[0] for part in html.split('<img src="')[1:]]
    assert [ada.client.get(source).headers["content-type"] for source in sources] == ["image/png", "image/webp"]
    assert usage(ada, "charge_nano", f"img_{job['id']}_") == [2 * IMAGE_PRICE_NANO]


def test_a_killed_worker_loses_no_image_and_charges_once(ada: Visitor, provider: FakeGateway) -> None:
    provider.image_pause_s = 30
    job = ada.order()
    eventually(lambda: len(provider.asked) == 1 and is_in(ada, job, "running"))
    ada.stack.kill_worker()
    provider.image_pause_s = 0
    ada.stack.start_worker()
    eventually(lambda: is_in(ada, job, "succeeded"), within_s=60)
    assert provider.left == 1
    assert [asked.path for asked in provider.asked] == ["/v1/images/generations"] * 2
    charged = sum(usage(ada, "charge_nano", f"img_{job['id']}_"))
    refunded = sum(usage(ada, "refunded_nano", f"img_{job['id']}_"))
    assert charged - refunded == IMAGE_PRICE_NANO
    assert job_html(ada, job).count("<img ") == 1


def test_an_order_waits_for_a_worker_that_is_not_there_yet(ada: Visitor, provider: FakeGateway) -> None:
    ada.stack.kill_worker()
    job = ada.order()
    assert is_in(ada, job, "queued")
    ada.stack.start_worker()
    eventually(lambda: is_in(ada, job, "succeeded"), within_s=60)
    assert usage(ada, "charge_nano", f"img_{job['id']}_") == [IMAGE_PRICE_NANO]


def test_ten_clicks_are_one_image(ada: Visitor, provider: FakeGateway) -> None:
    job_id = str(uuid.uuid4())
    with ThreadPoolExecutor(10) as clicks:
        job = next(iter(list(clicks.map(lambda _: ada.order(id=job_id), range(10)))))
    eventually(lambda: is_in(ada, job, "succeeded"), within_s=60)
    assert len(provider.asked) == 1
    assert usage(ada, "charge_nano", f"img_{job_id}_") == [IMAGE_PRICE_NANO]


def test_a_running_image_is_cancelled_and_its_call_closed(ada: Visitor, provider: FakeGateway) -> None:
    provider.image_pause_s = 30
    job = ada.order()
    eventually(lambda: len(provider.asked) == 1 and is_in(ada, job, "running"))
    ada.post(job["cancel"])
    eventually(lambda: is_in(ada, job, "cancelled"), within_s=10)
    eventually(lambda: provider.left == 1, within_s=5)
    assert sum(usage(ada, "charge_nano", f"img_{job['id']}_")) == 0


def test_the_books_balance_after_all_this(ada: Visitor) -> None:
    assert ada.stack.manage("ledger_audit")
