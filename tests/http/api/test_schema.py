"""The OpenAPI description is complete and tells the errors; paths work with and without their last slash."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from console.api.urls import urlpatterns
from tests.make import make_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def described(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(client.get("/api/v1/schema/").content)
    return found


def test_it_is_made_without_a_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_every_path_is_in_it_once(described: dict[str, Any]) -> None:
    named = {f"/api/v1/{str(route.pattern).replace('<str:', '{').replace('>', '}')}" for route in urlpatterns}
    assert set(described["paths"]) == named - {"/api/v1/schema/"}


def test_every_method_tells_who_may_call_and_the_shape_of_its_errors(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            if path == "/api/v1/prices/":
                assert "security" not in operation  # for everybody
                continue
            assert {"apiKey": []} in operation["security"], where
            shape = operation["responses"]["401"]["content"]["application/json"]["schema"]
            assert shape == {"$ref": "#/components/schemas/Error"}, where
            assert ("404" in operation["responses"]) == ("{" in path), where
            assert operation["description"], where


def test_a_path_without_its_last_slash_is_the_same(client: Client, ada: User) -> None:
    _, plain = make_key(ada)
    headers = {"Authorization": f"Bearer {plain}"}
    assert client.get("/api/v1/me", headers=headers).json() == client.get("/api/v1/me/", headers=headers).json()
    made = client.post("/api/v1/keys", {"name": "ci"}, content_type="application/json", headers=headers)
    assert made.status_code == 201
    assert client.get(f"/api/v1/keys/{made.json()['id']}", headers=headers).status_code == 200
    assert client.get("/api/v1/schema").status_code == 200
