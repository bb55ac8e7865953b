"""Fixtures about payments: the console with its Stripe, a started payment, events as they come in."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.models import User
from billing import payment_events, payments
from billing.models import LedgerAccount, Payment, PaymentEvent
from billing.money import NANO
from tests.make import NOW
from tests.stripe_stand_in import SECRET_KEY, WEBHOOK_SECRET, Object, StandIn

TEN = 10 * NANO


def configure(settings: Any, url: str) -> None:
    settings.STRIPE_SECRET_KEY = SECRET_KEY
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    settings.STRIPE_API_BASE = url
    settings.STRIPE_PAGE_HOSTS = [url]


@pytest.fixture
def shop(settings: Any) -> Iterator[StandIn]:
    """Stripe, and the console configured for it."""
    with StandIn().serving() as stand_in:
        configure(settings, stand_in.url)
        yield stand_in


def begun(user: User, *, amount: int = TEN, form_id: UUID | None = None, saves_card: bool = False) -> Payment:
    return payments.start(
        user=user, amount=amount, form_id=form_id or uuid4(), saves_card=saves_card, language="en", now=NOW
    )


def told(*events: Object) -> list[PaymentEvent]:
    return [payment_events.receive(event, now=NOW) for event in events]


def bought(shop: StandIn, user: User, *, amount: int = TEN, saves_card: bool = False) -> Payment:
    """Paid, with its fee known."""
    payment = begun(user, amount=amount, saves_card=saves_card)
    assert payment.session_id
    told(*shop.pay(payment.session_id))
    payments.look_at_due(now=NOW + timedelta(minutes=1))
    payment.refresh_from_db()
    return payment


def books() -> dict[str, int]:
    """Every balance that is not zero, system accounts reckoned from their entries."""
    found = {}
    for account in LedgerAccount.objects.select_related("owner"):
        entries = sum(account.credit_entries.values_list("amount", flat=True)) - sum(
            account.debit_entries.values_list("amount", flat=True)
        )
        name = f"{account.kind} {account.owner.email}" if account.owner else account.kind
        if entries or account.held:
            found[name] = account.sign * entries
            if account.held:
                found[f"{name} held"] = account.held
    return found
