"""What guards the door: limits, mail that fails, codes in other sessions, sessions that are renewed."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from console import settings as product
from tests.make import PASSWORD

pytestmark = pytest.mark.django_db
SIGNUP, CONFIRM, LOGIN = "/accounts/signup/", "/accounts/confirm-email/", "/accounts/login/"
EMAIL = "eve@example.com"


@pytest.fixture
def limits(settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = product.ACCOUNT_RATE_LIMITS
    cache.clear()


def code_in(message: Any) -> str:
    found = re.search(r"\d{4}-\d{4}", message.body)
    assert found
    return found[0]


def test_five_wrong_passwords_close_the_door_for_the_right_one(client: Client, ada: User, limits: None) -> None:
    for _ in range(5):
        client.post(LOGIN, {"login": ada.email, "password": "wrong guess here"})
    answer = client.post(LOGIN, {"login": ada.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert "Too many attempts" in answer.content.decode()
    assert client.get("/dashboard/").status_code == 302


def test_a_forged_forwarding_header_does_not_reset_the_count(client: Client, limits: None) -> None:
    answers = [
        client.post(
            LOGIN,
            {"login": f"guess{number}@example.com", "password": "wrong guess here"},
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
        )
        for number in range(12)
    ]
    assert "Too many attempts" in answers[-1].content.decode()


def test_who_asks_too_often_gets_a_page_that_says_when_to_come_back(client: Client, limits: None) -> None:
    answers = [client.post("/accounts/password/reset/", {"email": EMAIL}) for _ in range(7)]
    assert answers[0].status_code == 302
    assert answers[-1].status_code == 429
    assert "minute" in answers[-1].content.decode()
    assert answers[-1].content.count(b"<h1") == 1


def test_nobody_fills_the_mailbox_of_somebody_else(client: Client, limits: None) -> None:
    for _ in range(4):
        Client().post(SIGNUP, {"email": EMAIL, "password1": PASSWORD})
    assert len(mail.outbox) == 1


def test_known_and_unknown_addresses_read_the_same_when_the_password_is_wrong(client: Client, ada: User) -> None:
    known = client.post(LOGIN, {"login": ada.email, "password": "wrong guess here"}).content.decode()
    unknown = client.post(LOGIN, {"login": EMAIL, "password": "wrong guess here"}).content.decode()
    assert "do not belong together" in known
    assert _neutral(known, ada.email) == _neutral(unknown, EMAIL)


def _neutral(page: str, address: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page).replace(address, "")


def test_three_wrong_codes_end_the_attempt(client: Client) -> None:
    client.post(SIGNUP, {"email": EMAIL, "password1": PASSWORD})
    right = code_in(mail.outbox[-1])
    wrong = f"{(int(right[0]) + 1) % 10}{right[1:]}"
    for _ in range(3):
        answer = client.post(CONFIRM, {"code": wrong})
    assert answer["Location"] == LOGIN
    assert client.post(CONFIRM, {"code": right})["Location"].startswith(LOGIN)
    assert not EmailAddress.objects.get().verified


def test_a_code_is_good_only_where_one_signed_up(client: Client) -> None:
    client.post(SIGNUP, {"email": EMAIL, "password1": PASSWORD})
    assert Client().post(CONFIRM, {"code": code_in(mail.outbox[-1])})["Location"].startswith(LOGIN)
    assert not EmailAddress.objects.get().verified


def test_a_new_code_replaces_the_old_one(client: Client) -> None:
    client.post(SIGNUP, {"email": EMAIL, "password1": PASSWORD})
    old = code_in(mail.outbox[-1])
    client.post(CONFIRM, {"action": "resend"})
    new = code_in(mail.outbox[-1])
    assert len(mail.outbox) == 2
    if old != new:
        assert client.post(CONFIRM, {"code": old}).status_code == 200
    assert client.post(CONFIRM, {"code": new.replace("-", " ")})["Location"] == "/dashboard/"


def test_the_link_in_the_mail_fills_the_code_in(client: Client) -> None:
    client.post(SIGNUP, {"email": EMAIL, "password1": PASSWORD})
    link = re.search(r"http://[^/]+(/\S+code=\S+)", str(mail.outbox[-1].body))
    assert link
    assert f'value="{code_in(mail.outbox[-1])}"' in client.get(link[1]).content.decode()


@pytest.mark.parametrize("code", ["", " ", "\0", "x" * 5000, "١٢٣٤-٥٦٧٨", "<b>", "🔑"])
def test_a_broken_code_is_told(client: Client, code: str) -> None:
    client.post(SIGNUP, {"email": EMAIL, "password1": PASSWORD})
    answer = client.post(CONFIRM, {"code": code})
    assert answer.status_code == 200
    assert b"error" in answer.content


def test_signing_in_before_confirming_sends_another_code(client: Client) -> None:
    client.post(SIGNUP, {"email": EMAIL, "password1": PASSWORD})
    other = Client()
    assert other.post(LOGIN, {"login": EMAIL, "password": PASSWORD})["Location"] == CONFIRM
    assert other.post(CONFIRM, {"code": code_in(mail.outbox[-1])})["Location"] == "/dashboard/"


def test_a_mail_server_that_is_down_does_not_undo_the_sign_up(client: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert client.post(SIGNUP, {"email": EMAIL, "password1": PASSWORD})["Location"] == CONFIRM
    assert User.objects.filter(email=EMAIL).exists()


def test_the_session_id_changes_at_sign_in_and_dies_at_sign_out(client: Client, ada: User) -> None:
    client.get(LOGIN)
    client.cookies["session"] = "chosen-by-somebody-else-0000000000"
    client.post(LOGIN, {"login": ada.email, "password": PASSWORD})
    used = client.cookies["session"].value
    assert used != "chosen-by-somebody-else-0000000000"
    client.post("/accounts/logout/")
    thief = Client()
    thief.cookies["session"] = used
    assert thief.get("/dashboard/").status_code == 302


def test_a_new_device_speaks_the_language_of_its_person(client: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(language="zh-hans")
    client.post(LOGIN, {"login": ada.email, "password": PASSWORD})
    assert client.cookies["language"].value == "zh-hans"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (LOGIN, {"login": "\0", "password": "\0"}),
        (LOGIN, {"login": "x" * 5000, "password": "x" * 5000}),
        (LOGIN, {"login": "🔑", "password": "🔑"}),
        (LOGIN, {"login": "", "password": ""}),
        (LOGIN, {}),
        ("/accounts/password/reset/", {"email": "\0"}),
        ("/accounts/password/reset/", {"email": "x" * 5000}),
        ("/accounts/password/reset/", {}),
    ],
)
def test_broken_forms_are_told(client: Client, path: str, fields: dict[str, str]) -> None:
    answer = client.post(path, fields)
    assert answer.status_code == 200
    assert b"error" in answer.content


def test_bytes_that_are_no_text_are_told(client: Client) -> None:
    answer = client.post(
        LOGIN, b"login=%ED%A0%80@x.com&password=%ff%fe%ED%A0%80", content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 200
    assert b"error" in answer.content


@pytest.mark.parametrize("key", ["1-bad", "zz-x", "0-" + "x" * 500, "99999999999999999999-a"])
def test_an_invented_reset_link_says_so(client: Client, key: str) -> None:
    answer = client.get(f"/accounts/password/reset/key/{key}/")
    assert answer.status_code == 200
    assert "does not work any more" in answer.content.decode()
