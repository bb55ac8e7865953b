"""A million random charges against exact rational arithmetic: one rounding each, off by less than one nano."""

import random
from fractions import Fraction

import pytest

from billing import prices
from billing.models import Price
from billing.money import NANO, PER_MTOK
from billing.prices import MAX_PRICE, MAX_UNITS, Tokens

SEEDS, EACH = range(8), 125_000
IMAGES = ("1024x1024/high", "1024x1024/low", "1536x1024/high", "auto/low", "1x1/none")


def random_price(dice: random.Random) -> Price:
    """From a nano per million tokens to the dearest that is allowed; narrower classes are often left out."""

    def nano() -> int:
        most = dice.choice((10, 20_000, NANO, 100 * NANO, MAX_PRICE))
        return dice.randint(0, most)

    def maybe() -> int | None:
        return dice.choice((None, nano()))

    return Price(
        model="m",
        input_nano_per_mtok=nano(),
        cached_input_nano_per_mtok=maybe(),
        cache_write_nano_per_mtok=maybe(),
        output_nano_per_mtok=nano(),
        reasoning_nano_per_mtok=maybe(),
        image_nano={name: nano() for name in dice.sample((*IMAGES, "*/high", "*"), dice.randint(0, 3))},
    )


def random_tokens(dice: random.Random) -> Tokens:
    def count() -> int:
        return dice.randint(0, dice.choice((0, 1, 100, 100_000, MAX_UNITS)))

    images = dice.choice((0, 0, 0, 1, 10))
    return Tokens(count(), count(), count(), count(), count(), images, dice.choice(IMAGES) if images else "")


def exact(price: Price, tokens: Tokens) -> Fraction:
    """Written from the rules of the price row alone, in rational numbers."""
    given, made = price.input_nano_per_mtok, price.output_nano_per_mtok

    def narrow(nano: int | None, broad: int) -> int:
        return broad if nano is None else nano

    total = Fraction(tokens.input * given, PER_MTOK)
    total += Fraction(tokens.cached * narrow(price.cached_input_nano_per_mtok, given), PER_MTOK)
    total += Fraction(tokens.cache_write * narrow(price.cache_write_nano_per_mtok, given), PER_MTOK)
    total += Fraction(tokens.output * made, PER_MTOK)
    total += Fraction(tokens.reasoning * narrow(price.reasoning_nano_per_mtok, made), PER_MTOK)
    if tokens.images:
        size, _, quality = tokens.image_class.partition("/")
        listed = price.image_nano
        names = [name for name in (tokens.image_class, f"{size}/*", f"*/{quality}", "*/*", "*") if name in listed]
        total += tokens.images * (listed[names[0]] if names else max(listed.values(), default=0))
    return total


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_no_charge_is_off_by_a_nano(seed: int) -> None:
    dice = random.Random(seed)
    worst = Fraction(0)
    price = random_price(dice)
    for number in range(EACH):
        if number % 10 == 0:
            price = random_price(dice)
        tokens = random_tokens(dice)
        charge, should = prices.cost(price, tokens), exact(price, tokens)
        assert type(charge) is int
        off = abs(charge - should)
        if charge == 1 and should < 1:  # the least that a call with a price costs
            assert should > 0
        else:
            assert off <= Fraction(1, 2), (price.__dict__, tokens, charge, should)
        worst = max(worst, off)
        assert (charge == 0) == (should == 0)
    assert 0 < worst < 1  # the numbers were not all whole
