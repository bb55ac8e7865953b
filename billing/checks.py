"""What must hold before a database serves; part of `manage.py check --database default` and of every migrate."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from billing import guards
from billing.money import NotAnAmount, parse_amount


@register()
def amounts_are_amounts(**_: Any) -> list[CheckMessage]:
    """A limit that cannot be read would be no limit."""
    try:
        parse_amount(settings.GRANT_SECOND_PERSON_ABOVE)
    except NotAnAmount:
        words = f"GRANT_SECOND_PERSON_ABOVE={settings.GRANT_SECOND_PERSON_ABOVE!r} is not an amount."
        return [Error(words, hint="Set for example GRANT_SECOND_PERSON_ABOVE=100.00", id="billing.E003")]
    return []


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
