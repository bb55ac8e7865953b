"""Spend limits: what passes, what counts, when it begins anew, who is told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import ApiKey, User
from billing import limits
from billing.limits import CannotSet, SpendLimitReached
from billing.models import Hold, Notice, SpendLimit, Usage
from billing.money import NANO
from billing.prices import Tokens
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)  # NOW is Sunday, 22 November 2026, 12:00 UTC


@pytest.fixture
def key(ada: User) -> ApiKey:
    make_credit(ada, paid=100 * NANO)
    make_price(at=NOW - timedelta(days=60))
    return make_key(ada, "Agent")[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def limit(user: User, amount: int, window: str = "day", key: ApiKey | None = None, now: datetime = NOW) -> SpendLimit:
    return limits.set_limit(user=user, key=key, window=window, amount=amount, actor=user, now=now)


def spend(key: ApiKey, nano: int, now: datetime = NOW) -> None:
    """As a settlement does, without the call."""
    with transaction.atomic():
        limits.note_spend([(key.user_id, key.pk, nano)], now)


def refusal(key: ApiKey, amount: int, now: datetime = NOW) -> SpendLimitReached | None:
    return limits.open_book([key.user_id], now).refusal(key.user_id, key.pk, amount)


def one(user: User, now: datetime = NOW) -> limits.Standing:
    [found] = limits.standings(user, now)
    return found


def told(user: User) -> list[int]:
    return [notice.data["percent"] for notice in Notice.objects.filter(user=user).order_by("pk")]


def in_zone(user: User, name: str) -> None:
    User.objects.filter(pk=user.pk).update(time_zone=name)


# What passes


def test_a_hold_passes_up_to_the_last_nano_and_not_beyond(ada: User, key: ApiKey) -> None:
    limit(ada, 1000)
    spend(key, 300)
    make_hold(make_call(key), 600)
    assert refusal(key, 100) is None
    refused = refusal(key, 101)
    assert refused is not None
    assert (refused.left, refused.scope, refused.window) == (100, "account", "day")
    assert refused.resets_at == at("2026-11-23T00:00")
    assert refused.limit.held_nano == 600


def test_the_next_of_a_group_sees_what_the_one_before_it_took(ada: User, key: ApiKey) -> None:
    limit(ada, 1000)
    book = limits.open_book([ada.pk], NOW)
    assert book.refusal(ada.pk, key.pk, 700) is None
    book.take(ada.pk, key.pk, 700)
    refused = book.refusal(ada.pk, key.pk, 301)
    assert refused is not None
    assert refused.left == 300
    assert book.refusal(ada.pk, key.pk, 300) is None


def test_the_tightest_limit_is_named_and_of_equal_ones_the_last_to_reset(ada: User, key: ApiKey) -> None:
    limit(ada, 500, "month")
    limit(ada, 400, "week", key)
    limit(ada, 400, "day", key)
    refused = refusal(key, 501)
    assert refused is not None
    assert (refused.scope, refused.window, refused.left) == ("key", "week", 400)
    other = make_key(ada)[0]
    refused = refusal(other, 501)
    assert refused is not None
    assert (refused.scope, refused.window) == ("account", "month")
    assert refusal(other, 500) is None


def test_limits_of_one_person_do_not_bind_another(ada: User, cleo: User, key: ApiKey) -> None:
    limit(ada, 1)
    theirs = make_key(cleo)[0]
    book = limits.open_book([ada.pk, cleo.pk], NOW)
    assert book.refusal(cleo.pk, theirs.pk, 100) is None
    book.take(cleo.pk, theirs.pk, 100)
    assert book.refusal(ada.pk, key.pk, 1) is None


def test_a_call_that_costs_nothing_is_never_refused(ada: User, key: ApiKey) -> None:
    limit(ada, 1)
    spend(key, 10)
    assert refusal(key, 0) is None


def test_who_has_no_limit_costs_one_query(ada: User, key: ApiKey) -> None:
    make_hold(make_call(key), 600)
    with CaptureQueriesContext(connection) as queries:
        assert refusal(key, NANO) is None
        limits.note_spend([(ada.pk, key.pk, 5)], NOW)
        limits.note_spend([(ada.pk, key.pk, 0)], NOW)
    assert len(queries) == 2


def test_with_limits_two_queries_hold_and_one_change_for_each_that_is_touched_charges(ada: User, key: ApiKey) -> None:
    limit(ada, NANO)
    limit(ada, NANO, "week", key)
    limit(ada, NANO, "month", make_key(ada)[0])
    with CaptureQueriesContext(connection) as queries:
        assert refusal(key, 5) is None
    assert len(queries) == 2
    with CaptureQueriesContext(connection) as queries:
        limits.note_spend([(ada.pk, key.pk, 5), (ada.pk, key.pk, 6)], NOW)
    assert len(queries) == 3
    assert [each.spent_nano for each in limits.standings(ada, NOW)] == [11, 11, 0]


# When it begins anew


@pytest.mark.parametrize(
    ("window", "zone", "now", "resets"),
    [
        ("day", "UTC", "2026-11-22T12:00", "2026-11-23T00:00"),
        ("week", "UTC", "2026-11-22T12:00", "2026-11-23T00:00"),
        ("month", "UTC", "2026-11-22T12:00", "2026-12-01T00:00"),
        ("month", "UTC", "2026-12-31T23:59", "2027-01-01T00:00"),
        ("day", "Asia/Shanghai", "2026-11-22T15:59", "2026-11-22T16:00"),
        ("week", "Asia/Shanghai", "2026-11-22T15:59", "2026-11-22T16:00"),
        ("week", "Asia/Shanghai", "2026-11-22T16:00", "2026-11-29T16:00"),
        ("day", "Asia/Kathmandu", "2026-11-22T12:00", "2026-11-22T18:15"),
        ("day", "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00"),  # a day of 25 hours
        ("day", "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00"),  # a day of 23 hours
        ("day", "America/Santiago", "2026-09-05T12:00", "2026-09-06T04:00"),  # midnight is left out
    ],
)
def test_periods_begin_at_local_midnight_on_monday_and_on_the_first(
    ada: User, key: ApiKey, window: str, zone: str, now: str, resets: str
) -> None:
    in_zone(ada, zone)
    limit(ada, 1000, window, now=at(now))
    spend(key, 600, at(now))
    end = at(resets)
    assert one(ada, at(now)).resets_at == end
    assert one(ada, end - timedelta(microseconds=1)).spent_nano == 600
    assert one(ada, end).spent_nano == 0
    spend(key, 5, end)
    assert SpendLimit.objects.get().period_start == end
    assert one(ada, end).spent_nano == 5


def test_after_a_long_silence_the_present_period_begins_where_it_should(ada: User, key: ApiKey) -> None:
    limit(ada, 1000)
    spend(key, 600)
    spend(key, 7, NOW + 10 * DAY)
    row = SpendLimit.objects.get()
    assert (row.spent_nano, row.period_start) == (7, at("2026-12-02T00:00"))


def test_what_is_held_counts_over_the_end_of_a_period(ada: User, key: ApiKey) -> None:
    limit(ada, 1000)
    make_hold(make_call(key), 600)
    refused = refusal(key, 401, NOW + DAY)
    assert refused is not None
    assert (refused.left, refused.limit.spent_nano) == (400, 0)


@pytest.mark.parametrize(
    ("before", "after", "resets", "then"),
    [
        # To the east: its midnight has passed, or comes first; the old day still ends when it would have.
        ("UTC", "Asia/Shanghai", "2026-11-23T00:00", "2026-11-23T16:00"),
        ("UTC", "Pacific/Kiritimati", "2026-11-23T00:00", "2026-11-23T10:00"),
        # To the west: the same midnight, later.
        ("UTC", "Pacific/Honolulu", "2026-11-23T10:00", "2026-11-24T10:00"),
        ("Asia/Shanghai", "America/New_York", "2026-11-23T05:00", "2026-11-24T05:00"),
    ],
)
def test_another_time_zone_moves_the_reset_later_and_never_forgets_early(
    ada: User, key: ApiKey, before: str, after: str, resets: str, then: str
) -> None:
    in_zone(ada, before)
    limit(ada, 1000)
    spend(key, 600)
    in_zone(ada, after)
    end = at(resets)
    assert one(ada).resets_at == end
    assert one(ada, end - timedelta(microseconds=1)).spent_nano == 600
    spend(key, 5, end)
    assert one(ada, end).spent_nano == 5
    assert one(ada, end).resets_at == at(then)


def test_going_back_and_forth_between_zones_gains_nothing(ada: User, key: ApiKey) -> None:
    limit(ada, 1000)
    moment, spent = NOW, 0
    for number in range(48):
        in_zone(ada, ["Pacific/Kiritimati", "Pacific/Honolulu", "UTC"][number % 3])
        moment += timedelta(minutes=30)
        if moment < at("2026-11-23T00:00"):
            spend(key, 10, moment)
            spent += 10
            assert one(ada, moment).spent_nano == spent


# What counts when a limit is set


def usage(key: ApiKey, tokens: int, started: datetime, settled: datetime) -> Usage:
    """A token costs 1,000 nano."""
    return make_usage(key, tokens=Tokens(input=tokens), started_at=started, now=settled)


def test_a_new_limit_counts_what_was_spent_in_its_period(ada: User, key: ApiKey) -> None:
    in_zone(ada, "Asia/Kathmandu")  # days begin at 18:15 UTC
    start = at("2026-11-21T18:15")
    other = make_key(ada)[0]
    usage(key, 1, start - HOUR, start - timedelta(seconds=1))  # before
    usage(key, 10, start - timedelta(minutes=2), start)  # began before it, settled in it
    usage(key, 100, start + timedelta(minutes=5), start + timedelta(minutes=6))  # in its first, partial hour
    usage(key, 1_000, start + 3 * HOUR, start + 4 * HOUR)
    usage(other, 10_000, start + 3 * HOUR, start + 4 * HOUR)
    limit(ada, NANO)
    limit(ada, NANO, "day", key)
    assert [each.spent_nano for each in limits.standings(ada, NOW)] == [11_110_000, 1_110_000]


def test_another_amount_keeps_what_was_spent(ada: User, key: ApiKey) -> None:
    first = limit(ada, 1000)
    spend(key, 700)
    again = limit(ada, 500)
    assert again.pk == first.pk
    assert one(ada).spent_nano == 700
    assert one(ada).percent == 140
    refused = refusal(key, 1)
    assert refused is not None
    assert refused.left == 0
    limit(ada, 900, now=NOW + DAY)
    assert one(ada, NOW + DAY).spent_nano == 0


@pytest.mark.parametrize("amount", [0, -1, limits.MAX_LIMIT + 1])
def test_an_amount_that_is_none_is_refused(ada: User, amount: int) -> None:
    with pytest.raises(CannotSet):
        limit(ada, amount)
    assert not SpendLimit.objects.exists()


def test_other_windows_and_the_keys_of_others_are_refused(ada: User, cleo: User, key: ApiKey) -> None:
    with pytest.raises(CannotSet):
        limit(ada, 5, "year")
    with pytest.raises(CannotSet):
        limit(cleo, 5, "day", key)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=NOW, revoked_by=ada)
    with pytest.raises(CannotSet):
        limit(ada, 5, "day", key)
    assert not SpendLimit.objects.exists()


def test_a_removed_limit_binds_nobody(ada: User, key: ApiKey) -> None:
    row = limit(ada, 5)
    limits.remove_limit(limit=row, actor=ada, now=NOW)
    limits.remove_limit(limit=row, actor=ada, now=NOW)
    assert refusal(key, 50) is None


# Refunds


def test_a_refund_in_the_period_of_its_charge_can_be_spent_again(ada: User, key: ApiKey) -> None:
    row = usage(key, 1, NOW, NOW)
    limit(ada, 5_000)
    limits.note_refund(row, 400, NOW + HOUR)
    assert one(ada).spent_nano == 600
    limits.note_refund(row, 600, NOW + DAY)
    spend(key, 1, NOW + DAY)
    assert one(ada, NOW + DAY).spent_nano == 1


# Notices


def test_its_owner_is_told_at_50_80_and_100_percent_once_in_each_period(ada: User, key: ApiKey) -> None:
    limit(ada, 1000, "day", key)
    for nano in (499, 1, 299, 1, 199, 1, 5):
        spend(key, nano)
    assert told(ada) == [50, 80, 100]
    first = Notice.objects.order_by("pk")[0]
    assert first.data == {
        "percent": 50,
        "window": "day",
        "limit_nano": 1000,
        "spent_nano": 500,
        "resets_at": "2026-11-23T00:00:00+00:00",
        "zone": "UTC",
        "key_name": "Agent",
        "key_hint": key.hint,
    }
    spend(key, 600, NOW + DAY)
    assert told(ada) == [50, 80, 100, 50]


def test_a_charge_that_passes_several_tells_the_highest(ada: User, key: ApiKey) -> None:
    limit(ada, 1000)
    spend(key, 900)
    spend(key, 200)
    assert told(ada) == [80, 100]


def test_what_is_passed_already_when_it_is_set_is_not_told_and_a_new_amount_is_told_of_anew(
    ada: User, key: ApiKey
) -> None:
    limit(ada, 1000)
    spend(key, 600)
    limit(ada, 700)
    assert told(ada) == [50]
    limit(ada, 2000)
    spend(key, 400)
    assert told(ada) == [50, 50]


def refuse(key: ApiKey, amount: int, now: datetime = NOW) -> Sequence[SpendLimitReached]:
    refused = refusal(key, amount, now)
    assert refused is not None
    limits.note_refusals([refused, refused], now)
    return [refused]


def test_the_first_refusal_from_80_percent_on_counts_as_used_up(ada: User, key: ApiKey) -> None:
    limit(ada, 1000)
    spend(key, 799)
    refuse(key, 500)
    assert told(ada) == [50]
    spend(key, 1)
    refuse(key, 500)
    assert told(ada) == [50, 80, 100]
    with CaptureQueriesContext(connection) as queries:
        limits.note_refusals(refuse(key, 500), NOW)
    assert len(queries) == 2, "those that look, none that write"
    spend(key, 200)
    assert told(ada) == [50, 80, 100]


def test_a_refusal_is_explained(ada: User, key: ApiKey) -> None:
    in_zone(ada, "Asia/Shanghai")
    limit(ada, 2 * NANO, "week", key)
    spend(key, NANO)
    make_hold(make_call(key), NANO // 2)
    refused = refusal(key, NANO)
    assert refused is not None
    assert limits.explain(refused) == (
        "The weekly spend limit of the API key “Agent” is USD 2.00: USD 1.00 is spent, USD 0.50 is held by running "
        "calls, and the USD 0.50 that is left does not cover the most that this call may cost. It resets at "
        "2026-11-23 00:00 (Asia/Shanghai); to go on before that, raise it at /limits/."
    )
    assert Hold.objects.count() == 1
