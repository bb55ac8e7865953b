"""Lots of promotional credit against an oracle that moves single coins: what is left and what expired agree."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from billing import audit, charges, ledger, lots, promos, reservations
from billing.charges import Tokens
from billing.ledger import Line
from billing.models import AccountKind, LedgerAccount, LedgerTxn, Notice, PromoLot, Usage
from billing.money import PER_MTOK
from tests.make import NOW, make_call, make_hold, make_key, make_price, make_user

LATER = 10_000  # days: an expiry that never comes
amounts = st.integers(1, 12)
OURS = [name for name in audit.INVARIANTS if "lot" in name.split() or "lots" in name.split() or name.startswith("I")]


@dataclass
class Coin:
    """One nano. It belongs to a lot all its life."""

    expires: int
    lot: int
    state: str = "here"  # here, spent, expired, gone (its lot was reversed)


@dataclass
class Purse:
    """Every coin that ever came in, and how the account moved since the lots were looked at."""

    coins: list[Coin] = field(default_factory=list)
    moved: int = 0
    day: int = 0
    lots: int = 0

    def step(self, moved: int | None = None) -> None:
        moved, self.moved = (self.moved, 0) if moved is None else (moved, self.moved)
        for _ in range(-moved):
            min(self.of("here"), key=lambda coin: coin.expires).state = "spent"
        for _ in range(moved):
            back = [coin for coin in self.of("spent") if coin.expires > self.day]
            if back:
                max(back, key=lambda coin: coin.expires).state = "here"
            else:
                self.coins.append(Coin(LATER, 0))

    def comes(self, amount: int, expires: int) -> int:
        self.step()
        self.lots += 1
        self.coins += [Coin(expires, self.lots) for _ in range(amount)]
        return self.lots

    def expire(self, held: int) -> int:
        self.step()
        due = sorted((coin for coin in self.of("here") if coin.expires <= self.day), key=lambda coin: coin.expires)
        for coin in due[held:]:
            coin.state = "expired"
        return len(due[held:])

    def undo(self, lot: int) -> None:
        self.step()
        own = [coin for coin in self.coins if coin.lot == lot]
        left = [coin for coin in own if coin.state == "here"]
        for coin in left:
            coin.state = "gone"
        self.step(-(len(own) - len(left)))
        if not [coin for coin in own if coin.state == "here"]:
            for coin in own:
                coin.state = "gone" if coin.state == "spent" else coin.state

    def of(self, state: str) -> list[Coin]:
        return [coin for coin in self.coins if coin.state == state]

    def by_day(self, state: str) -> dict[int, int]:
        found: dict[int, int] = defaultdict(int)
        for coin in self.of(state):
            found[coin.expires] += 1
        return dict(found)


class Lots(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example._from_testcase = True  # type: ignore[attr-defined] # the verbs insist on the outermost transaction
        self.example.__enter__()
        self.ada = make_user("ada")
        self.key = make_key(self.ada)[0]
        self.price = make_price(input_nano_per_mtok=PER_MTOK)  # one token is one nano
        self.purse = Purse()
        self.holds: list[charges.Call] = []
        self.charged: list[Usage] = []
        self.granted: list[tuple[LedgerTxn, int]] = []
        self.number = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @property
    def now(self) -> datetime:
        return NOW + timedelta(days=self.purse.day)

    @property
    def account(self) -> LedgerAccount:
        return ledger.account(AccountKind.USER_PROMO, self.ada)

    @rule(amount=amounts, days=st.one_of(st.none(), st.integers(1, 20)))
    def comes_in(self, amount: int, days: int | None) -> None:
        at = self.now + timedelta(days=days) if days else None
        txn = ledger.grant(
            user=self.ada, amount=amount, kind="promo", reason="A gift", actor=None, now=self.now, expires_at=at
        )
        number = self.purse.comes(amount, self.purse.day + days if days else LATER)
        self.granted.append((txn, number))

    @rule(amount=amounts)
    def spends(self, amount: int) -> None:
        call = make_call(self.key, started_at=self.now)
        row = charges.settle(
            call=call,
            tokens=Tokens(input=amount),
            price=self.price,
            now=self.now,
            source=Usage.Source.UPSTREAM,
            status=Usage.Status.OK,
            http_status=200,
        )
        self.purse.moved -= row.charge_nano
        if row.charge_nano:
            self.charged.append(row)

    @precondition(lambda self: self.charged)
    @rule(data=st.data())
    def is_given_back(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.charged))
        row.refresh_from_db()
        left = row.charge_nano - row.refunded_nano
        if left:
            self.number += 1
            amount = data.draw(st.integers(1, left))
            charges.refund(usage=row, amount=amount, n=self.number, actor=None, reason="x", now=self.now)
            self.purse.moved += amount

    @rule(amount=amounts)
    def holds_some(self, amount: int) -> None:
        if amount <= self.account.spendable:
            call = make_call(self.key, started_at=self.now)
            make_hold(call, amount, lasts=timedelta(days=99))
            self.holds.append(call)

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), cost=st.integers(0, 12))
    def the_call_ends(self, data: st.DataObject, cost: int) -> None:
        call = self.holds.pop(data.draw(st.integers(0, len(self.holds) - 1)))
        if not cost:
            reservations.release(request_id=call.request_id, now=self.now)
            return
        facts = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200}
        row = charges.settle(call=call, tokens=Tokens(input=cost), price=self.price, now=self.now, **facts)
        self.purse.moved -= row.charge_nano
        self.charged.append(row)

    @rule(amount=amounts, up=st.booleans())
    def is_adjusted(self, amount: int, up: bool) -> None:  # noqa: FBT001 drawn by name
        equity = ledger.account(AccountKind.EQUITY_ADJUST)
        if not up and amount > self.account.spendable:
            return
        self.number += 1
        line = Line(equity, self.account, amount) if up else Line(self.account, equity, amount)
        ledger.post(kind="adjust", key=f"adj:{self.number}", lines=[line], actor=None, now=self.now)
        self.purse.moved += amount if up else -amount

    @precondition(lambda self: self.granted)
    @rule(data=st.data())
    def is_reversed(self, data: st.DataObject) -> None:
        txn, number = data.draw(st.sampled_from(self.granted))
        if txn.entries.get().amount > self.account.spendable:
            with pytest.raises(ledger.InsufficientBalance):
                ledger.reverse(txn=txn, actor=self.ada, reason="x", now=self.now)
            return
        ledger.reverse(txn=txn, actor=self.ada, reason="x", now=self.now)
        self.granted.remove((txn, number))
        self.purse.undo(number)

    @rule(days=st.integers(1, 8))
    def time_passes(self, days: int) -> None:
        self.purse.day += days

    @rule()
    def what_is_due_expires(self) -> None:
        balance, held = self.account.balance, self.account.held
        expired = self.purse.expire(held) if self._is_looked_at(expires_at__lte=self.now) else 0
        promos.expire_due(now=self.now)
        assert self.account.balance == balance - expired
        assert self.account.spendable >= 0
        assert promos.expire_due(now=self.now) == 0, "again takes nothing more"

    @rule()
    def people_are_warned(self) -> None:
        if self._is_looked_at(warn_at__lte=self.now):
            self.purse.step()
        promos.warn_due(now=self.now)
        for notice in Notice.objects.all():
            assert notice.data["amount_nano"] > 0
            assert notice.data["expires_at"] > notice.created_at.isoformat()

    @invariant()
    def lots_are_what_the_coins_say(self) -> None:
        as_seen = Purse([Coin(**vars(coin)) for coin in self.purse.coins], self.purse.moved, self.purse.day)
        as_seen.step()
        shown: dict[int, int] = defaultdict(int)
        for lot in lots.as_they_are(user=self.ada, now=self.now):
            shown[self._day(lot)] += lot.remaining_nano
        assert dict(shown) == as_seen.by_day("here")
        assert sum(shown.values()) == self.account.balance
        gone: dict[int, int] = defaultdict(int)
        for lot in PromoLot.objects.filter(expired_nano__gt=0):
            gone[self._day(lot)] += lot.expired_nano
        assert dict(gone) == self.purse.by_day("expired")

    @invariant()
    def the_audit_is_silent(self) -> None:
        for name in OURS:
            assert audit._offenders(audit.INVARIANTS[name]) == [], name

    def _is_looked_at(self, **which: object) -> bool:
        """Lots are only brought into step when there is something to do."""
        return PromoLot.objects.filter(closed_at=None, **which).exists()

    def _day(self, lot: PromoLot) -> int:
        return (lot.expires_at - NOW).days if lot.expires_at else LATER


@pytest.mark.django_db(transaction=True)
def test_lots_follow_the_coins_whatever_happens() -> None:
    run_state_machine_as_test(
        Lots,
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
