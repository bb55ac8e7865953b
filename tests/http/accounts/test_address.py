"""Change the e-mail address: by code to the new one, with the password first, and the old one is told."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import User
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db
EMAIL, CONFIRM, AGAIN = "/accounts/email/", "/accounts/confirm-email/", "/accounts/reauthenticate/"
NEW = "ada@new.example.com"


@pytest.fixture
def hers(client: Client, ada: User) -> Client:
    client.post("/accounts/login/", {"login": ada.email, "password": PASSWORD})
    return client


def ask(client: Client, address: str = NEW) -> Any:
    """The form, and the password when it is asked for; the request then goes on by itself."""
    answer = client.post(EMAIL, {"email": address, "action_add": ""})
    if answer.status_code == 302 and answer["Location"].startswith(AGAIN):
        return client.post(answer["Location"], {"password": PASSWORD, "next": EMAIL})
    return answer


def test_the_new_address_counts_after_its_code(hers: Client, ada: User) -> None:
    assert ask(hers)["Location"] == CONFIRM
    ada.refresh_from_db()
    assert ada.email == "ada@example.com"
    assert mail.outbox[-1].to == [NEW]
    code = re.search(r"\d{4}-\d{4}", str(mail.outbox[-1].body))
    assert code
    hers.post(CONFIRM, {"code": code[0]})
    ada.refresh_from_db()
    assert ada.email == NEW
    assert [each.email for each in EmailAddress.objects.filter(user=ada, verified=True)] == [NEW]
    told = [message for message in mail.outbox if message.to == ["ada@example.com"]]
    assert "changed" in told[-1].subject


def test_the_password_is_asked_first(hers: Client) -> None:
    answer = hers.post(EMAIL, {"email": NEW, "action_add": ""})
    assert answer["Location"].startswith(AGAIN)
    assert not mail.outbox
    wrong = hers.post(answer["Location"], {"password": "not hers at all"})
    assert wrong.status_code == 200
    assert "not your password" in wrong.content.decode()
    assert not mail.outbox


def test_the_address_of_somebody_else_is_neither_taken_nor_disclosed(hers: Client, ada: User, cleo: User) -> None:
    taken, free = ask(hers, cleo.email), ask(hers)
    assert (taken.status_code, taken["Location"]) == (free.status_code, free["Location"])
    ada.refresh_from_db()
    assert ada.email == "ada@example.com"


@pytest.mark.parametrize(
    "address", ["", "no address", "a" * 300 + "@example.com", "a\0@example.com", "àda@example.com", "ada@example.com"]
)
def test_a_broken_address_is_told_and_changes_nothing(hers: Client, ada: User, address: str) -> None:
    answer = ask(hers, address)
    assert answer.status_code == 200
    assert b"error" in answer.content
    ada.refresh_from_db()
    assert ada.email == "ada@example.com"
    assert not mail.outbox


@pytest.mark.parametrize("path", [EMAIL, AGAIN, "/accounts/password/change/", "/settings/", "/keys/new/"])
def test_strangers_are_sent_to_sign_in(client: Client, path: str) -> None:
    assert client.get(path)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("wrong one here", "a new and better horse", "a new and better horse"),
        (PASSWORD, "short", "short"),
        (PASSWORD, "a new and better horse", "another horse altogether"),
        (PASSWORD, "", ""),
        (PASSWORD, "ada@example.com", "ada@example.com"),
        (PASSWORD, "nul\0nul\0nul\0", "nul\0nul\0nul\0"),
        (PASSWORD, "x" * 5000, "x" * 5000),
    ],
)
def test_a_broken_password_change_is_told_and_changes_nothing(
    hers: Client, ada: User, old: str, new: str, again: str
) -> None:
    answer = hers.post("/accounts/password/change/", {"oldpassword": old, "password1": new, "password2": again})
    assert answer.status_code == 200
    assert b"error" in answer.content
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_after_a_password_change_one_signs_in_again_and_is_told_by_mail(hers: Client, ada: User) -> None:
    new = "a new and better horse"
    answer = hers.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert answer["Location"] == "/accounts/login/"
    assert hers.get("/dashboard/").status_code == 302
    assert "password was changed" in mail.outbox[-1].subject
    assert "127.0.0.1" in mail.outbox[-1].body
    assert re.search(r"20\d\d", str(mail.outbox[-1].body))
