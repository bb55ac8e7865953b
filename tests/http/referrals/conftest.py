"""Signed-in browsers of the three people and of support."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from tests.make import NOW

SignIn = Callable[[User], Client]


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> SignIn:
    """A browser whose proof is fresh: signed in a moment ago. The site's clock stands at NOW."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)

    def signed_in(user: User) -> Client:
        browser = Client()
        browser.force_login(user)
        session = browser.session
        session["signed_in_at"] = NOW.timestamp()
        session.save()
        return browser

    return signed_in
