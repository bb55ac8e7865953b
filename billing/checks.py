"""What must hold before a database serves; part of `manage.py check --database default` and of every migrate."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from billing import guards
from billing.money import NotAnAmount, parse_amount

METHODS = {"card", "alipay", "wechat_pay"}
MOST_AT_ONCE = 999_999  # whole dollars; Stripe takes eight digits of cents


@register()
def amounts_are_amounts(**_: Any) -> list[CheckMessage]:
    """A limit that cannot be read would be no limit."""
    try:
        parse_amount(settings.GRANT_SECOND_PERSON_ABOVE)
    except NotAnAmount:
        words = f"GRANT_SECOND_PERSON_ABOVE={settings.GRANT_SECOND_PERSON_ABOVE!r} is not an amount."
        return [Error(words, hint="Set for example GRANT_SECOND_PERSON_ABOVE=100.00", id="billing.E003")]
    return []


@register()
def payments_are_configured_or_off(**_: Any) -> list[CheckMessage]:
    """Half a configuration would take money and never credit it."""
    key, secret = settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET
    errors: list[CheckMessage] = []
    if bool(key) != bool(secret):
        name = "STRIPE_SECRET_KEY" if secret else "STRIPE_WEBHOOK_SECRET"
        hint = "Set both, or neither: payments are off without them (docs/operate.md)."
        errors.append(Error(f"Payments are half configured: {name} is not set.", hint=hint, id="billing.E004"))
    if key and not key.startswith(("sk_live_", "sk_test_", "rk_live_", "rk_test_")):
        hint = "Stripe's dashboard shows it under Developers, API keys. The publishable key is not needed."
        errors.append(Error("STRIPE_SECRET_KEY is no secret key of Stripe's.", hint=hint, id="billing.E005"))
    if secret and not secret.startswith("whsec_"):
        hint = "Stripe's dashboard shows it with the webhook endpoint."
        errors.append(Error("STRIPE_WEBHOOK_SECRET is no signing secret.", hint=hint, id="billing.E006"))
    return errors + (_topups() if key or secret else [])


def _topups() -> list[CheckMessage]:
    errors: list[CheckMessage] = []
    wrong = sorted(set(settings.STRIPE_METHODS) - METHODS)
    if wrong or not settings.STRIPE_METHODS:
        words = f"STRIPE_METHODS has {', '.join(wrong) or 'nothing'}."
        errors.append(Error(words, hint=f"Choose of {', '.join(sorted(METHODS))}.", id="billing.E007"))
    least, most, presets = settings.TOPUP_MIN, settings.TOPUP_MAX, settings.TOPUP_PRESETS
    if not 1 <= least <= most <= MOST_AT_ONCE:
        words = f"TOPUP_MIN={least} and TOPUP_MAX={most} leave nothing to pay."
        errors.append(Error(words, hint=f"1 at least, {MOST_AT_ONCE} at most.", id="billing.E008"))
    if not presets or not all(each.isascii() and each.isdigit() and least <= int(each) <= most for each in presets):
        words = f"TOPUP_PRESETS={','.join(presets)} is not a list of whole amounts from {least} to {most}."
        errors.append(Error(words, hint="Set for example TOPUP_PRESETS=10,25,50,100", id="billing.E009"))
    return errors


@register(Tags.database)
def ledger_is_guarded(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Only where every migration of billing has run: before that, the guards are on their way."""
    errors: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        loader = MigrationLoader(connection)
        if any(key[0] == "billing" and key not in loader.applied_migrations for key in loader.disk_migrations):
            continue
        if missing := guards.missing(connection):
            hint = "Restore them: migrate billing back to 0002 and forward, or run guards.install in a migration."
            errors.append(Error(f"The ledger has lost its guards: {', '.join(missing)}.", hint=hint, id="billing.E001"))
        if guards.is_unlocked(connection):
            hint = "Only a test opens it. DELETE FROM ledger_unlock, then run ledger_audit."
            errors.append(Error("The append-only switch of the ledger is open.", hint=hint, id="billing.E002"))
    return errors
