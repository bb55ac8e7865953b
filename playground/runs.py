"""Start, advance and end runs. Every change is an update that looks at status and fence; zero rows means: not ours.

The runner (playground.runner) calls claim, keep and finish; views call start and request_stop; beat calls reap.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet

from accounts import keys
from accounts.models import User
from playground import rendering
from playground.models import Conversation, Run

QUEUED_FOR = timedelta(seconds=60)  # a run that no runner took by then lost its process
MAX_HISTORY_TURNS = 100
MAX_HISTORY_CHARS = 400_000
TITLE_CHARS = 80
LAST: Literal["last"] = "last"


class NotYours(Exception):
    """The id exists, but for another person; to the asker it does not exist."""


class AlreadyAnother(Exception):
    """This id already stands for a different question."""


class StillRunning(Exception):
    """The answer that this question follows is not finished."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a browser sends. `parent` is the run it follows: None at the start, LAST for the newest one."""

    id: UUID
    conversation: UUID
    parent: UUID | Literal["last"] | None
    model: str
    prompt: str
    system: str = ""
    max_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Work:
    """A claimed run with all that the runner needs; no row, so that no query can hide in it."""

    id: UUID
    user_id: int
    fence: int
    key: str = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    left_out: int  # earlier turns that did not fit

    @property
    def client_id(self) -> str:
        """Sent with the call; the gateway's usage row carries it."""
        return f"run_{self.id}"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What there is of an answer; the names are columns of the row."""

    answer: str
    reasoning: str
    request_id: str
    first_token_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class State:
    """A run as the database knows it, for readers of its stream."""

    id: UUID
    status: str
    seq: int
    answer: str
    reasoning: str
    error: dict[str, Any]
    request_id: str
    ended: bool


def start(*, user: User, question: Question, now: datetime) -> tuple[Run, bool]:
    """The queued run, and whether it is new: the same question again is the same run.

    Raises NotYours, AlreadyAnother, StillRunning.
    """
    if (known := Run.objects.filter(pk=question.id).first()) is not None:
        return _same(known, user, question), False
    try:
        with transaction.atomic():
            conversation = _conversation(user, question, now)
            parent = _parent(conversation, question.parent)
            run = Run.objects.create(
                id=question.id,
                conversation=conversation,
                user=user,
                parent=parent,
                model=question.model,
                prompt=question.prompt,
                system=question.system,
                max_tokens=question.max_tokens,
            )
    except (IntegrityError, StillRunning):  # two at once with one id: the second meets what the first has made
        if (known := Run.objects.filter(pk=question.id).first()) is None:
            raise
        return _same(known, user, question), False
    return run, True


def _same(run: Run, user: User, question: Question) -> Run:
    if run.user_id != user.pk:
        raise NotYours
    if (run.prompt, run.model, run.conversation_id) != (question.prompt, question.model, question.conversation):
        raise AlreadyAnother
    return run


def _conversation(user: User, question: Question, now: datetime) -> Conversation:
    conversation, created = Conversation.objects.get_or_create(
        pk=question.conversation, defaults={"user": user, "title": title_of(question.prompt), "updated_at": now}
    )
    if conversation.user_id != user.pk:
        raise NotYours
    if not created:
        Conversation.objects.filter(pk=conversation.pk).update(updated_at=now)
    return conversation


def _parent(conversation: Conversation, wanted: UUID | Literal["last"] | None) -> Run | None:
    if wanted is None:
        return None
    if wanted == LAST:
        parent = conversation.runs.order_by("-created_at").first()
    elif (parent := conversation.runs.filter(pk=wanted).first()) is None:
        raise NotYours
    if parent is not None and not parent.ended:
        raise StillRunning
    return parent


def title_of(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1].rstrip() + "…"


def claim(*, run_id: UUID, now: datetime) -> Work | None:
    """Take a queued run. None when somebody else has it or it was stopped before it began."""
    taken = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.RUNNING, fence=F("fence") + 1, lease_until=now + lease(), started_at=now
    )
    if not taken:
        return None
    run = Run.objects.select_related("user").get(pk=run_id)
    messages, left_out = _messages(run)
    body: dict[str, Any] = {"model": run.model, "messages": messages}
    if run.max_tokens is not None:
        body["max_tokens"] = run.max_tokens
    return Work(
        id=run.pk,
        user_id=run.user_id,
        fence=run.fence,
        key=keys.playground_key(user=run.user),
        body=body,
        left_out=left_out,
    )


def _messages(run: Run) -> tuple[list[dict[str, str]], int]:
    """The system prompt, the turns before this one as far as they fit, and the question."""
    by_id = Run.objects.filter(conversation_id=run.conversation_id).in_bulk()
    turns: list[tuple[str, str]] = []
    parent = by_id.get(run.parent_id) if run.parent_id else None
    while parent is not None:
        if parent.answer:
            turns.append((parent.prompt, rendering.without_data_images(parent.answer)))
        parent = by_id.get(parent.parent_id) if parent.parent_id else None
    room, kept = MAX_HISTORY_CHARS, 0
    for asked, answered in turns[:MAX_HISTORY_TURNS]:
        room -= len(asked) + len(answered)
        if room < 0:
            break
        kept += 1
    messages = [{"role": "system", "content": run.system}] if run.system.strip() else []
    for asked, answered in reversed(turns[:kept]):
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return [*messages, {"role": "user", "content": run.prompt}], len(turns) - kept


def lease() -> timedelta:
    return timedelta(seconds=settings.RUN_LEASE_S)


def keep(*, work: Work, seq: int, said: Said, now: datetime) -> bool | None:
    """Put down what there is so far and renew the lease.

    True: go on. False: somebody asked to stop. None: the run is no longer ours.
    """
    ours = _held(work).update(**asdict(said), last_seq=seq, lease_until=now + lease())
    if not ours:
        return None
    return not Run.objects.filter(pk=work.id, stop_requested_at__isnull=False).exists()


def finish(*, work: Work, status: Run.Status, seq: int, said: Said, error: dict[str, Any], now: datetime) -> bool:
    """The last word on a run. False when it was no longer ours."""
    html = rendering.answer_html(said.answer)
    return bool(
        _held(work).update(
            **asdict(said), status=status, answer_html=html, last_seq=seq, error=error, lease_until=None, ended_at=now
        )
    )


def _held(work: Work) -> QuerySet[Run]:
    return Run.objects.filter(pk=work.id, status=Run.Status.RUNNING, fence=work.fence)


def request_stop(*, run: Run, now: datetime) -> str:
    """The status after the wish to stop: a run that nobody began stops at once, one that ended stays as it is."""
    Run.objects.filter(pk=run.pk, status=Run.Status.QUEUED).update(
        status=Run.Status.STOPPED, stop_requested_at=now, ended_at=now
    )
    Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING, stop_requested_at=None).update(stop_requested_at=now)
    return Run.objects.values_list("status", flat=True).get(pk=run.pk)


def reap(*, now: datetime) -> list[UUID]:
    """Runs whose runner is gone become interrupted, with what was put down so far. Returns their ids."""
    lost = Q(status=Run.Status.RUNNING, lease_until__lt=now) | Q(
        status=Run.Status.QUEUED, created_at__lt=now - QUEUED_FOR
    )
    reaped = []
    for run in Run.objects.filter(lost).order_by("pk")[:500]:
        changed = Run.objects.filter(lost, pk=run.pk, fence=run.fence).update(
            status=Run.Status.INTERRUPTED,
            fence=F("fence") + 1,
            lease_until=None,
            ended_at=now,
            error={"code": "interrupted", "request_id": run.request_id, "charged": None},
        )
        if changed:
            reaped.append(run.pk)
    return reaped


def state_of(*, run_id: UUID) -> State | None:
    """A fresh look for a reader; None when the run was deleted meanwhile."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        return None
    return State(
        id=run.pk,
        status=run.status,
        seq=run.last_seq,
        answer=run.answer,
        reasoning=run.reasoning,
        error=run.error,
        request_id=run.request_id,
        ended=run.ended,
    )


def let_go() -> None:
    """Give this thread's connection back: a stream must not pin one for as long as a tab is open."""
    if not connection.in_atomic_block:  # a test's transaction is the only thing that can be open here
        connection.close()
