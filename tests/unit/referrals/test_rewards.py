"""From paid spend to rewards: what earns, how much, when, and what is taken back."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from billing import ledger
from billing.models import AccountKind, LedgerEntry, LedgerTxn
from billing.money import NANO
from referrals import links, policies, rewards
from referrals.models import AccruedDay, Link, Policy, Referral, Reward, RewardAllocation
from tests.make import NOW
from tests.unit.referrals.make import (
    LONG_AGO,
    TODAY,
    YESTERDAY,
    assert_books_are_clean,
    available,
    bring,
    give_back,
    noon,
    spend,
    spend_at,
    together,
)

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)


@given(base=st.integers(0, 10**18), rate=st.integers(0, 10_000), room=st.none() | st.integers(-(10**12), 10**18))
def test_a_reward_is_never_rounded_up_and_never_above_its_caps(base: int, rate: int, room: int | None) -> None:
    earned = rewards.compute(base, rate, room)
    assert 0 <= earned * 10_000 <= base * rate
    assert room is None or earned <= max(room, 0)
    if room is None:
        assert base * rate - earned * 10_000 < 10_000


def test_paid_spend_of_a_closed_day_earns_once(ada: User, now: datetime) -> None:
    referral = bring(ada)
    spend(referral.referee, 30 * NANO)
    spend(referral.referee, 12 * NANO)
    done = rewards.accrue(now=now)
    again = rewards.accrue(now=now)
    reward = Reward.objects.get()
    assert (done.rewards, done.amount, again.rewards) == (1, 4_200_000_000, 0)
    assert (reward.base_nano, reward.rate_bp, reward.amount) == (42 * NANO, 1000, 4_200_000_000)
    assert (reward.day, reward.policy_id, reward.state) == (YESTERDAY, 1, "pending")
    assert ledger.balances(ada).pending == 4_200_000_000
    assert LedgerTxn.objects.get(kind="reward.accrue").policy_version == 1
    assert_books_are_clean()


def test_promotional_credit_and_reward_credit_earn_nothing(ada: User, now: datetime) -> None:
    spend(bring(ada).referee, 30 * NANO, credit=AccountKind.USER_PROMO)
    assert rewards.accrue(now=now).rewards == 0
    assert not Reward.objects.exists()


def test_the_spend_of_a_stranger_earns_nothing(ada: User, cleo: User, now: datetime) -> None:
    bring(ada)
    spend(cleo, 30 * NANO)
    assert rewards.accrue(now=now).rewards == 0


def test_the_running_day_waits(ada: User, now: datetime) -> None:
    spend_at(bring(ada).referee, 30 * NANO, NOW - timedelta(hours=1))
    assert rewards.accrue(now=now).rewards == 0
    with pytest.raises(rewards.NotClosed):
        rewards.accrue(now=now, day=TODAY)
    with pytest.raises(rewards.NotClosed):
        rewards.accrue(now=now, day=TODAY + timedelta(days=1), include_today=True)
    assert rewards.accrue(now=now + timedelta(days=1)).rewards == 1


def test_the_running_day_can_be_included_and_the_rest_of_it_is_a_further_part(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    spend_at(person, 30 * NANO, now - timedelta(hours=1))
    assert rewards.accrue(now=now, include_today=True).amount == 3 * NANO
    assert rewards.accrue(now=now, include_today=True).amount == 0
    spend_at(person, 5 * NANO, now + timedelta(hours=1))
    assert rewards.accrue(now=now + timedelta(days=1)).amount == NANO // 2
    assert list(Reward.objects.order_by("part").values_list("part", "base_nano")) == [(1, 30 * NANO), (2, 5 * NANO)]
    assert len(set(Reward.objects.values_list("matures_at", flat=True))) == 1
    assert_books_are_clean()


def test_a_charge_that_was_committed_late_is_found_in_the_week_that_follows(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    rewards.accrue(now=now)
    spend(person, 10 * NANO, YESTERDAY - timedelta(days=4))
    assert rewards.accrue(now=now).amount == NANO


def test_days_missed_while_the_schedule_stood_still_are_walked(ada: User, now: datetime) -> None:
    spend(bring(ada).referee, 10 * NANO, LONG_AGO)
    assert rewards.accrue(now=now).amount == NANO
    assert AccruedDay.objects.filter(day=LONG_AGO).exists()
    assert not AccruedDay.objects.filter(day=TODAY).exists()


def test_spend_before_joining_and_after_the_earning_time_does_not_count(ada: User, now: datetime) -> None:
    Policy.objects.update(earning_days=20)
    joined = noon(YESTERDAY)
    referral = bring(ada, joined=joined)
    spend_at(referral.referee, 10 * NANO, joined - timedelta(seconds=1))
    spend_at(referral.referee, 20 * NANO, joined)
    later = joined + timedelta(days=20)
    spend_at(referral.referee, 40 * NANO, later - timedelta(seconds=1))
    spend_at(referral.referee, 80 * NANO, later)
    rewards.accrue(now=now)
    rewards.accrue(now=later + timedelta(days=1))
    assert list(Reward.objects.order_by("day").values_list("base_nano", flat=True)) == [20 * NANO, 40 * NANO]
    assert_books_are_clean()


def test_midnight_belongs_to_the_new_day(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    midnight = datetime(YESTERDAY.year, YESTERDAY.month, YESTERDAY.day, tzinfo=UTC)
    spend_at(person, 10 * NANO, midnight)
    spend_at(person, 20 * NANO, midnight - timedelta(microseconds=1))
    rewards.accrue(now=now)
    assert dict(Reward.objects.values_list("day", "base_nano")) == {
        YESTERDAY: 10 * NANO,
        YESTERDAY - timedelta(days=1): 20 * NANO,
    }


def test_a_million_rewards_of_ten_percent_on_seven_nano_lose_less_than_a_nano_per_day(ada: User, now: datetime) -> None:
    """Accrual is on the day's aggregate; a few hundred stand for the million."""
    person = bring(ada).referee
    for _ in range(101):
        spend(person, 7)
    rewards.accrue(now=now)
    assert Reward.objects.get().amount == 70  # 70.7 exactly
    assert_books_are_clean()


def test_a_day_that_earns_less_than_a_nano_has_no_reward(ada: User, now: datetime) -> None:
    spend(bring(ada).referee, 9)
    assert rewards.accrue(now=now).rewards == 0


def test_the_cap_of_one_person_is_exact(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    spend(person, 1999 * NANO, YESTERDAY - timedelta(days=1))
    spend(person, 500 * NANO)
    rewards.accrue(now=now)
    assert list(Reward.objects.order_by("day").values_list("amount", "uncapped_nano", "room_nano")) == [
        (199_900_000_000, 199_900_000_000, 200 * NANO),
        (100_000_000, 50 * NANO, 100_000_000),
    ]
    assert rewards.accrue(now=now).rewards == 0
    assert_books_are_clean()


def test_the_cap_of_a_month_counts_all_people_and_ends_with_the_month(ada: User, now: datetime) -> None:
    Policy.objects.update(cap_per_month_nano=5 * NANO)
    for _ in range(2):
        spend(bring(ada).referee, 40 * NANO)
    spend(bring(ada).referee, 40 * NANO, date(2026, 10, 31))
    rewards.accrue(now=now)
    november = Reward.objects.filter(day=YESTERDAY)
    assert sorted(november.values_list("amount", flat=True)) == [NANO, 4 * NANO]
    assert Reward.objects.get(day=date(2026, 10, 31)).amount == 4 * NANO


@committing
def test_parallel_accruals_pass_no_cap_and_pay_once(now: datetime) -> None:
    from tests.make import make_user

    ada = make_user()
    Policy.objects.update(cap_per_month_nano=5 * NANO)
    for _ in range(4):
        spend(bring(ada).referee, 20 * NANO)
    results = together(*[lambda: rewards.accrue(now=now, day=YESTERDAY)] * 6)
    assert [each for each in results if isinstance(each, Exception)] == []
    assert sum(each.amount for each in results) == 5 * NANO
    assert ledger.balances(ada).pending == 5 * NANO
    assert_books_are_clean()


def test_a_reward_keeps_the_policy_under_which_it_was_earned(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    change = noon(YESTERDAY)
    first = policies.in_force(now)
    new = Policy.objects.create(
        version=2,
        effective_from=change,
        rate_bp=500,
        earning_days=365,
        holding_days=3,
        threshold_nano=first.threshold_nano,
        second_person_above_nano=first.second_person_above_nano,
        payout_methods=["bank"],
    )
    spend_at(person, 10 * NANO, change - timedelta(seconds=1))
    spend_at(person, 10 * NANO, change)
    rewards.accrue(now=now)
    found = {reward.policy_id: reward for reward in Reward.objects.all()}
    assert (found[1].amount, found[2].amount) == (NANO, NANO // 2)
    assert found[1].matures_at - found[2].matures_at == timedelta(days=11)
    assert policies.in_force(now) == new
    assert_books_are_clean()


def test_a_paused_policy_accrues_nothing(ada: User, now: datetime) -> None:
    Policy.objects.update(enabled=False)
    spend(bring(ada).referee, 10 * NANO)
    assert rewards.accrue(now=now).rewards == 0


def test_referee_bound_then_the_code_is_disabled_no_new_accruals(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    spend(person, 10 * NANO, LONG_AGO)
    rewards.accrue(now=now, day=LONG_AGO)
    Link.objects.update(disabled_at=now)
    spend(person, 10 * NANO)
    assert rewards.accrue(now=now).rewards == 0
    assert rewards.mature(now=now).amount == NANO


def test_referee_bound_then_the_referrer_is_banned_rewards_wait_for_the_decision(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    spend(person, 10 * NANO, LONG_AGO)
    rewards.accrue(now=now, day=LONG_AGO)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    spend(person, 10 * NANO)
    assert rewards.accrue(now=now).rewards == 0
    assert rewards.mature(now=now).rewards == 0
    assert ledger.balances(ada).pending == NANO


def test_a_reward_becomes_available_when_the_holding_period_is_over(ada: User, now: datetime) -> None:
    spend(bring(ada).referee, 10 * NANO)
    rewards.accrue(now=now)
    reward = Reward.objects.get()
    assert reward.matures_at == datetime(2026, 12, 6, tzinfo=UTC)
    assert rewards.mature(now=reward.matures_at - timedelta(seconds=1)).rewards == 0
    assert rewards.mature(now=reward.matures_at).amount == NANO
    assert rewards.mature(now=reward.matures_at).rewards == 0
    got = ledger.balances(ada)
    assert (got.pending, got.available) == (0, NANO)
    assert_books_are_clean()


@committing
def test_parallel_maturing_releases_once(now: datetime) -> None:
    from tests.make import make_user

    ada = make_user()
    for _ in range(3):
        spend(bring(ada).referee, 10 * NANO, LONG_AGO)
    rewards.accrue(now=now, day=LONG_AGO)
    results = together(*[lambda: rewards.mature(now=now)] * 5)
    assert sum(each.rewards for each in results) == 3
    assert ledger.balances(ada).available == 3 * NANO
    assert_books_are_clean()


def test_refund_in_full_while_the_reward_is_pending(ada: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 10 * NANO)
    rewards.accrue(now=now)
    give_back(call, 10 * NANO)
    assert rewards.accrue(now=now).clawed_back == NANO
    assert rewards.accrue(now=now).clawed_back == 0
    got = ledger.balances(ada)
    assert (got.pending, got.available, got.ref_debt) == (0, 0, 0)
    reward = Reward.objects.get()
    assert (reward.state, reward.reversed, reward.left) == ("reversed", NANO, 0)
    expense = ledger.account(AccountKind.EXPENSE_REFERRAL)
    assert _balance_of_journal(expense.pk) == 0
    assert LedgerTxn.objects.get(kind="reward.claw").reason != ""
    assert_books_are_clean()


def test_a_partial_refund_takes_back_its_share(ada: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 10 * NANO)
    rewards.accrue(now=now)
    give_back(call, 3 * NANO)
    rewards.accrue(now=now)
    give_back(call, 1)
    rewards.accrue(now=now)
    reward = Reward.objects.get()
    assert (reward.left, reward.state) == (699_999_999, "pending")
    assert_books_are_clean()


def test_a_refund_of_a_day_long_closed_is_found_by_the_day_of_the_refund(ada: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 10 * NANO, LONG_AGO)
    rewards.accrue(now=now)
    rewards.mature(now=now)
    give_back(call, 5 * NANO, at=now)
    assert rewards.accrue(now=now).clawed_back == NANO // 2
    got = ledger.balances(ada)
    assert (got.available, got.ref_debt) == (NANO // 2, 0)
    assert_books_are_clean()


def test_a_refund_before_the_day_is_closed_only_lowers_the_base(ada: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 10 * NANO)
    give_back(call, 4 * NANO, at=noon(YESTERDAY))
    rewards.accrue(now=now)
    assert Reward.objects.get().base_nano == 6 * NANO


def test_refund_after_the_reward_was_spent_is_a_debt_that_new_rewards_repay(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    call = spend(person, 100 * NANO, LONG_AGO)
    rewards.accrue(now=now, day=LONG_AGO)
    rewards.mature(now=now)
    rewards.convert(user=ada, amount=8 * NANO, client_id="c1", now=now)
    give_back(call, 100 * NANO)
    rewards.accrue(now=now)
    got = ledger.balances(ada)
    assert (got.available, got.ref_debt, got.reward) == (0, 8 * NANO, 8 * NANO)
    assert_books_are_clean()
    spend(person, 300 * NANO, LONG_AGO + timedelta(days=1))
    rewards.accrue(now=now, day=LONG_AGO + timedelta(days=1))
    matured = rewards.mature(now=now)
    got = ledger.balances(ada)
    assert (matured.amount, matured.netted) == (30 * NANO, 8 * NANO)
    assert (got.available, got.ref_debt) == (22 * NANO, 0)
    rewards.convert(user=ada, amount=22 * NANO, client_id="c2", now=now)
    assert_books_are_clean()


def test_a_refund_takes_from_the_newest_part_first(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    first = spend(person, 10 * NANO)
    rewards.accrue(now=now)
    spend(person, 4 * NANO)
    rewards.accrue(now=now)
    give_back(first, 6 * NANO)
    rewards.accrue(now=now)
    assert list(Reward.objects.order_by("part").values_list("base_reversed", flat=True)) == [2 * NANO, 4 * NANO]
    assert_books_are_clean()


def test_a_refund_of_capped_spend_takes_back_only_what_it_earned(ada: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 2500 * NANO)
    rewards.accrue(now=now)
    give_back(call, 400 * NANO)
    rewards.accrue(now=now)
    assert Reward.objects.get().left == 200 * NANO  # 2,100 still earn more than the cap
    give_back(call, 600 * NANO)
    rewards.accrue(now=now)
    assert Reward.objects.get().left == 150 * NANO
    assert_books_are_clean()


def test_conversion_takes_from_the_oldest_reward_and_is_idempotent(ada: User, now: datetime) -> None:
    oldest, middle, _newest = available(ada, 30 * NANO)
    first = rewards.convert(user=ada, amount=15 * NANO, client_id="c1", now=now)
    again = rewards.convert(user=ada, amount=15 * NANO, client_id="c1", now=now)
    assert first == again
    assert list(RewardAllocation.objects.order_by("pk").values_list("reward_id", "amount")) == [
        (oldest.pk, 10 * NANO),
        (middle.pk, 5 * NANO),
    ]
    got = ledger.balances(ada)
    assert (got.available, got.reward) == (15 * NANO, 15 * NANO)
    assert_books_are_clean()


def test_same_key_different_amount_is_refused(ada: User, now: datetime) -> None:
    available(ada, 30 * NANO)
    rewards.convert(user=ada, amount=10 * NANO, client_id="c1", now=now)
    with pytest.raises(ledger.IdempotencyMismatch):
        rewards.convert(user=ada, amount=11 * NANO, client_id="c1", now=now)
    assert ledger.balances(ada).available == 20 * NANO


def test_two_people_may_use_the_same_client_id(ada: User, cleo: User, now: datetime) -> None:
    available(ada, 10 * NANO)
    available(cleo, 10 * NANO)
    rewards.convert(user=ada, amount=10 * NANO, client_id="c1", now=now)
    rewards.convert(user=cleo, amount=10 * NANO, client_id="c1", now=now)
    assert ledger.balances(cleo).reward == 10 * NANO


@pytest.mark.parametrize("amount", [0, -1, -NANO])
def test_nothing_cannot_be_converted(ada: User, now: datetime, amount: int) -> None:
    with pytest.raises(rewards.NothingToConvert):
        rewards.convert(user=ada, amount=amount, client_id="c1", now=now)


def test_pending_rewards_cannot_be_converted(ada: User, now: datetime) -> None:
    spend(bring(ada).referee, 100 * NANO)
    rewards.accrue(now=now)
    with pytest.raises(ledger.InsufficientBalance):
        rewards.convert(user=ada, amount=1, client_id="c1", now=now)
    assert_books_are_clean()


@committing
def test_fifty_parallel_conversions_of_ten_with_a_hundred_available(now: datetime) -> None:
    from tests.make import make_user

    ada = make_user()
    available(ada, 100 * NANO, rewards_of=25 * NANO)

    def convert(number: int) -> object:
        return rewards.convert(user=ada, amount=10 * NANO, client_id=f"c{number}", now=now)

    results = together(*[lambda number=number: convert(number) for number in range(50)])
    refused = [each for each in results if isinstance(each, ledger.InsufficientBalance)]
    converted = [each for each in results if isinstance(each, LedgerTxn)]
    assert (len(converted), len(refused)) == (10, 40)
    got = ledger.balances(ada)
    assert (got.available, got.reward) == (0, 100 * NANO)
    assert_books_are_clean()


@committing
def test_the_same_conversion_twenty_times_at_once_is_one(now: datetime) -> None:
    from tests.make import make_user

    ada = make_user()
    available(ada, 20 * NANO)
    results = together(*[lambda: rewards.convert(user=ada, amount=10 * NANO, client_id="c", now=now)] * 20)
    assert len({each.pk for each in results}) == 1
    assert ledger.balances(ada).reward == 10 * NANO
    assert_books_are_clean()


def test_every_reward_can_be_recomputed_from_its_row(ada: User, now: datetime) -> None:
    person = bring(ada).referee
    for amount in (1, 17, 12_345_678_901, 2100 * NANO):
        spend(person, amount, LONG_AGO)
        rewards.accrue(now=now, day=LONG_AGO)
    for reward in Reward.objects.all():
        assert reward.amount == rewards.compute(reward.base_nano, reward.rate_bp, reward.room_nano)
    assert_books_are_clean()


def test_the_audit_finds_a_reward_that_was_changed_by_hand(ada: User, now: datetime) -> None:
    spend(bring(ada).referee, 10 * NANO)
    rewards.accrue(now=now)
    Reward.objects.update(amount=NANO - 1)
    with pytest.raises(AssertionError):
        assert_books_are_clean()


def test_scripted_sign_ups_through_one_link_move_no_money(ada: User, now: datetime) -> None:
    for _ in range(20):
        bring(ada)
    assert Referral.objects.filter(referrer=ada).count() == 20
    rewards.accrue(now=now)
    assert not LedgerTxn.objects.exists()
    assert links.link_of(user=ada).clicks == 0


def _balance_of_journal(account_id: int) -> int:
    debits = sum(LedgerEntry.objects.filter(debit_id=account_id).values_list("amount", flat=True))
    return debits - sum(LedgerEntry.objects.filter(credit_id=account_id).values_list("amount", flat=True))
