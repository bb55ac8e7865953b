"""Hostile and broken input to /api/v1/: a clear 4xx, nothing changed, nothing leaked."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import ApiKey, User
from billing.models import LedgerTxn
from tests.make import make_key

pytestmark = pytest.mark.django_db
JSON = "application/json"
HUGE = 10**30


@pytest.fixture
def headers(ada: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_key(ada)[1]}"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"name": NaN}',
        b'{"name": "a", "name": "b"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"name": ' + b"9" * 5000 + b"}",
        b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": 7}',
        b'{"name": true}',
        b'{"name": ["a"]}',
        b'{"name": {"a": 1}}',
        b'{"name": null}',
        b'{"name": ""}',
        b'{"name": "   "}',
        b'{"name": "' + b"x" * 81 + b'"}',
        b'{"name": "a", "user": 1}',
        b'{"name": "a", "is_staff": true}',
        b'{"name": "a", "client_id": "not a uuid"}',
        b'{"name": "a", "client_id": 1e400}',
    ],
)
def test_a_broken_body_makes_no_key(client: Client, headers: dict[str, str], body: bytes) -> None:
    before = ApiKey.objects.count()
    answer = client.post("/api/v1/keys/", body, content_type=JSON, headers=headers)
    assert answer.status_code == 400, answer.content
    assert set(answer.json()["error"]) <= {"code", "message", "fields", "request_id"}
    assert ApiKey.objects.count() == before


def test_a_body_that_is_too_large_is_413(client: Client, headers: dict[str, str]) -> None:
    body = json.dumps({"name": "x" * 300_000})
    assert client.post("/api/v1/keys/", body, content_type=JSON, headers=headers).status_code == 413


@pytest.mark.parametrize("media_type", ["application/json; charset=bz2_codec", "application/json; charset=utf-16"])
def test_only_utf_8_is_read(client: Client, headers: dict[str, str], media_type: str) -> None:
    answer = client.generic("POST", "/api/v1/keys/", b'{"name": "a"}', media_type, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_only_json_is_read(client: Client, headers: dict[str, str], media_type: str) -> None:
    answer = client.generic("POST", "/api/v1/keys/", b"name=x", media_type, headers=headers)
    assert answer.status_code in {400, 415}


@pytest.mark.parametrize(
    "amount",
    ["1E+2", "１２", "1_000", "+5", "-1", "0.001", str(HUGE), "", " ", "1,000", "NaN", True, 5, 5.5, None, [], {}],
)
def test_only_plain_decimal_amounts_are_taken(client: Client, headers: dict[str, str], amount: Any) -> None:
    body = {"amount": amount, "client_id": str(uuid.uuid4())}
    answer = client.post("/api/v1/referrals/conversions/", body, content_type=JSON, headers=headers)
    assert answer.status_code == 400, answer.content
    assert not LedgerTxn.objects.filter(kind="reward.convert").exists()


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/keys/{HUGE}/",
        "/api/v1/keys/%00/",
        "/api/v1/keys/%ed%a0%80/",
        "/api/v1/usage/" + "x" * 3000 + "/",
        "/api/v1/usage/%F0%9F%98%80/",
        "/api/v1/withdrawals/..%2f..%2fadmin/",
        "/api/v1/nothing/",
    ],
)
def test_strange_ids_are_not_found(client: Client, headers: dict[str, str], path: str) -> None:
    assert client.get(path, headers=headers).status_code in {400, 404}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=1e3",
        "limit=99999999999999999999",
        "limit=١",
        "cursor=tampered",
        "cursor=" + "x" * 5000,
        "from=yesterday",
        "from=2026-11-22T00:00:00",
        "from=2026-99-99T00:00:00Z",
        "to=%00",
        "to=9999-12-31T23:59:59-12:00",
        "from=2026-11-22T00:00:00Z&to=2026-11-22T00:00:00Z",
        "status=nonsense",
        "endpoint=../x",
        "key=qy_nobody",
        "group_by=user",
        "group_by=day%00",
    ],
)
def test_broken_filters_are_told(client: Client, headers: dict[str, str], query: str) -> None:
    answer = client.get(f"/api/v1/usage/?{query}", headers=headers)
    assert answer.status_code == 400, answer.content


@pytest.mark.parametrize(
    "query", ["model=%00", "model=%25%25", "key=' OR 1=1--", "status=nonsense", "user__email=x", "ordering=password"]
)
def test_other_filters_find_nothing_or_are_ignored(client: Client, headers: dict[str, str], query: str) -> None:
    answer = client.get(f"/api/v1/usage/?{query}", headers=headers)
    assert answer.status_code in {200, 400}


def test_html_and_other_types_are_never_rendered(client: Client, headers: dict[str, str]) -> None:
    answer = client.get("/api/v1/me/", headers={**headers, "Accept": "text/html"})
    assert answer.status_code == 406
    assert answer["Content-Type"] == "application/json"
    assert client.options("/api/v1/me/").status_code == 401
