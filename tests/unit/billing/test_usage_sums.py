"""Sums in groups: the parts add up to the whole and to the ledger, whatever the zone, the span and the filter."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import ApiKey, User
from billing import charges, periods, rollups, usage_reports, usage_rows, usage_sums
from billing.models import TOKEN_COLUMNS, AccountKind, LedgerEntry, LedgerTxn, Usage, UsageDay, UsageHour
from billing.money import NANO
from billing.periods import Span
from billing.usage_sums import NAMES, NOTHING, Sums, Which
from tests.make import NOW, make_credit, make_key, make_usage

pytestmark = pytest.mark.django_db
ZONES = (
    *("UTC", "Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "America/New_York"),
    *("Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "America/Havana", "Europe/Berlin"),
)
START = datetime(2026, 10, 20, tzinfo=UTC)  # clocks are changed in Europe, America and Australia after it
MODELS, ENDPOINTS = ("gpt-5.4-mini", "claude-sonnet-4-5", "gpt-image-2"), ("chat/completions", "messages")


def make_calls(user: User, keys: Sequence[ApiKey], *, count: int = 600, seed: int = 1) -> list[Usage]:
    """Rows past the verbs, charges included: one posting stands behind all of them."""
    chance = random.Random(seed)
    txn = LedgerTxn.objects.create(
        kind="usage", idempotency_key=f"make:{user.pk}:{seed}", request_hash="", effective_at=NOW
    )
    rows = []
    for number in range(count):
        # Half of them close to a full or half hour, where a mistake would be.
        began = START + timedelta(minutes=15 * chance.randrange(4 * 24 * 35))
        began += timedelta(microseconds=chance.choice([0, 0, -1, 1, chance.randrange(900_000_000)]))
        charge = chance.choice([0, 1, 7, chance.randrange(10**9)])
        promo = chance.randrange(charge + 1)
        rows.append(
            Usage(
                request_id=f"req_{user.pk}_{seed}_{number:05d}",
                user=user,
                key=chance.choice(list(keys)),
                model=chance.choice(MODELS),
                endpoint=chance.choice(ENDPOINTS),
                status=chance.choices(Usage.Status.values, [90, 5, 5, 2])[0],
                http_status=200,
                source=Usage.Source.UPSTREAM,
                started_at=began,
                settled_at=began + timedelta(seconds=chance.randrange(100)),
                charge_nano=charge,
                promo_nano=promo,
                paid_nano=charge - promo,
                refunded_nano=chance.randrange(charge + 1) if chance.random() < 0.1 else 0,
                uncollected_nano=chance.choice([0, 3]),
                txn=txn if charge else None,
                **{name: chance.randrange(1000) for name in TOKEN_COLUMNS},
            )
        )
    Usage.objects.bulk_create(rows)
    rollups.add(rows)
    return rows


def added(rows: Sequence[Usage]) -> Sums:
    """The same in plain Python."""
    return Sums(len(rows), *(sum(getattr(row, name) for row in rows) for name in NAMES[1:]))


def fits(row: Usage, which: Which) -> bool:
    span, charged = which.span, which.charged
    return (
        row.user_id == which.user_id
        and (span.start is None or row.started_at >= span.start)
        and (span.end is None or row.started_at < span.end)
        and (which.key_id is None or row.key_id == which.key_id)
        and which.model in {"", row.model}
        and which.endpoint in {"", row.endpoint}
        and which.status in {"", row.status}
        and (charged is None or (row.charge_nano > 0 and charged.start <= row.settled_at < charged.end))  # type: ignore[operator]
    )


@pytest.fixture
def keys(ada: User) -> list[ApiKey]:
    return [make_key(ada, name)[0] for name in ("laptop", "server")]


known_moments = st.one_of(
    st.integers(0, 35 * 24 * 4).map(lambda quarter: START + timedelta(minutes=15 * quarter)),
    st.integers(0, 35 * 24 * 60 * 60).map(lambda second: START + timedelta(seconds=second)),
)
moments = st.one_of(st.none(), known_moments)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_parts_add_up_to_the_whole_in_every_zone_and_filter(
    ada: User, cleo: User, keys: list[ApiKey], data: st.DataObject
) -> None:
    rows = list(Usage.objects.filter(user=ada)) or make_calls(ada, keys)
    if not Usage.objects.filter(user=cleo).exists():
        make_calls(cleo, [make_key(cleo)[0]], count=50, seed=2)
    start, end = data.draw(moments), data.draw(moments)
    if start and end and start > end:
        start, end = end, start
    which = Which(
        user_id=ada.pk,
        span=Span(start, end),
        key_id=data.draw(st.sampled_from([None, keys[0].pk])),
        model=data.draw(st.sampled_from(["", "", MODELS[0]])),
        endpoint=data.draw(st.sampled_from(["", "", ENDPOINTS[1]])),
        status=data.draw(st.sampled_from(["", "", *Usage.Status.values])),
    )
    meant = [row for row in rows if fits(row, which)]
    zone = ZoneInfo(data.draw(st.sampled_from(ZONES)))
    whole = usage_sums.total(which)
    assert whole == added(meant)
    for by, column in usage_sums.COLUMNS.items():
        parts = usage_sums.by_column(which, by)
        assert sum(parts.values(), NOTHING) == whole
        assert parts == {
            label: sums
            for label in {getattr(row, column) for row in meant}
            if (sums := added([row for row in meant if getattr(row, column) == label])) != NOTHING
        }
    unit = data.draw(st.sampled_from(["", *periods.UNITS]))
    summary = usage_reports.summary(which, by=unit, zone=zone, now=NOW)
    assert summary.totals == whole
    assert sum((group.sums for group in summary.groups), NOTHING) == whole


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_stretch_of_time_has_exactly_its_calls(ada: User, keys: list[ApiKey], data: st.DataObject) -> None:
    rows = list(Usage.objects.filter(user=ada)) or make_calls(ada, keys)
    zone = ZoneInfo(data.draw(st.sampled_from(ZONES)))
    start, end = sorted([data.draw(known_moments), data.draw(known_moments)])
    unit = data.draw(st.sampled_from(periods.UNITS))
    edges = periods.edges(unit, start, end, zone)
    if data.draw(st.booleans()):  # and cuts that no calendar makes
        edges = sorted({*edges, *data.draw(st.lists(known_moments, max_size=8))})
    which = Which(ada.pk, status=data.draw(st.sampled_from(["", "ok"])))
    expected = [
        added([row for row in rows if a <= row.started_at < b and fits(row, which)]) for a, b in pairwise(edges)
    ]
    assert usage_sums.by_time(which, edges) == expected


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-03-29", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("America/Havana", "2026-03-08", 23),  # at midnight: the day begins at one o'clock
        ("Asia/Kolkata", "2026-10-25", 24),
        ("Asia/Shanghai", "2026-10-25", 24),
        ("America/St_Johns", "2026-11-01", 25),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(zone: str, day: str, hours: float) -> None:
    rules = ZoneInfo(zone)
    date = datetime.fromisoformat(day).date()
    start, end = periods.midnight(date, rules), periods.midnight(date + timedelta(days=1), rules)
    assert (end - start) == timedelta(hours=hours)
    around = periods.edges(periods.DAY, start - timedelta(days=2), end + timedelta(days=2), rules)
    assert start in around
    assert end in around
    assert periods.edges(periods.DAY, start, end, rules) == [start, end]


def test_a_day_that_a_zone_left_out_has_no_moment() -> None:
    """Apia had no 30 December 2011."""
    zone = ZoneInfo("Pacific/Apia")
    start, end = datetime(2011, 12, 28, tzinfo=UTC), datetime(2012, 1, 2, tzinfo=UTC)
    edges = periods.edges(periods.DAY, start, end, zone)
    assert edges == sorted(set(edges))
    assert [f"{edge.astimezone(zone):%d}" for edge in edges[1:-1]] == ["28", "29", "31", "01", "02"]


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    start, end = datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 12, 5, tzinfo=UTC)
    weeks = [edge.astimezone(zone) for edge in periods.edges(periods.WEEK, start, end, zone)[1:-1]]
    assert {(each.weekday(), each.hour, each.minute) for each in weeks} == {(0, 0, 0)}
    months = [edge.astimezone(zone) for edge in periods.edges(periods.MONTH, start, end, zone)[1:-1]]
    assert [(each.month, each.day, each.hour) for each in months] == [(11, 1, 0), (12, 1, 0)]


def test_sums_equal_what_the_ledger_moved(ada: User, sam: User, keys: list[ApiKey]) -> None:
    make_credit(ada, promo=100_000, paid=NANO)
    made = [make_usage(key, started_at=NOW - timedelta(minutes=17 * n)) for n in range(12) for key in keys]
    charges.refund(usage=made[0], amount=1234, n=1, actor=sam, reason="x", now=NOW)
    moved = LedgerEntry.objects.filter(txn__kind="usage", debit__owner=ada)
    by_kind = dict(moved.values_list("debit__kind").annotate(amount=Sum("amount")).order_by())
    given_back = LedgerEntry.objects.filter(txn__kind="usage.refund", credit__owner=ada).aggregate(s=Sum("amount"))["s"]
    zone = ZoneInfo("Asia/Kolkata")
    for by in ("day", "hour", "key", "model"):
        sums = usage_reports.summary(Which(ada.pk), by=by, zone=zone, now=NOW).totals
        assert sums.promo_nano == by_kind[AccountKind.USER_PROMO], by
        assert sums.paid_nano == by_kind[AccountKind.USER_PAID], by
        assert sums.charge_nano == sum(by_kind.values()), by
        assert sums.refunded_nano == given_back == 1234, by


def test_the_calls_charged_on_a_day_are_those_of_the_statement(ada: User, keys: list[ApiKey]) -> None:
    rows = make_calls(ada, keys)
    day = datetime(2026, 11, 3, tzinfo=UTC)
    charged = Span(day, day + timedelta(days=1))
    which = Which(ada.pk, span=Span(day - timedelta(days=1), charged.end), charged=charged)
    meant = [row for row in rows if fits(row, which)]
    assert meant
    assert usage_sums.total(which) == added(meant)
    assert sum(usage_sums.by_column(which, "model").values(), NOTHING) == added(meant)
    edges = periods.edges(periods.HOUR, which.span.start, which.span.end, ZoneInfo("UTC"))  # type: ignore[arg-type]
    assert sum(usage_sums.by_time(which, edges), NOTHING) == added(meant)
    assert [row.pk for row in usage_rows.take(which, 1000)] == [row.pk for row in newest_first(meant)]


# --- rows -------------------------------------------------------------------------------------------------------------


def newest_first(rows: Sequence[Usage]) -> list[Usage]:
    return sorted(rows, key=lambda row: (row.started_at, row.request_id), reverse=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pages_have_each_call_once_in_both_directions(ada: User, keys: list[ApiKey], data: st.DataObject) -> None:
    rows = list(Usage.objects.filter(user=ada)) or make_calls(ada, keys)
    start = data.draw(moments)
    which = Which(
        user_id=ada.pk,
        span=Span(start, None),
        key_id=data.draw(st.sampled_from([None, keys[0].pk])),
        model=data.draw(st.sampled_from(["", MODELS[0], "never-called"])),
        status=data.draw(st.sampled_from(["", "ok", "failed", "expired"])),
    )
    expected = [row.pk for row in newest_first([row for row in rows if fits(row, which)])]
    size = data.draw(st.integers(7, 70))
    seen: list[str] = []
    after = None
    for _ in range(len(expected) // size + 2):
        found = usage_rows.take(which, size, after=after)
        seen += [row.pk for row in found]
        if not found:
            break
        after = usage_rows.place_of(found[-1])
    assert seen == expected
    back: list[str] = []
    if expected:
        last = usage_rows.place_of(Usage.objects.get(pk=expected[-1]))
        before = usage_rows.Place(last.started_at, "")
        while found := usage_rows.take(which, size, before=before):
            back = [row.pk for row in found] + back
            before = usage_rows.place_of(found[0])
        assert back == expected


def test_many_hours_of_rare_calls_are_found_in_few_statements(
    ada: User, keys: list[ApiKey], django_assert_max_num_queries: Any
) -> None:
    rows = make_calls(ada, keys)
    expected = [row.pk for row in newest_first([row for row in rows if row.status == "expired"])]
    with django_assert_max_num_queries(6):
        assert [row.pk for row in usage_rows.take(Which(ada.pk, status="expired"), 51)] == expected[:51]


def test_an_hour_that_was_emptied_again_is_passed_over(ada: User, keys: list[ApiKey]) -> None:
    """A call that was swept and then settled late leaves an hour of no calls behind."""
    make_calls(ada, keys, count=3)
    Usage.objects.all().delete()
    for table in (UsageHour, UsageDay):
        table.objects.update(**dict.fromkeys(NAMES, 0))
    assert usage_rows.take(Which(ada.pk, status="ok"), 5) == []
    assert usage_sums.by_column(Which(ada.pk), "model") == {}


def test_no_cursor_but_ours_is_opened() -> None:
    place = usage_rows.Place(NOW, "req_1")
    assert usage_rows.opened(place.sealed) == place
    for text in ("", "x", place.sealed[:-1], place.sealed + "x", "\0", "x" * 5000, '["2026",1]'):
        assert usage_rows.opened(text) is None, text
