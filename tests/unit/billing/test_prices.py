"""Money arithmetic against exact fractions; prices by moment."""

from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.models.signals import post_init
from django.forms.models import model_to_dict
from hypothesis import given
from hypothesis import strategies as st

from billing import charges, money, prices
from billing.models import Price
from billing.money import NANO, PER_MTOK
from billing.prices import Tokens
from tests.make import NOW, make_price

nano = st.integers(0, prices.MAX_PRICE)
units = st.one_of(st.integers(0, 300), st.integers(0, 10**8))


@st.composite
def price_rows(draw: st.DrawFn) -> Price:
    maybe = st.one_of(st.none(), nano)
    return Price(
        input_nano_per_mtok=draw(nano),
        cached_input_nano_per_mtok=draw(maybe),
        cache_write_nano_per_mtok=draw(maybe),
        output_nano_per_mtok=draw(nano),
        reasoning_nano_per_mtok=draw(maybe),
        image_nano=draw(st.sampled_from([{}, {"*/*": 40_000_000}, {"1024x1024/low": 1, "1024x1024/*": 7}])),
    )


token_rows = st.builds(
    Tokens, input=units, cached=units, cache_write=units, output=units, reasoning=units, images=st.integers(0, 10),
    image_class=st.sampled_from(["1024x1024/low", "1024x1024/high", "1x1/low"]),
)  # fmt: skip


def exact(price: Price, tokens: Tokens) -> Fraction:
    """What the call is worth, without any rounding, written without looking at the code."""
    narrow = [
        (tokens.input, price.input_nano_per_mtok, None),
        (tokens.cached, price.input_nano_per_mtok, price.cached_input_nano_per_mtok),
        (tokens.cache_write, price.input_nano_per_mtok, price.cache_write_nano_per_mtok),
        (tokens.output, price.output_nano_per_mtok, None),
        (tokens.reasoning, price.output_nano_per_mtok, price.reasoning_nano_per_mtok),
    ]
    total = sum((Fraction(n * (broad if own is None else own), PER_MTOK) for n, broad, own in narrow), Fraction(0))
    return total + tokens.images * prices.image_price(price, tokens.image_class)


@given(price_rows(), token_rows)
def test_a_charge_is_the_exact_cost_rounded_once(price: Price, tokens: Tokens) -> None:
    true = exact(price, tokens)
    charged = prices.cost(price, tokens)
    if true == 0:
        assert charged == 0
    elif true < Fraction(1, 2):
        assert charged == 1
    else:
        assert charged == floor(true + Fraction(1, 2))
        assert abs(charged - true) <= Fraction(1, 2)


@given(price_rows(), token_rows)
def test_the_lines_of_a_charge_add_up_to_it(price: Price, tokens: Tokens) -> None:
    lines = [part.cost_nano for part in prices.components(price, tokens)]
    total = sum((whole + Fraction(rest, PER_MTOK) for whole, rest in lines), Fraction(0))
    assert total == exact(price, tokens)


@given(price_rows(), token_rows, st.integers(0, 1000))
def test_using_more_never_costs_less(price: Price, tokens: Tokens, more: int) -> None:
    fields = {name: getattr(tokens, name) for name in Tokens.__dataclass_fields__}
    bigger = Tokens(**{**fields, "output": tokens.output + more})
    assert prices.cost(price, bigger) >= prices.cost(price, tokens)


@given(st.integers(0, 10**30), st.integers(1, 10**12))
def test_division_rounds_halves_up(numerator: int, denominator: int) -> None:
    assert money.divide_half_up(numerator, denominator) == floor(Fraction(numerator, denominator) + Fraction(1, 2))


@given(st.integers(0, 999_999_999 * NANO + NANO - 1))
def test_an_amount_survives_being_written_and_read(amount: int) -> None:
    assert money.parse_amount(money.format_amount(amount)) == amount


@given(st.dictionaries(st.integers(1, 9), st.integers(1, 10**12), min_size=1, max_size=3), st.data())
def test_a_refund_is_spread_exactly_and_never_beyond_a_part(left: dict[int, int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(1, sum(left.values())))
    shares = charges.proportion(amount, left)
    assert sum(shares.values()) == amount
    for pk, part in left.items():
        assert 0 <= shares.get(pk, 0) <= part
        assert abs(shares.get(pk, 0) - Fraction(amount * part, sum(left.values()))) < 1


def test_twenty_dollars_per_billion_tokens_is_exact_to_the_token() -> None:
    """Two cents per million cached tokens is 20 nano a token: micro would already round here."""
    price = Price(input_nano_per_mtok=NANO, cached_input_nano_per_mtok=20_000_000)
    assert prices.cost(price, Tokens(cached=1)) == 20
    assert prices.cost(price, Tokens(cached=7, input=1)) == 1_140


@pytest.mark.parametrize(
    ("image_class", "expected"),
    [("1024x1024/low", 1), ("1024x1024/high", 2), ("512x512/low", 3), ("512x512/high", 9), ("", 9)],
)
def test_the_narrowest_image_price_counts_and_an_unknown_class_is_the_dearest(image_class: str, expected: int) -> None:
    price = Price(image_nano={"1024x1024/low": 1, "1024x1024/*": 2, "*/low": 3, "2048x2048/high": 9})
    assert prices.image_price(price, image_class) == expected


@pytest.mark.parametrize("count", [-1, prices.MAX_UNITS + 1])
def test_a_number_of_tokens_is_bounded(count: int) -> None:
    with pytest.raises(ValueError, match="not a number of tokens"):
        Tokens(output=count)


@pytest.mark.django_db
def test_the_price_in_force_is_the_last_one_before_the_moment(now: datetime) -> None:
    old = make_price("m", at=now - timedelta(days=9))
    new = make_price("m", at=now, input_nano_per_mtok=5)
    make_price("other", at=now)
    assert prices.in_force("m", now - timedelta(seconds=1)) == old
    assert prices.in_force("m", now) == new
    assert prices.in_force("m", now - timedelta(days=10)) is None


@pytest.mark.django_db
def test_many_moments_find_the_same_price_as_each_alone(now: datetime) -> None:
    for model in ("a", "b"):
        for days in (9, 5, 4, -3):
            make_price(model, at=now - timedelta(days=days), input_nano_per_mtok=days + 9)
    days_ago = (-9, -3, 0, 4, 4.5, 5, 8, 9, 10)
    asked = [(model, now - timedelta(days=days)) for model in ("b", "none", "a") for days in days_ago]
    for some in (asked, asked[:1], asked[3:4], asked[-1:], asked[::-3], []):
        assert prices.in_force_many(some) == [prices.in_force(model, at) for model, at in some]
    image = make_price("image", at=now, image_nano={"1024x1024/high": NANO}, cached_input_nano_per_mtok=0)
    [same] = prices.in_force_many([("image", now)])
    assert same is not None
    assert model_to_dict(same) == model_to_dict(Price.objects.get(pk=image.pk))
    assert same.effective_from == now


@pytest.mark.django_db
def test_a_call_reads_no_more_of_the_past_than_can_be_its_price(now: datetime, django_assert_num_queries: Any) -> None:
    for days in range(1, 50):
        make_price("m", at=now - timedelta(days=days))
    read: list[Price] = []
    post_init.connect(lambda instance, **_: read.append(instance), sender=Price, weak=False, dispatch_uid="read")
    try:
        with django_assert_num_queries(1):
            assert len(prices.in_force_many([("m", now), ("m", now - timedelta(days=2))])) == 2
    finally:
        post_init.disconnect(sender=Price, dispatch_uid="read")
    assert len(read) == 2


@pytest.mark.django_db
def test_a_price_is_never_edited(now: datetime) -> None:
    price = make_price("m", at=now)
    with pytest.raises(prices.PriceTaken):
        make_price("m", at=now, input_nano_per_mtok=1)
    with pytest.raises(DatabaseError), transaction.atomic():
        Price.objects.filter(pk=price.pk).update(input_nano_per_mtok=1)
    with pytest.raises(DatabaseError), transaction.atomic():
        price.delete()


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [{"input_nano_per_mtok": -1}, {"image_nano": {"*": prices.MAX_PRICE + 1}}])
def test_a_price_is_bounded(wrong: dict[str, int]) -> None:
    with pytest.raises(prices.NotAPrice):
        prices.set_price(model="m", effective_from=NOW, **wrong)  # type: ignore[arg-type] # wrong on purpose
