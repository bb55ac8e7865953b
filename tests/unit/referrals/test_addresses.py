"""One mailbox in many spellings."""

import pytest

from referrals.addresses import same_person


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "ada+1@example.com"),
        ("ada@example.com", "ADA@Example.COM"),
        ("a.da@gmail.com", "ada@googlemail.com"),
        ("ada@gmail.com", "a.d.a+spam@gmail.com"),
        ("ada@example.com", "аda@example.com"),  # Cyrillic a
        ("ada@example.com", "ada@exаmple.com"),
        ("ada@example.com", "αda@example.com"),  # Greek alpha
        ("ada@example.com", "ａｄａ@example.com"),
        ("ada@example.com", "ad\u200ba@example.com"),
        ("jose@example.com", "josé@example.com"),
        ("ada@exаmple.com", "ada@xn--exmple-4nf.com"),
    ],
)
def test_the_same_mailbox_in_another_spelling(one: str, other: str) -> None:
    assert same_person(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "ben@example.com"),
        ("ada@example.com", "ada@example.org"),
        ("a.da@example.com", "ada@example.com"),  # dots count everywhere but at Gmail
    ],
)
def test_different_mailboxes(one: str, other: str) -> None:
    assert not same_person(one, other)
