"""A low balance is told once, and again only after it rose a quarter above the threshold."""

from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import User
from billing import ledger, reservations, tasks, watches
from billing.ledger import Line
from billing.models import AccountKind, BalanceWatch, LedgerTxn, Notice
from billing.money import NANO
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_user

pytestmark = pytest.mark.django_db


def spend(user: User, amount: int) -> None:
    line = Line(ledger.account(AccountKind.USER_PAID, user), ledger.account(AccountKind.EQUITY_ADJUST), amount)
    ledger.post(kind="adjust", key=f"spend:{LedgerTxn.objects.count()}", lines=[line], actor=None, now=NOW)


def test_it_fires_once_below_the_threshold_and_not_at_it(ada: User, now: datetime) -> None:
    make_credit(ada, paid=10 * NANO)
    watches.watch(user=ada, threshold=4 * NANO)
    spend(ada, 6 * NANO)
    assert watches.check(now=now) == 0
    spend(ada, 1)
    assert [watches.check(now=now) for _ in range(3)] == [1, 0, 0]
    notice = Notice.objects.get()
    assert notice.data == {"threshold_nano": 4 * NANO, "spendable_nano": 4 * NANO - 1}
    tasks.send_notices()
    assert mail.outbox[0].subject == "Your balance is below $4.00"


def test_it_is_armed_again_a_quarter_above(ada: User, now: datetime) -> None:
    make_credit(ada, paid=3 * NANO)
    watches.watch(user=ada, threshold=4 * NANO)
    watches.check(now=now)
    make_credit(ada, promo=2 * NANO - 1)
    watches.check(now=now)
    assert not BalanceWatch.objects.get().armed
    make_credit(ada, promo=1)
    watches.check(now=now)
    assert BalanceWatch.objects.get().armed
    spend(ada, NANO + 1)
    assert watches.check(now=now) == 1
    assert Notice.objects.count() == 2


def test_all_classes_count_and_what_is_held_does_not(ada: User, now: datetime) -> None:
    make_credit(ada, paid=NANO, promo=NANO, reward=NANO)
    watches.watch(user=ada, threshold=3 * NANO)
    assert watches.check(now=now) == 0
    call = make_call(make_key(ada)[0])
    make_hold(call, 1)
    assert watches.check(now=now) == 1
    reservations.release(request_id=call.request_id, now=now)
    assert watches.check(now=now) == 0


def test_a_new_threshold_is_armed_and_the_same_one_is_not(ada: User, now: datetime) -> None:
    watches.watch(user=ada, threshold=NANO)
    watches.check(now=now)
    watches.watch(user=ada, threshold=NANO)
    assert watches.check(now=now) == 0
    watches.watch(user=ada, threshold=2 * NANO)
    assert watches.check(now=now) == 1
    watches.watch(user=ada, threshold=None)
    assert watches.check(now=now + timedelta(days=1)) == 0
    assert not BalanceWatch.objects.exists()


@pytest.mark.parametrize("threshold", [0, -1, watches.MAX_THRESHOLD + 1])
def test_a_threshold_that_makes_no_sense_is_refused(ada: User, threshold: int) -> None:
    with pytest.raises(ValueError, match="nano"):
        watches.watch(user=ada, threshold=threshold)


def test_nobody_is_told_of_somebody_else_s_balance(ada: User, cleo: User, now: datetime) -> None:
    make_credit(cleo, paid=NANO)
    watches.watch(user=ada, threshold=NANO)
    watches.watch(user=cleo, threshold=NANO)
    watches.check(now=now)
    assert Notice.objects.get().user == ada


def test_everybody_is_one_query(now: datetime, django_assert_num_queries: object) -> None:
    for _ in range(5):
        user = make_user()
        make_credit(user, paid=NANO)
        watches.watch(user=user, threshold=NANO)
    with django_assert_num_queries(1):  # type: ignore[operator] # pytest-django's
        watches.check(now=now)


@given(
    threshold=st.integers(1, 40),
    walk=st.lists(st.one_of(st.integers(-15, 15), st.integers(-2, 2)), max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_between_two_notices_the_balance_always_rose_above_the_second_line(threshold: int, walk: list[int]) -> None:
    """Random walks around the threshold, looked at after every step: never a notice without a re-arming before it."""
    with transaction.atomic():
        user = make_user()
        watches.watch(user=user, threshold=threshold)
        balance, armed, expected = 0, True, 0
        told: list[int] = []
        highest_since = 0
        for wanted in [*walk, 0]:
            step = max(wanted, -balance)
            if step:
                make_credit(user, paid=step) if step > 0 else spend(user, -step)
            balance += step
            highest_since = max(highest_since, balance)
            if watches.check(now=NOW):
                assert balance < threshold
                assert not told or 4 * highest_since >= 5 * threshold
                told.append(balance)
                highest_since = balance
            # The rule once more, in other words.
            if armed and balance < threshold:
                armed, expected = False, expected + 1
            elif not armed and 4 * balance >= 5 * threshold:
                armed = True
        assert len(told) == expected == Notice.objects.filter(user=user).count()
        assert len({notice.key for notice in Notice.objects.filter(user=user)}) == expected
        transaction.set_rollback(True)
