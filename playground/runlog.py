"""The numbered events of a run in a Redis Stream: written by its runner, read by any number of tabs.

Entry ids are `<seq>-0`, so the id of a server-sent event is a small whole number and Redis itself refuses a second
writer. All of it can be lost at any moment: the row has the text (playground.models.Run).
"""

import asyncio
import json
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import redis
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from playground.answers import Frame

KEEP_S = 3600
STOP_KEEP_S = 900
READ_LIMIT = 500
BLOCK_S = 15.0
UNREACHABLE = (RedisError, OSError)


class AnotherWriter(Exception):
    """The stream already has this number: somebody else writes this run."""


_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Redis, Redis]]" = WeakKeyDictionary()


def _pair() -> tuple[Redis, Redis]:
    """A client for quick commands and one for waiting ones, per event loop: connections belong to a loop."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = (_client(socket_timeout=2), _client(socket_timeout=BLOCK_S + 5))
    return _clients[loop]


def _client(*, socket_timeout: float) -> Redis:
    return Redis.from_url(
        settings.REDIS_URL, protocol=2, decode_responses=True, socket_connect_timeout=2, socket_timeout=socket_timeout
    )


def quick() -> Redis:
    return _pair()[0]


def waiting() -> Redis:
    return _pair()[1]


def _key(run_id: UUID) -> str:
    return f"run:{run_id}"


async def is_up() -> bool:
    try:
        return bool(await quick().ping())
    except UNREACHABLE:
        return False


async def append(run_id: UUID, frames: list[Frame]) -> bool:
    """Write the frames; True when somebody asked to stop. Raises AnotherWriter, RedisError or OSError."""
    pipe = quick().pipeline(transaction=False)
    for frame in frames:
        pipe.xadd(_key(run_id), {"e": frame.event, "d": json.dumps(frame.data)}, id=f"{frame.seq}-0")
    pipe.expire(_key(run_id), KEEP_S)
    pipe.get(f"{_key(run_id)}:stop")
    answers = await pipe.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
            raise AnotherWriter(str(run_id))
        if isinstance(answer, Exception):
            raise answer
    return answers[-1] is not None


async def read(run_id: UUID, *, after: int, wait_s: float = 0) -> list[Frame]:
    """Frames with a greater number than `after`, oldest first; waits up to `wait_s` for the first of them."""
    client = waiting() if wait_s else quick()
    block = max(1, int(wait_s * 1000)) if wait_s else None
    found: Any = await client.xread({_key(run_id): f"{after}-0"}, count=READ_LIMIT, block=block)
    entries = found[0][1] if found else []
    return [Frame(_seq(entry_id), fields["e"], json.loads(fields["d"])) for entry_id, fields in entries]


def _seq(entry_id: str) -> int:
    return int(entry_id.split("-", maxsplit=1)[0])


async def ask_to_stop(run_id: UUID) -> None:
    """The quick way to a runner in any process; the row is the sure one. Never raises for an absent Redis."""
    try:
        await quick().set(f"{_key(run_id)}:stop", "1", ex=STOP_KEEP_S)
    except UNREACHABLE:
        return


def close_lost(run_id: UUID, *, status: str) -> None:
    """Tell readers the end of a run whose runner is gone. Never raises for an absent Redis."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, protocol=2, decode_responses=True, socket_connect_timeout=2, socket_timeout=2
        ) as client:
            last: Any = client.xrevrange(_key(run_id), count=1)
            if last:
                end: dict[Any, Any] = {"e": "end", "d": json.dumps({"status": status})}
                client.xadd(_key(run_id), end, id=f"{_seq(last[0][0]) + 1}-0")
    except UNREACHABLE:
        return
