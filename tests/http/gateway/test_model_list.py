"""The public page of models and prices."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing import prices
from billing.money import NANO
from gateway import catalogue


@pytest.fixture
def models(db: None, now: datetime) -> None:
    catalogue.load(data=catalogue.read_file(), now=now)


def page(client: Client) -> str:
    answer = client.get(reverse("gateway:model-list"))
    assert answer.status_code == 200
    return answer.content.decode()


def test_everybody_reads_every_model_with_its_price(models: None, client: Client) -> None:
    text = page(client)
    for family in catalogue.models_for_page():
        assert family.label in text
        for model in family.models:
            assert f">{model.name}<" in text
    for shown in ("$2.00", "$0.025", "$3.75", "$0.167", "1536x1024", "chat/completions", "images/generations"):
        assert shown in text, shown
    assert text.count("<h1") == 1
    assert text.count("For a first call") == 1
    assert text.count("For most Claude work") == 2


def test_the_price_in_force_is_shown_and_the_next_one_with_its_day(models: None, client: Client, now: datetime) -> None:
    prices.set_price(
        model="gpt-5.4-mini", effective_from=datetime(2999, 1, 1, tzinfo=now.tzinfo), output_nano_per_mtok=77 * NANO
    )
    text = page(client)
    assert "$2.00" in text
    coming = text.partition("From 2999-01-01 00:00 UTC:")[2].partition("</tr>")[0]
    assert " ".join(coming.split()).count("output $77.00") == 1
    assert "reasoning" not in coming  # it costs as output, now and then
    prices.set_price(model="gpt-5.4-mini", effective_from=now.replace(hour=13), output_nano_per_mtok=66 * NANO)
    assert "$66.00" in page(client)


def test_it_says_so_when_there_is_nothing_yet(db: None, client: Client) -> None:
    assert "No models yet" in page(client)


def test_it_takes_the_same_few_queries_whatever_is_in_the_catalogue(
    models: None, client: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(2):
        page(client)


def test_the_page_is_served_in_chinese_too(models: None, client: Client) -> None:
    answer = client.get(reverse("gateway:model-list"), headers={"Accept-Language": "zh-hans"})
    assert answer.status_code == 200
    assert 'lang="zh-hans"' in answer.content.decode()


def test_it_needs_no_inline_style_or_script(models: None, client: Client) -> None:
    text = page(client)
    assert " style=" not in text
    assert "<style" not in text


def test_a_receipt_leads_to_the_prices_of_its_time(models: None, client: Client, now: datetime) -> None:
    later = now + timedelta(days=1)
    prices.set_price(model="gpt-5.4-mini", effective_from=later, input_nano_per_mtok=987 * NANO)
    for at, there in ((now, False), (later - timedelta(microseconds=1), False), (later, True)):
        text = client.get("/models/", {"at": at.isoformat()}).content.decode()
        assert ("$987.00" in text) is there, at
        assert f"in force on {at:%Y-%m-%d %H:%M:%S} UTC" in text
        assert 'id="model-gpt-5.4-mini"' in text


@pytest.mark.parametrize("at", ["yesterday", "2026-13-45T99:00:00Z", "2026-11-22T00:00:00", "\x00", "9" * 5000])
def test_a_moment_that_is_none_shows_the_prices_of_today(models: None, client: Client, at: str) -> None:
    answer = client.get("/models/", {"at": at})
    assert answer.status_code == 200
    assert "in force on" not in answer.content.decode()
