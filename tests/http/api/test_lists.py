"""Lists page by signed cursors: nothing twice, nothing missing, also while rows are added."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import ApiKey, User
from billing.money import NANO
from tests.make import NOW, make_credit, make_key, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(ada: User) -> tuple[ApiKey, str]:
    make_credit(ada, paid=NANO)
    return make_key(ada)


def test_pages_of_usage_are_complete_while_calls_go_on(client: Client, key: tuple[ApiKey, str]) -> None:
    made = [make_usage(key[0], started_at=NOW + timedelta(seconds=n // 2)) for n in range(7)]
    headers = {"Authorization": f"Bearer {key[1]}"}
    seen: list[str] = []
    url = "/api/v1/usage/?limit=2"
    while True:
        page = client.get(url, headers=headers).json()
        seen += [row["id"] for row in page["results"]]
        if not page["next"]:
            break
        make_usage(key[0], started_at=NOW + timedelta(hours=1))
        url = f"/api/v1/usage/?limit=2&cursor={page['next']}"
    assert sorted(seen) == sorted(usage.request_id for usage in made)


def test_money_is_exact_text(client: Client, key: tuple[ApiKey, str]) -> None:
    usage = make_usage(key[0])
    row = client.get(f"/api/v1/usage/{usage.request_id}/", headers={"Authorization": f"Bearer {key[1]}"}).json()
    assert row["charge"] == f"0.{usage.charge_nano:09d}".rstrip("0")
    balance = client.get("/api/v1/balance/", headers={"Authorization": f"Bearer {key[1]}"}).json()
    assert balance["currency"] == "USD"
    assert balance["spendable"] == balance["paid"]


def test_a_key_is_shown_in_one_answer_only(client: Client, key: tuple[ApiKey, str]) -> None:
    headers = {"Authorization": f"Bearer {key[1]}"}
    made = client.post("/api/v1/keys/", {"name": "ci"}, content_type="application/json", headers=headers)
    assert made.status_code == 201
    assert "no-store" in made["Cache-Control"]
    plain = made.json()["key"]
    assert plain.startswith("qy_")
    assert plain not in client.get("/api/v1/keys/", headers=headers).content.decode()
