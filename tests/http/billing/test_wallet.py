"""The wallet: balance by class, the statement behind it, redeem a code."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, User
from billing import charges, codes, ledger, reports
from billing.charges import Tokens
from billing.models import AccountKind, LedgerAccount, LedgerAudit, LedgerTxn, Price, Redemption, Usage
from billing.money import NANO
from billing.statements import Statement
from console import books
from tests.make import make_call, make_credit, make_hold, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(ada: User) -> ApiKey:
    return make_key(ada, "laptop")[0]


def words(client: Client, user: User, path: str = "/billing/") -> str:
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def statement(user: User, now: datetime, month: str = "") -> Statement:
    return reports.wallet(user=user, month=month, now=now).statement


def make_code(**given: object) -> str:
    fields = {"kind": "promo", "amount": 5 * NANO, "uses": 1, "expires_at": None, "note": "", "by": None, **given}
    return codes.create(**fields).code  # type: ignore[arg-type] # the test names them


def redeem(client: Client, user: User, code: str) -> tuple[int, str]:
    client.force_login(user)
    answer = client.post("/billing/redeem/", {"code": code}, follow=True)
    return answer.status_code, re.sub(r"\s+", " ", answer.content.decode())


def test_a_stranger_is_sent_to_sign_in(client: Client) -> None:
    assert client.get("/billing/")["Location"] == "/accounts/login/?next=/billing/"
    assert client.post("/billing/redeem/", {"code": "x"})["Location"].startswith("/accounts/login/")


def test_the_balance_is_shown_by_class_and_exactly(client: Client, ada: User, key: ApiKey) -> None:
    make_credit(ada, paid=2 * NANO + 1, promo=NANO, reward=500_000_000)
    make_hold(make_call(key), 250_000_000)
    text = words(client, ada)
    assert "To spend $3.250000001" in text
    assert "Paid credit $2.000000001 Promotional credit $1.00 Reward credit $0.50 Held $0.25" in text


def test_nobody_sees_the_wallet_of_somebody_else(client: Client, ada: User, cleo: User, key: ApiKey) -> None:
    make_credit(ada, paid=77 * NANO)
    make_usage(key)
    text = words(client, cleo)
    assert "77" not in text
    assert "No movement yet" in text


def test_the_calls_of_a_day_are_one_line_that_leads_to_them(
    client: Client, ada: User, key: ApiKey, now: datetime
) -> None:
    make_credit(ada, paid=NANO)
    for number in (10, 20, 30):
        make_usage(key, tokens=Tokens(input=number))
    make_usage(key, tokens=Tokens(input=5), started_at=now + timedelta(days=1))
    lines = statement(ada, now).lines
    assert [(line.calls, line.amount, line.balance) for line in lines] == [
        (1, -5_000, NANO - 65_000),
        (3, -60_000, NANO - 60_000),
        (0, NANO, NANO),
    ]
    client.force_login(ada)
    answer = client.get("/billing/?month=2026-11")
    assert b'href="/usage/?day=2026-11-22"' in answer.content
    totals = client.get("/usage/?day=2026-11-22").context["page"].totals
    assert (totals.calls, totals.charge_nano) == (3, 60_000)


def test_the_day_of_a_line_is_the_day_of_the_charge_so_the_sums_agree(client: Client, ada: User, key: ApiKey) -> None:
    """A call begun before midnight and settled after it belongs to the day on which it was charged, on both pages."""
    make_credit(ada, paid=NANO)
    make_usage(key, tokens=Tokens(input=5), started_at=datetime(2026, 11, 22, 23, 59, 59, 500_000, tzinfo=UTC))
    day = statement(ada, datetime(2026, 11, 30, tzinfo=UTC)).lines[0].day
    assert day.isoformat() == "2026-11-23"
    client.force_login(ada)
    assert client.get("/usage/?day=2026-11-23").context["page"].totals.charge_nano == 5_000
    assert client.get("/usage/?day=2026-11-22").context["page"].totals.calls == 0


def test_months_join_without_a_gap(ada: User, key: ApiKey, now: datetime) -> None:
    price = make_price(at=now - timedelta(days=200))
    make_credit(ada, paid=NANO)
    for days in (70, 40, 39, 3):
        moment = now - timedelta(days=days)
        ledger.grant(user=ada, amount=days * 1000, kind="promo", reason="x", actor=None, now=moment)
        make_usage(key, tokens=Tokens(input=3), started_at=moment, price=price)
    current = statement(ada, now)
    got = ledger.balances(ada)
    assert current.closing == got.paid + got.promo
    assert current.newer is None
    walked = [current]
    while (older := walked[-1].older) is not None:
        walked.append(statement(ada, now, f"{older:%Y-%m}"))
    assert [f"{each.month:%Y-%m}" for each in walked] == ["2026-11", "2026-10", "2026-09"]
    for newer, older_one in pairwise(walked):
        assert newer.opening == older_one.closing
        assert older_one.newer == newer.month
    assert walked[-1].opening == 0
    for each in walked:
        assert each.opening + sum(line.amount for line in each.lines) == each.closing
        assert [line.balance for line in each.lines][:1] == [each.closing][: len(each.lines)]


def test_a_month_that_is_none_is_the_current_one(client: Client, ada: User, now: datetime) -> None:
    for month in ("", "2026-13", "2026-1", "9999-99", "2999-12", "x" * 1000, "\x00", "２０２６-１１"):
        assert statement(ada, now, month).month.isoformat() == "2026-11-01", month
    assert "Statement" in words(client, ada, "/billing/?month=%00")


def test_a_refund_leads_to_its_call_and_a_grant_gives_its_reason(
    client: Client, ada: User, sam: User, key: ApiKey, now: datetime
) -> None:
    ledger.grant(user=ada, amount=NANO, kind="paid", reason="Bank transfer 4711", actor=sam, now=now)
    usage = make_usage(key)
    charges.refund(usage=usage, amount=100, n=1, actor=sam, reason="Wrong answer", now=now)
    client.force_login(ada)
    text = client.get("/billing/?month=2026-11").content.decode()
    assert f'<a href="/usage/{usage.pk}/">Charge refunded</a>' in text
    assert "Bank transfer 4711" in text
    assert "+$0.0000001" in text


def test_a_disputed_payment_in_two_entries_is_one_line(ada: User, now: datetime) -> None:
    make_credit(ada, paid=100)
    stripe = ledger.account(AccountKind.CASH_STRIPE)
    lines = [
        ledger.Line(debit=ledger.account(AccountKind.USER_PAID, ada), credit=stripe, amount=100),
        ledger.Line(debit=ledger.account(AccountKind.USER_DEBT, ada), credit=stripe, amount=50),
    ]
    ledger.post(kind="dispute", key="dispute:1", lines=lines, actor=None, now=now)
    assert [line.amount for line in statement(ada, now).lines] == [-100, 100]


def test_the_wallet_costs_the_same_however_long_the_statement_is(
    client: Client, ada: User, key: ApiKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_credit(ada, paid=NANO, promo=NANO)
    for _ in range(5):
        make_usage(key)
    codes.redeem(user=ada, code=make_code(), now=timezone.now())
    client.force_login(ada)
    # session, person, accounts, later than this month, codes, calls by day, other events, older?, redemptions, balance
    with django_assert_num_queries(14):
        client.get("/billing/")


# --- the audit, for staff ---------------------------------------------------------------------------------------------


def test_staff_read_that_the_books_balance_and_nobody_else_does(
    client: Client, ada: User, sam: User, now: datetime
) -> None:
    books.prove(now=now)
    assert "The books balance to the last unit, checked 2026-11-22 12:00 UTC." in words(client, sam)
    assert "books balance" not in words(client, ada)


def test_staff_read_when_they_do_not(client: Client, sam: User, now: datetime) -> None:
    LedgerAudit.objects.create(finished_at=now, is_clean=False, findings={"I3 held equals open holds": ["1"]})
    assert "The audit of 2026-11-22 12:00 UTC found something." in words(client, sam)


# --- redeem -----------------------------------------------------------------------------------------------------------


def test_a_code_becomes_credit_and_the_page_says_how_much(client: Client, ada: User) -> None:
    code = make_code()
    status, text = redeem(client, ada, f" {codes.shown(code).lower()} ")
    assert status == 200
    assert "$5.00 was added to your credit." in text
    assert ledger.balances(ada).promo == 5 * NANO
    assert f"ending in {code[-4:]}" in text
    assert code not in text


def test_sent_twice_it_counts_once(client: Client, ada: User) -> None:
    code = make_code(uses=9)
    redeem(client, ada, code)
    status, text = redeem(client, ada, code)
    assert status == 400
    assert "You redeemed this code before. Nothing was added." in text
    assert ledger.balances(ada).promo == 5 * NANO


def test_each_refusal_says_why_and_that_nothing_was_added(client: Client, ada: User, cleo: User, now: datetime) -> None:
    used, expired = make_code(), make_code(expires_at=now)
    codes.redeem(user=cleo, code=used, now=now)
    for code, said in {
        used: "This code is used up.",
        expired: "This code has expired.",
        "ABCD": "There is no such code.",
    }.items():
        status, text = redeem(client, ada, code)
        assert status == 400
        assert said in text
        assert re.search(r"[Nn]othing was added", text)
    assert not LedgerTxn.objects.exclude(actor=cleo).exists()


@pytest.mark.parametrize(
    "typed", ["", "   ", "\x00", "x" * 81, "x" * 100_000, "<script>", "密码", "'; DROP TABLE x", "💥"]
)
def test_bad_input_is_a_clear_400(client: Client, ada: User, typed: str) -> None:
    status, text = redeem(client, ada, typed)
    assert status == 400
    assert 'aria-invalid="true"' in text
    assert "<script>" not in text
    assert not Redemption.objects.exists()


def test_nothing_is_redeemed_by_a_link(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get("/billing/redeem/", {"code": make_code()}).status_code == 405
    assert Client(enforce_csrf_checks=True).post("/billing/redeem/").status_code == 403
    assert LedgerAccount.objects.filter(owner=ada, credits__gt=0).count() == 0


def test_calls_that_were_settled_together_are_counted_one_by_one(ada: User, now: datetime) -> None:
    make_credit(ada, paid=NANO)
    make_price()
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(3)]
    for call in calls:
        make_hold(call, 10_000)
    facts: dict[str, Any] = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200}
    price = Price.objects.get()
    charges.settle_many(
        [charges.Settlement(call=call, tokens=charges.Tokens(output=1), price=price, **facts) for call in calls],
        now=now,
    )
    lines = reports.wallet(user=ada, month="2026-11", now=now).statement.lines
    assert [line.calls for line in lines if line.calls] == [3]
