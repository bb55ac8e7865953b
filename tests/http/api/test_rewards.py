"""Rewards through the API: convert once per client id; withdrawals only with a fresh password and never another's."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from billing import ledger
from billing.money import NANO
from referrals.models import Withdrawal, WithdrawalEvent
from tests.make import PASSWORD, make_key
from tests.unit.referrals import make

pytestmark = pytest.mark.django_db
JSON = "application/json"
WITHDRAWALS, CONVERSIONS = "/api/v1/withdrawals/", "/api/v1/referrals/conversions/"


def by_key(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_key(user)[1]}"}


@pytest.fixture
def rich(ada: User) -> User:
    """Ada, with 100 of available rewards."""
    make.available(ada, 100 * NANO)
    return ada


def asked(**changes: Any) -> dict[str, Any]:
    payee = {"name": "Ada Lovelace", "account": "ada@alipay.example"}
    return {"amount": "60.00", "method": "alipay", "payee": payee, "client_id": str(uuid.uuid4()), **changes}


def browser(user: User) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client


def test_rewards_become_credit_once_per_client_id(client: Client, rich: User) -> None:
    body = {"amount": "12.50", "client_id": str(uuid.uuid4())}
    before = ledger.balances(rich)
    for _ in range(2):
        answer = client.post(CONVERSIONS, body, content_type=JSON, headers=by_key(rich))
        assert answer.status_code == 201
        assert answer.json() == {"client_id": body["client_id"], "amount": "12.50"}
    after = ledger.balances(rich)
    assert before.available - after.available == after.reward - before.reward == 12_500_000_000


def test_the_same_client_id_with_another_amount_moves_nothing(client: Client, rich: User) -> None:
    body = {"amount": "12.50", "client_id": str(uuid.uuid4())}
    client.post(CONVERSIONS, body, content_type=JSON, headers=by_key(rich))
    before = ledger.balances(rich)
    again = client.post(CONVERSIONS, {**body, "amount": "13.00"}, content_type=JSON, headers=by_key(rich))
    assert (again.status_code, again.json()["error"]["code"]) == (422, "idempotency_mismatch")
    assert ledger.balances(rich) == before


def test_more_than_is_available_is_refused(client: Client, rich: User) -> None:
    before = ledger.balances(rich)
    body = {"amount": "100000.00", "client_id": str(uuid.uuid4())}
    answer = client.post(CONVERSIONS, body, content_type=JSON, headers=by_key(rich))
    assert answer.status_code == 409
    assert ledger.balances(rich) == before


def test_the_pools_add_up(client: Client, rich: User) -> None:
    browser(rich).post(WITHDRAWALS, asked(), content_type=JSON)
    shown = client.get("/api/v1/referrals/", headers=by_key(rich)).json()
    parts = ("pending", "available", "in_withdrawal", "converted", "paid_out")
    assert sum(Decimal(shown[part]) for part in parts) - Decimal(shown["debt"]) == Decimal(shown["earned"])
    assert Decimal(shown["in_withdrawal"]) == 60


def test_a_withdrawal_is_asked_for_once_read_and_cancelled(client: Client, rich: User) -> None:
    hers, body = browser(rich), asked()
    first, again = (hers.post(WITHDRAWALS, body, content_type=JSON) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    shown = first.json()
    assert (shown["state"], shown["amount"], shown["payee"]) == (
        "requested",
        "60.00",
        Withdrawal.objects.get().payee_hint,
    )
    assert "ada@alipay.example" not in first.content.decode()
    key = by_key(rich)
    assert client.get(f"{WITHDRAWALS}{shown['id']}/", headers=key).json() == shown
    assert [each["id"] for each in client.get(WITHDRAWALS, headers=key).json()] == [shown["id"]]
    cancelled = client.post(f"{WITHDRAWALS}{shown['id']}/cancel/", headers=key)
    assert cancelled.json()["state"] == "cancelled"
    assert ledger.balances(rich).reserved == 0
    assert client.post(f"{WITHDRAWALS}{shown['id']}/cancel/", headers=key).status_code == 409


def test_the_address_of_the_browser_is_on_the_record(rich: User) -> None:
    browser(rich).post(WITHDRAWALS, asked(), content_type=JSON)
    assert WithdrawalEvent.objects.get().ip == "127.0.0.1"


def test_an_api_key_cannot_ask_for_money(client: Client, rich: User) -> None:
    answer = client.post(WITHDRAWALS, asked(), content_type=JSON, headers=by_key(rich))
    assert answer.status_code == 403
    assert not Withdrawal.objects.exists()


def test_a_second_open_request_is_refused(rich: User) -> None:
    hers = browser(rich)
    hers.post(WITHDRAWALS, asked(), content_type=JSON)
    second = hers.post(WITHDRAWALS, asked(amount="50.00"), content_type=JSON)
    assert second.status_code == 409
    assert Withdrawal.objects.count() == 1


def test_cleo_neither_reads_nor_cancels_ada_s(client: Client, rich: User, cleo: User) -> None:
    made = browser(rich).post(WITHDRAWALS, asked(), content_type=JSON).json()
    key = by_key(cleo)
    assert client.get(WITHDRAWALS, headers=key).json() == []
    assert client.get(f"{WITHDRAWALS}{made['id']}/", headers=key).status_code == 404
    assert client.post(f"{WITHDRAWALS}{made['id']}/cancel/", headers=key).status_code == 404
    assert client.get("/api/v1/referrals/rewards/", headers=key).json()["results"] == []
    assert Withdrawal.objects.get().state == "requested"


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "1E+2"},
        {"amount": "-60.00"},
        {"amount": "60.001"},
        {"amount": 60},
        {"amount": True},
        {"amount": str(10**30)},
        {"amount": "６０"},
        {"method": "pigeon"},
        {"method": ""},
        {"method": 7},
        {"payee": None},
        {"payee": {}},
        {"payee": []},
        {"payee": "Ada"},
        {"payee": {"name": "Ada", "account": "x", "extra": "y"}},
        {"payee": {"name": "A" * 500, "account": "x"}},
        {"payee": {"name": "\u202eAda", "account": "x"}},
        {"client_id": "1"},
        {"client_id": None},
        {"state": "paid"},
        {"user": "usr_1"},
        {"approved_amount": "60.00"},
        {"fee": "0.00"},
        {"policy": 1},
        {"payment_reference": "x"},
    ],
)
def test_a_broken_or_greedy_request_makes_no_withdrawal(rich: User, changes: dict[str, Any]) -> None:
    before = ledger.balances(rich)
    answer = browser(rich).post(WITHDRAWALS, asked(**changes), content_type=JSON)
    assert answer.status_code == 400, answer.content
    assert not Withdrawal.objects.exists()
    assert ledger.balances(rich) == before
