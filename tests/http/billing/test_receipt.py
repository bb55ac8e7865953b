"""One call explained: units x price, rounded once; what was held, released, posted and given back; in words, too."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, User
from billing import charges, receipts, reservations
from billing.charges import Settlement, Tokens
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


def shown(client: Client, user: User, usage: Usage) -> str:
    return words(page(client, user, f"/usage/{usage.pk}/"))


def twin(client: Client, user: User, usage: Usage) -> Any:
    """The same as JSON."""
    return json.loads(page(client, user, f"/api/v1/usage/{usage.pk}/"))


# --- the sum ---
def test_it_multiplies_adds_rounds_once_and_names_the_price(client: Client, ada: User, key: ApiKey) -> None:
    price = make_price("odd", input_nano_per_mtok=333_333_333, cached_input_nano_per_mtok=1, output_nano_per_mtok=7)
    usage = make_usage(key, model="odd", price=price, tokens=Tokens(input=2, cached=10, output=1), held=5000)
    text = shown(client, ada, usage)
    assert "Input tokens 2 × $0.333333333 per 1M $0.000000666666666" in text
    assert "Cached tokens 10 × $0.000000001 per 1M $0.00000000000001" in text
    assert "Sum, exactly $0.000000666666683" in text
    assert "Cost, rounded once to a billionth of a dollar $0.000000667" in text
    assert "Charge $0.000000667" in text
    assert f"Price version {price.pk}, in force since 2026-10-23 12:00 UTC" in text
    assert "The provider itself reported these numbers." in text

    found = twin(client, ada, usage)
    assert (found["sum"], found["cost"], found["charge"]) == ("0.000000666666683", "0.000000667", "0.000000667")
    assert found["lines"][1] == {
        "name": "cached",
        "units": 10,
        "unit_price": "0.000000001",
        "per": 1_000_000,
        "amount": "0.00000000000001",
    }
    assert found["price"]["version"] == price.pk


def test_where_nothing_is_rounded_nothing_is_said_of_rounding(client: Client, ada: User, key: ApiKey) -> None:
    text = shown(client, ada, make_usage(key, tokens=Tokens(input=400)))
    assert "Input tokens 400 × $1.00 per 1M $0.0004" in text
    assert "rounded" not in text
    assert "Sum, exactly" not in text


def test_an_image_is_charged_each(client: Client, ada: User, key: ApiKey) -> None:
    price = make_price(
        "gpt-image-2", image_nano={"1024x1024/*": 40_000_000}, input_nano_per_mtok=0, output_nano_per_mtok=0
    )
    tokens = Tokens(images=2, image_class="1024x1024/high")
    usage = make_usage(key, model="gpt-image-2", price=price, tokens=tokens, endpoint="images/generations")
    text = shown(client, ada, usage)
    assert "Images 1024x1024/high 2 × $0.04 each $0.08" in text
    assert "gpt-image-2 made 2 images in 0.8 seconds. That cost $0.08." in text
    assert twin(client, ada, usage)["lines"][0]["per"] == 1


# --- what was held ---
def test_each_class_says_what_was_held_charged_and_released(client: Client, ada: User, key: ApiKey) -> None:
    usage = make_usage(key, tokens=Tokens(input=400), held=500_000)
    text = shown(client, ada, usage)
    assert "Promotional credit $0.0001 $0.0001 $0.00" in text
    assert "Paid credit $0.0004 $0.0003 $0.0001" in text
    assert "Together $0.0005 $0.0004 $0.0001" in text
    assert "Held since 2026-11-22 12:00 UTC" in text
    assert "Charged and released at 2026-11-22 12:00 UTC , in one transaction." in text
    found = twin(client, ada, usage)
    assert (found["hold"]["amount"], found["hold"]["state"], found["released"]) == ("0.0005", "settled", "0.0001")
    assert found["classes"] == [
        {"name": "user.promo", "held": "0.0001", "charged": "0.0001", "released": "0.00", "beyond_hold": "0.00"},
        {"name": "user.paid", "held": "0.0004", "charged": "0.0003", "released": "0.0001", "beyond_hold": "0.00"},
    ]


def test_more_than_was_held_is_said(client: Client, ada: User, key: ApiKey) -> None:
    usage = make_usage(key, tokens=Tokens(input=400), held=150_000)
    text = shown(client, ada, usage)
    assert "Paid credit $0.00005 $0.0003 $0.00" in text
    assert "$0.00025 was charged beyond the hold" in text
    assert "That cost $0.0004: more than the $0.00015 that we had set aside" in text


def test_a_late_charge_says_so(client: Client, ada: User, key: ApiKey, now: datetime) -> None:
    price = make_price()
    call = make_call(key)
    make_hold(call, 50_000, lasts=timedelta(seconds=1))
    reservations.sweep(now=now + timedelta(minutes=1))
    text = words(page(client, ada, f"/usage/{call.request_id}/"))
    assert "The server stopped before the call ended" in text
    assert "Promotional credit $0.00005 $0.00 $0.00005" in text
    assert "It ran out and was released at 2026-11-22 12:01 UTC" in text
    facts: dict[str, Any] = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200}
    usage = charges.settle(call=call, tokens=Tokens(input=5), price=price, now=now + timedelta(minutes=2), **facts)
    text = shown(client, ada, usage)
    assert "The hold had run out when the call ended" in text
    assert "Promotional credit $0.00005 $0.000005 $0.00005" in text  # released whole, and charged afterwards
    assert "the charge was taken afterwards" in text
    assert twin(client, ada, usage)["late"] is True


# --- the ledger ---
def test_each_posting_and_each_refund_is_there(
    client: Client, ada: User, sam: User, key: ApiKey, now: datetime
) -> None:
    usage = make_usage(key, tokens=Tokens(input=400))
    charges.refund(usage=usage, amount=200_000, n=1, actor=sam, reason="Wrong answer", now=now)
    text = shown(client, ada, usage)
    assert "Charge Promotional credit API revenue $0.0001" in text
    assert "Charge Paid credit API revenue $0.0003" in text
    assert "Refund Wrong answer API revenue Promotional credit $0.00005" in text
    assert "API revenue Paid credit $0.00015" in text
    assert "$0.0002 was given back later." in text
    assert f"Posting {usage.txn_id}, for this call alone." in text
    postings = [(each["kind"], each["debit"], each["amount"]) for each in twin(client, ada, usage)["postings"]]
    assert postings == [
        ("usage", "user.promo", "0.0001"),
        ("usage", "user.paid", "0.0003"),
        ("usage.refund", "revenue.api", "0.00005"),
        ("usage.refund", "revenue.api", "0.00015"),
    ]


def test_a_call_that_was_posted_with_others_shows_its_own_share(
    client: Client, ada: User, key: ApiKey, now: datetime
) -> None:
    price = make_price()
    calls = [make_call(key) for _ in range(3)]
    for call in calls:
        make_hold(call, 60_000)
    facts: dict[str, Any] = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200}
    rows = charges.settle_many(
        [Settlement(call=call, tokens=Tokens(input=60), price=price, **facts) for call in calls], now=now
    )
    assert len({row.txn_id for row in rows}) == 1
    text = shown(client, ada, rows[1])
    assert "Charge Promotional credit API revenue $0.00004 " in text  # 0.0001 paid the first and most of the second
    assert "Charge Paid credit API revenue $0.00002 " in text
    assert f"Posted together with 2 other calls in posting {rows[1].txn_id}; the amounts above are this call's" in text
    assert twin(client, ada, rows[1])["posted_with"] == 2


# --- not charged, not collected ---
@pytest.mark.parametrize("code", [*receipts.REASONS, "a_code_of_tomorrow"])
def test_a_free_call_says_why(client: Client, ada: User, key: ApiKey, code: str) -> None:
    usage = make_usage(
        key,
        tokens=Tokens(),
        held=10,
        status=Usage.Status.FAILED,
        source=Usage.Source.NONE,
        not_charged_because=code,
    )
    text = shown(client, ada, usage)
    assert "Not charged" in text
    assert str(receipts.REASONS.get(code, code)) in text
    assert "Nothing was posted." in text
    assert "Nothing was charged. The $0.00000001 that we had set aside before the call was free again" in text
    assert "Nothing was delivered, so there is nothing to count." in text
    assert twin(client, ada, usage)["not_charged_because"] == code


def test_what_could_not_be_collected_is_said_in_words(client: Client, ada: User, now: datetime) -> None:
    make_credit(ada, paid=30_000)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=50), held=30_000)
    text = shown(client, ada, usage)
    assert "Not collected in full" in text
    assert "Cost $0.00005 Not collected −$0.00002 Charge $0.00003" in text
    assert "Your credit did not cover $0.00002 of it. You do not owe that" in text
    found = twin(client, ada, usage)
    assert (found["cost"], found["charge"], found["uncollected"]) == ("0.00005", "0.00003", "0.00002")


# --- in words, and in time ---
@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "gpt-5.4-mini read 100 tokens and wrote 50 tokens in 0.8 seconds. That cost $0.0003."),
        ({"total_ms": 40}, "in 40 milliseconds."),
        ({"tokens": Tokens(input=1, output=0, reasoning=1200)}, "read 1 token and wrote 1,200 tokens"),
        ({"status": Usage.Status.STOPPED}, "Your program hung up while gpt-5.4-mini was answering."),
        ({"status": Usage.Status.FAILED}, "The answer of gpt-5.4-mini broke off."),
        ({"source": Usage.Source.COUNTED}, "so we counted what was delivered."),
        ({"held": 900_000}, "the most it could cost; the other $0.0006 was free again at its end."),
    ],
    ids=str,
)
def test_somebody_who_never_saw_a_token_can_read_it(
    client: Client, ada: User, key: ApiKey, facts: dict[str, Any], expected: str
) -> None:
    usage = make_usage(key, **facts)
    assert expected in shown(client, ada, usage)
    assert expected in twin(client, ada, usage)["in_words"]


@pytest.mark.parametrize(
    ("sent", "first", "total", "expected"),
    [
        (20, 120, 800, [("before", 20), ("wait", 100), ("answer", 680)]),
        (None, None, 300, [("wait", 300)]),
        (20, None, 300, [("before", 20), ("wait", 280)]),
        (0, 0, 0, []),
        (900, 120, 800, [("before", 800)]),  # clocks that disagree draw no negative part
        (1, 2, 1_000_000, [("before", 1), ("wait", 1), ("answer", 999_998)]),
    ],
)
def test_the_parts_of_the_time_add_up(
    client: Client,
    ada: User,
    key: ApiKey,
    *,
    sent: int | None,
    first: int | None,
    total: int,
    expected: list[tuple[str, int]],
) -> None:
    usage = make_usage(key, stream=True, sent_ms=sent, first_byte_ms=first, total_ms=total)
    phases = receipts.receipt(user=ada, request_id=usage.pk).phases
    assert [(phase.code, phase.ms) for phase in phases] == expected
    assert sum(phase.width for phase in phases) == (1000 if expected else 0)
    assert f"{total:,} ms" in shown(client, ada, usage)


def test_the_channel_is_nobody_elses_business(client: Client, ada: User, key: ApiKey) -> None:
    usage = make_usage(key, channel="secret-reseller")
    assert "secret-reseller" not in page(client, ada, f"/usage/{usage.pk}/")
    assert "secret-reseller" not in json.dumps(twin(client, ada, usage))


# --- found by an id ---
def test_a_call_is_found_by_our_id_and_by_ones_own(client: Client, ada: User, key: ApiKey) -> None:
    usage = make_usage(key, client_request_id="order 77/b")
    client.force_login(ada)
    for asked in (usage.pk, f"  {usage.pk} ", "order 77/b"):
        answer = client.get("/usage/find/", {"q": asked})
        assert (answer.status_code, answer["Location"]) == (302, f"/usage/{usage.pk}/"), asked


def test_several_calls_with_one_id_are_listed_newest_first(
    client: Client, ada: User, key: ApiKey, now: datetime
) -> None:
    made = [make_usage(key, client_request_id="retry", started_at=now - timedelta(hours=n)).pk for n in range(3)]
    text = page(client, ada, "/usage/find/?q=retry")
    assert "3 calls carry this id" in text
    assert [text.index(pk) for pk in made] == sorted(text.index(pk) for pk in made)


@pytest.mark.parametrize(
    "asked", ["req_00000000000000000000000000", "nobody", "%00", "x" * 5000, "密码", "' OR 1=1 --"]
)
def test_an_unknown_id_is_a_404_that_offers_another_try(client: Client, ada: User, key: ApiKey, asked: str) -> None:
    make_usage(key)
    text = page(client, ada, f"/usage/find/?q={asked}", status=404)
    assert "No call of yours has this id" in text
    assert 'name="q"' in text


def test_an_empty_box_finds_nothing_and_says_nothing(client: Client, ada: User, key: ApiKey) -> None:
    make_usage(key)  # its own id is empty
    text = page(client, ada, "/usage/find/?q=")
    assert "No call of yours" not in text


def test_cleo_finds_nothing_of_adas_in_any_way(client: Client, cleo: User, ada: User, key: ApiKey) -> None:
    usage = make_usage(key, model="secret-model", price=make_price("secret-model"), client_request_id="hers-7")
    for path in (
        f"/usage/{usage.pk}/",
        f"/usage/find/?q={usage.pk}",
        "/usage/find/?q=hers-7",
        f"/api/v1/usage/{usage.pk}/",
    ):
        missing = path.replace(usage.pk, "req_00000000000000000000000000").replace("hers-7", "zzzz")
        theirs, nobodys = page(client, cleo, path, status=404), page(client, cleo, missing, status=404)
        for text in (theirs, nobodys):
            assert "secret-model" not in text
        assert _blank(theirs, usage.pk, "hers-7") == _blank(nobodys, "req_00000000000000000000000000", "zzzz")


def test_a_stranger_is_sent_to_sign_in(client: Client, key: ApiKey) -> None:
    usage = make_usage(key)
    for path in (f"/usage/{usage.pk}/", "/usage/find/"):
        assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_it_costs_the_same_with_and_without_refunds(
    client: Client, ada: User, key: ApiKey, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    usage = make_usage(key, tokens=Tokens(input=400))
    for n in range(3):
        charges.refund(usage=usage, amount=10, n=n, actor=None, reason="x", now=now)
    client.force_login(ada)
    with django_assert_num_queries(7):  # session, person, call, hold, calls posted with it, refunds, balance
        client.get(f"/usage/{usage.pk}/")


def _blank(text: str, *ids: str) -> str:
    for each in ids:
        text = text.replace(each, "ID")
    return re.sub(r'(value="\w{64}")|("request_id": ?"[^"]*")', "", text)
