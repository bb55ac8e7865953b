"""Every route and method of /api/v1/ against every kind of caller. A route that is missing here fails the test."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern

from accounts import keys
from accounts.models import User
from billing.money import NANO
from console.api.urls import urlpatterns
from referrals.models import Withdrawal
from tests.make import NOW, PASSWORD, make_credit, make_key, make_usage, make_user

pytestmark = pytest.mark.django_db
OK, CREATED, BAD, NOBODY, FORBIDDEN, MISSING = 200, 201, 400, 401, 403, 404
# name: method -> what Ada gets with her key, and what Cleo gets for Ada's id
MATRIX: dict[str, dict[str, tuple[int, int]]] = {
    "me": {"get": (OK, OK)},
    "balance": {"get": (OK, OK)},
    "key-list": {"get": (OK, OK), "post": (CREATED, CREATED)},
    "key": {"get": (OK, MISSING), "delete": (OK, MISSING)},
    "key-current": {"get": (OK, OK)},
    "limit-list": {"get": (OK, OK), "post": (FORBIDDEN, FORBIDDEN)},
    "limit": {"delete": (FORBIDDEN, FORBIDDEN)},
    "usage-list": {"get": (OK, OK)},
    "usage-export": {"get": (OK, OK)},
    "usage": {"get": (OK, MISSING)},
    "payment-list": {"get": (OK, OK)},
    "payment": {"get": (MISSING, MISSING)},
    "statement-list": {"get": (OK, OK)},
    "statement": {"get": (OK, MISSING)},
    "referrals": {"get": (OK, OK)},
    "reward-list": {"get": (OK, OK)},
    "conversion-list": {"post": (409, 409)},
    "withdrawal-list": {"get": (OK, OK), "post": (FORBIDDEN, FORBIDDEN)},
    "withdrawal": {"get": (MISSING, MISSING)},
    "withdrawal-cancel": {"post": (MISSING, MISSING)},
}
PUBLIC = ("schema", "prices")  # the same for everybody
ROUTES = {route.name: str(route.pattern) for route in urlpatterns if isinstance(route, URLPattern)}
METHODS = ("get", "post", "put", "patch", "delete")
BODIES: dict[str, dict[str, Any]] = {
    "key-list": {"name": "from a test"},
    "conversion-list": {"amount": "1.00", "client_id": str(uuid.uuid4())},
    "withdrawal-list": {
        "amount": "50.00",
        "method": "alipay",
        "payee": {"name": "A", "account": "a@example.com"},
        "client_id": str(uuid.uuid4()),
    },
}


@pytest.fixture
def ids(ada: User) -> dict[str, str]:
    """Things of Ada."""
    key, _ = make_key(ada, "hers")
    make_credit(ada, paid=NANO)
    usage = make_usage(key)
    return {"key": key.public_id, "usage": usage.request_id}


def send(client: Client, name: str, method: str, ids: dict[str, str], **headers: str) -> Any:
    path = "/api/v1/" + ROUTES[name].replace("<str:public_id>", ids["key"] if name == "key" else "wd_none")
    path = path.replace("<str:request_id>", ids["usage"]).replace("<str:month>", f"{NOW:%Y-%m}")
    return getattr(client, method)(
        path, BODIES.get(name) if method != "get" else None, content_type="application/json", headers=headers
    )


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_key(user)[1]}"}


def test_the_matrix_knows_every_route() -> None:
    assert set(ROUTES) == {*MATRIX, *PUBLIC}


@pytest.mark.parametrize(("name", "method"), [(name, method) for name in ROUTES for method in METHODS])
def test_owner_stranger_nobody_and_bad_keys(
    client: Client, ada: User, cleo: User, ids: dict[str, str], name: str, method: str
) -> None:
    if name in PUBLIC:
        assert send(client, name, method, ids).status_code == (OK if method == "get" else 405)
        return
    expected = MATRIX[name].get(method)
    if expected is None:
        assert send(client, name, method, ids, **bearer(ada)).status_code == 405
        return
    nobody = send(client, name, method, ids)
    assert nobody.status_code == NOBODY
    assert nobody.json()["error"]["request_id"].startswith("req_")
    assert send(client, name, method, ids, Authorization="Bearer nonsense").status_code == NOBODY
    assert send(client, name, method, ids, Authorization="Bearer é\x7f").status_code == NOBODY
    assert send(client, name, method, ids, **bearer(cleo)).status_code == expected[1]
    assert send(client, name, method, ids, **bearer(ada)).status_code == expected[0]


@pytest.mark.parametrize("name", MATRIX)
def test_a_closed_account_an_unverified_one_and_a_revoked_key_get_nothing(
    client: Client, ada: User, ids: dict[str, str], name: str
) -> None:
    method = next(iter(MATRIX[name]))
    revoked, plain = make_key(ada, "old")
    keys.revoke(key=revoked, by=ada, now=NOW)
    assert send(client, name, method, ids, Authorization=f"Bearer {plain}").status_code == NOBODY
    unverified = make_user("dora", verified=False)
    assert send(client, name, method, ids, **bearer(unverified)).status_code == FORBIDDEN
    hers = bearer(ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert send(client, name, method, ids, **hers).status_code == NOBODY


def test_the_playground_key_does_not_open_the_account(client: Client, ada: User, ids: dict[str, str]) -> None:
    plain = keys.playground_key(user=ada)
    assert send(client, "me", "get", ids, Authorization=f"Bearer {plain}").status_code == NOBODY


def test_a_session_needs_its_csrf_token_for_changes(ada: User, ids: dict[str, str]) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    assert strict.get("/api/v1/me/").json()["email"] == ada.email
    assert send(strict, "key-list", "post", ids).status_code == FORBIDDEN


def test_what_is_ada_s_is_not_in_cleo_s_lists(client: Client, cleo: User, ids: dict[str, str]) -> None:
    hers = bearer(cleo)
    usage = send(client, "usage-list", "get", ids, **hers).json()
    assert (usage["results"], usage["next"], usage["totals"]["calls"]) == ([], None, 0)
    assert ids["key"] not in send(client, "key-list", "get", ids, **hers).content.decode()


def test_a_withdrawal_needs_a_session_with_a_fresh_password(client: Client, ada: User, ids: dict[str, str]) -> None:
    client.force_login(ada)
    refused = send(client, "withdrawal-list", "post", ids)
    assert refused.status_code == FORBIDDEN
    assert "password" in refused.json()["error"]["message"]
    client.logout()
    client.post("/accounts/login/", {"login": ada.email, "password": PASSWORD})
    below = send(client, "withdrawal-list", "post", ids)
    assert below.status_code in {400, 409}, below.content
    assert below.json()["error"]["code"] in {"below_threshold", "insufficient_balance", "not_enough"}
    assert not Withdrawal.objects.exists()
