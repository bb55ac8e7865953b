"""Every event of the ledger in any order, against an oracle in plain Python, with the whole audit after each step.

The rules are in machine/, one file for each part of the money; the oracle is in oracle.py. A second test walks the same
rules along one path that passes every event of the posting table, so that none can be left out.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from tests.stateful.machine.calls import Calls
from tests.stateful.machine.credit import Credit
from tests.stateful.machine.payments import Payments
from tests.stateful.machine.rewards import Rewards
from tests.stateful.machine.world import people, some
from tests.stripe_stand_in import StandIn
from tests.stripe_world import configure


class Ledger(Credit, Calls, Payments, Rewards):
    @initialize(target=Calls.calls, paid=some, promo=some, who=people, amount=some)
    def somebody_has_some_of_each_and_calls(self, paid: int, promo: int, who: str, amount: int) -> object:
        if paid:
            self.grant(who, "paid", paid)
        if promo:
            self.grant(who, "promo", promo)
        return self.hold(who, amount)

    @initialize(target=Payments.bought)
    def ben_buys_credit(self) -> object:
        return self.buy("ben")


@pytest.fixture(autouse=True)
def shop(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stripe on loopback, for all examples; the console may ask it from within the test's transaction."""
    monkeypatch.setattr("billing.stripe_gate._in_transaction", lambda: False)
    with StandIn().serving() as stand_in:
        configure(settings, stand_in.url)
        settings.TOPUP_MIN = 1
        Payments.shop = stand_in
        yield


@pytest.mark.django_db
def test_the_ledger_agrees_with_the_oracle_whatever_happens() -> None:
    assert connection.in_atomic_block
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
