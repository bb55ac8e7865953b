"""Usage and receipts: every call, what is filtered and its sum, one call explained to the nano."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, User
from billing import charges, receipts, reports, reservations
from billing.charges import Tokens
from billing.models import Usage
from billing.money import NANO
from tests.make import make_call, make_credit, make_hold, make_key, make_price, make_usage

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


# --- one call explained -----------------------------------------------------------------------------------------------


def test_a_receipt_multiplies_adds_rounds_once_and_names_the_price(client: Client, ada: User, key: ApiKey) -> None:
    price = make_price("odd", input_nano_per_mtok=333_333_333, cached_input_nano_per_mtok=1, output_nano_per_mtok=7)
    usage = make_usage(key, model="odd", price=price, tokens=Tokens(input=2, cached=10, output=1), held=5000)
    text = words(page(client, ada, f"/usage/{usage.pk}/"))
    assert "Input tokens 2 $0.333333333 per 1M 666.666666" in text
    assert "Cached tokens 10 $0.000000001 per 1M 0.00001" in text
    assert "Sum, in billionths of a dollar 666.666683" in text
    assert "Cost, rounded once $0.000000667" in text
    assert f"Price version {price.pk}, in force since 2026-10-23 12:00 UTC" in text
    assert "Held before the call $0.000005" in text
    assert "Released $0.000004333" in text
    assert "Promotional credit API revenue $0.000000667" in text


def test_a_receipt_shows_each_class_that_paid_and_each_refund(
    client: Client, ada: User, sam: User, key: ApiKey, now: datetime
) -> None:
    usage = make_usage(key, tokens=Tokens(input=400))
    charges.refund(usage=usage, amount=200_000, n=1, actor=sam, reason="Wrong answer", now=now)
    text = words(page(client, ada, f"/usage/{usage.pk}/"))
    assert "From Promotional credit $0.0001" in text
    assert "From Paid credit $0.0003" in text
    assert "Refunded $0.0002" in text
    assert "API revenue Promotional credit $0.00005" in text
    assert "API revenue Paid credit $0.00015" in text


@pytest.mark.parametrize("code", [*receipts.REASONS, "a_code_of_tomorrow"])
def test_a_free_call_says_why(client: Client, ada: User, key: ApiKey, code: str) -> None:
    usage = make_usage(key, tokens=Tokens(), held=10, status=Usage.Status.FAILED, not_charged_because=code)
    text = words(page(client, ada, f"/usage/{usage.pk}/"))
    assert "Not charged" in text
    assert str(receipts.REASONS.get(code, code)) in text
    assert "Nothing was posted." in text
    assert "Charged $0.00" in text


def test_what_could_not_be_collected_is_said_in_words(client: Client, ada: User, now: datetime) -> None:
    make_credit(ada, paid=30_000)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=50), held=30_000)
    text = words(page(client, ada, f"/usage/{usage.pk}/"))
    assert "This call used $0.00002 more than your credit covered." in text
    assert "Cost, rounded once $0.00005 Not collected −$0.00002 Charge $0.00003" in text


def test_a_late_charge_says_so(client: Client, ada: User, key: ApiKey, now: datetime) -> None:
    price = make_price()
    call = make_call(key)
    make_hold(call, 50_000, lasts=timedelta(seconds=1))
    reservations.sweep(now=now + timedelta(minutes=1))
    assert "The server stopped before the call ended" in page(client, ada, f"/usage/{call.request_id}/")
    facts: dict[str, Any] = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200}
    charges.settle(call=call, tokens=Tokens(input=5), price=price, now=now + timedelta(minutes=2), **facts)
    assert "The hold had run out when the call ended" in page(client, ada, f"/usage/{call.request_id}/")


def test_an_image_is_charged_each(client: Client, ada: User, key: ApiKey) -> None:
    price = make_price(
        "gpt-image-2", image_nano={"1024x1024/*": 40_000_000}, input_nano_per_mtok=0, output_nano_per_mtok=0
    )
    tokens = Tokens(images=2, image_class="1024x1024/high")
    usage = make_usage(key, model="gpt-image-2", price=price, tokens=tokens, endpoint="images/generations")
    assert "Images 2 $0.04 each 80,000,000" in words(page(client, ada, f"/usage/{usage.pk}/"))
    assert "2 images" in words(page(client, ada, "/usage/"))


def test_a_receipt_costs_the_same_with_and_without_refunds(
    client: Client, ada: User, key: ApiKey, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    usage = make_usage(key, tokens=Tokens(input=400))
    for n in range(3):
        charges.refund(usage=usage, amount=10, n=n, actor=None, reason="x", now=now)
    client.force_login(ada)
    with django_assert_num_queries(6):  # session, person, call, parts, entries, balance
        client.get(f"/usage/{usage.pk}/")


def _context(client: Client, user: User, path: str) -> reports.UsagePage:
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == 200, path
    found: reports.UsagePage = answer.context["page"]
    return found
