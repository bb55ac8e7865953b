"""What a reader gets: all frames after the cursor, once, whatever Redis forgot, until the end."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from playground import runlog, streams
from playground.answers import Frame
from playground.runs import State

RUN = uuid.UUID(int=7)


def state(seq: int = 0, text: str = "", *, status: str = "running", error: dict[str, Any] | None = None) -> State:
    return State(
        id=RUN,
        status=status,
        seq=seq,
        answer=text,
        reasoning="",
        error=error or {},
        request_id="",
        ended=status not in {"queued", "running"},
    )


def delta(seq: int, text: str) -> Frame:
    return Frame(seq, "delta", {"kind": "text", "text": text})


END = {"status": "completed"}


def collect(
    first: State, *, after: int = 0, log: list[Frame] | None = None, later: Sequence[State | None] = ()
) -> list[Any]:
    """(event, id, data) until `end`; `later` is what the row says at each further look."""
    looks = iter(later)

    async def look() -> State | None:
        return next(looks)

    async def go() -> list[bytes]:
        if log:
            await runlog.append(RUN, log)
        return [piece async for piece in streams.run_events(RUN, first, after=after, look=look)]

    return [parsed for piece in async_to_sync(go)() if (parsed := parse(piece))]


def parse(piece: bytes) -> tuple[str, int | None, Any] | None:
    fields = dict(line.split(": ", 1) for line in piece.decode().strip().split("\n") if not line.startswith(":"))
    if "event" not in fields:
        return None
    return fields["event"], int(fields["id"]) if "id" in fields else None, json.loads(fields["data"])


@pytest.fixture(autouse=True)
def quick(live_redis: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(runlog, "BLOCK_S", 0.1)
    monkeypatch.setattr(streams, "GAP_PAUSE_S", 0.0)
    monkeypatch.setattr(streams, "NO_LOG_PAUSE_S", 0.0)


def test_a_reader_from_the_start_gets_everything_merged() -> None:
    events = collect(state(), log=[delta(1, "a"), delta(2, "b"), Frame(3, "end", END)])
    assert events == [
        ("open", None, {"run": str(RUN), "status": "running"}),
        ("delta", 2, {"kind": "text", "text": "ab"}),
        ("end", 3, END),
    ]


def test_a_reader_who_comes_back_gets_the_rest_only() -> None:
    events = collect(state(), after=1, log=[delta(1, "a"), delta(2, "b"), Frame(3, "end", END)])
    assert [event[:2] for event in events] == [("open", None), ("delta", 2), ("end", 3)]
    assert events[1][2]["text"] == "b"


def test_an_ended_run_is_told_from_the_row() -> None:
    events = collect(state(9, "whole", status="completed"))
    assert events[1:] == [("reset", 8, {"text": "whole", "reasoning": ""}), ("end", 9, {"status": "completed"})]


def test_a_reader_who_has_all_of_an_ended_run_gets_the_end_only() -> None:
    assert collect(state(9, "whole", status="completed"), after=8)[1:] == [("end", 9, {"status": "completed"})]


def test_a_failed_run_says_its_error_before_the_end() -> None:
    events = collect(state(2, "", status="failed", error={"code": "x"}), after=2)
    assert [event[0] for event in events] == ["open", "error", "end"]


def test_a_log_that_lost_its_beginning_is_bridged_by_the_row() -> None:
    log = [delta(5, "e"), Frame(6, "end", END)]
    events = collect(state(4, "abcd"), log=log, later=[state(4, "abcd")])
    assert [event[:2] for event in events] == [("open", None), ("reset", 4), ("delta", 5), ("end", 6)]
    assert events[1][2]["text"] + events[2][2]["text"] == "abcde"


def test_a_gap_is_never_stepped_over() -> None:
    """The row is behind the log: wait until it has caught up."""
    log = [delta(5, "e"), Frame(6, "end", END)]
    events = collect(state(2, "ab"), after=2, log=log, later=[state(2, "ab"), state(2, "ab"), state(4, "abcd")])
    assert [event[:2] for event in events] == [("open", None), ("reset", 4), ("delta", 5), ("end", 6)]


def test_a_hole_in_the_middle_of_a_batch_is_bridged() -> None:
    log = [delta(1, "a"), delta(3, "c"), Frame(4, "end", END)]
    events = collect(state(), log=log, later=[state(2, "ab")])
    assert [event[:2] for event in events] == [("open", None), ("delta", 1), ("reset", 2), ("delta", 3), ("end", 4)]


def test_an_empty_log_falls_back_to_the_row() -> None:
    events = collect(state(3, "abc"), later=[state(3, "abc"), state(5, "abcde", status="completed")])
    assert [event[:2] for event in events] == [("open", None), ("reset", 3), ("reset", 4), ("end", 5)]


def test_without_redis_the_row_is_told_until_it_ends(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    events = collect(state(), later=[state(3, "abc"), state(3, "abc"), state(5, "abcde", status="completed")])
    assert [event[0] for event in events] == ["open", "reset", "reset", "end"]
    assert events[-2][2]["text"] == "abcde"


def test_a_reset_in_the_log_replaces_what_was_before() -> None:
    log = [delta(1, "a"), Frame(4, "reset", {"text": "abc", "reasoning": ""}), delta(5, "d"), Frame(6, "end", END)]
    assert [event[:2] for event in collect(state(), log=log)] == [
        ("open", None),
        ("delta", 1),
        ("reset", 4),
        ("delta", 5),
        ("end", 6),
    ]


def test_a_deleted_run_ends_its_readers() -> None:
    assert collect(state(), later=[None])[-1] == ("end", None, {"status": "deleted"})


def test_a_stream_without_an_end_closes_after_a_while(monkeypatch: Any) -> None:
    monkeypatch.setattr(streams, "lifetime_s", lambda: 0.05)
    events = collect(state(), later=[state()] * 9)
    assert [event[0] for event in events] == ["open"]


def test_a_picture_in_the_answer_is_a_sign_in_a_reset() -> None:
    events = collect(state(9, "![x](data:image/png;base64,AAAA)", status="completed"))
    assert events[1][2]["text"] == "![x](🖼)"


@pytest.mark.parametrize(
    ("header", "query", "expected"), [(None, None, 0), ("3", None, 3), (None, "4", 4), ("3", "4", 4), ("9", "4", 9)]
)
def test_the_larger_cursor_wins(header: str | None, query: str | None, expected: int) -> None:
    assert streams.cursor(header, query) == expected


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "١", "9" * 30, " 1", "\x00"])
def test_a_cursor_is_a_whole_number(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 its text is the cursor itself
        streams.cursor(None, text)
