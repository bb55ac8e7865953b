"""Sign up, confirm by code, sign in, sign out, reset: the door, also for those who push at it."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from billing.models import LedgerAccount
from referrals import links
from referrals.models import Referral
from tests.make import PASSWORD, make_user

pytestmark = pytest.mark.django_db
SIGNUP, CONFIRM, LOGIN, LOGOUT = (
    "/accounts/signup/",
    "/accounts/confirm-email/",
    "/accounts/login/",
    "/accounts/logout/",
)
EMAIL = "eve@example.com"


def code_in(message: Any) -> str:
    found = re.search(r"\d{4}-\d{4}", message.body)
    assert found, message.body
    return found[0]


def sign_up(client: Client, email: str = EMAIL, **more: str) -> Any:
    return client.post(SIGNUP, {"email": email, "password1": PASSWORD, **more})


def test_a_newcomer_confirms_by_code_and_lands_on_the_dashboard(client: Client) -> None:
    assert sign_up(client)["Location"] == CONFIRM
    assert client.get("/dashboard/")["Location"].startswith(LOGIN)
    done = client.post(CONFIRM, {"code": code_in(mail.outbox[-1])})
    assert done["Location"] == "/dashboard/"
    assert client.get("/dashboard/").status_code == 200
    assert LedgerAccount.objects.filter(owner__email=EMAIL).count() == 8


def test_a_wrong_code_opens_nothing(client: Client) -> None:
    sign_up(client)
    right = code_in(mail.outbox[-1])
    wrong = ("1" if right[0] != "1" else "2") + right[1:]
    assert client.post(CONFIRM, {"code": wrong}).status_code == 200
    assert client.get("/dashboard/").status_code == 302
    assert client.post(CONFIRM, {"code": right})["Location"] == "/dashboard/"


def test_capital_letters_are_the_same_person(client: Client) -> None:
    sign_up(client, "EVE@Example.com")
    client.post(CONFIRM, {"code": code_in(mail.outbox[-1])})
    assert User.objects.get().email == EMAIL
    client.post(LOGOUT)
    assert client.post(LOGIN, {"login": "Eve@example.COM", "password": PASSWORD})["Location"] == "/dashboard/"


def test_a_known_address_gets_the_same_answer_and_a_mail(client: Client, ada: User) -> None:
    known, unknown = sign_up(client, ada.email), sign_up(Client())
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert User.objects.filter(email=ada.email).count() == 1
    assert any(ada.email in message.to and "already" in message.subject for message in mail.outbox)


def test_a_link_binds_the_newcomer_and_the_page_says_so(client: Client, ada: User) -> None:
    code = links.link_of(user=ada).code
    client.get(f"/r/{code}")
    page = client.get(SIGNUP).content.decode()
    assert code in page
    assert ada.email not in page
    sign_up(client)
    assert Referral.objects.get().referrer == ada


def test_a_typed_code_binds_too_and_a_bad_one_does_not_stop_the_sign_up(client: Client, ada: User) -> None:
    sign_up(client, "one@example.com", referral_code=links.link_of(user=ada).code)
    sign_up(Client(), "two@example.com", referral_code="NOSUCHCODE")
    assert [bond.referee.email for bond in Referral.objects.all()] == ["one@example.com"]
    assert User.objects.filter(email="two@example.com").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"email": EMAIL},
        {"email": "", "password1": PASSWORD},
        {"email": "no address", "password1": PASSWORD},
        {"email": "a" * 300 + "@example.com", "password1": PASSWORD},
        {"email": "eve\x00@example.com", "password1": PASSWORD},
        {"email": "ève@example.com", "password1": PASSWORD},
        {"email": EMAIL, "password1": "short"},
        {"email": EMAIL, "password1": "password123"},
        {"email": EMAIL, "password1": "x" * 5000},
        {"email": EMAIL, "password1": "nul\x00" * 5},
        {"email": EMAIL, "password1": PASSWORD, "referral_code": "<script>"},
        {"email": EMAIL, "password1": PASSWORD, "referral_code": "x" * 40},
        {"email": [EMAIL, "b@example.com"][0] + "\r\nBcc: x@example.com", "password1": PASSWORD},
    ],
)
def test_a_broken_form_is_told_and_makes_nobody(client: Client, fields: dict[str, str]) -> None:
    answer = client.post(SIGNUP, fields)
    assert answer.status_code in {200, 400}
    assert b"error" in answer.content
    assert not User.objects.exists()


def test_the_password_of_an_emoji_lover_works(client: Client) -> None:
    secret = "🐟🐠🐡 swim in the sea"
    client.post(SIGNUP, {"email": EMAIL, "password1": secret})
    client.post(CONFIRM, {"code": code_in(mail.outbox[-1])})
    client.post(LOGOUT)
    assert client.post(LOGIN, {"login": EMAIL, "password": secret})["Location"] == "/dashboard/"


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "https:evil.example", "javascript:alert(1)", "http://ok@evil.example"],
)
def test_signing_in_never_leads_to_another_host(client: Client, ada: User, target: str) -> None:
    answer = client.post(f"{LOGIN}?next={target}", {"login": ada.email, "password": PASSWORD, "next": target})
    assert answer["Location"] == "/dashboard/"


def test_closed_accounts_stay_out(client: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)
    client.post(LOGIN, {"login": ada.email, "password": PASSWORD})
    assert client.get("/dashboard/").status_code == 302


def test_signing_out_takes_a_post(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get(LOGOUT).status_code == 200
    assert client.get("/dashboard/").status_code == 200
    client.post(LOGOUT)
    assert client.get("/dashboard/").status_code == 302


def test_a_forgotten_password_is_reset_by_a_link_that_works_once(client: Client, ada: User) -> None:
    client.post("/accounts/password/reset/", {"email": ada.email})
    url = re.search(r"http\S+/accounts/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert url, mail.outbox[-1].body
    path = "/" + url[0].split("/", 3)[3]
    form = client.get(path, follow=True)
    new = "a new and better horse"
    target = form.request["PATH_INFO"]
    client.post(target, {"password1": new, "password2": new})
    assert client.post(LOGIN, {"login": ada.email, "password": new})["Location"] == "/dashboard/"
    again = Client().get(path, follow=True).content.decode()
    assert "does not work any more" in again


def test_an_unknown_address_gets_the_same_answer_to_a_reset(client: Client, ada: User) -> None:
    known = client.post("/accounts/password/reset/", {"email": ada.email})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.com"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


def test_changing_the_password_ends_the_other_session(client: Client, ada: User) -> None:
    elsewhere = Client()
    for browser in (client, elsewhere):
        browser.post(LOGIN, {"login": ada.email, "password": PASSWORD})
    new = "a new and better horse"
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert elsewhere.get("/dashboard/").status_code == 302


def test_mail_is_written_in_the_reader_s_language(client: Client) -> None:
    client.cookies["language"] = "zh-hans"
    sign_up(client)
    assert User.objects.get().language == "zh-hans"
    code_in(mail.outbox[-1])


@pytest.mark.parametrize(
    "path", [SIGNUP, LOGIN, "/accounts/password/reset/", "/accounts/password/reset/done/", "/accounts/inactive/"]
)
def test_each_public_page_has_one_heading_and_is_not_stored(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content.count(b"<h1") == 1
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/password/change/",
        "/accounts/email/",
        "/accounts/reauthenticate/",
        LOGOUT,
        "/settings/",
        "/dashboard/",
    ],
)
def test_each_private_page_has_one_heading(client: Client, path: str) -> None:
    make_user("fay")
    client.post(LOGIN, {"login": "fay@example.com", "password": PASSWORD})
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    assert answer.content.count(b"<h1") == 1
