"""The usage page: every call, what is filtered with its sums, in the person's own days; and all of it as a file."""

import csv
import html as markup
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.test import AsyncClient, Client
from pytest_django import DjangoAssertNumQueries

from accounts import time_zones
from accounts.models import ApiKey, User
from billing import charges, usage_exports, usage_forms, usage_reports, usage_rows
from billing.charges import Tokens
from billing.models import Usage
from billing.money import NANO, format_amount
from billing.usage_reports import UsagePage
from billing.usage_sums import Which
from gateway.models import Endpoint
from tests.make import make_credit, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(ada: User) -> ApiKey:
    make_credit(ada, promo=100_000, paid=NANO)
    return make_key(ada, "laptop")[0]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """Today is the day of the tests."""
    monkeypatch.setattr("billing.usage_views.timezone.now", lambda: now)


def page(client: Client, user: User, path: str, status: int = 200) -> str:
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == status, path
    return answer.content.decode()


def shown(client: Client, user: User, path: str) -> UsagePage:
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == 200, path
    found: UsagePage = answer.context["page"]
    return found


def words(html: str) -> str:
    """What a reader sees, in one line."""
    return re.sub(r"\s+", " ", markup.unescape(re.sub(r"<[^>]*>", " ", html)))


def test_a_stranger_is_sent_to_sign_in(client: Client, key: ApiKey) -> None:
    for path in ("/usage/", "/usage/export/"):
        assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_a_call_is_listed_with_its_tokens_and_exact_charge(client: Client, ada: User, key: ApiKey) -> None:
    make_usage(key, tokens=Tokens(input=1234, cached=5, output=67, reasoning=8))
    text = words(page(client, ada, "/usage/"))
    assert "gpt-5.4-mini chat/completions laptop 1,234 5 67 8 Completed $0.001539" in text


def test_nobody_sees_the_calls_of_somebody_else(client: Client, cleo: User, ada: User, key: ApiKey) -> None:
    usage = make_usage(key, model="secret-model", price=make_price("secret-model"))
    for path in (f"/usage/?key={key.public_id}", "/usage/?by=key", "/usage/?model=secret-model&time=all"):
        text = page(client, cleo, path)
        for secret in (usage.pk, "laptop", *(["secret-model"] if "secret" not in path else [])):
            assert secret not in text
        assert client.get(path).context["page"].totals.calls == 0
    assert usage.pk not in exported(cleo, "as=csv")
    theirs = usage_rows.place_of(usage).sealed
    assert shown(client, cleo, f"/usage/?before={theirs}").calls == []


def test_filters_stand_in_the_url_and_the_totals_are_of_what_is_filtered(
    client: Client, ada: User, key: ApiKey, now: datetime
) -> None:
    other = make_key(ada, "server")[0]
    claude = make_price("claude-sonnet-4-5")
    make_usage(key, tokens=Tokens(input=10))
    make_usage(other, tokens=Tokens(input=20))
    make_usage(key, tokens=Tokens(input=30), model="claude-sonnet-4-5", price=claude, endpoint="messages")
    make_usage(key, status=Usage.Status.FAILED, not_charged_because="failed_before_output")
    make_usage(key, tokens=Tokens(input=40), started_at=now - timedelta(days=20))
    expected = {"": (5, 100_000), f"key={other.public_id}": (1, 20_000), "model=claude-sonnet-4-5": (1, 30_000)}
    expected |= {"status=failed": (1, 0), f"key={key.public_id}&model=gpt-5.4-mini&status=ok": (2, 50_000)}
    expected |= {"endpoint=messages": (1, 30_000), "endpoint=messages&status=failed": (0, 0)}
    for query, (calls, charge) in expected.items():
        found = shown(client, ada, f"/usage/?{query}")
        assert (found.totals.calls, found.totals.charge_nano) == (calls, charge), query
        assert len(found.calls) == calls, query


def test_days_are_counted_back_from_today(client: Client, ada: User, key: ApiKey, now: datetime) -> None:
    for days in (0, 1, 6, 7, 29, 30, 89, 90):
        make_usage(key, tokens=Tokens(input=1), started_at=now - timedelta(days=days))
    counts = {time: shown(client, ada, f"/usage/?time={time}").totals.calls for time in ("1", "7", "", "90", "all")}
    assert counts == {"1": 1, "7": 3, "": 5, "90": 7, "all": 8}
    assert shown(client, ada, "/usage/?time=2026-10").totals.calls == 2  # 24 and 23 October


def test_days_are_those_of_the_person(client: Client, ada: User, key: ApiKey) -> None:
    """Midnight in Shanghai is 16:00 UTC, in Kolkata 18:30 UTC."""
    for moment in ("21T15:59", "21T16:00", "21T18:29", "21T18:30", "21T23:59", "22T00:00"):
        make_usage(key, tokens=Tokens(input=1), started_at=datetime.fromisoformat(f"2026-11-{moment}:00+00:00"))
    for zone, calls in {"UTC": 1, "Asia/Shanghai": 5, "Asia/Kolkata": 3}.items():
        time_zones.choose(user=ada, name=zone)
        text = page(client, ada, "/usage/?time=1")
        assert client.get("/usage/?time=1").context["page"].totals.calls == calls, zone
        assert f"Days and times are in {zone}" in text
        days = {group.label: group.sums.calls for group in shown(client, ada, "/usage/?by=day").summary.groups}
        assert days["2026-11-22"] == calls
        assert days["2026-11-21"] == 6 - calls
    time_zones.choose(user=ada, name="Asia/Shanghai")
    assert "2026-11-21 23:59:00" in words(page(client, ada, "/usage/"))  # the first of them, as her clock showed it


def test_from_and_to_are_read_to_the_minute_on_her_clock(client: Client, ada: User, key: ApiKey) -> None:
    time_zones.choose(user=ada, name="Asia/Kolkata")
    for minute in (0, 29, 30, 31, 59):
        make_usage(key, tokens=Tokens(input=1), started_at=datetime(2026, 11, 20, 6, minute, tzinfo=UTC))
    for query, calls in {
        "from=2026-11-20T12:00&to=2026-11-20T12:01": 1,  # 06:30 UTC
        "from=2026-11-20T11:30&to=2026-11-20T12:00": 2,
        "from=2026-11-20T06:31:00Z": 2,
        "to=2026-11-20": 5,
        "to=2026-11-19": 0,
        "from=2026-11-20&to=2026-11-20": 5,
        "from=2026-11-20 12:00": 3,
    }.items():
        assert shown(client, ada, f"/usage/?{query.replace('+', '%2B')}").totals.calls == calls, query


def test_bounds_are_chosen_with_the_browser_s_own_picker(client: Client, ada: User, key: ApiKey) -> None:
    make_usage(key)
    text = page(client, ada, "/usage/?from=2026-11-20T12:00&to=2026-11-21T12:00:30Z")
    assert '<input type="datetime-local" name="from" value="2026-11-20T12:00"' in text
    assert '<input type="text" name="to" value="2026-11-21T12:00:30Z"' in text  # a picker would show nothing


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=nonsense", "status"),
        ("time=-1", "time"),
        ("time=1e9", "time"),
        ("time=2026-13", "time"),
        ("model=%00", "model"),
        ("model=never-called", "model"),
        ("key=%27--", "key"),
        ("endpoint=../x", "endpoint"),
        ("by=color", "by"),
        ("from=yesterday", "from"),
        ("from=2026-02-30", "from"),
        ("from=0001-01-01T00:00", "from"),
        ("to=9999-12-31T23:59", "to"),
        ("from=2026-11-23&to=2026-11-20", "to"),
        ("from=" + "9" * 5000, "from"),
    ],
)
def test_what_is_no_filter_is_told_beside_what_is_shown(
    client: Client, ada: User, key: ApiKey, query: str, field: str
) -> None:
    make_usage(key)
    text = page(client, ada, f"/usage/?{query}")
    assert f'id="id_{field}_error"' in text
    assert "Part of the filter was not understood" in text
    assert shown(client, ada, f"/usage/?{query}").totals.calls == 1
    answer = client.get(f"/usage/export/?{query}")  # and no file has more than was asked for
    assert answer.status_code == 302
    assert answer["Location"].startswith("/usage/?")


@pytest.mark.parametrize(
    "cursor",
    ["%00", "x:y:z", "x" * 5000, signing.dumps(["2026", 1], salt="billing.usage.page")],
    ids=["nul", "unsigned", "long", "signed, but none"],
)
def test_a_cursor_that_is_none_begins_at_the_newest(client: Client, ada: User, key: ApiKey, cursor: str) -> None:
    make_usage(key)
    for name in ("after", "before"):
        assert len(shown(client, ada, f"/usage/?{name}={cursor}").calls) == 1
    for path in ("/usage/%00/", "/usage/..%2f/", f"/usage/{'x' * 5000}/", "/usage/密码/"):
        assert client.get(path).status_code == 404, path


def test_one_goes_through_the_pages_and_back(
    client: Client, ada: User, key: ApiKey, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_reports, "PAGE", 3)
    made = [make_usage(key, tokens=Tokens(input=1), started_at=now - timedelta(minutes=n // 2)).pk for n in range(8)]
    pages = [shown(client, ada, "/usage/")]
    assert pages[0].newer == ""
    while pages[-1].older:
        pages.append(shown(client, ada, f"/usage/?after={pages[-1].older}"))
        assert pages[-1].totals.calls == 8
    seen = [call.pk for each in pages for call in each.calls]
    assert sorted(seen) == sorted(made)
    assert len(pages) == 3
    back = [pages[-1]]
    while back[-1].newer:
        back.append(shown(client, ada, f"/usage/?before={back[-1].newer}"))
    assert [[call.pk for call in each.calls] for each in back[::-1]] == [
        [call.pk for call in each.calls] for each in pages
    ]
    assert 'rel="prev"' in page(client, ada, f"/usage/?after={pages[0].older}")


def test_the_list_says_what_to_do_when_it_is_empty(client: Client, ada: User, key: ApiKey) -> None:
    assert "No call yet" in page(client, ada, "/usage/")
    make_usage(key)
    text = page(client, ada, "/usage/?status=failed")
    assert "No call fits" in text
    assert "No call yet" not in text


def test_the_list_costs_the_same_however_long_it_is(
    client: Client, ada: User, key: ApiKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(ada)
    for _ in range(5):
        make_usage(key)
    with django_assert_num_queries(7):  # session, person, keys, models, calls, sums, balance
        client.get("/usage/")
    with django_assert_num_queries(8):  # and the names of the keys
        client.get("/usage/?by=key")


def test_the_form_knows_every_endpoint_of_the_gateway() -> None:
    assert set(usage_forms.ENDPOINTS) == set(Endpoint.values)


# --- groups -----------------------------------------------------------------------------------------------------------


def test_each_bar_leads_to_exactly_its_calls(client: Client, ada: User, key: ApiKey, now: datetime) -> None:
    """From every group of every kind, as a click would, also through the hour that comes twice."""
    time_zones.choose(user=ada, name="America/New_York")
    server, claude = make_key(ada, "server")[0], make_price("claude-sonnet-4-5")
    for hours in range(0, 26 * 24, 7):
        make_usage(key, tokens=Tokens(input=1), started_at=now - timedelta(hours=hours, minutes=hours % 60))
    first = datetime(2026, 11, 1, 5, 10, tzinfo=UTC)  # 01:10 in summer time; an hour later it is 01:10 again
    for n in range(4):
        make_usage(server, started_at=first + timedelta(minutes=30 * n), model="claude-sonnet-4-5", price=claude)
    for query in ("by=day", "by=week", "by=month", "by=model", "by=key", "by=endpoint", "by=status"):
        _follow(client, ada, f"/usage/?{query}")
    _follow(client, ada, "/usage/?by=hour&from=2026-11-01&to=2026-11-01")


def _follow(client: Client, user: User, path: str) -> None:
    client.force_login(user)
    context = client.get(path).context
    bars = [bar for bar in context["bars"] if bar.group.sums.calls]
    assert bars, path
    assert sum(bar.group.sums.calls for bar in bars) == context["page"].totals.calls
    for bar in bars:
        found = shown(client, user, f"/usage/{bar.href}")
        assert found.totals == bar.group.sums, (path, bar.href)
        assert len(found.calls) == min(bar.group.sums.calls, usage_reports.PAGE)


def test_bars_are_in_proportion_and_a_small_one_can_be_seen(client: Client, ada: User, key: ApiKey) -> None:
    make_usage(key, tokens=Tokens(input=1), started_at=datetime(2026, 11, 21, tzinfo=UTC))
    make_usage(key, tokens=Tokens(input=100_000))
    heights = {group.label: group.height for group in shown(client, ada, "/usage/?by=day").summary.groups}
    assert heights["2026-11-22"] == usage_reports.HEIGHT
    assert 0 < heights["2026-11-21"] < 5
    assert heights["2026-11-20"] == 0


def test_what_cost_nothing_is_counted_instead(client: Client, ada: User, key: ApiKey) -> None:
    make_usage(key, status=Usage.Status.FAILED, not_charged_because="failed_before_output")
    found = shown(client, ada, "/usage/").summary
    assert found.measure == "calls"
    assert max(group.height for group in found.groups) == usage_reports.HEIGHT


def test_too_many_bars_become_fewer_and_it_is_said(client: Client, ada: User, key: ApiKey, now: datetime) -> None:
    make_usage(key, tokens=Tokens(input=1), started_at=now - timedelta(days=25))
    text = page(client, ada, "/usage/?by=hour")
    assert "The finer unit would be more than 400 bars." in text
    found = shown(client, ada, "/usage/?by=hour&from=2000-01-01&to=2999-01-01").summary
    assert found.by == "day"
    assert found.coarser
    assert found.totals.calls == 1


def test_more_groups_than_lines_still_add_up(
    client: Client, ada: User, key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_reports, "MOST_GROUPS", 2)
    for n in range(5):
        make_usage(key, model=f"model-{n}", price=make_price(f"model-{n}"), tokens=Tokens(input=n + 1))
    found = shown(client, ada, "/usage/?by=model").summary
    assert [group.label for group in found.groups] == ["model-4", "model-3", "3 others"]
    assert sum(group.sums.charge_nano for group in found.groups) == found.totals.charge_nano == 15_000


def test_the_hour_that_comes_twice_is_told_apart(client: Client, ada: User, key: ApiKey) -> None:
    time_zones.choose(user=ada, name="America/New_York")
    make_usage(key, started_at=datetime(2026, 11, 1, 6, 10, tzinfo=UTC))
    found = shown(client, ada, "/usage/?by=hour&from=2026-11-01&to=2026-11-01").summary
    labels = [group.label for group in found.groups]
    assert len(labels) == len(set(labels)) == 25
    assert "2026-11-01 01:00 -0500" in labels


def test_the_statement_s_day_is_by_the_moment_of_the_charge(client: Client, ada: User, key: ApiKey) -> None:
    """A call that began before midnight and was charged after it belongs to the line of the later day."""
    late = datetime(2026, 11, 20, 23, 59, 59, 900_000, tzinfo=UTC)
    make_usage(key, started_at=late)
    make_usage(key, started_at=late - timedelta(hours=1))
    time_zones.choose(user=ada, name="Asia/Kolkata")
    assert [shown(client, ada, f"/usage/?day=2026-11-{day}").totals.calls for day in (20, 21)] == [1, 1]
    assert "charged on 2026-11-21 (UTC), as on the statement" in page(client, ada, "/usage/?day=2026-11-21")


# --- as a file --------------------------------------------------------------------------------------------------------


def exported(user: User, query: str) -> str:
    """As a server sends it: piece by piece to an async reader."""
    browser = AsyncClient()
    browser.force_login(user)

    async def read() -> bytes:
        answer: Any = await browser.get(f"/usage/export/?{query}")
        assert answer.status_code == 200, query
        assert answer.is_async
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)().decode("utf-8-sig")


def test_the_file_has_exactly_what_the_page_has_and_its_totals(
    client: Client, ada: User, sam: User, key: ApiKey, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_exports, "PIECE", 3)
    make_price("claude-sonnet-4-5")
    for n in range(10):
        made = make_usage(key, tokens=Tokens(input=n + 1, cached=n), started_at=now - timedelta(hours=n))
    charges.refund(usage=made, amount=7, n=1, actor=sam, reason="x", now=now)
    make_usage(key, model="claude-sonnet-4-5", status=Usage.Status.STOPPED, started_at=now - timedelta(days=1))
    for query in (
        "",
        "status=ok",
        "model=claude-sonnet-4-5",
        "time=1",
        f"key={key.public_id}",
        "from=2026-11-22T05:30",
    ):
        found = shown(client, ada, f"/usage/?{query}")
        ids = [call.pk for call in found.calls]
        rows = list(csv.DictReader(io.StringIO(exported(ada, f"as=csv&{query}"))))
        assert [row["request_id"] for row in rows] == [*ids, "TOTAL"], query
        whole = json.loads(exported(ada, f"as=json&{query}"))
        assert [call["request_id"] for call in whole["calls"]] == ids, query
        for total in (rows[-1], whole["totals"]):
            assert int(total["calls"]) == found.totals.calls == len(ids)
            assert total["charge"] == format_amount(found.totals.charge_nano)
            assert total["refunded"] == format_amount(found.totals.refunded_nano)
            assert int(total["input_tokens"]) == found.totals.input_tokens
        for name in ("charge", "promo", "paid", "refunded"):
            parts = [_nano(row[name]) for row in rows]
            assert sum(parts[:-1]) == parts[-1], (query, name)
        assert whole["currency"] == "USD"


def _nano(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole) * NANO + int(rest.ljust(9, "0"))


def test_the_file_is_named_after_its_days(client: Client, ada: User, key: ApiKey) -> None:
    make_usage(key)
    client.force_login(ada)
    names = {}
    for query in ("time=7", "time=2026-10", "from=2026-11-20T10:00&to=2026-11-21T10:00", "time=all", "day=2026-11-20"):
        names[query] = client.get(f"/usage/export/?as=csv&{query}")["Content-Disposition"].partition("=")[2].strip('"')
    assert list(names.values()) == [
        "usage_2026-11-16_2026-11-22.csv",
        "usage_2026-10-01_2026-10-31.csv",
        "usage_2026-11-20_2026-11-21.csv",
        "usage_begin_2026-11-22.csv",
        "usage_2026-11-20_2026-11-20.csv",
    ]


@pytest.mark.parametrize("name", ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "＝1", '"a,b"\n=1', "密钥 \u202e"])
def test_a_hostile_name_is_text_in_every_program(client: Client, ada: User, key: ApiKey, name: str) -> None:
    ApiKey.objects.filter(pk=key.pk).update(name=name)
    make_usage(key, client_request_id=name[:100])
    [row, _total] = csv.DictReader(io.StringIO(exported(ada, "as=csv")))
    for column in ("key", "client_request_id"):
        assert row[column].removeprefix("'") == name
        assert not row[column].startswith(("=", "+", "-", "@", "＝"))
    [call] = json.loads(exported(ada, "as=json"))["calls"]
    assert call["key"] == name  # JSON is no spreadsheet
    assert markup.escape(name) in page(client, ada, "/usage/?by=key")


def test_a_long_file_is_written_in_pieces_of_bounded_size(
    client: Client, ada: User, key: ApiKey, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for a thousand calls in pieces of fifty, nothing ever holds more than fifty, and no piece is skipped."""
    monkeypatch.setattr(usage_exports, "PIECE", 50)
    first = make_usage(key, tokens=Tokens(input=1))
    copies = []
    for n in range(1000):
        call = Usage.objects.get(pk=first.pk)
        call.pk, call.started_at = f"req_copy{n:05d}", now - timedelta(seconds=n)
        copies.append(call)
    Usage.objects.bulk_create(copies)
    which, zone = Which(ada.pk), time_zones.zone("UTC")
    export = usage_exports.Export(which, zone, "csv", now + timedelta(seconds=1))
    sizes = [piece.count(b"\r\n") for piece in export.pieces()]
    assert sizes == [1, *[50] * 20, 1, 1]
    assert len(exported(ada, "as=csv&time=all").splitlines()) == 1003


def test_what_is_cut_short_can_be_told(key: ApiKey, ada: User, now: datetime) -> None:
    make_usage(key)
    for kind, end in (("csv", b"TOTAL"), ("json", b'"totals"')):
        export = usage_exports.Export(Which(ada.pk), time_zones.zone("UTC"), kind, now + timedelta(days=1))
        *most, last = list(export.pieces())
        assert end in last
        assert end not in b"".join(most)


def test_a_kind_of_file_that_we_do_not_write_leads_back(client: Client, ada: User, key: ApiKey) -> None:
    client.force_login(ada)
    assert client.get("/usage/export/?as=xls&status=ok")["Location"] == "/usage/?status=ok"
    assert client.post("/usage/export/").status_code == 405
