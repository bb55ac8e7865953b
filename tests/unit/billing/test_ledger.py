"""Posting, its refusals and its replays."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from billing import ledger
from billing.models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn
from billing.money import MAX_NANO, NANO

pytestmark = pytest.mark.django_db


def line(debit: LedgerAccount, credit: LedgerAccount, amount: int) -> ledger.Line:
    return ledger.Line(debit=debit, credit=credit, amount=amount)


def between(user: User, debit: AccountKind, credit: AccountKind, amount: int) -> ledger.Line:
    return line(ledger.account(debit, user), ledger.account(credit, user), amount)


def pending(user: User, amount: int, now: datetime, key: str = "r1") -> None:
    ledger.post(
        kind="reward.accrue",
        key=f"reward:{key}",
        lines=[
            line(ledger.account(AccountKind.EXPENSE_REFERRAL), ledger.account(AccountKind.REF_PENDING, user), amount)
        ],
        actor=None,
        now=now,
    )


def test_a_person_has_all_eight_accounts_once(ada: User) -> None:
    ledger.open_accounts(user=ada)
    rows = LedgerAccount.objects.filter(owner=ada)
    assert {row.kind: row.sign for row in rows} == ledger.OWNED
    assert all(row.live and row.guarded for row in rows)


def test_paid_credit_comes_from_cash_and_a_gift_from_our_promotions(ada: User, sam: User, now: datetime) -> None:
    paid = ledger.grant(user=ada, amount=3 * NANO, kind="paid", reason="Bank transfer", actor=sam, now=now)
    promo = ledger.grant(user=ada, amount=NANO, kind="promo", reason="Welcome", actor=sam, now=now)
    assert [paid.entries.get().debit.kind, promo.entries.get().debit.kind] == ["cash.offline", "expense.promo"]
    got = ledger.balances(ada)
    assert (got.paid, got.promo, got.reward, got.held, got.spendable) == (3 * NANO, NANO, 0, 0, 4 * NANO)
    assert paid.actor == sam
    assert paid.reason == "Bank transfer"


def test_a_system_account_keeps_no_inline_balance(ada: User, now: datetime) -> None:
    ledger.grant(user=ada, amount=NANO, kind="paid", reason="x", actor=None, now=now)
    cash = ledger.account(AccountKind.CASH_OFFLINE)
    assert (cash.debits, cash.credits) == (0, 0)


def test_the_same_operation_twice_posts_once(ada: User, now: datetime) -> None:
    first = ledger.grant(user=ada, amount=NANO, kind="paid", reason="x", actor=None, now=now, key="g1")
    again = ledger.grant(
        user=ada, amount=NANO, kind="paid", reason="y", actor=None, now=now + timedelta(days=1), key="g1"
    )
    assert again == first
    assert ledger.balances(ada).paid == NANO
    assert LedgerTxn.objects.count() == 1


def test_the_same_key_for_something_else_is_refused(ada: User, now: datetime) -> None:
    ledger.grant(user=ada, amount=NANO, kind="paid", reason="x", actor=None, now=now, key="g1")
    with pytest.raises(ledger.IdempotencyMismatch):
        ledger.grant(user=ada, amount=NANO + 1, kind="paid", reason="x", actor=None, now=now, key="g1")
    assert ledger.balances(ada).paid == NANO


def test_nothing_guarded_falls_below_zero_and_a_refusal_changes_nothing(ada: User, now: datetime) -> None:
    pending(ada, 10, now)
    with pytest.raises(ledger.InsufficientBalance) as refused:
        ledger.post(
            kind="reward.mature",
            key="m1",
            lines=[between(ada, AccountKind.REF_PENDING, AccountKind.REF_AVAILABLE, 11)],
            actor=None,
            now=now,
        )
    assert refused.value.spendable == 10
    assert not LedgerTxn.objects.filter(idempotency_key="m1").exists()
    assert (ledger.balances(ada).pending, ledger.balances(ada).available) == (10, 0)


def test_a_refusal_leaves_an_outer_transaction_usable(ada: User, now: datetime) -> None:
    with transaction.atomic():
        with pytest.raises(ledger.InsufficientBalance):
            ledger.post(
                kind="reward.convert",
                key="c1",
                lines=[between(ada, AccountKind.REF_AVAILABLE, AccountKind.USER_REWARD, 1)],
                actor=ada,
                now=now,
            )
        ledger.grant(user=ada, amount=5, kind="promo", reason="x", actor=None, now=now)
    assert ledger.balances(ada).promo == 5


def test_a_transfer_outside_the_list_is_refused(ada: User, now: datetime) -> None:
    pending(ada, 10, now)
    with pytest.raises(ledger.FlowNotAllowed):
        ledger.post(
            kind="wd.paid",
            key="w1",
            lines=[line(ledger.account(AccountKind.REF_PENDING, ada), ledger.account(AccountKind.CASH_PAYOUT), 10)],
            actor=None,
            now=now,
        )
    assert ledger.balances(ada).pending == 10


def test_a_guarded_account_is_raised_before_it_is_lowered(ada: User, now: datetime) -> None:
    """Netting a debt out of what a reversal just gave back: in the order given the CHECK would refuse."""
    pending(ada, 10, now)
    lines = [
        between(ada, AccountKind.REF_AVAILABLE, AccountKind.REF_RESERVED, 10),
        between(ada, AccountKind.REF_PENDING, AccountKind.REF_AVAILABLE, 10),
    ]
    assert [one.debit.kind for one in ledger._ordered(lines)] == ["ref.pending", "ref.available"]
    owed = [
        between(ada, AccountKind.REF_AVAILABLE, AccountKind.REF_DEBT, 5),
        line(ledger.account(AccountKind.REF_DEBT, ada), ledger.account(AccountKind.EXPENSE_REFERRAL), 5),
    ]
    assert [one.debit.kind for one in ledger._ordered(owed)] == ["ref.debt", "ref.available"]


def test_a_debt_grows_and_is_never_overpaid(ada: User, now: datetime) -> None:
    debt, expense = ledger.account(AccountKind.REF_DEBT, ada), ledger.account(AccountKind.EXPENSE_REFERRAL)
    ledger.post(kind="reward.claw", key="k1", lines=[line(debt, expense, 7)], actor=None, now=now)
    assert ledger.balances(ada).ref_debt == 7
    pending(ada, 20, now)
    ledger.post(
        kind="reward.mature",
        key="m1",
        lines=[between(ada, AccountKind.REF_PENDING, AccountKind.REF_AVAILABLE, 20)],
        actor=None,
        now=now,
    )
    with pytest.raises(ledger.InsufficientBalance):
        ledger.post(
            kind="reward.net",
            key="n1",
            lines=[between(ada, AccountKind.REF_AVAILABLE, AccountKind.REF_DEBT, 8)],
            actor=None,
            now=now,
        )


def test_a_grant_is_reversed_once_and_only_while_the_money_is_there(ada: User, sam: User, now: datetime) -> None:
    txn = ledger.grant(user=ada, amount=NANO, kind="paid", reason="x", actor=sam, now=now)
    mirror = ledger.reverse(txn=txn, actor=sam, reason="Wrong person", now=now)
    assert mirror.reverses == txn
    assert ledger.balances(ada).paid == 0
    assert ledger.reverse(txn=txn, actor=sam, reason="Wrong person", now=now) == mirror
    gone = ledger.grant(user=ada, amount=NANO, kind="promo", reason="x", actor=sam, now=now)
    LedgerAccount.objects.filter(owner=ada, kind=AccountKind.USER_PROMO).update(held=1)
    with pytest.raises(ledger.InsufficientBalance):
        ledger.reverse(txn=gone, actor=sam, reason="x", now=now)


def test_a_reward_has_its_own_way_back(ada: User, sam: User, now: datetime) -> None:
    pending(ada, 10, now)
    with pytest.raises(ledger.FlowNotAllowed):
        ledger.reverse(txn=LedgerTxn.objects.get(idempotency_key="reward:r1"), actor=sam, reason="x", now=now)


@pytest.mark.parametrize("amount", [0, -1, MAX_NANO + 1])
def test_an_amount_must_be_positive_and_bounded(ada: User, amount: int) -> None:
    with pytest.raises(ledger.NotATransfer):
        between(ada, AccountKind.REF_PENDING, AccountKind.REF_AVAILABLE, amount)


def test_a_balance_is_bounded(ada: User, now: datetime) -> None:
    ledger.grant(user=ada, amount=MAX_NANO, kind="paid", reason="x", actor=None, now=now)
    with pytest.raises(ledger.NotATransfer):
        ledger.grant(user=ada, amount=MAX_NANO, kind="paid", reason="x", actor=None, now=now)
    assert ledger.balances(ada).paid == MAX_NANO


def test_a_transaction_needs_an_entry(now: datetime) -> None:
    with pytest.raises(ledger.NotATransfer):
        ledger.post(kind="grant", key="e", lines=[], actor=None, now=now)
    assert not LedgerEntry.objects.exists()


def test_posting_costs_five_statements(ada: User, now: datetime, django_assert_num_queries: Any) -> None:
    one = line(ledger.account(AccountKind.EXPENSE_PROMO), ledger.account(AccountKind.USER_PROMO, ada), 5)
    with django_assert_num_queries(5):  # look for the key, savepoint, two inserts, release
        ledger.post(kind="grant", key="q", lines=[one], actor=None, now=now)
