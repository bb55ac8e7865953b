"""The product with a mine in it: a server that ends itself by `kill -9` at the moment that KILL_AT names.

`KILL_AT=before_commit:3` is: when the third group of calls has been settled in all but the commit. Nothing of this is
in the product; the moments are found by wrapping its functions. Without KILL_AT it is the plain server.
"""

import asyncio
import functools
import itertools
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from billing import charges, reservations  # noqa: E402 after the set-up
from billing.models import Usage  # noqa: E402
from console import asgi  # noqa: E402
from gateway import books, relay  # noqa: E402
from gateway.call import Call  # noqa: E402
from gateway.relay import Relay  # noqa: E402

application = asgi.application
SLOW_S = 3.0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, nth: int) -> None:
    """Die when `owner.name` is called for the n-th time."""
    usual, times = getattr(owner, name), itertools.count(1)

    @functools.wraps(usual)
    def doomed(*args: Any, **kwargs: Any) -> Any:
        if next(times) == nth:
            die()
        return usual(*args, **kwargs)

    setattr(owner, name, doomed)


def after(owner: Any, name: str, nth: int) -> None:
    """Die when `owner.name` has returned for the n-th time."""
    usual, times = getattr(owner, name), itertools.count(1)

    @functools.wraps(usual)
    def doomed(*args: Any, **kwargs: Any) -> Any:
        answer = usual(*args, **kwargs)
        if next(times) == nth:
            die()
        return answer

    setattr(owner, name, doomed)


def before_upstream(nth: int) -> None:
    """The hold is on disk, the provider knows nothing."""
    before(Relay, "_call", nth)


def mid_stream(nth: int) -> None:
    """A piece of an answer has just gone out."""
    usual, times = Relay._forward, itertools.count(1)

    async def doomed(self: Relay, call: Call, data: bytes) -> None:
        await usual(self, call, data)
        if data and next(times) == nth:
            die()

    Relay._forward = doomed  # type: ignore[method-assign] # that is what this module is for


def after_last_byte(nth: int) -> None:
    """The provider has said everything, nothing of it is settled; the caller waits for the end."""
    before(Relay, "settle", nth)


def answered_unsettled(nth: int) -> None:
    """The database takes too long over a charge: the caller has the whole answer, the commit has not come."""
    relay.SETTLE_WAIT_S = 0.1
    usual_settle, times = charges.settle_many, itertools.count(1)

    def slowly(*args: Any, **kwargs: Any) -> Any:
        if next(times) >= nth:
            time.sleep(SLOW_S)
        return usual_settle(*args, **kwargs)

    charges.settle_many = slowly
    usual_conclude = Relay.conclude

    async def doomed(self: Relay, call: Call, usage: Usage | None) -> None:
        await usual_conclude(self, call, usage)
        if usage is None and call.error is None and call.status is Usage.Status.OK:
            asyncio.get_running_loop().call_later(0.05, die)  # what was written has left this process

    Relay.conclude = doomed  # type: ignore[method-assign] # as above


def in_hold(nth: int) -> None:
    """Every statement of a group of holds is made, the commit is not."""
    after(reservations, "move_held", nth)


def before_commit(nth: int) -> None:
    """Every statement of a group of charges is made, the commit is not."""
    after(charges, "_charge", nth)


def after_commit(nth: int) -> None:
    """The charges are on disk; the callers have not been told."""
    after(books, "settle_many", nth)


POINTS: dict[str, Callable[[int], None]] = {
    point.__name__: point
    for point in (
        *(before_upstream, mid_stream, after_last_byte, answered_unsettled),
        *(in_hold, before_commit, after_commit),
    )
}

if where := os.environ.get("KILL_AT"):
    name, _, number = where.partition(":")
    POINTS[name](int(number))
