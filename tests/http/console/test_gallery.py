"""`/gallery/`: for everybody in the embedded profile, for staff elsewhere."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from console.icons import ICONS

pytestmark = pytest.mark.django_db


def test_it_shows_every_icon_and_component(client: Client) -> None:
    answer = client.get("/gallery/")
    html = answer.content.decode()
    assert answer.status_code == 200
    assert html.count("<h1") == 1
    assert all(f"<span>{name}</span>" in html for name in ICONS)
    for mark in (
        *("button-primary", "button-danger", "tone-warning", "pill-dot", "stat-value", "table-cards", "key-value"),
        *(
            'class="empty"',
            'class="stepper"',
            '<progress class="progress"',
            "<dialog",
            'class="code"',
            'class="secret"',
        ),
    ):
        assert mark in html, mark


def test_the_wrong_form_shows_its_errors(client: Client) -> None:
    html = client.get("/gallery/").content.decode()
    assert "The key was not made. Nothing was charged." in html
    assert 'aria-invalid="true"' in html


def test_in_production_only_staff_see_it(client: Client, ada: User, sam: User, settings: Any) -> None:
    settings.PRODUCTION = True
    assert client.get("/gallery/").status_code == 404
    client.force_login(ada)
    assert client.get("/gallery/").status_code == 404
    client.force_login(sam)
    assert client.get("/gallery/").status_code == 200


def test_a_form_of_it_changes_nothing_and_says_so(client: Client) -> None:
    answer = client.post("/gallery/", {"empty-name": "x"}, follow=True)
    assert answer.redirect_chain == [("/gallery/", 302)]
    assert "The form was sent. Nothing was changed." in answer.content.decode()
