"""Image jobs: create, claim, end, cancel, retry, reap. The row is the truth; Celery and Redis only carry news of it.

Every change is a conditional update that looks at status and fence and raises `version`; zero rows means somebody else
was first. An attempt that brought no image is noted as undelivered, and whatever it was charged is given back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from kombu.exceptions import OperationalError

from accounts import keys
from accounts.models import User
from billing import charges
from playground import charged, jobfeed, pictures
from playground.models import Image, ImageJob
from playground.pictures import Picture

MAX_ATTEMPTS = 3  # without anybody asking again
MAX_UNDER_WAY = 10  # per person
RING_AGAIN = timedelta(seconds=60)
GIVE_BACK_FOR = timedelta(hours=24)  # how long a late charge of a lost attempt is looked for
TASK = "playground.tasks.generate_images"
QUEUE = "images"

Status = ImageJob.Status
WORKING = (Status.RUNNING, Status.STORING)
log = structlog.get_logger()


class NotYours(Exception):
    """The id exists, but for another person; to the asker it does not exist."""


class AlreadyAnother(Exception):
    """This id already stands for a different job."""


class TooManyJobs(Exception):
    """MAX_UNDER_WAY jobs of this person wait or run."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asks for. The id comes from the form: a second click is the same job."""

    id: UUID
    model: str
    prompt: str
    size: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """A claimed attempt and all that a worker needs for it."""

    id: UUID
    user_id: int
    fence: int
    attempt: int
    idempotency_key: str
    key: str = field(repr=False)
    body: dict[str, Any] = field(repr=False)


def create(*, user: User, order: Order, now: datetime) -> tuple[ImageJob, bool]:
    """The queued job, and whether it is new. Raises NotYours, AlreadyAnother, TooManyJobs."""
    if (known := ImageJob.objects.filter(pk=order.id).first()) is not None:
        return _same(known, user, order), False
    try:
        with transaction.atomic():
            User.objects.select_for_update(of=("self",)).get(pk=user.pk)  # the cap holds for parallel orders
            if ImageJob.objects.filter(user=user).exclude(status__in=_ENDED).count() >= MAX_UNDER_WAY:
                raise TooManyJobs
            job = ImageJob.objects.create(
                id=order.id,
                user=user,
                model=order.model,
                prompt=order.prompt,
                size=order.size,
                count=order.count,
                rung_at=now,
            )
            transaction.on_commit(partial(_tell_and_ring, job.pk))
    except IntegrityError:  # two at once with one id
        return _same(ImageJob.objects.get(pk=order.id), user, order), False
    return job, True


_ENDED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


def _same(job: ImageJob, user: User, order: Order) -> ImageJob:
    if job.user_id != user.pk:
        raise NotYours
    if (job.model, job.prompt, job.size, job.count) != (order.model, order.prompt, order.size, order.count):
        raise AlreadyAnother
    return job


def claim(*, job_id: UUID, now: datetime) -> Work | None:
    """Begin an attempt. None when there is nothing to begin: a message that came twice finds nothing."""
    changed = _change(
        ImageJob.objects.filter(pk=job_id, status=Status.QUEUED),
        status=Status.RUNNING,
        fence=F("fence") + 1,
        attempt=F("attempt") + 1,
        lease_until=now + lease(),
        started_at=now,
        error={},
    )
    if not changed:
        return None
    job = ImageJob.objects.select_related("user").get(pk=job_id)
    return Work(
        id=job.pk,
        user_id=job.user_id,
        fence=job.fence,
        attempt=job.attempt,
        idempotency_key=job.idempotency_key(job.attempt),
        key=keys.playground_key(user=job.user),
        body={"model": job.model, "prompt": job.prompt, "size": job.size, "n": job.count},
    )


def lease() -> timedelta:
    return timedelta(seconds=settings.IMAGE_LEASE_S)


def extend(*, work: Work, now: datetime) -> bool | None:
    """True: go on. False: the person cancelled. None: the attempt is no longer ours."""
    if not _held(work).update(lease_until=now + lease()):
        return None
    return not ImageJob.objects.filter(pk=work.id, cancel_requested_at__isnull=False).exists()


def begin_storing(*, work: Work, request_id: str, now: datetime) -> bool:
    """The gateway has answered; from here on the job cannot be cancelled. False when it is no longer ours."""
    held = _held(work).filter(status=Status.RUNNING)
    return _change(held, status=Status.STORING, request_id=request_id, lease_until=now + lease())


def succeed(*, work: Work, stored: list[tuple[str, Picture]], now: datetime) -> bool:
    """The images become rows together with the end of the job. False when it is no longer ours: nothing is kept."""
    with transaction.atomic():
        if not _change(_held(work), status=Status.SUCCEEDED, lease_until=None, ended_at=now):
            return False
        Image.objects.bulk_create(
            Image(
                job_id=work.id,
                slot=slot,
                file=name,
                media_type=picture.media_type,
                width=picture.width,
                height=picture.height,
                sha256=picture.sha256,
            )
            for slot, (name, picture) in enumerate(stored)
        )
    return True


def fail(*, work: Work, error: dict[str, Any], again: bool, now: datetime) -> None:
    """The attempt brought nothing. `again`: it certainly never began, so it may be sent once more by itself."""
    job = ImageJob.objects.get(pk=work.id)
    again = again and work.attempt - job.first_attempt < MAX_ATTEMPTS
    if charged.knowable():
        error = {**error, "charged": False}  # whatever was taken is given back
    _change(
        _held(work),
        status=Status.QUEUED if again else Status.FAILED,
        undelivered=[*job.undelivered, work.attempt],
        lease_until=None,
        rung_at=now,
        ended_at=None if again else now,
        error=error,
        request_id=str(error.get("request_id", "")),
    )
    give_back(job_id=work.id, now=now)


def cancel(*, job: ImageJob, now: datetime) -> None:
    """A waiting job ends at once and free; a running one is asked to; anything else stays as it is."""
    if not _change(
        ImageJob.objects.filter(pk=job.pk, status=Status.QUEUED),
        status=Status.CANCELLED,
        cancel_requested_at=now,
        ended_at=now,
    ):
        _change(
            ImageJob.objects.filter(pk=job.pk, status=Status.RUNNING, cancel_requested_at=None),
            cancel_requested_at=now,
        )


def cancelled(*, work: Work, now: datetime) -> None:
    """The worker has closed the call because the person asked for it."""
    _change(_held(work), status=Status.CANCELLED, lease_until=None, ended_at=now)


def retry(*, job: ImageJob, now: datetime) -> bool:
    """A failed or cancelled job once more, by hand: a new attempt on the same row. False when it was neither."""
    again = ImageJob.objects.filter(pk=job.pk, status__in=[Status.FAILED, Status.CANCELLED])
    changed = _change(
        again,
        status=Status.QUEUED,
        first_attempt=F("attempt"),
        rung_at=now,
        ended_at=None,
        cancel_requested_at=None,
        error={},
        request_id="",
    )
    if changed:
        _ring(job.pk)
    return changed


def reap(*, now: datetime) -> list[UUID]:
    """Attempts whose worker went silent are lost: charged ones are given back, then they begin again or fail."""
    reaped = []
    for job in ImageJob.objects.filter(status__in=WORKING, lease_until__lt=now).order_by("lease_until")[:200]:
        again = job.attempt - job.first_attempt < MAX_ATTEMPTS and job.cancel_requested_at is None
        status = Status.QUEUED if again else Status.FAILED if job.cancel_requested_at is None else Status.CANCELLED
        changed = _change(
            ImageJob.objects.filter(pk=job.pk, fence=job.fence, status__in=WORKING, lease_until__lt=now),
            status=status,
            fence=F("fence") + 1,
            undelivered=[*job.undelivered, job.attempt],
            lease_until=None,
            rung_at=now,
            ended_at=None if again else now,
            error={} if again else {"code": "worker_lost", "request_id": job.request_id, "charged": False},
        )
        if changed:
            log.warning("playground.job.lost", job_id=str(job.pk), attempt=job.attempt, again=again)
            reaped.append(job.pk)
            give_back(job_id=job.pk, now=now)
            if again:
                _ring(job.pk)
    return reaped


def ring_again(*, now: datetime) -> int:
    """Call for jobs that wait longer than a lost message explains."""
    waiting = ImageJob.objects.filter(status=Status.QUEUED).filter(Q(rung_at__lt=now - RING_AGAIN) | Q(rung_at=None))
    rung = 0
    for job_id in waiting.order_by("created_at").values_list("pk", flat=True)[:200]:
        if ImageJob.objects.filter(pk=job_id, status=Status.QUEUED).update(rung_at=now):
            _ring(job_id)
            rung += 1
    return rung


def give_back_late(*, now: datetime) -> int:
    """Refund lost attempts whose charge was written only after they were given up. Returns the number of refunds."""
    recent = ImageJob.objects.filter(created_at__gt=now - GIVE_BACK_FOR).exclude(undelivered=[])
    return sum(give_back(job_id=job_id, now=now) for job_id in recent.values_list("pk", flat=True))


def give_back(*, job_id: UUID, now: datetime) -> int:
    """Refund every charge of the attempts that brought nothing. Safe to call at any time and twice."""
    job = ImageJob.objects.get(pk=job_id)
    refunds = 0
    for attempt in job.undelivered:
        for usage in charged.charged_by_playground(user_id=job.user_id, client_request_id=job.idempotency_key(attempt)):
            charges.refund(
                usage=usage,
                amount=usage.charge_nano,
                n=1,
                actor=None,
                reason="The image was generated but never reached the person",
                now=now,
            )
            refunds += 1
    return refunds


def forget_unkept_files(*, job_id: UUID, keep: Iterable[str]) -> None:
    """Files of lost attempts lie in the job's folder without a row."""
    kept = set(keep)
    for name in pictures.files_of(job_id):
        if name not in kept:
            default_storage.delete(name)


def _held(work: Work) -> QuerySet[ImageJob]:
    return ImageJob.objects.filter(pk=work.id, fence=work.fence, status__in=WORKING)


def _change(jobs: QuerySet[ImageJob], **changes: Any) -> bool:
    """Update the one job if it is still as `jobs` says, and tell its person afterwards."""
    with transaction.atomic():
        job_id = jobs.values_list("pk", flat=True).first()
        if job_id is None or not jobs.update(version=F("version") + 1, **changes):
            return False
        transaction.on_commit(partial(jobfeed.tell, job_id))
    return True


def _tell_and_ring(job_id: UUID) -> None:
    jobfeed.tell(job_id)
    _ring(job_id)


def _ring(job_id: UUID) -> None:
    """Wake a worker. A lost bell costs a minute, not a job: beat rings again."""
    try:
        current_app.send_task(TASK, kwargs={"job_id": str(job_id)}, queue=QUEUE, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("playground.job.not_rung", job_id=str(job_id), error=type(error).__name__)
