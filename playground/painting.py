"""What a worker does with one image job: claim, call the gateway under a lease, prove and store the pictures, end."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings

from playground import gateway_client, jobs, pictures
from playground.gateway_client import GatewayFailed, ImageAnswer

LOOK_EVERY_S = 1.0  # how soon a cancellation is seen

log = structlog.get_logger()
Clock = Callable[[], datetime]


class _Cancelled(Exception):
    """The person does not want it any more."""


class _Lost(Exception):
    """Another attempt has begun, or the job is gone: keep nothing."""


def paint(*, job_id: UUID, clock: Clock) -> None:
    """One attempt. Does nothing when there is nothing to claim; every failure ends in the row."""
    work = jobs.claim(job_id=job_id, now=clock())
    if work is None:
        return
    try:
        _keep(work, async_to_sync(_ask)(work, clock), clock)
    except _Cancelled:
        jobs.cancelled(work=work, now=clock())
    except _Lost:
        log.warning("playground.job.not_ours", job_id=str(job_id), attempt=work.attempt)
    except GatewayFailed as failure:
        jobs.fail(work=work, error=failure.as_json(), again=not failure.started, now=clock())
    except pictures.NotAPicture as error:
        log.warning("playground.job.no_picture", job_id=str(job_id), reason=str(error))
        jobs.fail(work=work, error={"code": "bad_picture", "charged": False}, again=False, now=clock())
    except Exception:
        log.exception("playground.job.broke", job_id=str(job_id))
        jobs.fail(work=work, error={"code": "internal", "charged": False}, again=False, now=clock())


async def _ask(work: jobs.Work, clock: Clock) -> ImageAnswer:
    """The call, with the lease renewed beside it. Raises GatewayFailed, _Cancelled, _Lost; the call is closed then."""
    call = asyncio.create_task(
        gateway_client.make_images(key=work.key, body=work.body, idempotency_key=work.idempotency_key)
    )
    every_s = min(LOOK_EVERY_S, settings.IMAGE_LEASE_S / 4)
    try:
        while not (await asyncio.wait([call], timeout=every_s))[0]:
            go_on = await sync_to_async(partial(jobs.extend, work=work, now=clock()))()
            if go_on is None:
                raise _Lost
            if not go_on:
                raise _Cancelled
        return call.result()
    finally:
        if not call.done():
            call.cancel()
            await asyncio.wait([call])


def _keep(work: jobs.Work, answer: ImageAnswer, clock: Clock) -> None:
    """Raises _Lost, NotAPicture."""
    if not jobs.begin_storing(work=work, request_id=answer.request_id, now=clock()):
        raise _Lost
    proved = [pictures.read(encoded) for encoded in answer.images[: work.body["n"]]]
    stored = [
        (pictures.store(picture, job_id=work.id, attempt=work.attempt, slot=slot), picture)
        for slot, picture in enumerate(proved)
    ]
    if not jobs.succeed(work=work, stored=stored, now=clock()):
        raise _Lost
    jobs.forget_unkept_files(job_id=work.id, keep=[name for name, _ in stored])
