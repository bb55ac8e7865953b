"""Prices for everybody, as text in exact decimals."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.money import NANO
from tests.make import make_price

pytestmark = pytest.mark.django_db


def test_anybody_reads_the_price_in_force_of_every_model(client: Client, django_assert_max_num_queries: Any) -> None:
    make_price("one", cached_input_nano_per_mtok=NANO // 10)
    make_price("one", at=timezone.now() + timedelta(days=1), output_nano_per_mtok=9 * NANO)
    make_price("two", output_nano_per_mtok=0, image_nano={"1024x1024/high": 167_000_000})
    make_price("three", at=timezone.now() + timedelta(days=1))
    with django_assert_max_num_queries(1):
        one, two = client.get("/api/v1/prices/").json()["results"]
    amounts = {name: one[name] for name in ("input", "cached_input", "cache_write", "output", "reasoning")}
    assert amounts == {
        "input": "1.00",
        "cached_input": "0.10",
        "cache_write": "1.00",
        "output": "4.00",
        "reasoning": "4.00",
    }
    assert two["images"] == {"1024x1024/high": "0.167"}


def test_one_model_tells_its_whole_history(client: Client) -> None:
    make_price("one")
    make_price("one", at=timezone.now() + timedelta(days=1), output_nano_per_mtok=9 * NANO)
    rows = client.get("/api/v1/prices/?model=one").json()["results"]
    assert [row["output"] for row in rows] == ["9.00", "4.00"]


@pytest.mark.parametrize("model", ["", "none", "\0", "%00", "x" * 5000, "’; DROP TABLE"])
def test_a_model_that_is_none_has_no_prices(client: Client, model: str) -> None:
    assert client.get("/api/v1/prices/", {"model": model}).json() == {"results": []}
