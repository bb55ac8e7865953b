"""Notices: written with what they are about, mailed once, in the reader's language, and only where they are wanted."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.core import mail
from django.db import connection, transaction

from accounts.models import User
from billing import letters, notices, tasks
from billing.models import OPTIONAL_NOTICES, Notice, NoticeKind, NoticeOff
from billing.money import NANO
from tests.make import NOW

pytestmark = pytest.mark.django_db

DATA: dict[str, dict[str, Any]] = {
    "low_balance": {"threshold_nano": 5 * NANO, "spendable_nano": 4 * NANO + 1},
    "limit_reached": {
        "percent": 80,
        "window": "day",
        "limit_nano": NANO,
        "spent_nano": NANO * 8 // 10,
        "resets_at": "2026-11-23T00:00:00+00:00",
        "key_name": "build <b>",
        "key_hint": "qy_x…1234",
    },
    "promo_expiring": {"amount_nano": NANO, "expires_at": "2026-11-29T12:00:00+00:00", "source": "Redeem code"},
    "topup_receipt": {"amount_nano": NANO, "number": "pay_1", "paid_at": "2026-11-22T12:00:00Z", "paid": "US$1.00"},
    "auto_topup_failed": {"amount_nano": NANO, "reason": "Card declined", "is_off": True},
    "auto_topup_action": {"amount_nano": NANO, "url": "https://bank.example.com/confirm"},
    "payment_disputed": {"amount_nano": NANO, "number": "pay_1", "debt_nano": 7},
    "refund": {"amount_nano": NANO, "number": "pay_1", "path": "/billing/payments/pay_1/"},
}


def write(user: User, kind: str = "low_balance", key: str = "", **given: Any) -> Notice:
    fields = {"data": DATA[kind], "now": NOW, **given}
    return notices.write(user=user, kind=kind, key=key or f"{kind}:{user.pk}", **fields)


def test_every_kind_has_words(ada: User) -> None:
    assert set(DATA) == set(NoticeKind.values)
    for kind in NoticeKind.values:
        made = letters.letter(write(ada, kind))
        html = str(made.alternatives[0][0])
        assert made.to == [ada.email]
        assert "\n" not in made.subject
        assert "None" not in str(made.body) + html
        assert "{" not in str(made.body) + html
        assert "<b>" not in html
        has_switch = "/settings/" in str(made.body)
        assert has_switch == (kind in OPTIONAL_NOTICES)


def test_amounts_are_exact_and_moments_name_their_zone(ada: User) -> None:
    assert "Balance: $4.000000001" in str(letters.letter(write(ada)).body)
    assert "2026-11-29 12:00 UTC" in str(letters.letter(write(ada, "promo_expiring")).body)
    east = {**DATA["promo_expiring"], "expires_at": "2026-11-29T20:00:00+08:00"}
    assert "2026-11-29 12:00 UTC" in str(letters.letter(write(ada, "promo_expiring", "x", data=east)).body)


def test_a_notice_is_mailed_once(ada: User, now: datetime) -> None:
    write(ada)
    assert notices.send_due(now=now) == 1
    assert notices.send_due(now=now + timedelta(days=9)) == 0
    [sent] = mail.outbox
    assert sent.subject == "Your balance is below $5.00"
    assert Notice.objects.get().sent_at is not None


def test_the_same_key_is_the_first_notice(ada: User, now: datetime) -> None:
    first = write(ada, key="once")
    assert write(ada, key="once", now=now + timedelta(hours=1)) == first
    notices.send_due(now=now)
    assert write(ada, key="once").sent_at is not None
    assert Notice.objects.count() == len(mail.outbox) == 1


def test_an_unknown_kind_is_an_error_of_ours(ada: User) -> None:
    with pytest.raises(ValueError, match="birthday"):
        notices.write(user=ada, kind="birthday", key="x", data={}, now=NOW)


def test_without_its_event_there_is_no_notice(ada: User) -> None:
    with transaction.atomic():
        write(ada)
        transaction.set_rollback(True)
    assert not Notice.objects.exists()


def test_the_mail_is_in_the_reader_s_language(ada: User, now: datetime) -> None:
    ada.language = "zh-hans"
    ada.save()
    made = letters.letter(write(ada))
    assert 'lang="zh-hans"' in str(made.alternatives[0][0])


def test_what_somebody_switched_off_is_not_mailed(ada: User, cleo: User, now: datetime) -> None:
    notices.choose(user=ada, wanted=[NoticeKind.LIMIT_REACHED])
    for kind in ("low_balance", "limit_reached", "refund"):
        write(ada, kind)
    write(cleo)
    assert notices.send_due(now=now) == 3
    assert sorted((one.to[0], one.subject[:12]) for one in mail.outbox) == [
        ("ada@example.com", "$1.00 of pay"),
        ("ada@example.com", "“build <b>” "),
        ("cleo@example.com", "Your balance"),
    ]
    assert Notice.objects.get(dropped_because="unwanted").kind == "low_balance"
    notices.choose(user=ada, wanted=OPTIONAL_NOTICES)
    assert not NoticeOff.objects.exists()


def test_mandatory_kinds_cannot_be_switched_off(ada: User, now: datetime) -> None:
    notices.choose(user=ada, wanted=[])
    assert notices.unwanted(ada) == set(OPTIONAL_NOTICES)
    write(ada, "payment_disputed")
    assert notices.send_due(now=now) == 1


def test_nobody_is_mailed_after_their_account_closed(ada: User, now: datetime) -> None:
    write(ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert notices.send_due(now=now) == 0
    assert Notice.objects.get().dropped_because == "gone"
    assert mail.outbox == []


class Broken:
    """A mail server that is down."""

    def send(self) -> None:
        raise ConnectionRefusedError("no mail server there" * 20)


def test_a_failed_mail_is_tried_again_after_growing_pauses(
    ada: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ada)
    monkeypatch.setattr(letters, "letter", lambda _: Broken())
    moment, gaps = now, []
    for _ in range(notices.MAX_ATTEMPTS):
        assert notices.send_due(now=moment) == 0
        notice = Notice.objects.get()
        gaps.append(notice.due_at - moment)
        moment = notice.due_at
    assert gaps[:-1] == list(notices.PAUSES)
    assert (notice.dropped_because, notice.attempts, len(notice.last_error)) == ("failed", 7, 120)
    assert notices.send_due(now=moment + timedelta(days=9)) == 0
    assert Notice.objects.get().attempts == notices.MAX_ATTEMPTS


def test_one_bad_notice_does_not_keep_the_others_from_going_out(ada: User, cleo: User, now: datetime) -> None:
    write(ada, data={})
    write(cleo, now=now + timedelta(seconds=1))
    assert notices.send_due(now=now + timedelta(seconds=1)) == 1
    assert mail.outbox[0].to == [cleo.email]
    assert Notice.objects.get(user=ada).last_error == "KeyError: 'threshold_nano'"


def test_a_claim_of_a_dead_worker_runs_out(ada: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """It died between the mail and its word that the mail was sent: the mail goes out again, and no third time."""
    notice = write(ada)
    monkeypatch.setattr(notices, "_send", lambda *_: False)
    notices.send_due(now=now)
    monkeypatch.undo()
    assert notices.send_due(now=now + notices.LEASE - timedelta(seconds=1)) == 0
    assert notices.send_due(now=now + notices.LEASE) == 1
    notice.refresh_from_db()
    assert notice.attempts == 2


def test_a_mail_that_kills_its_worker_each_time_is_given_up(
    ada: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ada)
    Notice.objects.update(attempts=notices.MAX_ATTEMPTS)
    assert notices.send_due(now=now) == 0
    assert (Notice.objects.get().dropped_because, mail.outbox) == ("failed", [])


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_send_each_mail_once(ada: User, now: datetime) -> None:
    for number in range(12):
        write(ada, key=f"number {number}")
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        try:
            notices.send_due(now=now)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Notice.objects.exclude(sent_at=None).count() == 12
    assert len(mail.outbox) == 12


def test_a_dead_broker_does_not_stop_the_event(
    ada: User, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []

    def refuse(name: str, **_: Any) -> None:
        rung.append(name)
        raise OSError("no broker")

    monkeypatch.setattr(current_app, "send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        write(ada)
        write(ada)
        write(ada, key="quiet", ring=False)
    assert rung == [tasks.send_notices.name]
