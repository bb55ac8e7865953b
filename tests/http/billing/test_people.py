"""People and credit at the desk: support looks, operators grant, a second one approves, everything is on record."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from billing import grants, ledger
from billing.models import Grant, LedgerTxn
from billing.money import NANO
from tests.http.billing.test_codes import browser, operator, words
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_usage

pytestmark = pytest.mark.django_db
WHY = "The outage of 12 November"


@pytest.fixture
def olga(db: None) -> User:
    return operator("olga")


@pytest.fixture
def otto(db: None) -> User:
    return operator("otto")


def form(**given: str) -> dict[str, str]:
    return {"amount": "3.00", "kind": "promo", "reason": WHY, "client_id": str(uuid4()), **given}


def ask(ada: User, by: User, amount: int = 500 * NANO) -> Grant:
    order = grants.Order(client_id=uuid4(), kind="paid", amount=amount, reason=WHY)
    return grants.ask(user=ada, order=order, by=by, now=NOW)


def at(user: User, rest: str = "") -> str:
    return f"/desk/people/{user.public_id}/{rest}"


def test_somebody_is_found_by_address_id_key_and_request(ada: User, cleo: User, sam: User) -> None:
    key, plain = make_key(ada)
    make_credit(ada, paid=NANO)
    usage = make_usage(key)
    held = make_call(key)
    make_hold(held, 5)
    theirs = browser(sam)
    hints = (key.hint, f"qy_{key.public_id[:6]}", plain)
    for q in ("ada@", "ADA@example.com", ada.public_id, *hints, usage.pk, held.request_id):
        assert theirs.get("/desk/people/", {"q": q}).get("Location") == at(ada), q
    text = words(theirs.get("/desk/people/", {"q": "example.com"}))
    assert ada.email in text
    assert cleo.email in text


@pytest.mark.parametrize("q", ["", "x", "ad", "qy_", "qy_a", "usr_", "req_nothing", "\x00", "%", "x" * 5000, "<b>"])
def test_a_search_that_finds_nobody_says_so_and_lists_nobody(ada: User, sam: User, q: str) -> None:
    answer = browser(sam).get("/desk/people/", {"q": q})
    assert answer.status_code == 200
    assert ada.email not in answer.content.decode()
    assert b"<b>" not in answer.content


def test_support_sees_the_person_and_can_grant_nothing(ada: User, olga: User, sam: User) -> None:
    key, plain = make_key(ada, "laptop")
    make_credit(ada, paid=2 * NANO, promo=NANO)
    make_hold(make_call(key), 5)
    pending = ask(ada, olga)
    theirs = browser(sam)
    page = theirs.get(at(ada))
    text = words(page)
    for said in ("$2.00", "$1.00", key.hint, "laptop", "req_", WHY, "Waits for a second person"):
        assert said in text
    assert plain not in page.content.decode()
    for said in ("Grant credit", "Approve", "Refuse", "Take it back"):
        assert said not in text
    verbs = [f"/desk/grants/{pending.public_id}/{verb}/" for verb in ("approve", "refuse", "correct")]
    for path in (at(ada, "grant/"), *verbs):
        assert theirs.post(path, form()).status_code == 404
    pending.refresh_from_db()
    assert pending.state == "pending"


def test_to_everybody_else_these_pages_are_not_there(ada: User, cleo: User, olga: User) -> None:
    pending = ask(ada, olga)
    for user in (ada, cleo):
        client = browser(user)
        paths = ["/desk/people/", "/desk/people/?q=ada", at(ada), at(ada, "grant/")]
        paths += [f"/desk/grants/{pending.public_id}/{verb}/" for verb in ("approve", "refuse", "correct")]
        for path in paths:
            assert client.get(path).status_code == 404
            assert client.post(path, form()).status_code == 404
    assert not LedgerTxn.objects.exists()


def test_a_grant_is_credited_once_however_often_the_form_is_sent(ada: User, olga: User) -> None:
    hers, same = browser(olga), form()
    for _ in range(2):
        assert hers.post(at(ada, "grant/"), same)["Location"] == at(ada)
    assert ledger.balances(ada).promo == 3 * NANO
    assert hers.post(at(ada, "grant/"), {**same, "amount": "4.00"}).status_code == 409
    text = words(hers.get(at(ada)))
    assert f"asked by {olga.email}" in text
    assert WHY in text
    assert Grant.objects.count() == 1


def test_a_grant_needs_a_fresh_password(ada: User, olga: User) -> None:
    answer = browser(olga, fresh=False).post(at(ada, "grant/"), form())
    assert (answer.status_code, "/accounts/" in answer["Location"]) == (302, True)
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", ""),
        ("amount", "0"),
        ("amount", "-1"),
        ("amount", "NaN"),
        ("amount", "1.2.3"),
        ("kind", "reward"),
        ("reason", ""),
        ("reason", "too short"),
        ("reason", "          spaces          "[:12]),
        ("reason", "x" * 501),
        ("credit_expires_at", "2020-01-01"),
        ("credit_expires_at", "9999-99-99"),
        ("client_id", ""),
    ],
)
def test_bad_input_is_a_clear_400_and_credits_nothing(ada: User, olga: User, field: str, value: str) -> None:
    answer = browser(olga).post(at(ada, "grant/"), form(**{field: value}))
    assert answer.status_code == 400
    assert not LedgerTxn.objects.exists()
    assert not Grant.objects.exists()


def test_paid_credit_with_an_expiry_is_refused(ada: User, olga: User) -> None:
    answer = browser(olga).post(at(ada, "grant/"), form(kind="paid", credit_expires_at="2026-12-24"))
    assert "Paid credit never expires." in words(answer)


def test_a_large_grant_waits_and_only_somebody_else_approves(ada: User, olga: User, otto: User) -> None:
    answer = browser(olga).post(at(ada, "grant/"), form(amount="500.00", kind="paid"), follow=True)
    assert "Nothing was credited yet: a second operator has to approve it." in words(answer)
    grant = Grant.objects.get()
    path = f"/desk/grants/{grant.public_id}/approve/"
    assert "Approve" not in words(browser(olga).get(at(ada)))
    refused = browser(olga).post(path)
    assert refused.status_code == 403
    assert "Somebody else has to approve this" in words(refused)
    assert ledger.balances(ada).paid == 0
    assert ada.email in words(browser(otto).get("/desk/people/"))
    assert "$500.00 was credited" in words(browser(otto).post(path, {"words": "Seen"}, follow=True))
    again = browser(otto).post(path, follow=True)
    assert "A colleague has decided this already." in words(again)
    assert ledger.balances(ada).paid == 500 * NANO
    assert f"approved by {otto.email}" in words(again)


def test_a_large_grant_is_refused_with_a_note(ada: User, olga: User, otto: User) -> None:
    grant = ask(ada, olga)
    answer = browser(otto).post(f"/desk/grants/{grant.public_id}/refuse/", {"words": "No such invoice"}, follow=True)
    assert "No such invoice" in words(answer)
    assert ledger.balances(ada).paid == 0


def test_a_grant_is_taken_back_with_a_reason(ada: User, olga: User, otto: User) -> None:
    grant = ask(ada, olga, 5 * NANO)
    path, theirs = f"/desk/grants/{grant.public_id}/correct/", browser(otto)
    assert theirs.post(path, {"reason": "oops"}).status_code == 400
    answer = theirs.post(path, {"reason": "It was another person"}, follow=True)
    assert "taken back" in words(answer)
    assert "It was another person" in words(answer)
    assert ledger.balances(ada).paid == 0
    late = theirs.post(path, {"reason": "It was another person"})
    assert late.status_code == 409
    assert "This grant was taken back before" in words(late)


def test_what_was_spent_is_not_taken_back(ada: User, olga: User) -> None:
    grant = ask(ada, olga, NANO)
    make_usage(make_key(ada)[0])
    answer = browser(olga).post(f"/desk/grants/{grant.public_id}/correct/", {"reason": "It was another person"})
    assert answer.status_code == 409
    assert "Only $0.9997 of this credit is left" in words(answer)


@pytest.mark.parametrize("name", ["usr_nothing", "grt_x", "x" * 300])
def test_nobody_is_404(olga: User, name: str) -> None:
    hers = browser(olga)
    assert hers.get(f"/desk/people/{name}/").status_code == 404
    assert hers.post(f"/desk/people/{name}/grant/", form()).status_code == 404
    for verb in ("approve", "refuse", "correct"):
        assert hers.post(f"/desk/grants/{name}/{verb}/", {"reason": WHY}).status_code == 404


def test_the_page_costs_the_same_however_many_grants(ada: User, olga: User, django_assert_max_num_queries: Any) -> None:
    hers = browser(olga)
    for _ in range(6):
        ask(ada, olga, NANO)
    with django_assert_max_num_queries(22):
        hers.get(at(ada))


def test_names_and_reasons_are_shown_as_text(ada: User, olga: User, client: Client) -> None:
    browser(olga).post(at(ada, "grant/"), form(reason="<script>alert(1)</script> sorry"))
    assert b"<script>alert" not in browser(olga).get(at(ada)).content
    client.force_login(ada)
    assert b"<script>alert" not in client.get("/billing/").content
