"""Every event of the ledger in any order, against an oracle in plain Python, with the audit after each step.

Runs on whatever DATABASE_URL names. Each example lives in a savepoint of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from accounts.models import ApiKey
from billing import audit, charges, codes, ledger, reservations
from billing.charges import Tokens
from billing.models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, Price, RedeemCode, Usage
from billing.money import PER_MTOK
from tests.make import NOW, make_call, make_key, make_price, make_user
from tests.stateful.oracle import Account, Oracle, Refused

REFUSALS = (ledger.LedgerError, codes.CannotRedeem)
people = st.sampled_from(["ada", "cleo"])
# Small numbers meet each other: a hold that takes the last nano, a cost one above it, a refund of all that is left.
amounts = st.one_of(st.integers(1, 12), st.integers(1, 12), st.integers(1, 10_000))
some = st.integers(0, 12)
lasting = st.integers(1, 30)
MOVES = {  # event, debit, credit
    "expire": ("promo.expire", "user.promo", "revenue.breakage"),
    "refund": ("refund", "user.paid", "cash.stripe"),
    "mature": ("reward.mature", "ref.pending", "ref.available"),
    "net": ("reward.net", "ref.available", "ref.debt"),
    "claw pending": ("reward.claw", "ref.pending", "expense.referral"),
    "claw available": ("reward.claw", "ref.available", "expense.referral"),
    "claw debt": ("reward.claw", "ref.debt", "expense.referral"),
    "convert": ("reward.convert", "ref.available", "user.reward"),
}
NO_WAYS = [
    ("wd.paid", ("own", "ref.pending"), ("", "cash.payout")),
    ("refund", ("own", "user.promo"), ("", "cash.stripe")),
    ("reward.convert", ("own", "ref.available"), ("other", "user.reward")),
]
costs = st.one_of(st.just(0), amounts)


@contextmanager
def both_refuse(*, oracle_refused: bool) -> Iterator[None]:
    if not oracle_refused:
        yield
        return
    with pytest.raises(REFUSALS):
        yield


class Ledger(RuleBasedStateMachine):
    calls = Bundle("calls")
    open_withdrawals = Bundle("open_withdrawals")
    paid_withdrawals = Bundle("paid_withdrawals")
    codes = Bundle("codes")

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        # The verbs insist on opening the outermost transaction; as one of a test case, this one does not count.
        self.example._from_testcase = True  # type: ignore[attr-defined] # Django's own mark for that
        self.example.__enter__()
        self.oracle = Oracle()
        self.users = {name: make_user(name) for name in ("ada", "cleo")}
        self.keys: dict[str, ApiKey] = {name: make_key(user)[0] for name, user in self.users.items()}
        self.price: Price = make_price(input_nano_per_mtok=PER_MTOK)  # one token is one nano
        self.facts: dict[str, charges.Call] = {}
        self.again: list[Callable[[], object]] = []  # everything that was done, to be done again
        self.redeemed: set[tuple[str, str]] = set()
        self.number = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # --- how the real thing is asked -------------------------------------------------------------------------------
    def account(self, which: Account) -> LedgerAccount:
        owner, kind = which
        return ledger.account(AccountKind(kind), self.users[owner] if owner else None)

    def fresh(self, kind: str) -> str:
        self.number += 1
        return f"{kind}:{self.number}"

    def event(self, kind: str, *transfers: tuple[Account, Account, int], source: str = "") -> bool:
        """The same transfers in both; True when they went through."""
        key = self.fresh(kind)
        try:
            self.oracle.post(*transfers)
            refused = False
        except Refused:
            refused = True
        lines = [
            ledger.Line(debit=self.account(d), credit=self.account(c), amount=amount) for d, c, amount in transfers
        ]

        def post() -> ledger.Posted:
            now = NOW + timedelta(minutes=self.oracle.minute)
            return ledger.post(kind=kind, key=key, lines=lines, actor=None, now=now, source_id=source)

        with both_refuse(oracle_refused=refused):
            first = post().txn

            def repeat() -> None:
                found = post()
                assert (found.txn, found.created) == (first, False)

            self.again.append(repeat)
        return not refused

    @property
    def now(self) -> datetime:
        return NOW + timedelta(minutes=self.oracle.minute)

    @initialize(target=calls, paid=some, promo=some, reward=some, who=people, amount=some)
    def somebody_has_some_of_each_and_calls(self, paid: int, promo: int, reward: int, who: str, amount: int) -> object:
        for kind, given in (("grant.paid", paid), ("grant.promo", promo), ("reward", reward)):
            if given:
                self.comes_in(who, kind, given)
        if reward:
            self.moves(who, "mature", reward)
            self.moves(who, "convert", reward)
        return self.hold(who, amount, "some", 10)

    @initialize(target=codes, amount=amounts)
    def there_is_a_code_for_one_person(self, amount: int) -> str:
        return str(self.make_code("promo", amount, 1))

    # --- credit ----------------------------------------------------------------------------------------------------
    @rule(who=people, kind=st.sampled_from(["grant.paid", "grant.promo", "top-up", "reward"]), amount=amounts)
    def comes_in(self, who: str, kind: str, amount: int) -> None:
        if kind == "reward":
            self.event("reward.accrue", (("", "expense.referral"), (who, "ref.pending"), amount))
        elif kind == "top-up":
            fee = (("", "expense.payment_fee"), ("", "cash.stripe"), 3)
            self.event("topup", (("", "cash.stripe"), (who, "user.paid"), amount), fee)
        else:
            self.grant(who, "paid" if kind == "grant.paid" else "promo", amount)

    def grant(self, who: str, kind: Literal["paid", "promo"], amount: int) -> None:
        source = {"paid": "cash.offline", "promo": "expense.promo"}[kind]
        self.oracle.post((("", source), (who, f"user.{kind}"), amount))
        key = self.fresh("grant")

        def grant() -> LedgerTxn:
            return ledger.grant(
                user=self.users[who], amount=amount, kind=kind, reason="x", actor=None, now=NOW, key=key
            )

        first = grant()
        self.again.append(lambda: _same(grant(), first))

    @rule(who=people, how=st.sampled_from(sorted(MOVES)), amount=amounts)
    def moves(self, who: str, how: str, amount: int) -> None:
        """One transfer of somebody's money, as the other apps post it."""
        kind, debit, credit = MOVES[how]
        self.event(kind, (_account(who, debit), _account(who, credit), amount))

    @rule(who=people, amount=amounts)
    def charged_back(self, who: str, amount: int) -> None:
        left = min(amount, self.oracle.free(who, "user.paid"))
        parts = [("user.paid", left), ("user.debt", amount - left)]
        self.event("dispute", *(((who, kind), ("", "cash.stripe"), part) for kind, part in parts if part))

    @rule(who=people, amount=amounts, more=some)
    def matures_and_repays(self, who: str, amount: int, more: int) -> None:
        """Raised before lowered, in whatever order the lines come: what comes in pays for what goes out."""
        self.event(
            "adjust",
            ((who, "ref.available"), ("", "equity.adjust"), amount),
            (("", "equity.adjust"), (who, "ref.available"), amount + more),
            (("", "equity.adjust"), (who, "user.debt"), 1),
            ((who, "user.debt"), ("", "equity.adjust"), 1),
        )

    @rule(target=codes, kind=st.sampled_from(["paid", "promo"]), amount=amounts, uses=st.integers(1, 2))
    def make_code(self, kind: Literal["paid", "promo"], amount: int, uses: int) -> str:
        made = codes.create(kind=kind, amount=amount, uses=uses, expires_at=None, note="", by=None)
        return made.code

    @rule(who=people, code=codes)
    def redeem(self, who: str, code: str) -> None:
        row = RedeemCode.objects.get(code=code)
        uses = row.uses_left
        taken = (who, code) in self.redeemed
        with both_refuse(oracle_refused=taken or not uses):
            codes.redeem(user=self.users[who], code=code, now=NOW)
            source = {"paid": "cash.offline", "promo": "expense.promo"}[row.kind]
            self.oracle.post((("", source), (who, f"user.{row.kind}"), row.amount_nano))
            self.redeemed.add((who, code))
            self.again.append(lambda: codes.redeem(user=self.users[who], code=code, now=NOW))
            uses -= 1
        assert RedeemCode.objects.get(code=code).uses_left == uses

    # --- calls -----------------------------------------------------------------------------------------------------
    @rule(
        target=calls, who=people, amount=costs, relative=st.sampled_from(["some", "all", "one too many"]), lasts=lasting
    )
    def hold(self, who: str, amount: int, relative: str, lasts: int) -> object:
        spendable = self.oracle.spendable(who)
        amount = {"some": amount, "all": spendable, "one too many": spendable + 1}[relative]
        call = make_call(self.keys[who], started_at=self.now)
        try:
            self.oracle.hold(call.request_id, who, amount, lasts)
            refused = False
        except Refused:
            refused = True
        expires_at = call.started_at + timedelta(minutes=lasts)

        def hold() -> object:
            return reservations.hold(
                request_id=call.request_id,
                user=self.users[who],
                key_id=call.key_id,
                amount=amount,
                now=call.started_at,
                expires_at=expires_at,
                context={"model": call.model, "endpoint": call.endpoint},
            )

        with both_refuse(oracle_refused=refused):
            hold()
            self.facts[call.request_id] = call
            self.again.append(hold)
        return multiple() if refused else call.request_id

    @rule(request=calls, beyond=st.integers(-12, 12), free=st.booleans())
    def settle(self, request: str, beyond: int, free: bool) -> None:  # noqa: FBT001 drawn
        cost = 0 if free else max(0, sum(self.oracle.calls[request].parts.values()) + beyond)
        if self.oracle.calls[request].state == "released" and not self.oracle.calls[request].settled:
            return  # released for good: the gateway never settles such a call
        self.oracle.settle(request, cost)

        def settle() -> Usage:
            return charges.settle(
                call=self.facts[request],
                tokens=Tokens(input=cost),
                price=self.price,
                source=Usage.Source.UPSTREAM,
                status=Usage.Status.OK,
                http_status=200,
                now=self.now,
            )

        first = settle()
        expected = self.oracle.calls[request]
        assert first.charge_nano == expected.charge
        assert (first.uncollected_nano, first.late) == (expected.uncollected, expected.late)
        assert dict(first.parts) == expected.charged
        self.again.append(lambda: _same(settle(), first))

    @rule(request=calls)
    def release(self, request: str) -> None:
        assert reservations.release(request_id=request, now=self.now) == self.oracle.release(request)

    @rule(minutes=st.integers(1, 20))
    def time_passes(self, minutes: int) -> None:
        self.oracle.minute += minutes
        assert reservations.sweep(now=self.now) == self.oracle.sweep()

    @rule(request=calls, data=st.data())
    def refund(self, request: str, data: st.DataObject) -> None:
        call = self.oracle.calls[request]
        if not call.settled:
            return
        left = {kind: part - call.returned[kind] for kind, part in call.charged.items()}
        amount = data.draw(st.integers(1, sum(left.values()) + 1))
        self.number += 1
        number, usage = self.number, Usage.objects.get(pk=request)

        def refund() -> LedgerTxn:
            return charges.refund(usage=usage, amount=amount, n=number, actor=None, reason="x", now=NOW)

        with both_refuse(oracle_refused=amount > sum(left.values())):
            txn = refund()
            shares = dict(txn.entries.values_list("credit__kind", "amount"))
            assert sum(shares.values()) == amount
            for kind, part in left.items():
                assert abs(shares.get(kind, 0) - Fraction(amount * part, sum(left.values()))) < 1
            self.oracle.give_back(request, shares)
            self.again.append(lambda: _same(refund(), txn))

    # --- withdrawals, as the referral app posts them ------------------------------------------------------------------
    @rule(target=open_withdrawals, who=people, amount=amounts)
    def withdrawal_is_asked_for(self, who: str, amount: int) -> object:
        done = self.event("wd.reserve", ((who, "ref.available"), (who, "ref.reserved"), amount))
        return (who, amount) if done else multiple()

    @rule(request=consumes(open_withdrawals))
    def withdrawal_is_released(self, request: tuple[str, int]) -> None:
        who, amount = request
        assert self.event("wd.release", ((who, "ref.reserved"), (who, "ref.available"), amount))

    @rule(target=paid_withdrawals, request=consumes(open_withdrawals), fee=st.integers(0, 3))
    def withdrawal_is_paid(self, request: tuple[str, int], fee: int) -> object:
        who, amount = request
        fee = min(fee, amount - 1)
        parts = [("cash.payout", amount - fee), ("revenue.payout_fee", fee)]
        assert self.event("wd.paid", *(((who, "ref.reserved"), ("", kind), part) for kind, part in parts if part))
        return (who, amount - fee)

    @rule(request=consumes(paid_withdrawals))
    def withdrawal_comes_back(self, request: tuple[str, int]) -> None:
        who, net = request
        assert self.event("wd.returned", (("", "cash.payout"), (who, "ref.available"), net))

    # --- mischief --------------------------------------------------------------------------------------------------
    @rule(data=st.data())
    def something_is_done_again(self, data: st.DataObject) -> None:
        if not self.again:
            return
        with suppress(*REFUSALS):
            data.draw(st.sampled_from(self.again))()

    @rule(who=people, amount=amounts, way=st.sampled_from(NO_WAYS))
    def a_way_that_does_not_exist(self, who: str, amount: int, way: tuple[str, Account, Account]) -> None:
        kind, debit, credit = way
        other = "cleo" if who == "ada" else "ada"
        named = {"": "", "own": who, "other": other}
        line = ledger.Line(
            debit=self.account((named[debit[0]], debit[1])),
            credit=self.account((named[credit[0]], credit[1])),
            amount=amount,
        )
        with pytest.raises(ledger.FlowNotAllowed):
            ledger.post(kind=kind, key=self.fresh("bad"), lines=[line], actor=None, now=NOW)

    # --- after each step -------------------------------------------------------------------------------------------
    @invariant()
    def the_books_say_what_the_oracle_says(self) -> None:
        names = {user.pk: name for name, user in self.users.items()}
        for row in LedgerAccount.objects.filter(owner__in=names):
            who = names[row.owner_id]  # type: ignore[index] # filtered by owner
            assert row.balance == self.oracle.balance[who, row.kind], row.kind
            assert row.held == self.oracle.held(who, row.kind), row.kind
            assert row.balance >= row.held >= 0
        assert LedgerTxn.objects.count() == self.oracle.postings

    @invariant()
    def the_house_is_the_other_side(self) -> None:
        house: Counter[str] = Counter()
        for side, sign in (("debit", -1), ("credit", 1)):
            rows = LedgerEntry.objects.filter(**{f"{side}__owner": None}).values(f"{side}__kind", f"{side}__sign")
            for row in rows.annotate(total=Sum("amount")).order_by():
                house[row[f"{side}__kind"]] += sign * row[f"{side}__sign"] * row["total"]
        expected = {kind: amount for (owner, kind), amount in self.oracle.balance.items() if not owner and amount}
        assert {kind: amount for kind, amount in house.items() if amount} == expected

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        for name, query in audit.INVARIANTS.items():
            assert audit._offenders(query) == [], name


def _account(who: str, kind: str) -> Account:
    return (who if kind.startswith(("user.", "ref.")) else "", kind)


def _same(found: object, first: object) -> None:
    assert found == first


@pytest.mark.django_db
def test_the_ledger_agrees_with_the_oracle_whatever_happens() -> None:
    assert connection.in_atomic_block
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
