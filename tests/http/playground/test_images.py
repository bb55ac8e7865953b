"""The image page, its calls and its files."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import reverse

from accounts.models import User
from billing import prices
from playground import jobs, jobstream, painting, payloads, runlog, streams
from playground.models import Image, ImageJob
from tests.make import NOW
from tests.unit.playground.fake_gateway import FakeGateway
from tests.unit.playground.make import make_job

URL = "/playground/jobs/"


@pytest.fixture(autouse=True)
def quiet(settings: Any, tmp_path: Path, monkeypatch: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(jobs, "_ring", lambda job_id: None)


@pytest.fixture
def visitor(ada: User, client: Client, fake_gateway: FakeGateway) -> Client:
    client.force_login(ada)
    return client


def body(**changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "model": "image-test",
        "prompt": "A fox",
        "size": "1024x1024",
        "count": 1,
    } | changes


def post(client: Client, data: Any, url: str = URL) -> Any:
    raw = data if isinstance(data, bytes | str) else json.dumps(data)
    return client.post(url, raw, content_type="application/json")


def painted(user: User) -> ImageJob:
    job = make_job(user, "A secret fox")
    painting.paint(job_id=job.pk, clock=lambda: NOW)
    job.refresh_from_db()
    assert job.status == "succeeded"
    return job


def test_the_page_shows_the_price_before(visitor: Client) -> None:
    prices.set_price(
        model="image-test", effective_from=NOW, image_nano={"1024x1024/medium": 42_000_000, "*/*": 63_000_000}
    )
    html = visitor.get("/playground/images/").content.decode()
    assert '"1024x1024": ["$0.042", "$0.084", "$0.126", "$0.168"]' in html
    assert '"1536x1024": ["$0.063"' in html
    assert "gpt-test" not in html


def test_an_order_becomes_a_job_and_again_the_same_job(visitor: Client) -> None:
    asked = body(count=2, size="1536x1024")
    first, second = post(visitor, asked), post(visitor, asked)
    assert (first.status_code, second.status_code) == (201, 200)
    job = ImageJob.objects.get()
    assert (str(job.pk), job.count, job.size, job.status) == (asked["id"], 2, "1536x1024", "queued")
    assert first.json()["fragment"] == f"/playground/jobs/{job.pk}/"


def test_another_order_under_the_same_id_is_refused(visitor: Client) -> None:
    asked = body()
    post(visitor, asked)
    assert post(visitor, asked | {"prompt": "A cat"}).status_code == 409


def test_too_many_jobs_at_once_are_refused(visitor: Client, ada: User) -> None:
    for _ in range(jobs.MAX_UNDER_WAY):
        make_job(ada)
    answer = post(visitor, body())
    assert answer.status_code == 429
    assert "Nothing was charged." in answer.json()["error"]["message"]


BAD: dict[str, tuple[Any, int]] = {
    "no body": (b"", 415),
    "not json": (b"}", 400),
    "not utf-8": (b'{"prompt": "\xff"}', 400),
    "empty prompt": (body(prompt=" "), 400),
    "prompt is a number": (body(prompt=1), 400),
    "prompt too long": (body(prompt="x" * (payloads.MAX_IMAGE_PROMPT_CHARS + 1)), 413),
    "nul": (body(prompt="\x00"), 400),
    "unknown size": (body(size="1x1"), 400),
    "size is a number": (body(size=1024), 400),
    "count 0": (body(count=0), 400),
    "count 5": (body(count=5), 400),
    "count text": (body(count="1"), 400),
    "id is no uuid": (body(id="x"), 400),
    "unknown field": (body(quality="high"), 400),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_body_is_refused_in_json(visitor: Client, name: str) -> None:
    data, status = BAD[name]
    answer = post(visitor, data)
    assert answer.status_code == status
    assert answer.json()["error"]["message"].endswith("Nothing was charged.")
    assert not ImageJob.objects.exists()


def test_a_picture_is_served_to_its_owner_only(visitor: Client, ada: User, cleo: User) -> None:
    painted(ada)
    url = reverse("playground:image-file", args=[Image.objects.get().pk])
    answer = visitor.get(url)
    assert answer["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Cache-Control"].startswith("private")
    assert answer["Content-Disposition"].startswith("inline")
    assert visitor.get(f"{url}?download")["Content-Disposition"].startswith('attachment; filename="image-')
    assert visitor.get(url, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    visitor.force_login(cleo)
    assert visitor.get(url).status_code == 404
    assert visitor.get(url, headers={"If-None-Match": answer["ETag"]}).status_code == 404
    visitor.logout()
    assert visitor.get(url).status_code == 302


def test_a_picture_whose_file_is_gone_is_not_found(visitor: Client, ada: User) -> None:
    painted(ada)
    image = Image.objects.get()
    image.file.delete(save=False)
    assert visitor.get(reverse("playground:image-file", args=[image.pk])).status_code == 404


def test_files_have_no_address_of_their_own(visitor: Client, ada: User) -> None:
    painted(ada)
    name = Image.objects.get().file.name
    for path in (f"/media/{name}", f"/{name}", f"/static/{name}"):
        assert visitor.get(path).status_code == 404


def test_cleo_sees_nothing_of_ada(visitor: Client, ada: User, cleo: User) -> None:
    job = painted(ada)
    visitor.force_login(cleo)
    for name in ("job", "job-events"):
        answer = visitor.get(reverse(f"playground:{name}", args=[job.pk]))
        assert answer.status_code == 404
        assert b"secret" not in answer.content
    for name in ("job-cancel", "job-retry"):
        assert visitor.post(reverse(f"playground:{name}", args=[job.pk])).status_code == 404
    assert post(visitor, body(id=str(job.pk))).status_code == 404
    assert b"secret" not in visitor.get("/playground/images/").content


def test_a_waiting_job_is_cancelled_free_of_charge(visitor: Client, ada: User) -> None:
    job = make_job(ada)
    assert post(visitor, {}, reverse("playground:job-cancel", args=[job.pk])).json()["status"] == "cancelled"
    html = visitor.get(reverse("playground:job", args=[job.pk])).content.decode()
    assert "nothing charged" in html


def test_only_an_ended_job_is_tried_again(visitor: Client, ada: User) -> None:
    job = make_job(ada)
    retry = reverse("playground:job-retry", args=[job.pk])
    assert post(visitor, {}, retry).status_code == 409
    jobs.cancel(job=job, now=NOW)
    assert post(visitor, {}, retry).json()["status"] == "queued"


def test_a_failed_job_shows_why(visitor: Client, ada: User, fake_gateway: FakeGateway) -> None:
    fake_gateway.status, fake_gateway.error = 402, {"code": "insufficient_credit", "message": "Your balance is 0."}
    job = make_job(ada)
    painting.paint(job_id=job.pk, clock=lambda: NOW)
    html = visitor.get(reverse("playground:job", args=[job.pk])).content.decode()
    for words in ("Not enough credit", "Nothing was charged.", "Try again"):
        assert words in html


def stream(user: User, url: str) -> str:
    client = AsyncClient()
    client.force_login(user)

    async def read() -> str:
        answer = await client.get(url)
        assert answer.status_code == 200
        return b"".join([piece async for piece in answer.streaming_content]).decode()  # type: ignore[attr-defined]

    return async_to_sync(read)()


def test_one_job_is_followed_until_it_ends(ada: User, fake_gateway: FakeGateway, live_redis: str) -> None:
    job = painted(ada)
    text = stream(ada, reverse("playground:job-events", args=[job.pk]))
    assert '"status":"succeeded"' in text
    assert "event: end" in text


@pytest.mark.parametrize("there", ["redis is there", "redis is away"])
def test_the_feed_tells_the_rows_first_with_or_without_redis(
    ada: User, cleo: User, monkeypatch: Any, settings: Any, redis_url: str, there: str
) -> None:
    settings.REDIS_URL = redis_url if there == "redis is there" else "redis://127.0.0.1:1/0"
    monkeypatch.setattr(streams, "lifetime_s", lambda: 0.3)
    monkeypatch.setattr(streams, "NO_LOG_PAUSE_S", 0.1)
    monkeypatch.setattr(runlog, "BLOCK_S", 0.1)
    mine, other = make_job(ada), make_job(cleo)
    text = stream(ada, "/playground/images/events")
    assert text.count("event: job") == 1
    assert str(mine.pk) in text
    assert str(other.pk) not in text


def test_news_come_once_per_version() -> None:
    news = jobstream._News("")
    assert len(news.of([{"id": "a", "version": 1, "ended": False}])) == 1
    assert news.of([{"id": "a", "version": 1, "ended": False}, {"id": "a", "version": 0, "ended": False}]) == []
    assert len(news.of([{"id": "a", "version": 2, "ended": True}])) == 1
