"""A run from claim to end against a gateway on a socket and a Redis that answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync

from accounts.models import User
from playground import runlog, runner, runs
from playground.answers import Frame
from playground.models import Run
from tests.make import NOW
from tests.unit.playground.fake_gateway import FakeGateway
from tests.unit.playground.make import make_run

pytestmark = pytest.mark.usefixtures("live_redis")


@pytest.fixture(autouse=True)
def no_ledger_row_will_come(monkeypatch: Any) -> None:
    monkeypatch.setattr(runner, "COST_WAIT_S", 0.0)


def clock() -> datetime:
    return NOW


def generate(run: Run, meanwhile: Callable[[asyncio.Event], Awaitable[None]] | None = None) -> list[Frame]:
    """Run to the end, with `meanwhile` beside it; the frames of the log."""

    async def both() -> list[Frame]:
        stop = asyncio.Event()
        task = asyncio.ensure_future(runner.run(run.pk, stop, clock=clock))
        if meanwhile:
            await meanwhile(stop)
        await task
        return await runlog.read(run.pk, after=0)

    frames = async_to_sync(both)()
    run.refresh_from_db()
    return frames


def text_of(frames: list[Frame]) -> str:
    return "".join(frame.data["text"] for frame in frames if frame.event == "delta")


def test_an_answer_is_logged_without_a_gap_and_kept(ada: User, fake_gateway: FakeGateway) -> None:
    run = make_run(ada)
    frames = generate(run)
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    assert text_of(frames) == "Hello there."
    assert [frame.event for frame in frames if frame.event != "delta"] == ["usage", "end"]
    assert frames[-1].data == {"status": "completed"}
    assert (run.status, run.answer, run.last_seq) == (Run.Status.COMPLETED, "Hello there.", frames[-1].seq)
    assert run.request_id == "req_fake"
    assert run.answer_html == "<p>Hello there.</p>\n"
    asked = fake_gateway.asked[0]
    assert asked.headers["authorization"].startswith("Bearer qy_")
    assert asked.headers["idempotency-key"] == f"run_{run.pk}"
    assert asked.body["stream_options"] == {"include_usage": True}


def test_tokens_are_coalesced(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.words = ["x"] * 200
    fake_gateway.pause_s = 0.001
    frames = generate(make_run(ada))
    assert text_of(frames) == "x" * 200
    assert len(frames) < 40


def test_the_first_words_do_not_wait(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.words, fake_gateway.hang_after = ["First", "never"], 1
    run = make_run(ada)
    seen: list[Frame] = []

    async def look_then_stop(stop: asyncio.Event) -> None:
        seen.extend(await runlog.read(run.pk, after=0, wait_s=2))
        stop.set()

    generate(run, look_then_stop)
    assert text_of(seen) == "First"


def test_stop_closes_the_call_and_keeps_what_was_said(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.words, fake_gateway.hang_after = ["Half", " said", "never"], 2
    run = make_run(ada)

    async def stop_in_the_middle(stop: asyncio.Event) -> None:
        await runlog.read(run.pk, after=0, wait_s=2)
        await asyncio.sleep(0.1)
        stop.set()

    frames = generate(run, stop_in_the_middle)
    assert (run.status, run.answer) == (Run.Status.STOPPED, "Half said")
    assert frames[-1] == Frame(frames[-1].seq, "end", {"status": "stopped"})
    deadline = time.monotonic() + 2
    while not fake_gateway.left and time.monotonic() < deadline:
        time.sleep(0.01)
    assert fake_gateway.left == 1


def test_stop_comes_from_another_process_through_redis(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.hang_after = 1
    run = make_run(ada)

    async def ask(_: asyncio.Event) -> None:
        await runlog.read(run.pk, after=0, wait_s=2)
        await runlog.ask_to_stop(run.pk)

    generate(run, ask)
    assert run.status == Run.Status.STOPPED


def test_a_refusal_says_why_and_that_nothing_was_charged(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.status = 402
    fake_gateway.error = {"code": "insufficient_credit", "message": "Your balance is 0.", "request_id": "req_no"}
    run = make_run(ada)
    frames = generate(run)
    assert [frame.event for frame in frames] == ["error", "end"]
    assert run.status == Run.Status.FAILED
    assert run.error == {
        "code": "insufficient_credit",
        "message": "Your balance is 0.",
        "request_id": "req_no",
        "charged": False,
        "status": 402,
    }


def test_an_error_in_the_middle_keeps_what_was_said(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.error_after = {"code": "upstream_failed", "message": "It broke."}
    run = make_run(ada)
    generate(run)
    assert (run.status, run.answer, run.error["code"]) == (Run.Status.FAILED, "Hello there.", "upstream_failed")
    assert run.error["charged"] is None


def test_a_stream_that_is_cut_is_not_complete(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.cut_after = 2

    async def no_finish(self: FakeGateway) -> Any:  # the provider never says that it is done
        yield b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n'

    fake_gateway._events = no_finish.__get__(fake_gateway)  # type: ignore[method-assign] # one answer of its own
    run = make_run(ada)
    generate(run)
    assert (run.status, run.error["code"]) == (Run.Status.FAILED, "stream_cut")


def test_a_gateway_that_is_away_is_said_so(ada: User, settings: Any) -> None:
    settings.GATEWAY_URL = "http://127.0.0.1:1/v1"
    run = make_run(ada)
    generate(run)
    assert (run.error["code"], run.error["charged"]) == ("gateway_unreachable", False)


def test_a_flushed_redis_loses_nothing_that_the_row_has(ada: User, fake_gateway: FakeGateway, live_redis: str) -> None:
    fake_gateway.words, fake_gateway.pause_s = ["one ", "two ", "three"], 0.2
    run = make_run(ada)

    async def flush(_: asyncio.Event) -> None:
        await runlog.read(run.pk, after=0, wait_s=2)
        redis.Redis.from_url(live_redis).flushdb()

    frames = generate(run, flush)
    assert frames[0].seq > 1
    assert run.answer == "one two three"


def test_without_redis_the_answer_still_ends_in_the_row(ada: User, fake_gateway: FakeGateway, settings: Any) -> None:
    run = make_run(ada)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    async def go() -> None:
        await runner.run(run.pk, asyncio.Event(), clock=clock)

    async_to_sync(go)()
    run.refresh_from_db()
    assert (run.status, run.answer) == (Run.Status.COMPLETED, "Hello there.")


def test_a_log_that_was_away_gets_everything_as_one_frame(
    ada: User, fake_gateway: FakeGateway, monkeypatch: Any
) -> None:
    fake_gateway.words, fake_gateway.pause_s = ["a", "b", "c", "d"], 0.1
    monkeypatch.setattr(runner, "LOG_RETRY_S", 0.0)
    real, calls = runlog.append, []

    async def sometimes(run_id: Any, frames: list[Frame]) -> bool:
        calls.append(frames)
        if len(calls) == 2:
            raise OSError("away")
        return await real(run_id, frames)

    monkeypatch.setattr(runlog, "append", sometimes)
    run = make_run(ada)
    frames = generate(run)
    whole = next(frame for frame in frames if frame.event == "reset")
    after = [frame for frame in frames if frame.seq > whole.seq]
    assert whole.data["text"] + text_of(after) == "abcd"


def test_a_second_writer_is_refused_by_redis_itself(ada: User) -> None:
    run = make_run(ada)

    async def write_twice() -> None:
        await runlog.append(run.pk, [Frame(1, "delta", {"kind": "text", "text": "a"})])
        await runlog.append(run.pk, [Frame(1, "delta", {"kind": "text", "text": "b"})])

    with pytest.raises(runlog.AnotherWriter):
        async_to_sync(write_twice)()


def test_a_run_that_is_taken_away_is_not_written_any_more(
    ada: User, fake_gateway: FakeGateway, monkeypatch: Any
) -> None:
    fake_gateway.hang_after = 1
    monkeypatch.setattr(runner, "KEEP_EVERY_S", 0.1)
    run = make_run(ada)

    async def take_away(_: asyncio.Event) -> None:
        await runlog.read(run.pk, after=0, wait_s=2)
        await Run.objects.filter(pk=run.pk).aupdate(fence=99, status=Run.Status.INTERRUPTED)

    frames = generate(run, take_away)
    assert run.status == Run.Status.INTERRUPTED
    assert frames[-1].event != "end"


def test_the_row_and_its_number_belong_together_at_every_moment(
    ada: User, fake_gateway: FakeGateway, monkeypatch: Any
) -> None:
    """At each put-down, the text up to the row's number plus the later deltas is the whole answer."""
    fake_gateway.words, fake_gateway.pause_s = [f"{number} " for number in range(60)], 0.005
    monkeypatch.setattr(runner, "KEEP_EVERY_S", 0.02)
    kept: list[tuple[int, str]] = []
    real = runs.keep

    def noting(**given: Any) -> bool | None:
        kept.append((given["seq"], given["said"].answer))
        return real(**given)

    monkeypatch.setattr(runs, "keep", noting)
    frames = generate(make_run(ada))
    assert len(kept) > 3
    for seq, text in kept:
        assert text + text_of([frame for frame in frames if frame.seq > seq]) == "".join(fake_gateway.words)


def test_going_down_ends_a_run_with_a_word(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.hang_after = 1
    run = make_run(ada)

    async def cut() -> None:
        task = asyncio.ensure_future(runner.run(run.pk, asyncio.Event(), clock=clock))
        await runlog.read(run.pk, after=0, wait_s=2)
        task.cancel()
        await asyncio.wait([task])

    async_to_sync(cut)()
    run.refresh_from_db()
    assert (run.status, run.answer) == (Run.Status.INTERRUPTED, "Hello")
