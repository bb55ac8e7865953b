"""Usage through the API: filters, sums that add up, groups in the account's days, and all of it as a file."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from accounts import time_zones
from accounts.models import ApiKey, User
from billing.charges import Tokens
from billing.models import Usage
from billing.money import NANO, format_amount
from tests.make import NOW, make_credit, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(ada: User) -> tuple[ApiKey, str]:
    make_credit(ada, paid=NANO)
    return make_key(ada, "laptop")


@pytest.fixture
def calls(ada: User, key: tuple[ApiKey, str]) -> list[Usage]:
    """On two models and keys, over three days, one of them failed."""
    server, claude = make_key(ada, "server")[0], make_price("claude-sonnet-4-5")
    made = [make_usage(key[0], tokens=Tokens(input=n + 1), started_at=NOW - timedelta(hours=7 * n)) for n in range(8)]
    made.append(make_usage(server, model="claude-sonnet-4-5", price=claude, endpoint="messages"))
    made.append(make_usage(key[0], status=Usage.Status.FAILED, not_charged_because="failed_before_output"))
    return made


def get(client: Client, key: tuple[ApiKey, str], query: str) -> Any:
    answer = client.get(f"/api/v1/usage/?{query}", headers={"Authorization": f"Bearer {key[1]}"})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_totals_are_of_all_that_is_filtered(client: Client, key: tuple[ApiKey, str], calls: list[Usage]) -> None:
    late, early = datetime(2026, 11, 21, 23, 59, tzinfo=UTC), datetime(2026, 11, 21, 9, 59, 59, tzinfo=UTC)
    cases: dict[str, Callable[[Usage], bool]] = {
        "": lambda call: True,
        "model=claude-sonnet-4-5": lambda call: call.model == "claude-sonnet-4-5",
        f"key={key[0].public_id}": lambda call: call.key_id == key[0].pk,
        "endpoint=messages": lambda call: call.endpoint == "messages",
        "status=failed": lambda call: call.status == "failed",
        "from=2026-11-21T23:59:00Z": lambda call: call.started_at >= late,
        "to=2026-11-21T17:59:59%2B08:00": lambda call: call.started_at < early,
    }
    for query, fits in cases.items():
        meant = [call for call in calls if fits(call)]
        page = get(client, key, f"{query}&limit=3")
        assert page["totals"]["calls"] == len(meant), query
        assert page["totals"]["charge"] == format_amount(sum(call.charge_nano for call in meant)), query
        assert len(page["results"]) == min(3, len(meant))


@pytest.mark.parametrize("by", ["hour", "day", "week", "month", "model", "key", "endpoint", "status"])
def test_groups_add_up_to_the_totals(client: Client, key: tuple[ApiKey, str], calls: list[Usage], by: str) -> None:
    page = get(client, key, f"group_by={by}")
    assert page["group_by"] == by
    for name in ("calls", "input_tokens", "output_tokens"):
        assert sum(group[name] for group in page["groups"]) == page["totals"][name]
    nano = [round(float(group["charge"]) * NANO) for group in page["groups"]]
    assert format_amount(sum(nano)) == page["totals"]["charge"]
    assert all((group["from"] is None) == (by in {"model", "key", "endpoint", "status"}) for group in page["groups"])


def test_days_begin_where_the_account_is(
    client: Client, ada: User, key: tuple[ApiKey, str], calls: list[Usage]
) -> None:
    time_zones.choose(user=ada, name="Asia/Shanghai")
    page = get(client, key, "group_by=day&from=2026-11-19T16:00:00Z&to=2026-11-22T16:00:00Z")
    assert page["time_zone"] == "Asia/Shanghai"
    assert [group["from"] for group in page["groups"]] == [f"2026-11-{day}T00:00:00+08:00" for day in (20, 21, 22)]
    assert (
        client.get("/api/v1/me/", headers={"Authorization": f"Bearer {key[1]}"}).json()["time_zone"] == "Asia/Shanghai"
    )


def test_later_pages_do_not_add_up_again(client: Client, key: tuple[ApiKey, str], calls: list[Usage]) -> None:
    first = get(client, key, "limit=4&group_by=model")
    second = get(client, key, f"limit=4&group_by=model&cursor={first['next']}")
    assert second["totals"] is None
    assert second["groups"] is None
    assert not {row["id"] for row in first["results"]} & {row["id"] for row in second["results"]}


def test_rare_calls_are_paged_like_all_others(client: Client, key: tuple[ApiKey, str]) -> None:
    made = []
    for n in range(30):
        moment = NOW - timedelta(hours=11 * n)
        make_usage(key[0], started_at=moment)
        made.append(make_usage(key[0], started_at=moment, status=Usage.Status.STOPPED).pk)
    seen: list[str] = []
    cursor = ""
    while True:
        page = get(client, key, f"status=stopped&limit=7&cursor={cursor}")
        seen += [row["id"] for row in page["results"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made


def test_the_file_is_what_the_list_is(key: tuple[ApiKey, str], calls: list[Usage], cleo: User) -> None:
    status, kind, text = exported(key[1], "format=csv&status=ok")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert (status, kind) == (200, "text/csv; charset=utf-8")
    assert {row["request_id"] for row in rows} == {*(call.pk for call in calls if call.status == "ok"), "TOTAL"}
    assert rows[-1]["calls"] == "9"
    status, kind, text = exported(key[1], "")
    whole = json.loads(text)
    assert (status, kind) == (200, "application/json")
    assert len(whole["calls"]) == whole["totals"]["calls"] == 10
    _, _, theirs = exported(make_key(cleo)[1], "")
    assert json.loads(theirs)["calls"] == []


def test_an_error_is_json_whatever_was_asked_for(key: tuple[ApiKey, str]) -> None:
    for query in ("format=csv&status=nonsense", "format=json&from=yesterday"):
        status, kind, text = exported(key[1], query)
        assert (status, kind) == (400, "application/json")
        assert json.loads(text)["error"]["code"] == "parse_error"
    assert exported("nonsense", "format=csv")[0] == 401
    assert exported(key[1], "format=xls")[0] == 404


def exported(plain: str, query: str) -> tuple[int, str, str]:
    browser = AsyncClient()

    async def read() -> tuple[int, str, str]:
        headers = {"Authorization": f"Bearer {plain}"}
        answer: Any = await browser.get(f"/api/v1/usage/export/?{query}", headers=headers)
        body = b"".join([piece async for piece in answer.streaming_content]) if answer.streaming else answer.content
        return answer.status_code, answer["Content-Type"], body.decode()

    return async_to_sync(read)()
