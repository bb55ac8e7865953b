"""What is answered where a page cannot be."""

from collections.abc import Iterator

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from pytest_django import Settings

from accounts.models import User
from console import faults, urls


def broken(_request: HttpRequest) -> HttpResponse:
    msg = "the secret of the vault"
    raise RuntimeError(msg)


@pytest.fixture
def broken_page(settings: Settings) -> Iterator[str]:
    urls.urlpatterns.insert(0, path("broken/", broken))
    settings.ROOT_URLCONF = "console.urls"
    yield "/broken/"
    del urls.urlpatterns[0]


@pytest.mark.django_db
def test_an_unknown_page_says_so_and_leads_on(client: Client) -> None:
    answer = client.get("/nothing-here/", headers={"accept": "text/html"})
    page = answer.content.decode()
    assert answer.status_code == 404
    assert page.count("<h1") == 1
    assert "There is no page at this address" in page


@pytest.mark.parametrize("where", ["/chat/completions", "/api/v1/chat/completions", "/openai/v1/models/gpt-5.4-mini"])
def test_an_sdk_with_a_wrong_base_url_is_told_the_right_one(client: Client, where: str, settings: Settings) -> None:
    answer = client.post(where, {}, headers={"accept": "application/json"})
    error = answer.json()["error"]
    assert answer.status_code == 404
    assert error["code"] == "unknown_path"
    assert f"The base URL is {settings.PUBLIC_URL}/v1;" in error["message"]
    assert where in error["message"]
    assert "Nothing was charged." in error["message"]


def test_an_anthropic_sdk_is_told_in_its_own_shape(client: Client, settings: Settings) -> None:
    answer = client.post("/claude/messages", {}, headers={"accept": "*/*", "anthropic-version": "2023-06-01"})
    body = answer.json()
    assert (answer.status_code, body["type"], body["error"]["type"]) == (404, "error", "not_found_error")
    assert f"The base URL is {settings.PUBLIC_URL};" in body["error"]["message"]


@pytest.mark.django_db
def test_a_browser_at_such_a_path_reads_the_base_url(client: Client, settings: Settings) -> None:
    page = client.get("/chat/completions", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert f"{settings.PUBLIC_URL}/v1" in page.content.decode()


def test_the_api_answers_unknown_paths_as_json(client: Client) -> None:
    answer = client.get("/api/v1/nothing/", headers={"accept": "text/html"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.django_db
def test_a_form_without_its_token_is_explained() -> None:
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "ada@example.com"})
    assert answer.status_code == 403
    assert "The form was too old" in answer.content.decode()


def test_a_forbidden_page_is_explained(rf: RequestFactory, cleo: User) -> None:
    request = rf.get("/desk/", headers={"accept": "text/html"})
    request.user = cleo
    answer = faults.forbidden(request, PermissionError())
    assert answer.status_code == 403
    assert "This page is not for your account" in answer.content.decode()


def test_a_request_for_another_host_is_refused_without_a_session(client: Client) -> None:
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "This request cannot be read" in answer.content.decode()


def test_a_failed_page_keeps_its_secret_and_gives_its_number(broken_page: str) -> None:
    """No database mark: the page may not need one."""
    answer = Client(raise_request_exception=False).get(broken_page, headers={"accept": "text/html"})
    page = answer.content.decode()
    assert answer.status_code == 500
    assert "This page failed" in page
    assert "req_" in page
    assert "secret of the vault" not in page


def test_a_failed_call_is_answered_as_json(broken_page: str) -> None:
    answer = Client(raise_request_exception=False).get(broken_page, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
