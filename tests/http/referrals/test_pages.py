"""The referrer's pages: what Ada reads and does, what Cleo never sees, what a form refuses."""

import re
import uuid
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from billing import ledger
from billing.money import NANO
from referrals import links, rewards, withdrawals
from referrals.models import Policy, Reward, Withdrawal, WithdrawalEvent
from tests.http.referrals.conftest import SignIn
from tests.unit.referrals.make import LONG_AGO, PAYEE, ask, assert_books_are_clean, available, bring, give_back, spend

pytestmark = pytest.mark.django_db

BAD_AMOUNTS = [
    "1E+2", "１００", "1_000", "+5", "-1", "0.001", str(10**30), "", "   ", "1,000", "0", "0.00", "abc", "60.", ".5",
    "６０", "٦٠", "0x3C", "NaN", "Infinity", "true", "60 00", "60\x0000", "<b>60</b>", "6" * 10_000,
]  # fmt: skip


def page(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def without_tokens(answer: Any) -> str:
    """The page without what differs in every answer: the form token and the address itself."""
    return re.sub(r'name="(csrfmiddlewaretoken|next)" value="[^"]*"', "", answer.content.decode())


def wish(**changes: Any) -> dict[str, Any]:
    return {"amount": "60.00", "method": "alipay", "client_id": str(uuid.uuid4()), **PAYEE, **changes}


# --- the overview ---------------------------------------------------------------------------------------------------


def test_the_overview_teaches_who_has_nothing_yet(ada: User, sign_in: SignIn) -> None:
    text = page(sign_in(ada), "/referrals/")
    assert links.link_of(user=ada).code in text
    assert "Spend of $20.00 from paid credit on one day is a reward of $2.00" in text
    assert "10 %" in text
    assert "$50.00 to go." in text


def test_the_pools_are_an_equation(ada: User, sam: User, sign_in: SignIn, now: datetime) -> None:
    available(ada, 100 * NANO)
    spend(bring(ada).referee, 12_345_678_901)
    rewards.accrue(now=now)
    rewards.convert(user=ada, amount=7 * NANO, client_id="c", now=now)
    ask(ada, 60 * NANO)
    text = page(sign_in(ada), "/referrals/")
    assert "$1.23456789 + $33.00 + $60.00 + $7.00 + $0.00" in text
    assert "<strong>$101.23456789</strong>" in text


def test_a_debt_is_said_and_part_of_the_equation(ada: User, sign_in: SignIn, now: datetime) -> None:
    call = spend(bring(ada).referee, 100 * NANO, LONG_AGO)
    rewards.accrue(now=now, day=LONG_AGO)
    rewards.mature(now=now)
    rewards.convert(user=ada, amount=10 * NANO, client_id="c", now=now)
    give_back(call, 40 * NANO)
    rewards.accrue(now=now)
    text = page(sign_in(ada), "/referrals/")
    assert "Rewards were taken back" in text
    assert "− $4.00" in text
    assert "<strong>$6.00</strong>" in text


def test_names_of_people_are_masked(ada: User, ben: User, sign_in: SignIn) -> None:
    browser = sign_in(ada)
    for path in ("/referrals/", "/referrals/people/"):
        text = page(browser, path)
        assert "b…n@e…" in text
        assert "ben@example.com" not in text


def test_the_rules_on_the_page_are_those_in_force(ada: User, sign_in: SignIn) -> None:
    Policy.objects.update(rate_bp=1250, threshold_nano=70 * NANO, fee_nano=NANO, holding_days=3)
    text = page(sign_in(ada), "/referrals/")
    for words in ("12.5 %", "From $70.00", "The fee is $1.00", "available 3 days after"):
        assert words in text


def test_the_overview_takes_the_same_queries_for_one_reward_and_for_many(
    ada: User, sign_in: SignIn, django_assert_max_num_queries: DjangoAssertNumQueries, now: datetime
) -> None:
    available(ada, 100 * NANO)
    browser = sign_in(ada)
    with django_assert_max_num_queries(22):
        page(browser, "/referrals/")


@pytest.mark.parametrize("path", ["/referrals/", "/referrals/people/", "/referrals/rewards/", "/referrals/withdraw/"])
def test_a_visitor_is_sent_to_sign_in(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/")


# --- Cleo ---------------------------------------------------------------------------------------------------------


def test_cleo_sees_nothing_of_ada(ada: User, ben: User, cleo: User, sign_in: SignIn, now: datetime) -> None:
    available(ada, 100 * NANO)
    asked = ask(ada, 60 * NANO)
    reward = Reward.objects.filter(referrer=ada)[0]
    browser = sign_in(cleo)
    for path in ("/referrals/", "/referrals/people/", "/referrals/rewards/", "/referrals/withdraw/"):
        text = page(browser, path)
        for secret in (links.link_of(user=ada).code, asked.public_id, reward.public_id, "b…n@e…"):
            assert secret not in text
    missing = browser.get("/referrals/withdrawals/wd_0000000000000000000000/")
    for path in (f"/referrals/withdrawals/{asked.public_id}/", f"/referrals/rewards/{reward.public_id}/"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert without_tokens(answer) == without_tokens(missing)
    assert browser.post(f"/referrals/withdrawals/{asked.public_id}/cancel/").status_code == 404
    asked.refresh_from_db()
    assert asked.state == "requested"
    for path in ("/desk/", f"/desk/withdrawals/{asked.public_id}/"):
        assert browser.get(path).status_code == 404


# --- rewards ------------------------------------------------------------------------------------------------------


def test_a_reward_explains_itself(ada: User, sign_in: SignIn, now: datetime) -> None:
    call = spend(bring(ada).referee, 2500 * NANO)
    rewards.accrue(now=now)
    give_back(call, 1000 * NANO)
    rewards.accrue(now=now)
    reward = Reward.objects.get()
    text = page(sign_in(ada), f"/referrals/rewards/{reward.public_id}/")
    for words in (
        "$2500.00",
        "10 %",
        "$250.00",
        "$200.00",
        "Version 1",
        "$1000.00 of that spend was refunded",
        "$50.00",
    ):
        assert words in text
    assert "2026-12-06" in text


def test_the_lists_have_pages_and_survive_a_wrong_one(ada: User, sign_in: SignIn) -> None:
    browser = sign_in(ada)
    available(ada, 3 * NANO, rewards_of=NANO // 10)
    assert "?page=2" in page(browser, "/referrals/rewards/")
    for number in ("2", "99", "0", "-1", "x", str(10**30), ""):
        page(browser, f"/referrals/rewards/?page={number}")
        page(browser, f"/referrals/people/?page={number}")


# --- converting ---------------------------------------------------------------------------------------------------


def test_converting_makes_credit_at_once_and_a_reload_converts_once(ada: User, sign_in: SignIn) -> None:
    available(ada, 100 * NANO)
    browser = sign_in(ada)
    form = {"amount": "12.34", "client_id": str(uuid.uuid4())}
    for _ in range(2):
        answer = browser.post("/referrals/convert/", form)
        assert (answer.status_code, answer["Location"]) == (302, "/referrals/")
    assert ledger.balances(ada).reward == 12_340_000_000
    assert "$12.34 is API credit now." in page(browser, "/referrals/")
    assert_books_are_clean()


def test_converting_another_amount_with_the_same_form_is_refused(ada: User, sign_in: SignIn) -> None:
    available(ada, 100 * NANO)
    browser, client_id = sign_in(ada), str(uuid.uuid4())
    browser.post("/referrals/convert/", {"amount": "10", "client_id": client_id})
    answer = browser.post("/referrals/convert/", {"amount": "20", "client_id": client_id})
    assert answer.status_code == 422
    assert "Nothing was moved." in answer.content.decode()
    assert ledger.balances(ada).reward == 10 * NANO


def test_converting_more_than_there_is_says_how_much_there_is(ada: User, sign_in: SignIn) -> None:
    available(ada, 10 * NANO)
    answer = sign_in(ada).post("/referrals/convert/", {"amount": "10.01", "client_id": str(uuid.uuid4())})
    assert answer.status_code == 409
    assert "Only $10.00 is available. Nothing was moved." in answer.content.decode()


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
def test_a_bad_amount_converts_nothing(ada: User, sign_in: SignIn, amount: str) -> None:
    available(ada, 100 * NANO)
    answer = sign_in(ada).post("/referrals/convert/", {"amount": amount, "client_id": str(uuid.uuid4())})
    assert answer.status_code == 400
    assert ledger.balances(ada).available == 100 * NANO


@pytest.mark.parametrize("client_id", ["", "x", "1" * 1000, "' or 1=1"])
def test_a_bad_form_number_converts_nothing(ada: User, sign_in: SignIn, client_id: str) -> None:
    available(ada, 100 * NANO)
    answer = sign_in(ada).post("/referrals/convert/", {"amount": "5", "client_id": client_id})
    assert answer.status_code == 400
    assert ledger.balances(ada).available == 100 * NANO


# --- asking for a payment -------------------------------------------------------------------------------------------


def test_asking_leads_to_the_request_and_a_double_click_makes_one(ada: User, sign_in: SignIn) -> None:
    available(ada, 100 * NANO)
    browser, form = sign_in(ada), wish()
    first, second = (browser.post("/referrals/withdraw/", form) for _ in range(2))
    asked = Withdrawal.objects.get()
    assert first["Location"] == second["Location"] == f"/referrals/withdrawals/{asked.public_id}/"
    text = page(browser, first["Location"])
    for words in (asked.public_id, "$60.00", "WeCom support Hanson", "Support acts next", "…mple"):
        assert words in text
    assert PAYEE["account"] not in text
    assert asked.events.get().ip == "127.0.0.1"


def test_an_old_proof_asks_for_the_password_and_keeps_no_account_number(
    ada: User, sign_in: SignIn, now: datetime
) -> None:
    available(ada, 100 * NANO)
    browser = sign_in(ada)
    session = browser.session
    session["signed_in_at"] = now.timestamp() - 301
    session.save()
    for answer in (browser.get("/referrals/withdraw/"), browser.post("/referrals/withdraw/", wish())):
        assert answer.status_code == 302
        assert answer["Location"] == "/accounts/reauthenticate/?next=%2Freferrals%2Fwithdraw%2F"
    assert not Withdrawal.objects.exists()
    assert PAYEE["account"] not in str(dict(browser.session))


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
def test_a_bad_amount_asks_for_nothing(ada: User, sign_in: SignIn, amount: str) -> None:
    available(ada, 100 * NANO)
    answer = sign_in(ada).post("/referrals/withdraw/", wish(amount=amount))
    assert answer.status_code == 400
    assert not Withdrawal.objects.exists()
    assert ledger.balances(ada).available == 100 * NANO


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "cash"},
        {"method": ""},
        {"method": ["alipay", "bank"], "bank": ""},
        {"name": ""},
        {"name": "x" * 81},
        {"name": "\u202egnp.exe"},
        {"account": ""},
        {"account": "a\x00b"},
        {"account": "x" * 100_000},
        {"method": "bank", "bank": ""},
        {"client_id": "not a number"},
    ],
)
def test_a_bad_payee_asks_for_nothing(ada: User, sign_in: SignIn, changes: dict[str, Any]) -> None:
    available(ada, 100 * NANO)
    answer = sign_in(ada).post("/referrals/withdraw/", wish(**changes))
    assert answer.status_code == 400
    assert not Withdrawal.objects.exists()


@pytest.mark.parametrize(("amount", "words"), [("49.99", "smallest withdrawal is $50.00"), ("100.01", "Only $100.00")])
def test_the_form_says_which_rule_refuses(ada: User, sign_in: SignIn, amount: str, words: str) -> None:
    available(ada, 100 * NANO)
    answer = sign_in(ada).post("/referrals/withdraw/", wish(amount=amount))
    assert answer.status_code in {400, 409}
    assert words in answer.content.decode()


def test_an_open_request_is_named_instead_of_a_form(ada: User, sign_in: SignIn) -> None:
    available(ada, 200 * NANO)
    asked = ask(ada, 60 * NANO)
    browser = sign_in(ada)
    assert asked.public_id in page(browser, "/referrals/withdraw/")
    answer = browser.post("/referrals/withdraw/", wish())
    assert answer.status_code == 409
    assert asked.public_id in answer.content.decode()


def test_below_the_threshold_the_page_says_how_far_it_is(ada: User, sign_in: SignIn) -> None:
    available(ada, 20 * NANO)
    assert "$30.00 to go" in page(sign_in(ada), "/referrals/withdraw/")


def test_cancelling_gives_the_amount_back_and_twice_says_so(ada: User, sign_in: SignIn) -> None:
    available(ada, 100 * NANO)
    asked = ask(ada, 60 * NANO)
    browser = sign_in(ada)
    path = f"/referrals/withdrawals/{asked.public_id}/"
    assert browser.get(f"{path}cancel/").status_code == 405
    assert browser.post(f"{path}cancel/")["Location"] == path
    answer = browser.post(f"{path}cancel/")
    assert answer.status_code == 409
    assert (
        "The request is “Cancelled” now" in answer.content.decode() or "Already “Cancelled”" in answer.content.decode()
    )
    assert ledger.balances(ada).available == 100 * NANO
    assert "The amount is available again." in page(browser, path)


def test_the_person_never_reads_who_of_support_acted_or_their_notes(
    ada: User, sam: User, sign_in: SignIn, now: datetime
) -> None:
    available(ada, 100 * NANO)
    asked = ask(ada, 60 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    withdrawals.approve(withdrawal=asked, by=sam, now=now, amount=50 * NANO, reason="One is you.", note="smells odd")
    withdrawals.reveal(withdrawal=asked, by=sam, reason="to pay it", now=now)
    withdrawals.mark_paid(withdrawal=asked, by=sam, reference="ALI-1", now=now)
    text = page(sign_in(ada), f"/referrals/withdrawals/{asked.public_id}/")
    for words in ("One is you.", "ALI-1", "$50.00", "Support approved it.", "The payment was sent."):
        assert words in text
    for words in ("sam@", "smells odd", "to pay it"):
        assert words not in text
    assert WithdrawalEvent.objects.filter(action="reveal").count() == 1


@pytest.mark.parametrize("state", ["rejected", "cancelled", "expired", "revoked", "returned", "on_hold", "paying"])
def test_every_state_has_a_page(ada: User, sign_in: SignIn, state: str) -> None:
    available(ada, 100 * NANO)
    asked = ask(ada, 60 * NANO)
    Withdrawal.objects.filter(pk=asked.pk).update(state=state)
    text = page(sign_in(ada), f"/referrals/withdrawals/{asked.public_id}/")
    assert str(Withdrawal.State(state).label) in text


def test_markup_in_what_people_write_is_shown_as_text(ada: User, sam: User, sign_in: SignIn, now: datetime) -> None:
    available(ada, 100 * NANO)
    asked = ask(ada, 60 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    withdrawals.reject(withdrawal=asked, by=sam, reason="<script>alert(1)</script>", now=now)
    text = page(sign_in(ada), f"/referrals/withdrawals/{asked.public_id}/")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


# --- pictures and the contact ---------------------------------------------------------------------------------------


def test_the_qr_code_of_a_link_is_a_picture(ada: User, sign_in: SignIn) -> None:
    browser = sign_in(ada)
    svg = browser.get("/referrals/qr.svg")
    assert svg["Content-Type"] == "image/svg+xml"
    assert b"<svg" in svg.content
    assert b"style=" not in svg.content
    assert browser.get("/referrals/qr.png").content.startswith(b"\x89PNG")
    assert browser.get("/referrals/qr.gif").status_code == 404


def test_the_contact_is_for_everybody_and_comes_from_the_settings(client: Client, settings: Any) -> None:
    settings.WECOM_CONTACT_NAME = "WeCom support Grace"
    assert "names no WeCom account yet" in page(client, "/referrals/contact/")
    settings.WECOM_CONTACT_URL = ""
    assert "names no WeCom account yet" in page(client, "/referrals/contact/")
    assert b"<svg" in client.get("/referrals/contact/qr").content
    settings.WECOM_CONTACT_URL = "https://work.example.com/grace"
    text = page(client, "/referrals/contact/")
    assert "WeCom support Grace" in text
    assert "/referrals/contact/qr" in text
    assert b"<svg" in client.get("/referrals/contact/qr").content


def test_the_operators_own_picture_of_a_code_is_served(client: Client, settings: Any, tmp_path: Any) -> None:
    picture = tmp_path / "code.png"
    picture.write_bytes(b"\x89PNG picture")
    settings.WECOM_QR_IMAGE = str(picture)
    answer = client.get("/referrals/contact/qr")
    assert (answer["Content-Type"], b"".join(answer.streaming_content)) == ("image/png", b"\x89PNG picture")  # type: ignore[attr-defined] # a file is streamed
    settings.WECOM_QR_IMAGE = str(tmp_path / "secrets.env")
    assert client.get("/referrals/contact/qr").status_code == 404
