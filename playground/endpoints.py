"""The playground's JSON calls and event streams. An id of another person is a 404, a wrong body a 4xx in JSON."""

from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from playground import jobs, jobstream, payloads, runlog, runner, runs, streams
from playground.http import in_database, not_found, person, problem, signed_in
from playground.models import ImageJob, Run


@require_POST
@signed_in
async def run_create(request: HttpRequest) -> HttpResponseBase:
    try:
        question = payloads.question(request)
    except payloads.BadPayload as error:
        return problem(error.status, "bad_request", error.message, field=error.field)
    if not await runlog.is_up():
        return problem(503, "events_unavailable", _("Answers cannot be streamed right now. Ask again in a minute."))
    try:
        start = partial(runs.start, user=person(request), question=question, now=timezone.now())
        run, created = await in_database(start)
    except runs.NotYours:
        return not_found()
    except runs.AlreadyAnother:
        return problem(409, "id_taken", _("This id already stands for another question. Use a new one."), field="id")
    except runs.StillRunning:
        return problem(409, "still_running", _("The answer before is not finished. Wait for it, or stop it."))
    if created:
        runner.start(run.pk, clock=timezone.now)
    return JsonResponse(_run_json(run), status=201 if created else 200)


def _run_json(run: Run) -> dict[str, str]:
    return {
        "id": str(run.pk),
        "conversation": str(run.conversation_id),
        "status": run.status,
        "page": reverse("playground:conversation", args=[run.conversation_id]),
        "events": reverse("playground:run-events", args=[run.pk]),
        "stop": reverse("playground:run-stop", args=[run.pk]),
        "fragment": reverse("playground:run", args=[run.pk]),
    }


@require_GET
@signed_in
async def run_events(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    try:
        after = streams.cursor(request.headers.get("Last-Event-ID"), request.GET.get("after"))
    except ValueError:
        return problem(400, "bad_cursor", _("`after` and Last-Event-ID are whole numbers from 0."))
    look = partial(in_database, partial(runs.state_of, run_id=run_id))
    owner = await in_database(lambda: Run.objects.filter(pk=run_id, user=person(request)).exists())
    state = await look() if owner else None
    if state is None:
        return not_found()
    return streams.response(streams.run_events(run_id, state, after=after, look=look))


@require_POST
@signed_in
async def run_stop(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    run = await Run.objects.filter(pk=run_id, user=person(request)).afirst()
    if run is None:
        return not_found()
    status = await in_database(partial(runs.request_stop, run=run, now=timezone.now()))
    if status == Run.Status.RUNNING:
        runner.stop(run_id)
        await runlog.ask_to_stop(run_id)
    return JsonResponse({"id": str(run_id), "status": status})


@require_POST
@signed_in
async def job_create(request: HttpRequest) -> HttpResponseBase:
    try:
        order = payloads.order(request)
    except payloads.BadPayload as error:
        return problem(error.status, "bad_request", error.message, field=error.field)
    try:
        job, created = await in_database(partial(jobs.create, user=person(request), order=order, now=timezone.now()))
    except jobs.NotYours:
        return not_found()
    except jobs.AlreadyAnother:
        return problem(409, "id_taken", _("This id already stands for another image. Use a new one."), field="id")
    except jobs.TooManyJobs:
        words = _("%(count)s images are under way already. Wait for one to finish, or cancel one.")
        return problem(429, "too_many_jobs", words % {"count": jobs.MAX_UNDER_WAY})
    return JsonResponse(_job_json(job), status=201 if created else 200)


def _job_json(job: ImageJob) -> dict[str, str]:
    return {
        "id": str(job.pk),
        "status": job.status,
        "events": reverse("playground:image-events"),
        "cancel": reverse("playground:job-cancel", args=[job.pk]),
        "fragment": reverse("playground:job", args=[job.pk]),
    }


@require_POST
@signed_in
async def job_cancel(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    job = await ImageJob.objects.filter(pk=job_id, user=person(request)).afirst()
    if job is None:
        return not_found()
    await in_database(partial(jobs.cancel, job=job, now=timezone.now()))
    return JsonResponse(_job_json(await sync_to_async(ImageJob.objects.get)(pk=job_id)))


@require_POST
@signed_in
async def job_retry(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    job = await ImageJob.objects.filter(pk=job_id, user=person(request)).afirst()
    if job is None:
        return not_found()
    if not await in_database(partial(jobs.retry, job=job, now=timezone.now())):
        return problem(409, "not_ended", _("This job has not failed; there is nothing to try again."))
    return JsonResponse(_job_json(await sync_to_async(ImageJob.objects.get)(pk=job_id)))


@require_GET
@signed_in
async def image_events(request: HttpRequest) -> HttpResponseBase:
    user_id = person(request).pk
    look = partial(in_database, partial(jobstream.states, user_id=user_id))
    frames: AsyncIterator[bytes] = jobstream.events(user_id, first=await look(), look=look)
    return streams.response(frames)


@require_GET
@signed_in
async def job_events(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """One job alone, until it ends: for a script that waits for its images."""
    user_id = person(request).pk
    look = partial(in_database, partial(jobstream.states, user_id=user_id, job_id=job_id))
    first = await look()
    if not first:
        return not_found()
    return streams.response(jobstream.events(user_id, first=first, look=look, only=str(job_id)))
