"""How often somebody may try redeem codes. A code has 78 bits, so this is for peace and for the bill, not for luck.

Counted per person and per address in windows of ten minutes, in the cache: all of it can be lost. A try is counted
before it is made, so that many at once count too, and given back when the code was good.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.core.cache import cache

from billing.codes import CannotRedeem

WINDOW = timedelta(minutes=10)
PER_PERSON = 10
PER_ADDRESS = 40  # an office behind one address


class TooManyAttempts(CannotRedeem):
    """Not even looked at. `until`: when the next window begins."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


@contextmanager
def counted(*, user_id: int, address: str | None, now: datetime) -> Iterator[None]:
    """One try at a code. Raises TooManyAttempts before it when there were too many in this window."""
    seconds = int(WINDOW.total_seconds())
    window = int(now.timestamp()) // seconds
    limits = {f"redeem:person:{user_id}:{window}": PER_PERSON}
    if address:
        limits[f"redeem:address:{address}:{window}"] = PER_ADDRESS
    counts = {name: _add(name, 1) for name in limits}
    if any(counts[name] > limit for name, limit in limits.items()):
        raise TooManyAttempts(datetime.fromtimestamp((window + 1) * seconds, UTC))
    yield
    for name in limits:
        _add(name, -1)


def _add(name: str, amount: int) -> int:
    cache.add(name, 0, timeout=2 * int(WINDOW.total_seconds()))
    try:
        return cache.incr(name, amount)
    except ValueError:  # thrown out between the two
        return amount
