"""People: one spelling of an address, sessions that can be ended."""

import pytest
from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.test import Client

from accounts import ids
from accounts.models import User
from tests.make import NOW, make_user


def test_the_database_refuses_an_address_in_upper_case(ada: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=ada.pk).update(email="Ada@example.com")


def test_people_are_found_whatever_case_is_typed(ada: User) -> None:
    assert User.objects.get_by_natural_key("ADA@Example.com") == ada


def test_ending_the_sessions_of_a_person_leaves_those_of_others(ada: User, cleo: User) -> None:
    hers, other = Client(), Client()
    hers.force_login(ada)
    other.force_login(cleo)
    ada.end_sessions()
    assert hers.get("/settings/").status_code == 302
    assert other.get("/settings/").status_code == 200


def test_a_public_id_has_its_prefix_and_is_not_repeated() -> None:
    made = {ids.new_public_id("usr") for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(each) == 26 and each.startswith("usr_") for each in made)


def test_base62_refuses_what_does_not_fit() -> None:
    assert ids.base62(61, 2) == "0z"
    with pytest.raises(OverflowError):
        ids.base62(62**2, 2)


@pytest.mark.django_db
def test_a_person_begins_with_ledger_accounts_and_a_verified_or_open_address() -> None:
    user = make_user("dora", verified=False)
    assert user.ledger_accounts.count() == 8
    assert not EmailAddress.objects.get(user=user).verified
    assert user.joined_at.tzinfo is not None
    assert user.joined_at > NOW.replace(year=2020)
