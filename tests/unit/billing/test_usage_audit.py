"""Sums, calls and ledger agree on good books, and each way in which they may not is found."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db.models import F

from accounts.models import User
from billing import audit, charges, reservations, usage_audit
from billing.models import Usage, UsageDay, UsageHour
from billing.money import NANO
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_usage

pytestmark = pytest.mark.django_db
HOURS, DAYS, BEGIN, LEDGER = usage_audit.INVARIANTS


@pytest.fixture(autouse=True)
def scene(ada: User, ben: User, sam: User) -> None:
    """Calls of two people in several hours, one given back, one of no charge, one swept and settled late."""
    for person in (ada, ben):
        make_credit(person, paid=NANO, promo=100_000, reward=5000)
        key = make_key(person)[0]
        made = [make_usage(key, started_at=NOW - timedelta(minutes=25 * n)) for n in range(5)]
        charges.refund(usage=made[0], amount=1000, n=1, actor=sam, reason="x", now=NOW)
        make_usage(key, status=Usage.Status.FAILED, not_charged_because="failed_before_output")
        late = make_call(key, started_at=NOW - timedelta(hours=3))
        make_hold(late, 50_000, lasts=timedelta(seconds=1))
        reservations.sweep(now=NOW)
        facts = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200}
        price = made[0].price
        charges.settle(call=late, tokens=charges.Tokens(input=9), price=price, now=NOW, **facts)


def moved(call: Usage) -> None:
    Usage.objects.filter(pk=call.pk).update(started_at=call.started_at - timedelta(hours=7))


DAMAGE: list[tuple[str, Callable[[], object]]] = [
    (HOURS, lambda: UsageHour.objects.filter(charge_nano__gt=0).update(calls=F("calls") + 1)),
    (HOURS, lambda: UsageHour.objects.filter(charge_nano__gt=0).update(input_tokens=F("input_tokens") - 1)),
    (HOURS, lambda: UsageHour.objects.filter(refunded_nano__gt=0).update(refunded_nano=0)),
    (HOURS, lambda: UsageHour.objects.filter(calls__gt=0).latest("hour", "pk").delete()),
    (HOURS, lambda: UsageHour.objects.filter(status="ok").update(model="another")),
    (HOURS, lambda: moved(Usage.objects.filter(charge_nano__gt=0).latest("started_at"))),
    (HOURS, lambda: Usage.objects.filter(charge_nano=0).update(output_tokens=1)),
    (DAYS, lambda: UsageDay.objects.update(images=F("images") + 1)),
    (DAYS, lambda: UsageDay.objects.filter(calls__gt=0).latest("day", "pk").delete()),
    (DAYS, lambda: UsageHour.objects.filter(status="ok").update(hour=F("hour") - timedelta(days=2))),
    (BEGIN, lambda: UsageHour.objects.update(hour=F("hour") + timedelta(minutes=1))),
    (LEDGER, lambda: UsageDay.objects.filter(refunded_nano__gt=0).update(refunded_nano=F("refunded_nano") + 1)),
    (LEDGER, lambda: UsageDay.objects.filter(charge_nano__gt=0).delete()),
    (LEDGER, lambda: UsageDay.objects.filter(paid_nano__gt=0).update(
        paid_nano=F("paid_nano") - 1, reward_nano=F("reward_nano") + 1
    )),
]  # fmt: skip


def test_good_books_are_clean(now: datetime) -> None:
    assert Usage.objects.filter(late=True).count() == 2
    assert audit.run(usage_audit.INVARIANTS, now=now).findings == {}


@pytest.mark.parametrize(("name", "damage"), DAMAGE)
def test_each_damage_is_found(name: str, damage: Callable[[], object], now: datetime) -> None:
    damage()
    assert name in audit.run(usage_audit.INVARIANTS, now=now).findings
