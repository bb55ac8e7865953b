"""Usage and receipts: every call, what is filtered and its sum, one call explained to the nano."""

import re
from datetime import datetime, timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, User
from billing import reports
from billing.charges import Tokens
from billing.models import Usage
from billing.money import NANO
from tests.make import make_credit, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(ada: User) -> ApiKey:
    make_credit(ada, promo=100_000, paid=NANO)
    return make_key(ada, "laptop")[0]


def page(client: Client, user: User, path: str, status: int = 200) -> str:
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == status, path
    return answer.content.decode()


def words(html: str) -> str:
    """What a reader sees, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_a_stranger_is_sent_to_sign_in(client: Client, key: ApiKey) -> None:
    usage = make_usage(key)
    for path in ("/usage/", f"/usage/{usage.pk}/"):
        assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_a_call_is_listed_with_its_tokens_and_exact_charge(client: Client, ada: User, key: ApiKey) -> None:
    make_usage(key, tokens=Tokens(input=1234, cached=5, output=67, reasoning=8))
    text = words(page(client, ada, "/usage/"))
    assert "gpt-5.4-mini chat/completions laptop 1,234 5 67 8 Completed $0.001539" in text


def test_nobody_sees_the_calls_of_somebody_else(client: Client, cleo: User, ada: User, key: ApiKey) -> None:
    usage = make_usage(key, model="secret-model", price=make_price("secret-model"))
    text = page(client, cleo, f"/usage/?key={key.public_id}")
    assert usage.pk not in text
    assert "secret-model" not in text
    assert "laptop" not in text
    theirs, missing = (
        words(page(client, cleo, f"/usage/{request_id}/", status=404)).replace(request_id, "ID")
        for request_id in (usage.pk, "req_00000000000000000000000000")
    )
    assert theirs == missing


def test_filters_stand_in_the_url_and_the_totals_are_of_what_is_filtered(
    client: Client, ada: User, key: ApiKey, now: datetime
) -> None:
    other = make_key(ada, "server")[0]
    claude = make_price("claude-sonnet-4-5")
    make_usage(key, tokens=Tokens(input=10))
    make_usage(other, tokens=Tokens(input=20))
    make_usage(key, tokens=Tokens(input=30), model="claude-sonnet-4-5", price=claude)
    make_usage(key, status=Usage.Status.FAILED, not_charged_because="failed_before_output")
    make_usage(key, tokens=Tokens(input=40), started_at=now - timedelta(days=20))
    expected = {"": (5, 100_000), f"key={other.public_id}": (1, 20_000), "model=claude-sonnet-4-5": (1, 30_000)}
    expected |= {"status=failed": (1, 0), f"key={key.public_id}&model=gpt-5.4-mini&status=ok": (2, 50_000)}
    for query, (calls, charge) in expected.items():
        totals = _context(client, ada, f"/usage/?{query}").totals
        assert (totals.calls, totals.charge) == (calls, charge), query


def test_days_are_counted_back_from_today(ada: User, key: ApiKey, now: datetime) -> None:
    for days in (0, 1, 6, 7, 29, 30):
        make_usage(key, tokens=Tokens(input=1), started_at=now - timedelta(days=days))

    def calls(days: str) -> int:
        return reports.usage(user=ada, chosen={"days": days}, cursor="", now=now).totals.calls

    assert [calls(days) for days in ("1", "7", "30", "90", "")] == [1, 3, 5, 6, 6]


def test_what_is_no_filter_shows_everything_and_nothing_breaks(client: Client, ada: User, key: ApiKey) -> None:
    make_usage(key)
    wrong = ["status=nonsense", "days=-1", "days=1e9", "day=yesterday", "model=%00", "key=%27--"]
    for query in (*wrong, "after=%00", "after=x:y:z", "after=" + "x" * 5000):
        assert _context(client, ada, f"/usage/?{query}").totals.calls == 1, query
    for path in ("/usage/%00/", "/usage/..%2f/", f"/usage/{'x' * 5000}/", "/usage/密码/"):
        client.force_login(ada)
        assert client.get(path).status_code == 404, path


def test_every_call_is_on_exactly_one_page(
    client: Client, ada: User, key: ApiKey, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PAGE", 3)
    made = [make_usage(key, tokens=Tokens(input=1), started_at=now - timedelta(minutes=n // 2)).pk for n in range(8)]
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        found = _context(client, ada, f"/usage/?after={cursor}")
        assert found.totals.calls == 8
        seen += [call.pk for call in found.calls]
        if not (cursor := found.following):
            break
    assert sorted(seen) == sorted(made)
    times = [Usage.objects.get(pk=pk).started_at for pk in seen]
    assert times == sorted(times, reverse=True)


def test_the_list_says_what_to_do_when_it_is_empty(client: Client, ada: User, key: ApiKey) -> None:
    assert "No call yet" in page(client, ada, "/usage/")
    make_usage(key)
    assert "No call fits" in page(client, ada, "/usage/?status=failed")


def test_the_list_costs_the_same_however_long_it_is(
    client: Client, ada: User, key: ApiKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(ada)
    for _ in range(5):
        make_usage(key)
    with django_assert_num_queries(7):  # session, person, two lists of choices, totals, calls, balance
        client.get("/usage/")


def _context(client: Client, user: User, path: str) -> reports.UsagePage:
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == 200, path
    found: reports.UsagePage = answer.context["page"]
    return found
