"""Notices: mails about money. Written with what they are about, sent afterwards by a task.

A notice is written in the transaction of its event, so neither is there without the other. The mail goes out later and
outside of any transaction, because a mail server takes seconds and cannot be rolled back. Delivery is at least once:
a worker claims a row by moving `due_at` a lease ahead (one conditional update, so two workers never send at the same
time), sends, and writes that it was sent. Only a worker that dies between those two leaves a claim that runs out, and
that mail goes out a second time.
"""

import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import F

from accounts.models import User
from billing import letters
from billing.models import OPTIONAL_NOTICES, Notice, NoticeKind, NoticeOff

TASK = "billing.tasks.send_notices"
AT_ONCE = 50
LEASE = timedelta(minutes=5)  # far longer than the timeouts of one mail
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720))  # after each failure but the last
MAX_ATTEMPTS = len(PAUSES) + 1
log = structlog.get_logger("billing")


def write(*, user: User, kind: str, key: str, data: Mapping[str, Any], now: datetime, ring: bool = True) -> Notice:
    """Owe somebody a mail; inside the caller's transaction. The same key again is the first notice.

    `data` is what billing/letters.py reads for this kind. `ring=False` where even a moment's wait for the broker is
    too long (the gateway): beat finds it within seconds.
    """
    fields = {"user": user, "kind": NoticeKind(kind), "data": dict(data), "created_at": now, "due_at": now}
    notice, created = Notice.objects.get_or_create(key=key, defaults=fields)
    if created and ring:
        transaction.on_commit(_ring, robust=True)
    return notice


def send_due(*, now: datetime) -> int:
    """Mail what is due, the oldest first. How many went out."""
    started, sent = time.monotonic(), 0
    waiting = Notice.objects.filter(sent_at=None, dropped_because="", due_at__lte=now).order_by("due_at", "pk")
    for notice in list(waiting.select_related("user")[:AT_ONCE]):
        # Mails take time: a claim is counted from when it is made, not from when the batch began.
        moment = now + timedelta(seconds=int(time.monotonic() - started))
        if _claim(notice, moment) and _send(notice, moment):
            sent += 1
    return sent


def unwanted(user: User) -> set[str]:
    """The kinds that somebody switched off."""
    return set(NoticeOff.objects.filter(user=user).values_list("kind", flat=True))


def choose(*, user: User, wanted: Collection[str]) -> None:
    """Which of the optional kinds somebody wants; the others are off. Mandatory ones always come."""
    with transaction.atomic():
        off = [kind for kind in OPTIONAL_NOTICES if kind not in wanted]
        NoticeOff.objects.filter(user=user).exclude(kind__in=off).delete()
        NoticeOff.objects.bulk_create((NoticeOff(user=user, kind=kind) for kind in off), ignore_conflicts=True)


def _claim(notice: Notice, now: datetime) -> bool:
    """Ours alone for the length of a lease, if nobody was quicker."""
    unchanged = Notice.objects.filter(pk=notice.pk, sent_at=None, dropped_because="", due_at=notice.due_at)
    return bool(unchanged.update(due_at=now + LEASE, attempts=F("attempts") + 1))


def _send(notice: Notice, now: datetime) -> bool:
    attempt = notice.attempts + 1
    if reason := _why_not(notice, attempt):
        _close(notice, dropped_because=reason)
        return False
    try:
        letters.letter(notice).send()
    except Exception as error:  # noqa: BLE001 whatever a mail server or a template can do wrong: the next one must go out
        _failed(notice, attempt, error, now)
        return False
    _close(notice, sent_at=now, last_error="")
    return True


def _why_not(notice: Notice, attempt: int) -> str:
    if attempt > MAX_ATTEMPTS:  # the last one died on the way
        log.error("billing.notice.given_up", notice=notice.pk, kind=notice.kind, error="died while sending")
        return Notice.Dropped.FAILED
    if not notice.user.is_active:
        return Notice.Dropped.GONE
    if notice.kind in unwanted(notice.user):
        return Notice.Dropped.UNWANTED
    return ""


def _failed(notice: Notice, attempt: int, error: Exception, now: datetime) -> None:
    words = f"{type(error).__name__}: {error}"[:120]  # of our mail server, never of the mail
    if attempt >= MAX_ATTEMPTS:
        log.error("billing.notice.given_up", notice=notice.pk, kind=notice.kind, error=words)
        _close(notice, dropped_because=Notice.Dropped.FAILED, last_error=words)
        return
    log.warning("billing.notice.failed", notice=notice.pk, kind=notice.kind, attempt=attempt, error=words)
    _close(notice, due_at=now + PAUSES[attempt - 1], last_error=words)


def _close(notice: Notice, **changes: Any) -> None:
    Notice.objects.filter(pk=notice.pk, sent_at=None, dropped_because="").update(**changes)


def _ring() -> None:
    """Wake a worker. A lost bell costs seconds, not a mail: beat rings again."""
    try:
        current_app.send_task(TASK, retry=False)
    except Exception as error:  # noqa: BLE001 whatever the broker does, the notice stands
        log.warning("billing.notice.bell_lost", error=type(error).__name__)
