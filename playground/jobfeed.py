"""News of a person's image jobs, in a Redis Stream per person. A reader that misses some looks at the rows again."""

import json
from typing import Any
from uuid import UUID

import redis
from django.conf import settings

from playground import runlog
from playground.models import ImageJob

KEEP_S = 3600
MAX_ENTRIES = 200
BEGINNING = "0-0"


def _key(user_id: int) -> str:
    return f"jobs:{user_id}"


def state_of(job: ImageJob) -> dict[str, Any]:
    """One `job` event. A reader drops a version that it has passed."""
    return {
        "id": str(job.pk),
        "version": job.version,
        "status": job.status,
        "ended": job.ended,
        "cancelling": job.cancel_requested_at is not None and not job.ended,
        "attempt": job.attempt,
    }


def tell(job_id: UUID) -> None:
    """Publish the state as it is now. Never raises for an absent Redis."""
    job = ImageJob.objects.filter(pk=job_id).first()
    if job is None:
        return
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
            entry: dict[Any, Any] = {"d": json.dumps(state_of(job))}
            client.xadd(_key(job.user_id), entry, maxlen=MAX_ENTRIES)
            client.expire(_key(job.user_id), KEEP_S)
    except runlog.UNREACHABLE:
        return


async def last_id(user_id: int) -> str:
    """Where the feed ends now: read the rows after asking this, then the feed from here. Raises RedisError, OSError."""
    last: Any = await runlog.quick().xrevrange(_key(user_id), count=1)
    return str(last[0][0]) if last else BEGINNING


async def read(user_id: int, *, after: str, wait_s: float) -> tuple[str, list[dict[str, Any]]]:
    """The new end and the news since `after`; waits for the first. Raises RedisError, OSError."""
    found: Any = await runlog.waiting().xread({_key(user_id): after}, count=MAX_ENTRIES, block=int(wait_s * 1000))
    entries = found[0][1] if found else []
    end = entries[-1][0] if entries else after
    return end, [json.loads(fields["d"]) for _, fields in entries]
