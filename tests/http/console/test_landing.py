"""`/`: what the product is, with prices that are in force and nothing invented."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from billing.money import NANO, SYMBOL
from console import landing
from gateway import catalogue
from gateway.models import Model
from tests.make import NOW, make_price

pytestmark = pytest.mark.django_db


@pytest.fixture
def shipped() -> None:
    catalogue.load(data=catalogue.read_file(), now=datetime.now(UTC) - timedelta(hours=1))


def page(client: Client, **headers: str) -> str:
    answer = client.get("/", headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_a_visitor_sees_what_it_is_and_how_to_begin(client: Client, shipped: None) -> None:
    html = page(client)
    assert html.count("<h1") == 1
    assert "<title>One API for many AI models · QYUAN AI Console</title>" in html
    assert 'href="/accounts/signup/"' in html
    assert 'href="/docs/"' in html


def test_a_person_who_is_signed_in_is_not_asked_to_sign_up(client: Client, ada: User, shipped: None) -> None:
    client.force_login(ada)
    html = page(client)
    assert "/accounts/signup/" not in html
    assert 'href="/keys/"' in html
    assert 'href="/playground/"' in html


def test_the_change_is_the_readers_own_address_in_both_sdks(client: Client, shipped: None, settings: Any) -> None:
    settings.PUBLIC_URL = "https://token.example.com"
    text = re.sub(r"<[^>]+>", "", unescape(page(client)))
    assert '+    base_url="https://token.example.com/v1",' in text
    assert '+    base_url="https://token.example.com",' in text
    assert text.count('+    api_key=os.environ["QYUAN_API_KEY"],') == 2


def test_every_active_model_stands_on_the_page_and_no_retired_one(client: Client, shipped: None) -> None:
    Model.objects.filter(name="gpt-5.2").update(active=False)
    html = page(client)
    for name in Model.objects.filter(active=True).values_list("name", flat=True):
        assert f"<code>{name}</code>" in html
    assert "<code>gpt-5.2</code>" not in html
    assert f"{Model.objects.filter(active=True).count()} models behind one address" in html


def test_prices_follow_the_ones_in_force(client: Client, shipped: None) -> None:
    now = datetime.now(UTC)
    for name in Model.objects.filter(family=Model.Family.CLAUDE).values_list("name", flat=True):
        make_price(name, at=now, input_nano_per_mtok=7 * NANO, output_nano_per_mtok=77 * NANO)
    make_price("claude-opus-4-7", at=now + timedelta(hours=1), input_nano_per_mtok=NANO, output_nano_per_mtok=NANO)
    (claude,) = (card for card in landing.context(now=now)["families"] if card.label == "Claude")
    assert (claude.input_from, claude.output_from, claude.image_from) == (7 * NANO, 77 * NANO, None)
    assert "Input from $7.00 Output from $77.00" in words(page(client))


def test_a_model_without_a_price_shows_none(client: Client, shipped: None) -> None:
    Model.objects.exclude(name="gpt-5.5").update(active=False)
    Model.objects.filter(name="gpt-5.5").update(name="unpriced", recommended_for="first-call")
    text = words(page(client))
    assert "unpriced" in text
    assert SYMBOL not in text


def test_the_receipt_is_worked_out_like_a_charge(client: Client, shipped: None) -> None:
    now = datetime.now(UTC)
    make_price("gpt-5.4-mini", at=now, input_nano_per_mtok=3 * NANO, output_nano_per_mtok=NANO)
    receipt = landing.receipt("gpt-5.4-mini", now=now)
    assert receipt is not None
    assert [line.amount for line in receipt.lines] == [1_284 * 3_000, 317 * 1_000]
    assert receipt.total == sum(line.amount for line in receipt.lines)


def test_an_empty_catalogue_is_said_and_breaks_nothing(client: Client) -> None:
    text = words(page(client))
    assert "No models yet" in text
    assert SYMBOL not in text  # no price, no number
    assert landing.receipt("", now=NOW) is None


def test_only_get_is_taken(client: Client) -> None:
    assert client.post("/").status_code == 405


def test_it_is_made_of_few_queries(client: Client, shipped: None, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(4):
        page(client)
