"""The playground's bells: each loads and makes one call, and is safe to run twice."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from playground import jobs, painting, runlog, runs
from playground.models import Run


@shared_task(name="playground.tasks.generate_images", soft_time_limit=540, time_limit=600)
def generate_images(*, job_id: str, **_: Any) -> None:
    painting.paint(job_id=UUID(job_id), clock=timezone.now)


@shared_task(name="playground.tasks.reap_jobs")
def reap_jobs(**_: Any) -> None:
    now = timezone.now()
    jobs.reap(now=now)
    jobs.ring_again(now=now)
    jobs.give_back_late(now=now)


@shared_task(name="playground.tasks.reap_runs")
def reap_runs(**_: Any) -> None:
    for run_id in runs.reap(now=timezone.now()):
        runlog.close_lost(run_id, status=Run.Status.INTERRUPTED)
