"""What every rule of the state machine stands on: people, the oracle beside them, and the proof after each step."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from billing import audit, ledger, payment_refunds
from billing.codes import CannotRedeem
from billing.models import AccountKind, Freeze, LedgerAccount, LedgerEntry, LedgerTxn
from billing.money import CENT, NANO
from console import books
from referrals import links, refusals
from referrals.models import Policy
from tests.make import NOW, make_user
from tests.stateful.oracle import Oracle
from tests.stateful.states import Account, Refused, Rules

REFUSALS = (ledger.LedgerError, CannotRedeem, payment_refunds.CannotRefund, refusals.Refused)
PEOPLE = ("ada", "ben")  # Ben was brought by Ada
people = st.sampled_from(PEOPLE)
# Small numbers meet each other: a hold that takes the last nano, a cost one above it, a refund of all that is left.
amounts = st.one_of(st.integers(1, 12), st.integers(1, 12), st.integers(1, 10_000))
some = st.integers(0, 12)
cents = st.one_of(st.integers(1, 6), st.sampled_from([50, 100]))
RULES = Rules(
    rate_bp=5000,
    holding_days=1,
    cap_per_referee=NANO,
    threshold=2 * CENT,
    fee=CENT,
    expire_after_days=5,
    cent=CENT,
)


@contextmanager
def both_refuse(*, oracle_refused: bool) -> Iterator[None]:
    if not oracle_refused:
        yield
        return
    with pytest.raises(REFUSALS):
        yield


class World(RuleBasedStateMachine):
    """Each example lives in a savepoint of its own, on whatever DATABASE_URL names."""

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        # The verbs insist on opening the outermost transaction; as one of a test case, this one does not count.
        self.example._from_testcase = True  # type: ignore[attr-defined] # Django's own mark for that
        self.example.__enter__()
        self.oracle = Oracle(RULES, {"ben": "ada"})
        self.users = {"ada": make_user("ada")}
        self.users["ben"] = make_user("ben", referral_code=links.link_of(user=self.users["ada"]).code)
        self.staff = {name: make_user(name, staff=True) for name in ("sam", "tess")}
        self.again: list[Callable[[], object]] = []  # everything that was done, to be done again
        self.number = 0
        Policy.objects.create(
            version=99,
            effective_from=NOW - timedelta(days=1),
            rate_bp=RULES.rate_bp,
            earning_days=365,
            holding_days=RULES.holding_days,
            cap_per_referee_nano=RULES.cap_per_referee,
            threshold_nano=RULES.threshold,
            fee_nano=RULES.fee,
            second_person_above_nano=5 * CENT,
            expire_after_days=RULES.expire_after_days,
            payout_methods=["alipay"],
        )
        self.set_up()

    def set_up(self) -> None:
        """For what a set of rules needs."""

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # --- how the real thing is asked -------------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        return NOW + timedelta(minutes=self.oracle.minute)

    def account(self, which: Account) -> LedgerAccount:
        owner, kind = which
        return ledger.account(AccountKind(kind), self.users[owner] if owner else None)

    def fresh(self, kind: str) -> str:
        self.number += 1
        return f"{kind}:{self.number}"

    def both(self, model: Callable[[], object], real: Callable[[], object]) -> bool:
        """The oracle and the real thing do the same, or both refuse; True when they did."""
        try:
            model()
            refused = False
        except Refused:
            refused = True
        with both_refuse(oracle_refused=refused):
            real()
        return not refused

    def event(self, kind: str, *transfers: tuple[Account, Account, int]) -> bool:
        """The same transfers in both, as one posting; for events that have no verb of their own."""
        key, now = self.fresh(kind), self.now
        lines = [
            ledger.Line(debit=self.account(d), credit=self.account(c), amount=amount) for d, c, amount in transfers
        ]

        def post() -> ledger.Posted:
            return ledger.post(kind=kind, key=key, lines=lines, actor=None, now=now)

        done = self.both(lambda: self.oracle.post(*transfers), post)
        if done:
            first = LedgerTxn.objects.get(idempotency_key=key)
            self.again.append(lambda: same(post(), ledger.Posted(first, created=False)))
        return done

    # --- mischief --------------------------------------------------------------------------------------------------
    @rule(which=st.integers(0, 10**6))
    def something_is_done_again(self, which: int) -> None:
        if self.again:
            with suppress(*REFUSALS):
                self.again[which % len(self.again)]()

    # --- after each step -------------------------------------------------------------------------------------------
    @invariant()
    def the_books_say_what_the_oracle_says(self) -> None:
        names = {user.pk: name for name, user in self.users.items()}
        for row in LedgerAccount.objects.filter(owner__in=names):
            who = names[row.owner_id]  # type: ignore[index] # filtered by owner
            assert row.balance == self.oracle.balance[who, row.kind], (who, row.kind)
            assert row.held == self.oracle.held(who, row.kind), (who, row.kind)
            assert row.balance >= row.held >= 0
        assert LedgerTxn.objects.count() == self.oracle.postings
        assert set(Freeze.objects.values_list("user_id", flat=True)) == {
            self.users[who].pk for who in self.oracle.frozen
        }

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
        for name, query in books.INVARIANTS.items():
            assert audit._offenders(query) == [], name


def same(found: object, first: object) -> None:
    assert found == first
