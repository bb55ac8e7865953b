"""The commands that other people's scripts call: names, output, exit codes."""

import json
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command

from accounts import keys
from accounts.models import ApiKey, User
from billing import ledger


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_a_person_from_the_command_line_can_sign_in_and_has_a_ledger() -> None:
    run("create_user", "Ada@Example.com", "--password", "correct horse", "--verified")
    user = User.objects.get(email="ada@example.com")
    assert user.check_password("correct horse")
    assert not user.is_staff
    assert EmailAddress.objects.get(user=user).verified
    assert ledger.balances(user).spendable == 0


@pytest.mark.django_db
def test_without_a_password_one_is_made_and_told() -> None:
    made = json.loads(run("create_user", "sam@example.com", "--staff", "--json"))
    user = User.objects.get(email="sam@example.com")
    assert user.is_staff
    assert user.check_password(made["password"])
    assert made["id"] == user.public_id
    assert not EmailAddress.objects.get(user=user).verified


@pytest.mark.django_db
def test_a_given_password_is_not_repeated() -> None:
    assert "correct horse" not in run("create_user", "ada@example.com", "--password", "correct horse", "--json")


def test_the_same_address_twice_is_refused_and_changes_nothing(ada: User) -> None:
    with pytest.raises(CommandError, match="has an account already"):
        run("create_user", ada.email.upper(), "--password", "another one")
    ada.refresh_from_db()
    assert not ada.check_password("another one")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["", "ada", "ada@", "a b@example.com", "ada@example.com\nbcc: x@example.com"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(CommandError, match="not an e-mail address"):
        run("create_user", address)
    assert not User.objects.exists()


def test_the_key_stands_alone_on_stdout_and_works(ada: User) -> None:
    plain = run("issue_key", ada.email, "--name", "Laptop").removesuffix("\n")
    found = keys.authenticate(plain)
    assert found is not None
    assert (found.user, found.name) == (ada, "Laptop")
    assert json.loads(run("issue_key", ada.email, "--json"))["key"].startswith("qy_")


@pytest.mark.parametrize("name", ["", " ", "a\x00b", "\u202eevil", "x" * 81])
def test_a_name_that_hides_is_refused(ada: User, name: str) -> None:
    with pytest.raises(CommandError, match="No key was made"):
        run("issue_key", ada.email, "--name", name)
    assert not ApiKey.objects.of(ada).exists()


@pytest.mark.django_db
def test_nobody_gets_no_key() -> None:
    with pytest.raises(CommandError, match="Nobody has the address"):
        run("issue_key", "nobody@example.com")
