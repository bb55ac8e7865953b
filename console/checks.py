"""Boot checks with ids: refuse to start with a setting that would hurt later."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

SECRET_LENGTH = 32


@register()
def secrets_are_set_and_distinct(**_: Any) -> list[CheckMessage]:
    if not settings.PRODUCTION:
        return []
    errors: list[CheckMessage] = []
    given = [settings.SECRET_KEY, settings.KEY_PEPPER, settings.FIELD_SECRET]
    if any(len(secret) < SECRET_LENGTH for secret in given):
        words = f"SECRET_KEY, KEY_PEPPER or FIELD_SECRET is shorter than {SECRET_LENGTH} characters."
        errors.append(Error(words, hint="Make a new one.", id="console.E001"))
    if len(set(given)) < len(given):
        words = "SECRET_KEY, KEY_PEPPER and FIELD_SECRET share a value."
        errors.append(Error(words, hint="One secret per purpose.", id="console.E002"))
    return errors


@register()
def production_is_production(**_: Any) -> list[CheckMessage]:
    if not settings.PRODUCTION:
        return []
    errors: list[CheckMessage] = []
    if settings.SQLITE:
        errors.append(Error("Production needs PostgreSQL.", hint="Set DATABASE_URL=postgres://…", id="console.E003"))
    if not settings.SECURE:
        errors.append(Error("PUBLIC_URL is not https.", hint="Set PUBLIC_URL=https://your.host", id="console.E004"))
    if "*" in settings.ALLOWED_HOSTS:
        errors.append(Error("ALLOWED_HOSTS has a wildcard.", hint="Name each host.", id="console.E005"))
    if settings.DEMO_PROVIDER:
        errors.append(Error("The demo provider is on in production.", hint="Set DEMO_PROVIDER=0.", id="console.E006"))
    return errors
