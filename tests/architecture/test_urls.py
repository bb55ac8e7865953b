"""Every address is named, and guarded unless it stands on the list of what everybody may see."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import IntConverter, SlugConverter, UUIDConverter

# Names that a visitor without an account may open. Adding one here is a decision, not a fix.
PUBLIC = {
    "console:landing",
    "console:docs",
    "console:live",
    "console:ready",
    "console:metrics",
    "console:csp-report",
    "console:outbox",  # not there in production
    "console:outbox-mail",
    "console:gallery",
    "console:language",
    "set_language",
    "gateway:model-list",
    "gateway:models",
    "referrals:link",
    "referrals:follow",
    "referrals:policy",
    "referrals:terms",
    "referrals:contact",
    "referrals:contact-qr",
    "account_login",
    "account_logout",
    "account_signup",
    "account_inactive",
    "account_email_verification_sent",
    "account_confirm_email",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "api:schema",  # the description of the JSON API, no data of anybody
    "api:prices",  # what stands on /models/
    "admin:login",
    "admin:jsi18n",
}


Patterns = list[URLPattern | URLResolver]


def routes(
    patterns: Patterns | None = None, prefix: str = "", space: str = ""
) -> Iterator[tuple[str, str, URLPattern]]:
    """(full name, path with sample values, pattern) of every address of the site."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from routes(pattern.url_patterns, prefix + _sample(pattern), inner)
        else:
            yield f"{space}{pattern.name}" if pattern.name else "", prefix + _sample(pattern), pattern


def every() -> list[tuple[str, str]]:
    """(name, path) of every address; without the last slash, which keeps the body of a POST, it has its twin's name."""
    found = [(name, path) for name, path, _ in routes()]
    named = {path: name for name, path in found if name}
    return [(name or named.get(f"{path}/", ""), path) for name, path in found]


def _sample(pattern: URLPattern | URLResolver) -> str:
    path = str(pattern.pattern)
    for name, converter in pattern.pattern.converters.items():
        if isinstance(converter, IntConverter):
            value = "1"
        elif isinstance(converter, UUIDConverter):
            value = "00000000-0000-4000-8000-000000000000"
        else:
            value = "sample" if isinstance(converter, SlugConverter) else "a"
        for kind in ("", "str:", "int:", "slug:", "uuid:", "path:"):
            path = path.replace(f"<{kind}{name}>", value)
    return path.replace("^", "").replace("$", "")


def test_every_address_has_a_name() -> None:
    unnamed = [path for name, path in every() if not name and not path.startswith("admin/")]
    assert unnamed == []


@pytest.mark.django_db
def test_a_visitor_is_sent_to_sign_in_everywhere_else(client: Client) -> None:
    """GET without an account: a redirect to sign-in, 401, 403, 404 or 405, but never a page."""
    opened = []
    for name, path in every():
        if name in PUBLIC or "(?P" in path or path.startswith("admin/"):
            continue
        answer = client.get(f"/{path}")
        sent_away = answer.status_code == 302 and "/accounts/" in answer["Location"]
        if not (sent_away or answer.status_code in {401, 403, 404, 405}):
            opened.append(f"{name} /{path} → {answer.status_code}")
    assert opened == []


@pytest.mark.django_db
def test_a_change_needs_more_than_a_link(client: Client) -> None:
    """POST without an account and without a CSRF token changes nothing, anywhere."""
    strict = Client(enforce_csrf_checks=True)
    taken = []
    for name, path in every():
        if "(?P" in path or name == "console:csp-report":
            continue
        answer = strict.post(f"/{path}")
        sent_away = answer.status_code == 302 and "/accounts/" in answer["Location"]
        if not (sent_away or answer.status_code in {401, 403, 404, 405}):
            taken.append(f"{name} /{path} → {answer.status_code}")
    assert taken == []
