"""An image job from claim to end, its cancellation, its loss, and what is given back."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts import keys
from accounts.models import ApiKey, User
from billing import charges, ledger, prices, reservations
from billing.models import Usage
from billing.money import NANO
from playground import gateway_client, jobs, painting, pictures
from playground.models import Image, ImageJob
from tests.make import NOW
from tests.unit.playground.fake_gateway import FakeGateway, picture
from tests.unit.playground.make import make_job, order

Status = ImageJob.Status
LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def clock() -> datetime:
    return NOW


def paint(job: ImageJob) -> ImageJob:
    painting.paint(job_id=job.pk, clock=clock)
    job.refresh_from_db()
    return job


def claimed(job: ImageJob) -> jobs.Work:
    work = jobs.claim(job_id=job.pk, now=NOW)
    assert work is not None
    return work


def charge(user: User, *, client_id: str, purpose: str = "playground") -> Usage:
    """What the gateway writes for one delivered image, through the real verbs."""
    if purpose == "playground":
        keys.playground_key(user=user)
    else:
        keys.issue(user=user, name="own")
    key = ApiKey.objects.get(user=user, purpose=purpose)
    ledger.grant(user=user, amount=NANO, kind="paid", reason="test", actor=None, now=NOW)
    price = prices.set_price(model="image-test", effective_from=NOW, image_nano={"*/*": 40_000_000})
    request_id = f"req_{uuid.uuid4().hex[:20]}"
    reservations.hold(
        request_id=request_id,
        user=user,
        key_id=key.pk,
        amount=50_000_000,
        now=NOW,
        expires_at=LATER,
        context={"model": "image-test"},
    )
    call = charges.Call(
        request_id=request_id,
        user_id=user.pk,
        key_id=key.pk,
        model="image-test",
        endpoint="images/generations",
        channel="c",
        stream=False,
        client_request_id=client_id,
        started_at=NOW,
    )
    return charges.settle(
        call=call,
        tokens=charges.Tokens(images=1, image_class="1024x1024/medium"),
        price=price,
        source=Usage.Source.UPSTREAM,
        status=Usage.Status.OK,
        http_status=200,
        now=NOW,
    )


def test_a_job_ends_with_its_pictures(ada: User, fake_gateway: FakeGateway, media: Path) -> None:
    fake_gateway.images = [picture("PNG", (8, 6)), picture("WEBP", (6, 8))]
    job = paint(make_job(ada, count=2))
    assert (job.status, job.attempt, job.request_id) == (Status.SUCCEEDED, 1, "req_fake")
    first, second = Image.objects.filter(job=job).order_by("slot")
    assert (first.media_type, first.width, first.height) == ("image/png", 8, 6)
    assert second.media_type == "image/webp"
    assert len(list(media.rglob("*.*"))) == 2
    asked = fake_gateway.asked[0]
    assert asked.headers["idempotency-key"] == f"img_{job.pk}_1"
    assert asked.body == {"model": "image-test", "prompt": "A red fox in the snow", "size": "1024x1024", "n": 2}


def test_a_message_that_comes_twice_makes_one_call(ada: User, fake_gateway: FakeGateway) -> None:
    job = make_job(ada)
    paint(job)
    paint(job)
    assert len(fake_gateway.asked) == 1
    assert Image.objects.count() == 1


def test_the_same_order_twice_is_one_job(ada: User, cleo: User) -> None:
    asked = order()
    first, created = jobs.create(user=ada, order=asked, now=NOW)
    second, again = jobs.create(user=ada, order=asked, now=NOW)
    assert (first.pk, created, again) == (second.pk, True, False)
    with pytest.raises(jobs.NotYours):
        jobs.create(user=cleo, order=asked, now=NOW)
    with pytest.raises(jobs.AlreadyAnother):
        jobs.create(user=ada, order=order("Another", job_id=asked.id), now=NOW)


def test_nobody_fills_the_queue(ada: User, cleo: User) -> None:
    for _ in range(jobs.MAX_UNDER_WAY):
        make_job(ada)
    with pytest.raises(jobs.TooManyJobs):
        make_job(ada)
    make_job(cleo)


def test_a_refusal_fails_the_job_with_its_reason(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.status = 402
    fake_gateway.error = {"code": "insufficient_credit", "message": "Your balance is 0."}
    job = paint(make_job(ada))
    assert (job.status, job.error["code"], job.error["charged"]) == (Status.FAILED, "insufficient_credit", False)


def test_a_gateway_that_is_away_is_asked_three_times(ada: User, settings: Any) -> None:
    settings.GATEWAY_URL = "http://127.0.0.1:1/v1"
    job = make_job(ada)
    assert [paint(job).status for _ in range(4)] == [Status.QUEUED, Status.QUEUED, Status.FAILED, Status.FAILED]
    assert job.attempt == 3
    assert job.error["code"] == "gateway_unreachable"


@pytest.mark.parametrize("image", ["bm9wZQ==", "%%%"])
def test_what_is_no_picture_is_not_kept_and_is_given_back(
    ada: User, fake_gateway: FakeGateway, media: Path, image: str
) -> None:
    fake_gateway.images = [image]
    job = make_job(ada)
    usage = charge(ada, client_id=job.idempotency_key(1))
    paint(job)
    usage.refresh_from_db()
    assert (job.status, job.error["code"]) == (Status.FAILED, "bad_picture")
    assert usage.refunded_nano == usage.charge_nano > 0
    assert list(media.rglob("*.*")) == []


def test_a_waiting_job_is_cancelled_at_once(ada: User) -> None:
    job = make_job(ada)
    jobs.cancel(job=job, now=NOW)
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert jobs.claim(job_id=job.pk, now=NOW) is None


def test_a_running_job_is_cancelled_by_its_worker(ada: User, fake_gateway: FakeGateway, monkeypatch: Any) -> None:
    monkeypatch.setattr(painting, "LOOK_EVERY_S", 0.05)
    fake_gateway.image_pause_s = 20
    job = make_job(ada)
    real: Callable[..., Any] = gateway_client.make_images

    async def and_cancel(**given: Any) -> Any:
        from asgiref.sync import sync_to_async

        call = asyncio.ensure_future(real(**given))
        while not fake_gateway.asked:  # noqa: ASYNC110 the provider, in its own thread, is at work when it is cancelled
            await asyncio.sleep(0.01)
        await sync_to_async(jobs.cancel)(job=job, now=NOW)
        return await call

    monkeypatch.setattr(gateway_client, "make_images", and_cancel)
    began = time.monotonic()
    assert paint(job).status == Status.CANCELLED
    assert time.monotonic() - began < 5
    deadline = time.monotonic() + 3
    while not fake_gateway.left and time.monotonic() < deadline:
        time.sleep(0.01)
    assert fake_gateway.left == 1


def test_a_failed_job_is_tried_again_by_hand(ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.status = 500
    job = paint(make_job(ada))
    assert job.status == Status.FAILED
    fake_gateway.status = 200
    assert jobs.retry(job=job, now=NOW)
    assert paint(job).status == Status.SUCCEEDED
    assert (job.attempt, job.error) == (2, {})
    assert not jobs.retry(job=job, now=NOW)


def test_every_change_raises_the_version(ada: User, fake_gateway: FakeGateway) -> None:
    job = make_job(ada)
    assert job.version == 0
    assert paint(job).version == 3  # running, storing, succeeded


def test_a_silent_worker_loses_the_attempt_but_not_the_job(ada: User) -> None:
    job = make_job(ada)
    work = claimed(job)
    assert jobs.reap(now=NOW) == []
    assert jobs.reap(now=LATER) == [job.pk]
    job.refresh_from_db()
    assert (job.status, job.undelivered) == (Status.QUEUED, [1])
    assert jobs.extend(work=work, now=LATER) is None
    assert not jobs.begin_storing(work=work, request_id="req_old", now=LATER)
    assert not jobs.succeed(work=work, stored=[], now=LATER)


def test_three_lost_workers_end_the_job(ada: User) -> None:
    job = make_job(ada)
    for _ in range(3):
        claimed(job)
        jobs.reap(now=LATER)
    job.refresh_from_db()
    assert (job.status, job.error["code"], job.undelivered) == (Status.FAILED, "worker_lost", [1, 2, 3])


def test_a_lost_attempt_that_was_charged_is_given_back_once(ada: User) -> None:
    job = make_job(ada)
    claimed(job)
    usage = charge(ada, client_id=job.idempotency_key(1))
    before = ledger.balances(ada).spendable
    jobs.reap(now=LATER)
    assert jobs.give_back(job_id=job.pk, now=LATER) == 0
    usage.refresh_from_db()
    assert usage.refunded_nano == usage.charge_nano == 40_000_000
    assert ledger.balances(ada).spendable == before + usage.charge_nano


def test_a_charge_that_is_written_late_is_given_back_too(ada: User) -> None:
    job = make_job(ada)
    claimed(job)
    jobs.reap(now=LATER)
    usage = charge(ada, client_id=job.idempotency_key(1))
    job.refresh_from_db()
    assert jobs.give_back_late(now=job.created_at + timedelta(minutes=5)) == 1
    usage.refresh_from_db()
    assert usage.refunded_nano == usage.charge_nano


def test_a_call_of_ones_own_under_our_id_is_not_given_back(ada: User) -> None:
    """The id is only text that anybody may send: it proves nothing unless the playground's own key sent it."""
    job = make_job(ada)
    claimed(job)
    usage = charge(ada, client_id=job.idempotency_key(1), purpose="api")
    jobs.reap(now=LATER)
    usage.refresh_from_db()
    assert usage.refunded_nano == 0


def test_what_was_delivered_is_not_given_back(ada: User, fake_gateway: FakeGateway) -> None:
    job = make_job(ada)
    usage = charge(ada, client_id=job.idempotency_key(1))
    paint(job)
    assert jobs.give_back_late(now=job.created_at + timedelta(minutes=5)) == 0
    usage.refresh_from_db()
    assert usage.refunded_nano == 0


def test_files_of_lost_attempts_are_forgotten(ada: User, fake_gateway: FakeGateway, media: Path) -> None:
    job = make_job(ada)
    pictures.store(pictures.read(picture()), job_id=job.pk, attempt=1, slot=0)
    paint(job)
    assert [f"images/{job.pk}/{file.name}" for file in media.rglob("*.*")] == [job.images.get().file.name]


def test_a_bell_that_was_lost_is_rung_again(ada: User, monkeypatch: Any) -> None:
    rung: list[str] = []
    monkeypatch.setattr(jobs, "_ring", lambda job_id: rung.append(str(job_id)))
    job = make_job(ada)
    assert jobs.ring_again(now=NOW + timedelta(seconds=30)) == 0
    assert jobs.ring_again(now=NOW + timedelta(seconds=90)) == 1
    assert jobs.ring_again(now=NOW + timedelta(seconds=91)) == 0
    assert rung == [str(job.pk)]


def test_a_broker_that_is_away_does_not_refuse_the_order(ada: User) -> None:
    """The settings of the tests name a Redis that is not there."""
    began = time.monotonic()
    jobs._ring(make_job(ada).pk)
    assert time.monotonic() - began < 5


def test_the_lease_is_renewed_while_the_gateway_works(
    ada: User, fake_gateway: FakeGateway, settings: Any, monkeypatch: Any
) -> None:
    settings.IMAGE_LEASE_S = 0.2
    fake_gateway.image_pause_s = 0.5
    threads = threading.active_count()
    extended: list[bool | None] = []
    real = jobs.extend

    def noting(**given: Any) -> bool | None:
        extended.append(real(**given))
        return extended[-1]

    monkeypatch.setattr(jobs, "extend", noting)
    assert paint(make_job(ada)).status == Status.SUCCEEDED
    assert extended.count(True) >= 3
    assert threading.active_count() < threads + 20  # the renewals have ended; the fake gateway may keep its own
