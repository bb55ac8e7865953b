"""Integer nano (1e-9) of the console currency: the one rounding rule, reading and writing amounts.

No float touches money. Amounts travel as integers inside and as decimal strings outside.
"""

import re
from typing import NewType

Nano = NewType("Nano", int)

CURRENCY = "USD"
SYMBOL = "$"
NANO = 1_000_000_000  # nano in one unit of the currency
CENT = NANO // 100
MAX_NANO = 9 * 10**18  # every amount and balance stays below; SQLite turns a larger integer into a float
PER_MTOK = 1_000_000  # prices are nano per this many tokens
BASIS_POINTS = 10_000

_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


class NotAnAmount(ValueError):
    """The text is not a plain positive decimal number of the console currency."""


def parse_amount(text: str, *, decimals: int = 9) -> Nano:
    """`"12.50"` to nano. Plain ASCII digits only: no sign, exponent, separator or full-width digit.

    Raises NotAnAmount, also when there are more than `decimals` digits after the point.
    """
    if not _AMOUNT.fullmatch(text):
        raise NotAnAmount(text)
    whole, _, fraction = text.partition(".")
    if len(fraction) > decimals:
        raise NotAnAmount(text)
    return Nano(int(whole) * NANO + int(fraction.ljust(9, "0")))


def format_amount(nano: int) -> str:
    """The exact decimal text, at least two decimals: 1_500_000_000 is `1.50`, 1 is `0.000000001`."""
    sign = "-" if nano < 0 else ""
    whole, fraction = divmod(abs(nano), NANO)
    digits = f"{fraction:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"


def floor_to(nano: int, step: int) -> Nano:
    """Down to a multiple of `step`: what a person can take out is never shown as more than it is."""
    return Nano(nano - nano % step)


def to_cents(nano: int) -> int:
    """Exactly. Raises NotAnAmount for what is not whole cents."""
    cents, rest = divmod(nano, CENT)
    if rest:
        raise NotAnAmount(format_amount(nano))
    return cents


def from_cents(cents: int) -> Nano:
    return Nano(cents * CENT)


def divide_half_up(numerator: int, denominator: int) -> int:
    """The only division of money: to the nearest integer, halves up. Both arguments are not negative."""
    return (2 * numerator + denominator) // (2 * denominator)
