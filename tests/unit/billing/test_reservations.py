"""Holds: taken in the order of spending, ended exactly once."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from billing import ledger, reservations
from billing.charges import Tokens
from billing.models import AccountKind, Hold, LedgerTxn, Usage
from billing.money import NANO
from tests.make import make_call, make_credit, make_hold, make_key, make_usage

pytestmark = pytest.mark.django_db


def test_a_hold_takes_gifts_first_then_rewards_then_paid_credit(ada: User) -> None:
    make_credit(ada, promo=3, reward=4, paid=10)
    call = make_call(make_key(ada)[0])
    make_hold(call, 9)
    parts = Hold.objects.get(pk=call.request_id).parts
    assert dict(parts) == {"user.promo": 3, "user.reward": 4, "user.paid": 2}
    got = ledger.balances(ada)
    assert (got.held, got.spendable, got.promo) == (9, 8, 3)


def test_a_hold_posts_nothing(ada: User) -> None:
    make_credit(ada, paid=10)
    before = LedgerTxn.objects.count()
    make_hold(make_call(make_key(ada)[0]), 9)
    assert LedgerTxn.objects.count() == before


def test_more_than_spendable_is_refused_with_the_number_and_changes_nothing(ada: User) -> None:
    make_credit(ada, promo=3, paid=10)
    key = make_key(ada)[0]
    make_hold(make_call(key), 6)
    with pytest.raises(ledger.InsufficientBalance) as refused:
        make_hold(make_call(key), 8)
    assert refused.value.spendable == 7
    assert Hold.objects.count() == 1
    assert ledger.balances(ada).held == 6


def test_the_same_hold_again_is_the_first_one(ada: User) -> None:
    make_credit(ada, paid=10)
    call = make_call(make_key(ada)[0])
    make_hold(call, 9)
    make_hold(call, 9)
    assert ledger.balances(ada).held == 9


def test_a_request_id_is_held_once_for_one_amount(ada: User, now: datetime) -> None:
    make_credit(ada, paid=10)
    call = make_call(make_key(ada)[0])
    make_hold(call, 4)
    with pytest.raises(reservations.AlreadyHeld):
        make_hold(call, 5)
    assert reservations.release(request_id=call.request_id, now=now)
    with pytest.raises(reservations.AlreadyHeld):
        make_hold(call, 4)
    assert ledger.balances(ada).held == 0


def test_a_hold_of_nothing_is_possible_without_credit(ada: User) -> None:
    make_hold(make_call(make_key(ada)[0]), 0)
    assert Hold.objects.get().state == Hold.State.OPEN


def test_a_release_gives_everything_back_once(ada: User, now: datetime) -> None:
    make_credit(ada, promo=3, paid=10)
    call = make_call(make_key(ada)[0])
    make_hold(call, 9)
    assert reservations.release(request_id=call.request_id, now=now)
    assert not reservations.release(request_id=call.request_id, now=now)
    assert not reservations.release(request_id="req_unknown", now=now)
    assert ledger.balances(ada).held == 0
    closed = Hold.objects.get()
    assert (closed.state, closed.closed_at) == (Hold.State.RELEASED, now)


def test_the_sweep_ends_what_is_overdue_and_says_that_nothing_was_charged(ada: User, now: datetime) -> None:
    make_credit(ada, paid=10)
    key = make_key(ada)[0]
    late, young = make_call(key), make_call(key)
    make_hold(late, 4, lasts=timedelta(minutes=1))
    make_hold(young, 5, lasts=timedelta(minutes=9))
    assert reservations.sweep(now=now + timedelta(minutes=2)) == 1
    assert reservations.sweep(now=now + timedelta(minutes=2)) == 0
    assert ledger.balances(ada).held == 5
    assert Hold.objects.get(pk=late.request_id).state == Hold.State.EXPIRED
    row = Usage.objects.get()
    assert (row.pk, row.status, row.charge_nano, row.held_nano) == (late.request_id, Usage.Status.EXPIRED, 0, 4)
    assert (row.key, row.model, row.not_charged_because) == (key, late.model, "interrupted")


def test_the_heartbeat_moves_deadlines_on_and_never_back(ada: User, now: datetime) -> None:
    make_credit(ada, paid=NANO)
    key = make_key(ada)[0]
    running, longer, ended = make_call(key), make_call(key), make_usage(key).pk
    make_hold(running, 4, lasts=timedelta(minutes=1))
    make_hold(longer, 4, lasts=timedelta(minutes=9))
    before = Hold.objects.get(pk=ended)
    ids = [running.request_id, longer.request_id, ended, "req_of_nobody"]
    assert reservations.extend(ids, expires_at=now + timedelta(minutes=3)) == 1
    assert Hold.objects.get(pk=running.request_id).expires_at == now + timedelta(minutes=3)
    assert Hold.objects.get(pk=longer.request_id).expires_at == now + timedelta(minutes=9)
    after = Hold.objects.get(pk=ended)
    assert (after.state, after.expires_at) == (before.state, before.expires_at)
    assert reservations.sweep(now=now + timedelta(minutes=2)) == 0
    assert reservations.extend([], expires_at=now) == 0


def test_the_sweep_leaves_a_settled_call_alone(ada: User, now: datetime) -> None:
    make_credit(ada, paid=NANO)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=1))
    assert reservations.sweep(now=now + timedelta(days=1)) == 0
    assert Usage.objects.get() == usage
    assert ledger.balances(ada).spendable == NANO - usage.charge_nano


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, {}),
        (2, {AccountKind.USER_PROMO: 2}),
        (5, {AccountKind.USER_PROMO: 3, AccountKind.USER_PAID: 2}),
        (99, {AccountKind.USER_PROMO: 3, AccountKind.USER_PAID: 7}),
    ],
)
def test_a_split_follows_the_order_of_spending(amount: int, expected: dict[AccountKind, int]) -> None:
    available = {AccountKind.USER_PAID: 7, AccountKind.USER_REWARD: 0, AccountKind.USER_PROMO: 3}
    assert reservations.split(amount, available) == expected
