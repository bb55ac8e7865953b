"""Opaque public ids: a prefix that says what it is, and 128 random bits."""

import secrets

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(number: int, width: int) -> str:
    """`number` in base62, padded to `width`. Raises OverflowError when it does not fit."""
    digits = []
    while number:
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    if len(digits) > width:
        msg = f"{width} base62 digits are too few"
        raise OverflowError(msg)
    return "".join(reversed(digits)).rjust(width, "0")


def new_public_id(prefix: str) -> str:
    """For example `usr_` and 22 base62 digits."""
    return f"{prefix}_{base62(secrets.randbits(128), 22)}"
