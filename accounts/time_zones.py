"""The time zone of a person: where their days begin. By its IANA name; UTC until they choose."""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from accounts.models import User

AREAS = {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}


@cache
def known() -> frozenset[str]:
    """Every name that this machine has rules for, old names too."""
    return frozenset(available_timezones())


def is_known(name: str) -> bool:
    return name in known()


@cache
def zone(name: str) -> ZoneInfo:
    """Its rules; UTC for a name that a newer machine knew and this one does not."""
    return ZoneInfo(name if is_known(name) else "UTC")


def choose(*, user: User, name: str) -> None:
    """Raises ValueError for a name without rules."""
    if not is_known(name):
        raise ValueError(name)
    User.objects.filter(pk=user.pk).update(time_zone=name)


def label(name: str, now: datetime) -> str:
    """`Asia/Shanghai (UTC+08:00)`, with the offset of this moment."""
    if name == "UTC":
        return name
    minutes = int((now.astimezone(zone(name)).replace(tzinfo=UTC) - now.astimezone(UTC)).total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{name.replace('_', ' ')} (UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d})"


def choices(now: datetime, *, also: str = "") -> list[tuple[str, list[tuple[str, str]]]]:
    """By area, for a list to choose from; `also` (an old name, say) is there, too, if it has rules."""
    listed = {name for name in known() if name.partition("/")[0] in AREAS or name == also}
    groups: dict[str, list[tuple[str, str]]] = {"UTC": [("UTC", "UTC")]}
    for name in sorted(listed - {"UTC"}):
        groups.setdefault(name.partition("/")[0], []).append((name, label(name, now)))
    return list(groups.items())
