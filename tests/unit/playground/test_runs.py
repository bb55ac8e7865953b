"""Runs as rows: one per id, claimed once, kept by whoever holds them, reaped when nobody does."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from playground import runs
from playground.models import Conversation, Run
from tests.make import NOW
from tests.unit.playground.make import finished_run, make_run, question

SAID = runs.Said(answer="Because", reasoning="", request_id="req_1", first_token_at=NOW)


def claimed(run: Run) -> runs.Work:
    work = runs.claim(run_id=run.pk, now=NOW)
    assert work is not None
    return work


def test_the_first_question_begins_a_conversation_named_after_it(ada: User) -> None:
    run = make_run(ada, "Why is\n the sky   blue? " + "x" * 100)
    assert run.conversation.title.startswith("Why is the sky blue? xxx")
    assert len(run.conversation.title) == runs.TITLE_CHARS
    assert run.status == Run.Status.QUEUED


def test_the_same_question_twice_is_one_run(ada: User) -> None:
    asked = question()
    first, created = runs.start(user=ada, question=asked, now=NOW)
    second, again = runs.start(user=ada, question=asked, now=NOW)
    assert (created, again) == (True, False)
    assert first.pk == second.pk
    assert Run.objects.count() == 1


def test_one_id_for_two_questions_is_refused(ada: User) -> None:
    asked = question()
    runs.start(user=ada, question=asked, now=NOW)
    with pytest.raises(runs.AlreadyAnother):
        runs.start(user=ada, question=question("Another", run_id=asked.id), now=NOW)


def test_an_id_of_somebody_else_does_not_exist(ada: User, cleo: User) -> None:
    run = make_run(ada)
    with pytest.raises(runs.NotYours):
        runs.start(user=cleo, question=question(run_id=run.pk), now=NOW)
    with pytest.raises(runs.NotYours):
        runs.start(user=cleo, question=question(conversation=run.conversation_id), now=NOW)


def test_a_question_follows_a_run_of_its_own_conversation_only(ada: User) -> None:
    here, there = finished_run(ada, "a", "b"), finished_run(ada, "c", "d")
    with pytest.raises(runs.NotYours):
        runs.start(user=ada, question=question(conversation=here.conversation_id, parent=there.pk), now=NOW)


def test_a_question_waits_for_the_answer_before(ada: User) -> None:
    run = make_run(ada)
    with pytest.raises(runs.StillRunning):
        make_run(ada, "And then?", after=run)


def test_a_run_is_claimed_once(ada: User) -> None:
    run = make_run(ada)
    assert runs.claim(run_id=run.pk, now=NOW) is not None
    assert runs.claim(run_id=run.pk, now=NOW) is None


def test_the_model_gets_the_turns_before_in_order(ada: User) -> None:
    first = finished_run(ada, "one", "1")
    second = finished_run(ada, "two", "2 ![x](data:image/png;base64,AAAA)", after=first)
    asked = question("three", conversation=first.conversation_id, parent=second.pk, system="Be brief.", max_tokens=9)
    run, _ = runs.start(user=ada, question=asked, now=NOW)
    work = claimed(run)
    assert work.body == {
        "model": "gpt-test",
        "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "2 [x]"},
            {"role": "user", "content": "three"},
        ],
    }
    assert work.key.startswith("qy_")
    assert work.key not in repr(work)


def test_a_sibling_does_not_see_the_answer_beside_it(ada: User) -> None:
    first = finished_run(ada, "one", "1")
    finished_run(ada, "two", "2", after=first)
    again = make_run(ada, "two, please", after=first)
    assert [message["content"] for message in claimed(again).body["messages"]] == ["one", "1", "two, please"]


def test_turns_that_do_not_fit_are_left_out_from_the_oldest(ada: User, monkeypatch: Any) -> None:
    first = finished_run(ada, "a" * 50, "b" * 50)
    second = finished_run(ada, "c" * 20, "d" * 20, after=first)
    monkeypatch.setattr(runs, "MAX_HISTORY_CHARS", 100)
    work = claimed(make_run(ada, "now", after=second))
    assert work.left_out == 1
    assert [message["content"][0] for message in work.body["messages"]] == ["c", "d", "n"]


def test_what_is_put_down_belongs_to_the_holder(ada: User) -> None:
    run = make_run(ada)
    work = claimed(run)
    assert runs.keep(work=work, seq=3, said=SAID, now=NOW) is True
    Run.objects.filter(pk=run.pk).update(fence=work.fence + 1)
    assert runs.keep(work=work, seq=4, said=SAID, now=NOW) is None
    assert not runs.finish(work=work, status=Run.Status.COMPLETED, seq=4, said=SAID, error={}, now=NOW)
    run.refresh_from_db()
    assert (run.last_seq, run.answer, run.status) == (3, "Because", Run.Status.RUNNING)


def test_a_wish_to_stop_reaches_the_holder_through_the_row(ada: User) -> None:
    run = make_run(ada)
    work = claimed(run)
    assert runs.request_stop(run=run, now=NOW) == Run.Status.RUNNING
    assert runs.keep(work=work, seq=1, said=SAID, now=NOW) is False


def test_a_run_that_nobody_began_stops_at_once(ada: User) -> None:
    run = make_run(ada)
    assert runs.request_stop(run=run, now=NOW) == Run.Status.STOPPED
    assert runs.claim(run_id=run.pk, now=NOW) is None
    assert runs.request_stop(run=run, now=NOW) == Run.Status.STOPPED


def test_a_finished_answer_is_ready_to_show(ada: User) -> None:
    run = finished_run(ada, "q", "**yes**")
    assert "<strong>yes</strong>" in run.answer_html


def test_a_silent_runner_loses_its_run_and_what_was_said_stays(ada: User) -> None:
    run = make_run(ada)
    work = claimed(run)
    runs.keep(work=work, seq=2, said=SAID, now=NOW)
    assert runs.reap(now=NOW + runs.lease() - timedelta(seconds=1)) == []
    assert runs.reap(now=NOW + runs.lease() + timedelta(seconds=1)) == [run.pk]
    run.refresh_from_db()
    assert (run.status, run.answer) == (Run.Status.INTERRUPTED, "Because")
    assert not runs.finish(work=work, status=Run.Status.COMPLETED, seq=9, said=SAID, error={}, now=NOW)


def test_a_question_that_no_runner_took_is_reaped(ada: User) -> None:
    run = make_run(ada)
    run.refresh_from_db()
    assert runs.reap(now=run.created_at + runs.QUEUED_FOR - timedelta(seconds=1)) == []
    assert runs.reap(now=run.created_at + runs.QUEUED_FOR + timedelta(seconds=1)) == [run.pk]


def test_a_deleted_conversation_takes_its_runs_along(ada: User) -> None:
    run = make_run(ada)
    work = claimed(run)
    Conversation.objects.all().delete()
    assert runs.keep(work=work, seq=1, said=SAID, now=NOW) is None
    assert runs.state_of(run_id=uuid.UUID(str(run.pk))) is None
