"""The cache over Redis: what is there counts for all processes; without Redis each counts for itself, quickly."""

import socket
import time
from collections.abc import Iterator

import pytest

from console import cache as module
from console.cache import SturdyRedisCache


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    module._paused_until.clear()
    yield
    module._paused_until.clear()


def away(port: int) -> SturdyRedisCache:
    options = {"socket_connect_timeout": 0.3, "socket_timeout": 0.3}
    cache = SturdyRedisCache(f"redis://127.0.0.1:{port}/0", {"OPTIONS": options})
    cache._local.clear()
    return cache


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word: a frozen Redis."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_with_redis_two_caches_see_the_same(live_redis: str) -> None:
    one, two = SturdyRedisCache(live_redis, {}), SturdyRedisCache(live_redis, {})
    one.set("attempts", [1.0, 2.0])
    assert two.get("attempts") == [1.0, 2.0]
    assert two.answers()


def test_without_redis_limits_still_count_in_this_process() -> None:
    cache = away(1)
    assert cache.get("attempts", []) == []
    cache.set("attempts", [1.0])
    assert cache.get("attempts") == [1.0]
    assert cache.add("attempts", "second") is False
    cache.delete("attempts")
    assert cache.get("attempts") is None
    assert not cache.answers()


def test_a_frozen_redis_costs_one_timeout_not_one_per_request(silent: int) -> None:
    caches = [away(silent) for _ in range(10)]
    begin = time.monotonic()
    for cache in caches:
        cache.get("x")
        cache.set("x", 1)
    assert time.monotonic() - begin < 0.9


def test_redis_is_asked_again_after_the_pause(live_redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = SturdyRedisCache(live_redis, {})
    module._paused_until[live_redis] = time.monotonic() + 60
    cache.set("x", "beside")
    assert SturdyRedisCache(live_redis, {}).answers()
    module._paused_until[live_redis] = 0.0
    assert cache.get("x") is None
    cache.set("x", "in redis")
    assert cache.get("x") == "in redis"
