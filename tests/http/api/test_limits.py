"""Spend limits through the API: read by key, set in a session only, and never another's."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, User
from billing import limits
from billing.models import SpendLimit
from billing.money import NANO
from tests.make import make_call, make_credit, make_hold, make_key

pytestmark = pytest.mark.django_db
LIMITS, CURRENT, JSON = "/api/v1/limits/", "/api/v1/keys/current/", "application/json"


@pytest.fixture
def issued(ada: User) -> tuple[ApiKey, str]:
    make_credit(ada, paid=100 * NANO)
    return make_key(ada, "agent")


def by(plain: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {plain}"}


def limit(user: User, amount: int, window: str = "day", key: ApiKey | None = None, spent: int = 0) -> SpendLimit:
    row = limits.set_limit(user=user, key=key, window=window, amount=amount, actor=user, now=timezone.now())
    SpendLimit.objects.filter(pk=row.pk).update(spent_nano=spent)
    return row


def test_a_key_reads_what_it_may_still_spend(client: Client, ada: User, issued: tuple[ApiKey, str]) -> None:
    key, plain = issued
    limit(ada, 5 * NANO, "day", key, spent=NANO)
    limit(ada, 50 * NANO, "month", spent=2 * NANO)
    limit(ada, NANO, "day", make_key(ada)[0])
    make_hold(make_call(key, started_at=timezone.now()), NANO // 2)
    shown = client.get(CURRENT, headers=by(plain)).json()
    assert (shown["id"], shown["name"], shown["hint"]) == (key.public_id, "agent", key.hint)
    account, own = shown["limits"]
    assert (account["scope"], account["key"], account["window"], account["left"]) == ("account", None, "month", "47.50")
    assert own["key"] == key.public_id
    assert [own[name] for name in ("amount", "spent", "held", "left", "percent")] == [
        "5.00",
        "1.00",
        "0.50",
        "3.50",
        20,
    ]
    assert own["time_zone"] == "UTC"
    assert own["resets_at"].endswith("T00:00:00Z")
    assert len(client.get(LIMITS, headers=by(plain)).json()) == 3


def test_a_session_has_no_current_key(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get(CURRENT).status_code == 403


def test_a_session_sets_changes_and_removes(client: Client, ada: User, issued: tuple[ApiKey, str]) -> None:
    key = issued[0]
    client.force_login(ada)
    first = client.post(LIMITS, {"window": "day", "amount": "5.00"}, content_type=JSON)
    assert first.status_code == 200
    assert (first.json()["scope"], first.json()["left"]) == ("account", "5.00")
    own = client.post(LIMITS, {"window": "week", "amount": "7.5", "key": key.public_id}, content_type=JSON).json()
    assert (own["key"], own["amount"]) == (key.public_id, "7.50")
    again = client.post(LIMITS, {"window": "day", "amount": "6", "key": None}, content_type=JSON).json()
    assert (again["id"], again["amount"]) == (first.json()["id"], "6.00")
    assert client.delete(f"{LIMITS}{own['id']}/").status_code == 204
    assert [each["id"] for each in client.get(LIMITS).json()] == [again["id"]]


def test_a_key_cannot_change_what_it_may_spend(client: Client, ada: User, issued: tuple[ApiKey, str]) -> None:
    key, plain = issued
    row = limit(ada, NANO, "day", key)
    body = {"window": "day", "amount": "500.00", "key": key.public_id}
    refused = client.post(LIMITS, body, content_type=JSON, headers=by(plain))
    assert refused.status_code == 403
    assert "browser session" in refused.json()["error"]["message"]
    assert client.delete(f"{LIMITS}{row.public_id}/", headers=by(plain)).status_code == 403
    assert SpendLimit.objects.get().amount_nano == NANO


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "0"},
        {"amount": "0.00"},
        {"amount": "-1"},
        {"amount": 5},
        {"amount": "0.001"},
        {"amount": "1000000.01"},
        {"amount": None},
        {"window": "year"},
        {"window": ["day"]},
        {"window": None},
        {"key": 5},
        {"key": "x" * 33},
        {"spent": "0.00"},
        {"user": "usr_x"},
    ],
)
def test_bad_input_is_told_and_changes_nothing(client: Client, ada: User, wrong: dict[str, Any]) -> None:
    client.force_login(ada)
    answer = client.post(LIMITS, {"window": "day", "amount": "5.00", **wrong}, content_type=JSON)
    assert answer.status_code == 400, answer.content
    assert answer.json()["error"]["fields"]
    assert not SpendLimit.objects.exists()


def test_cleo_neither_sees_nor_touches_ada_s(client: Client, ada: User, cleo: User, issued: tuple[ApiKey, str]) -> None:
    key = issued[0]
    row = limit(ada, NANO, "day", key)
    client.force_login(cleo)
    assert client.get(LIMITS).json() == []
    assert client.delete(f"{LIMITS}{row.public_id}/").status_code == 404
    body = {"window": "day", "amount": "5.00", "key": key.public_id}
    assert client.post(LIMITS, body, content_type=JSON).status_code == 404
    revoked, _ = make_key(cleo)
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=timezone.now(), revoked_by=cleo)
    assert client.post(LIMITS, {**body, "key": revoked.public_id}, content_type=JSON).status_code == 404
    assert SpendLimit.objects.count() == 1
