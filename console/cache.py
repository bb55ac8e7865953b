"""The cache over Redis. All of it can be lost, so a Redis that is down or frozen must not stop a sign-in.

After one failure every operation answers from this process for PAUSE_S seconds: limits still count, per process, and a
frozen Redis costs one timeout per pause instead of one per request.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = structlog.get_logger()
PAUSE_S = 5.0
_paused_until: dict[str, float] = {}  # by server; Django makes a cache object for every thread


class SturdyRedisCache(RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        local = {name: value for name, value in params.items() if name != "OPTIONS"}
        self._local = LocMemCache(f"beside-{server}", local)
        self._server = server

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._try("add", args, kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._try("get", args, kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._try("set", args, kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return self._try("touch", args, kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._try("delete", args, kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        return self._try("incr", args, kwargs)

    def answers(self) -> bool:
        """Redis itself, now."""
        try:
            super().get("probe")
        except (RedisError, OSError):
            return False
        return True

    def _try(self, name: str, args: Any, kwargs: Any) -> Any:
        if time.monotonic() >= _paused_until.get(self._server, 0.0):
            try:
                operation: Callable[..., Any] = getattr(super(), name)
                return operation(*args, **kwargs)
            except (RedisError, OSError) as error:
                _paused_until[self._server] = time.monotonic() + PAUSE_S
                log.warning("console.cache.down", error=type(error).__name__, pause_s=PAUSE_S)
        return getattr(self._local, name)(*args, **kwargs)
