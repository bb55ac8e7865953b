"""`/r/CODE` and `?ref=CODE`: remembered, counted once, and the same answer whether a code exists or not."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from accounts.models import User
from referrals import links
from referrals.models import Link, Referral

pytestmark = pytest.mark.django_db
BROWSER = {"user-agent": "Mozilla/5.0"}
SIGN_UP = {"email": "new@example.org", "password1": "a long enough pass phrase"}


def test_a_link_leads_to_the_landing_page_and_is_remembered(ada: User, client: Client) -> None:
    code = links.link_of(user=ada).code
    answer = client.get(f"/r/{code}", headers=BROWSER)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.cookies["ref"].value == code
    client.get(f"/r/{code}", headers=BROWSER)
    assert Link.objects.get().clicks == 1


def test_a_code_that_does_not_exist_gets_the_same_answer(ada: User) -> None:
    known = Client().get(f"/r/{links.link_of(user=ada).code}", headers=BROWSER)
    unknown = Client().get("/r/ZZZZ9999", headers=BROWSER)
    assert (known.status_code, known["Location"], known.content) == (
        unknown.status_code,
        unknown["Location"],
        unknown.content,
    )
    assert set(known.headers) == set(unknown.headers)
    attributes = [{k: v for k, v in answer.cookies["ref"].items() if k != "expires"} for answer in (known, unknown)]
    assert attributes[0] == attributes[1]


@pytest.mark.parametrize("code", ["a", "x" * 5000, "%3Cscript%3E", "..%2F..", "%00", "%F0%9F%98%80", "a b"])
def test_a_strange_code_is_answered_and_not_kept(client: Client, code: str) -> None:
    answer = client.get(f"/r/{code}")
    assert answer.status_code in {302, 404}
    assert "ref" not in client.cookies


def test_the_parameter_works_on_any_page(ada: User, client: Client) -> None:
    code = links.link_of(user=ada).code
    client.get(f"/referrals/contact/?x=1&ref={code.lower()}", headers=BROWSER)
    assert client.cookies["ref"].value == code
    assert Link.objects.get().clicks == 1


@pytest.mark.parametrize(
    "query", ["ref=", "ref=%00", "ref=<script>", f"ref={'A' * 5000}", "ref=ok&ref=", "preref=ABCD2345"]
)
def test_a_strange_parameter_is_ignored(client: Client, query: str) -> None:
    assert client.get(f"/referrals/contact/?{query}").status_code == 200
    assert "ref" not in client.cookies


@pytest.mark.django_db(transaction=True)
def test_the_parameter_works_in_an_asynchronous_stack(ada: User) -> None:
    code = links.link_of(user=ada).code
    browser = AsyncClient()
    async_to_sync(browser.get)(f"/referrals/contact/?ref={code}", headers=BROWSER)
    assert browser.cookies["ref"].value == code
    assert Link.objects.get().clicks == 1


def test_sign_up_after_a_link_binds_to_who_shared_it(ada: User, client: Client) -> None:
    client.get(f"/r/{links.link_of(user=ada).code}", headers=BROWSER)
    answer = client.post("/accounts/signup/", SIGN_UP)
    assert answer.status_code == 302
    assert Referral.objects.get().referee.email == "new@example.org"
    assert Referral.objects.get().referrer == ada


def test_sign_up_with_ones_own_link_and_another_spelling_works_without_a_relation(ada: User, client: Client) -> None:
    client.get(f"/r/{links.link_of(user=ada).code}", headers=BROWSER)
    answer = client.post("/accounts/signup/", {**SIGN_UP, "email": "ada+2@example.com"})
    assert answer.status_code == 302
    assert User.objects.filter(email="ada+2@example.com").exists()
    assert not Referral.objects.exists()


def test_a_visit_later_never_changes_who_brought_somebody(ada: User, ben: User, cleo: User, client: Client) -> None:
    client.force_login(ben)
    client.get(f"/r/{links.link_of(user=cleo).code}", headers=BROWSER)
    assert Referral.objects.get(referee=ben).referrer == ada
