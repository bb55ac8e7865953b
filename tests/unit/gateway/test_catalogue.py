"""The catalogue as data."""

import copy
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from billing import prices
from billing.models import Price
from billing.money import NANO
from gateway import catalogue
from gateway.catalogue import BadCatalogue
from gateway.models import Endpoint, Model

PRODUCT = {
    "openai": 7,
    "claude": 5,
    "gemini": 13,
    "image": 1,
    "gemini-image": 1,
}


def shipped() -> dict[str, Any]:
    return copy.deepcopy(catalogue.read_file())


def test_the_catalogue_that_ships_has_every_model_of_the_product(db: None, now: datetime) -> None:
    loaded = catalogue.load(data=shipped(), now=now)
    assert (loaded.created, loaded.prices_set, loaded.total) == (27, 27, 27)
    families = {family: Model.objects.filter(family=family).count() for family in PRODUCT}
    assert families == PRODUCT
    recommended = dict(Model.objects.exclude(recommended_for="").values_list("name", "recommended_for"))
    assert recommended == {
        "gpt-5.4-mini": "first-call",
        "claude-sonnet-4-5": "claude",
        "claude-sonnet-4-6": "claude",
        "gpt-image-2": "images",
    }
    assert Model.objects.get(name="claude-sonnet-4-5").endpoints == [Endpoint.CHAT, Endpoint.MESSAGES]
    assert Model.objects.get(name="gpt-image-2").endpoints == [Endpoint.IMAGES]
    assert all(price.output_nano_per_mtok or price.image_nano for price in Price.objects.all())


def test_loading_again_changes_nothing(db: None, now: datetime) -> None:
    catalogue.load(data=shipped(), now=now)
    again = catalogue.load(data=shipped(), now=now + timedelta(days=1))
    assert (again.created, again.changed, again.prices_set) == (0, 0, 0)
    assert Price.objects.count() == 27


def test_a_new_price_is_a_new_row_and_the_past_keeps_its_own(db: None, now: datetime) -> None:
    catalogue.load(data=shipped(), now=now)
    data = shipped()
    entry = next(entry for entry in data["models"] if entry["name"] == "gpt-5.4-mini")
    entry["price"]["output"] = "3.50"
    loaded = catalogue.load(data=data, now=now + timedelta(days=1))
    assert loaded.prices_set == 1
    rows = Price.objects.filter(model="gpt-5.4-mini").order_by("effective_from")
    assert [row.output_nano_per_mtok for row in rows] == [2 * NANO, 35 * NANO // 10]


def test_the_price_of_an_operator_survives_every_update(db: None, ada: User, now: datetime) -> None:
    catalogue.load(data=shipped(), now=now)
    prices.set_price(
        model="gpt-5.4-mini", effective_from=now + timedelta(days=1), output_nano_per_mtok=9 * NANO, by=ada
    )
    later = now + timedelta(days=2)
    for data in (shipped(), _dearer(shipped(), "7.00")):
        loaded = catalogue.load(data=data, now=later)
        assert (loaded.prices_set, loaded.prices_kept) == (0, 1)
    kept = prices.in_force("gpt-5.4-mini", later)
    assert kept is not None
    assert kept.output_nano_per_mtok == 9 * NANO


def test_a_model_can_be_retired_and_comes_back(db: None, now: datetime) -> None:
    data = shipped()
    data["models"][0]["active"] = False
    catalogue.load(data=data, now=now)
    name = data["models"][0]["name"]
    assert name not in {row.name for family in catalogue.models_for_page() for row in family.models}
    catalogue.load(data=shipped(), now=now)
    assert name in {row.name for family in catalogue.models_for_page() for row in family.models}


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("name", None),
        ("name", ""),
        ("family", "x"),
        ("endpoints", []),
        ("endpoints", ["embeddings"]),
        ("endpoints", "x"),
        ("owned_by", 5),
        ("context_tokens", "1000"),
        ("price", None),
        ("price", {"input": 1.5}),
        ("price", {"input": "-1"}),
        ("price", {"input": "1e3"}),
        ("price", {"embedding": "1"}),
        ("price", {"images": []}),
    ],
)
def test_a_wrong_entry_is_refused_and_nothing_is_loaded(db: None, now: datetime, where: str, value: object) -> None:
    data = shipped()
    data["models"][-1][where] = value
    with pytest.raises(BadCatalogue):
        catalogue.load(data=data, now=now)
    assert not Model.objects.exists()


def test_the_page_shows_families_in_order_with_prices_in_force(
    db: None, now: datetime, django_assert_num_queries: Any
) -> None:
    catalogue.load(data=shipped(), now=now)
    catalogue.load(data=_dearer(shipped()), now=datetime(2999, 1, 1, tzinfo=now.tzinfo))  # a price of the far future
    with django_assert_num_queries(2):
        families = catalogue.models_for_page()
    assert [family.key for family in families] == list(PRODUCT)
    mini = families[0].models[0]
    assert mini.name == "gpt-5.4-mini"
    assert mini.price is not None
    assert mini.price.output_nano_per_mtok == 2 * NANO
    assert mini.per_mtok == {
        "input": 250_000_000,
        "cached": 25_000_000,
        "cache_write": 250_000_000,
        "output": 2 * NANO,
        "reasoning": 2 * NANO,
    }
    assert families[3].by_image
    assert families[3].qualities == ["low", "medium", "high"]
    assert dict(dict(families[3].models[0].sizes)["1024x1024"])["high"] == 167_000_000


def _dearer(data: dict[str, Any], output: str = "9.00") -> dict[str, Any]:
    data["models"][0]["price"]["output"] = output
    return data
