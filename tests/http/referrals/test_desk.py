"""The support desk: for staff only, one step per click, the books named before, every look recorded."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from billing import ledger
from billing.money import NANO
from referrals import withdrawals
from referrals.models import Withdrawal, WithdrawalEvent
from tests.http.referrals.conftest import SignIn
from tests.make import make_user
from tests.unit.referrals.make import PAYEE, ask, assert_books_are_clean, available

pytestmark = pytest.mark.django_db
ACTIONS = [
    "claim", "release_claim", "approve", "reject", "hold", "revoke", "start_paying", "mark_paid", "mark_failed",
    "mark_returned", "reveal",
]  # fmt: skip


@pytest.fixture
def asked(ada: User) -> Withdrawal:
    available(ada, 100 * NANO)
    return ask(ada, 60 * NANO)


def path(withdrawal: Withdrawal, action: str = "") -> str:
    return f"/desk/withdrawals/{withdrawal.public_id}/" + (f"{action}/" if action else "")


def do(browser: Client, withdrawal: Withdrawal, action: str, **form: Any) -> str:
    """Take a step that works; the page that follows."""
    answer = browser.post(path(withdrawal, action), form, follow=True)
    assert answer.redirect_chain == [(path(withdrawal), 302)], answer.content.decode()
    return answer.content.decode()


def refused(browser: Client, withdrawal: Withdrawal, action: str, status: int, **form: Any) -> str:
    answer = browser.post(path(withdrawal, action), form)
    assert answer.status_code == status
    return answer.content.decode()


def test_to_everybody_but_support_the_desk_is_not_there(
    asked: Withdrawal, ada: User, cleo: User, client: Client, sign_in: SignIn
) -> None:
    for person in (ada, cleo):
        browser = sign_in(person)
        assert browser.get("/desk/").status_code == 404
        assert browser.get(path(asked)).status_code == 404
        for action in ACTIONS:
            assert browser.post(path(asked, action), {"reason": "x"}).status_code == 404
    for address in ("/desk/", path(asked)):
        assert client.get(address).status_code == 302
    assert WithdrawalEvent.objects.count() == 1


def test_an_unknown_request_and_an_unknown_step_are_not_there(asked: Withdrawal, sam: User, sign_in: SignIn) -> None:
    browser = sign_in(sam)
    assert browser.get("/desk/withdrawals/wd_nothing/").status_code == 404
    assert browser.post("/desk/withdrawals/wd_nothing/claim/").status_code == 404
    assert browser.post(path(asked, "pay_twice")).status_code == 404
    assert browser.get(path(asked, "claim")).status_code == 405


def test_a_step_needs_the_token_of_the_page(asked: Withdrawal, sam: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(sam)
    assert strict.post(path(asked, "claim")).status_code == 403


def test_the_queue_shows_open_requests_with_the_oldest_first(ada: User, sam: User, sign_in: SignIn) -> None:
    browser = sign_in(sam)
    assert "Nothing waits" in browser.get("/desk/").content.decode()
    available(ada, 60 * NANO)
    first = ask(ada, 60 * NANO)
    dora = make_user("dora")
    available(dora, 300 * NANO)
    second = ask(dora, 250 * NANO)
    text = browser.get("/desk/").content.decode()
    assert text.index(first.public_id) < text.index(second.public_id)
    for words in ("ada@example.com", "$60.00", "two people", "Requested", "0 hours"):
        assert words in text
    assert second.public_id not in browser.get("/desk/?state=paid").content.decode()
    assert second.public_id in browser.get("/desk/?state=requested").content.decode()
    assert browser.get("/desk/?state=%27").status_code == 200


def test_search_by_the_number_opens_the_case(asked: Withdrawal, sam: User, sign_in: SignIn) -> None:
    browser = sign_in(sam)
    for words in (asked.public_id, f" {asked.public_id} ", "ada@example.com", "ADA@example.com"):
        answer = browser.get("/desk/", {"q": words})
        assert (answer.status_code, answer["Location"]) == (302, path(asked))
    for words in ("wd_unknown", "%", "' or 1=1", "x" * 5000, "\x00"):
        assert browser.get("/desk/", {"q": words}).status_code == 200


def test_the_case_shows_the_person_the_money_and_its_source(asked: Withdrawal, sam: User, sign_in: SignIn) -> None:
    text = sign_in(sam).get(path(asked)).content.decode()
    for words in (
        "ada@example.com",
        asked.public_id,
        "$60.00",
        "$100.00",
        "$40.00",
        "…mple",
        "Where the amount comes from",
    ):
        assert words in text
    assert sum(row.amount for row in asked.allocations.all()) == 60 * NANO
    assert PAYEE["account"] not in text


def test_from_request_to_paid_in_the_page(ada: User, asked: Withdrawal, sam: User, sign_in: SignIn) -> None:
    browser = sign_in(sam)
    assert "You have this request until 12:30" in do(browser, asked, "claim")
    text = browser.get(path(asked)).content.decode()
    assert "Posts $60.00 from “in withdrawal” back to “available”." in text
    text = do(browser, asked, "approve", amount="60.00", note="Looked at all six people.")
    assert "Posts $60.00 from “in withdrawal” to “paid out”." in text
    text = do(browser, asked, "mark_paid", reference="ALI-1")
    assert "ALI-1" in text
    asked.refresh_from_db()
    assert asked.state == "paid"
    assert ledger.balances(ada).reserved == 0
    assert_books_are_clean()


def test_approving_for_less_needs_a_reason(ada: User, asked: Withdrawal, sam: User, sign_in: SignIn) -> None:
    browser = sign_in(sam)
    do(browser, asked, "claim")
    assert "Say why it is less" in refused(browser, asked, "approve", 400, amount="50", note="x")
    assert "at most what was asked" in refused(browser, asked, "approve", 400, amount="61", note="x")
    do(browser, asked, "approve", amount="50", note="x", reason="One is you.")
    assert ledger.balances(ada).available == 50 * NANO


@pytest.mark.parametrize("amount", ["1E+2", "６０", "1_000", "+5", "-1", "0.001", str(10**30), "", "<b>"])
def test_a_bad_amount_approves_nothing(asked: Withdrawal, sam: User, sign_in: SignIn, amount: str) -> None:
    browser = sign_in(sam)
    do(browser, asked, "claim")
    refused(browser, asked, "approve", 400, amount=amount, note="x", reason="x")
    asked.refresh_from_db()
    assert asked.state == "in_review"


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("reject", {}),
        ("reject", {"reason": "   "}),
        ("reject", {"reason": "x" * 501}),
        ("hold", {"reason": "because"}),
        ("hold", {}),
    ],
)
def test_a_bad_form_changes_nothing(
    asked: Withdrawal, sam: User, sign_in: SignIn, action: str, form: dict[str, str]
) -> None:
    browser = sign_in(sam)
    do(browser, asked, "claim")
    refused(browser, asked, action, 400, **form)
    asked.refresh_from_db()
    assert asked.state == "in_review"


def test_a_payment_reference_is_asked_for_and_used_once(asked: Withdrawal, sam: User, sign_in: SignIn) -> None:
    browser = sign_in(sam)
    dora = make_user("dora")
    available(dora, 60 * NANO)
    other = ask(dora, 60 * NANO)
    for each in (asked, other):
        do(browser, each, "claim")
        do(browser, each, "approve", amount="60", note="x")
    refused(browser, asked, "mark_paid", 400, reference="")
    do(browser, asked, "mark_paid", reference="ALI-1")
    do(browser, asked, "mark_paid", reference="ALI-1")  # the second click: the first result
    assert "already has this payment reference" in refused(browser, other, "mark_paid", 409, reference="ALI-1")
    assert WithdrawalEvent.objects.filter(action="mark_paid").count() == 1


def test_support_cannot_touch_an_own_request(sam: User, sign_in: SignIn) -> None:
    available(sam, 100 * NANO)
    own = ask(sam, 60 * NANO)
    browser = sign_in(sam)
    assert "This is your own request." in browser.get(path(own)).content.decode()
    refused(browser, own, "claim", 403)
    refused(browser, own, "reveal", 403, reason="mine")
    refused(browser, own, "reject", 403, reason="x")


def test_a_colleague_who_comes_second_reads_who_was_first(
    asked: Withdrawal, sam: User, sign_in: SignIn, now: datetime
) -> None:
    tess = make_user("tess", staff=True)
    browser = sign_in(tess)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    assert "sam@example.com is working on this request" in refused(browser, asked, "claim", 409)
    withdrawals.approve(withdrawal=asked, by=sam, now=now)
    text = refused(browser, asked, "approve", 409, amount="60", note="x")
    assert "Already “Approved”, by sam@example.com at 2026-11-22 12:00" in text


def test_above_the_limit_the_approver_is_not_offered_to_pay(sam: User, sign_in: SignIn) -> None:
    dora = make_user("dora")
    available(dora, 300 * NANO)
    asked = ask(dora, 250 * NANO)
    browser = sign_in(sam)
    do(browser, asked, "claim")
    text = do(browser, asked, "approve", amount="250", note="x")
    assert "Mark paid" not in text
    refused(browser, asked, "mark_paid", 403, reference="B-1")
    other = sign_in(make_user("tess", staff=True))
    assert "Mark paid" in other.get(path(asked)).content.decode()
    do(other, asked, "mark_paid", reference="B-1")


def test_the_payee_is_shown_with_a_reason_and_recorded(asked: Withdrawal, sam: User, sign_in: SignIn) -> None:
    browser = sign_in(sam)
    assert PAYEE["account"] not in refused(browser, asked, "reveal", 400, reason="")
    answer = browser.post(path(asked, "reveal"), {"reason": "To pay it"})
    assert PAYEE["account"] in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    event = WithdrawalEvent.objects.get(action="reveal")
    assert (event.actor, event.note) == (sam, "To pay it")
    text = browser.get(path(asked)).content.decode()
    assert PAYEE["account"] not in text
    assert "To pay it" in text


def test_hold_reject_failed_and_returned_in_the_page(ada: User, asked: Withdrawal, sam: User, sign_in: SignIn) -> None:
    browser = sign_in(sam)
    do(browser, asked, "hold", reason="details", note="The name differs.")
    do(browser, asked, "claim")
    do(browser, asked, "release_claim")
    do(browser, asked, "claim")
    do(browser, asked, "approve", amount="60", note="x")
    do(browser, asked, "start_paying")
    do(browser, asked, "mark_failed", reason="Account unknown")
    do(browser, asked, "mark_paid", reference="ALI-1")
    do(browser, asked, "mark_returned", reason="Bank letter 7")
    assert ledger.balances(ada).available == 100 * NANO
    assert "Nothing is left to do here." in browser.get(path(asked)).content.decode()
    assert_books_are_clean()


def test_markup_in_notes_and_payees_is_shown_as_text(ada: User, sam: User, sign_in: SignIn) -> None:
    available(ada, 100 * NANO)
    payload = '<img src=x onerror=alert(1)>=HYPERLINK("x")'
    asked = ask(ada, 60 * NANO, payee={"name": payload, "account": payload})
    browser = sign_in(sam)
    text = browser.post(path(asked, "reveal"), {"reason": payload}).content.decode()
    text += do(browser, asked, "hold", reason="identity", note=payload)
    assert "<img src=x" not in text
