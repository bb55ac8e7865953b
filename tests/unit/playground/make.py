"""Makers of conversations, runs and image jobs."""

import uuid
from datetime import datetime
from uuid import UUID

from accounts.models import User
from playground import jobs, runs
from playground.models import ImageJob, Run
from tests.make import NOW


def question(
    prompt: str = "Why is the sky blue?",
    *,
    run_id: UUID | None = None,
    conversation: UUID | None = None,
    parent: UUID | None = None,
    model: str = "gpt-test",
    system: str = "",
    max_tokens: int | None = None,
) -> runs.Question:
    run_id = run_id or uuid.uuid4()
    return runs.Question(
        id=run_id,
        conversation=conversation or run_id,
        parent=parent,
        model=model,
        prompt=prompt,
        system=system,
        max_tokens=max_tokens,
    )


def make_run(user: User, prompt: str = "Why is the sky blue?", *, after: Run | None = None, now: datetime = NOW) -> Run:
    asked = question(prompt, conversation=after.conversation_id if after else None, parent=after.pk if after else None)
    run, _ = runs.start(user=user, question=asked, now=now)
    return run


def finished_run(user: User, prompt: str, answer: str, *, after: Run | None = None) -> Run:
    run = make_run(user, prompt, after=after)
    work = runs.claim(run_id=run.pk, now=NOW)
    assert work is not None
    said = runs.Said(answer=answer, reasoning="", request_id="", first_token_at=NOW)
    assert runs.finish(work=work, status=Run.Status.COMPLETED, seq=5, said=said, error={}, now=NOW)
    run.refresh_from_db()
    return run


def order(
    prompt: str = "A red fox in the snow", *, job_id: UUID | None = None, count: int = 1, model: str = "image-test"
) -> jobs.Order:
    return jobs.Order(id=job_id or uuid.uuid4(), model=model, prompt=prompt, size="1024x1024", count=count)


def make_job(user: User, prompt: str = "A red fox in the snow", *, count: int = 1, now: datetime = NOW) -> ImageJob:
    job, _ = jobs.create(user=user, order=order(prompt, count=count), now=now)
    return job
