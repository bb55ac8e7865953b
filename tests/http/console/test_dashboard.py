"""The dashboard: four steps ticked by what really happened, spend by the day of the person, the last calls."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts import keys, time_zones
from accounts.models import ApiKey, User
from billing import charges
from billing.charges import Tokens
from billing.models import Usage
from billing.money import NANO, format_amount
from console import reports
from tests.make import NOW, make_credit, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(ada: User) -> ApiKey:
    make_credit(ada, paid=10 * NANO)
    make_price()
    return make_key(ada, "laptop")[0]


def done(user: User) -> list[str]:
    return [step.name for step in reports.overview(user=user, now=NOW).steps if step.done]


def test_a_newcomer_sees_what_to_do_and_empty_places(client: Client, ada: User) -> None:
    client.force_login(ada)
    page = client.get("/dashboard/").content.decode()
    assert "Two minutes to the first answer" in page
    assert "/keys/new/" in page
    assert "No call yet" in page
    assert "Nothing spent yet" in page
    assert "QYUAN_API_KEY" in page


def test_steps_are_ticked_by_what_really_happened(ada: User, key: ApiKey) -> None:
    assert done(ada) == ["verified", "key"]
    make_usage(key, status=Usage.Status.FAILED, source=Usage.Source.NONE, tokens=Tokens(), http_status=502, held=NANO)
    assert done(ada) == ["verified", "key"]
    make_usage(key)
    assert done(ada) == ["verified", "key", "call"]
    plain = keys.playground_key(user=ada)
    playground = keys.authenticate(plain)
    assert playground
    make_usage(playground)
    assert done(ada) == ["verified", "key", "call", "playground"]


def test_the_first_call_is_shown_with_its_exact_cost(client: Client, ada: User, key: ApiKey) -> None:
    usage = make_usage(key)
    client.force_login(ada)
    page = client.get("/dashboard/").content.decode()
    assert f"${format_amount(usage.charge_nano)}" in page
    assert usage.model in page
    assert f"/usage/{usage.request_id}/" in page


def test_today_seven_and_thirty_days_are_utc_and_half_open(ada: User, key: ApiKey) -> None:
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    moments = [
        midnight,  # today
        midnight - timedelta(microseconds=1),  # yesterday
        midnight - timedelta(days=6),  # the first of seven days
        midnight - timedelta(days=6, microseconds=1),  # the eighth
        midnight - timedelta(days=29),  # the first of thirty
        midnight - timedelta(days=29, microseconds=1),  # the thirty-first
    ]
    charge = [make_usage(key, started_at=moment).charge_nano for moment in moments].pop()
    found = reports.overview(user=ada, now=NOW)
    assert (found.today.calls, found.week.calls, found.month.calls) == (1, 3, 5)
    assert (found.today.charge, found.week.charge, found.month.charge) == (charge, 3 * charge, 5 * charge)
    assert sum(day.charge for day in found.days) == found.month.charge
    assert len(found.days) == 30


def test_days_begin_at_the_midnight_of_the_person(client: Client, ada: User, key: ApiKey) -> None:
    midnight = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)  # in Kolkata
    for moment in (midnight, midnight - timedelta(microseconds=1), midnight - timedelta(days=30)):
        make_usage(key, started_at=moment)
    time_zones.choose(user=ada, name="Asia/Kolkata")
    ada.refresh_from_db()
    found = reports.overview(user=ada, now=NOW)
    assert (found.today.calls, found.week.calls, found.month.calls) == (1, 2, 2)
    client.force_login(ada)
    assert "last 30 days, Asia/Kolkata" in client.get("/dashboard/").content.decode()


def test_a_refund_is_taken_off(ada: User, key: ApiKey) -> None:
    usage = make_usage(key)
    charges.refund(usage=usage, amount=usage.charge_nano, n=1, actor=None, reason="A test", now=NOW)
    assert reports.overview(user=ada, now=NOW).today.charge == 0


def test_bars_are_in_proportion_and_a_small_one_can_be_seen(ada: User, key: ApiKey) -> None:
    make_usage(key, tokens=Tokens(input=1), started_at=NOW - timedelta(days=1))
    make_usage(key, tokens=Tokens(input=100_000))
    days = reports.overview(user=ada, now=NOW).days
    assert days[-1].height == reports.CHART_HEIGHT
    assert 0 < days[-2].height < 5
    assert days[-3].height == 0


def test_the_last_five_calls_newest_first(client: Client, ada: User, key: ApiKey) -> None:
    made = [make_usage(key, started_at=NOW - timedelta(minutes=n)) for n in range(7)]
    last = reports.overview(user=ada, now=NOW).last
    assert [each.request_id for each in last] == [each.request_id for each in made[:5]]


def test_cleo_sees_nothing_of_ada(client: Client, ada: User, cleo: User, key: ApiKey) -> None:
    usage = make_usage(key)
    client.force_login(cleo)
    page = client.get("/dashboard/").content.decode()
    assert usage.request_id not in page
    assert "laptop" not in page
    assert reports.overview(user=cleo, now=NOW).month.calls == 0


def test_one_call_and_many_take_the_same_queries(
    client: Client, ada: User, key: ApiKey, django_assert_max_num_queries: Any
) -> None:
    for n in range(20):
        make_usage(key, started_at=NOW - timedelta(hours=n))
    client.force_login(ada)
    with django_assert_max_num_queries(12):
        client.get("/dashboard/")


def test_strangers_are_sent_to_sign_in(client: Client) -> None:
    assert client.get("/dashboard/")["Location"] == "/accounts/login/?next=/dashboard/"
