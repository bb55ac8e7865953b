"""A test of the tests, for rewards and withdrawals: see tests/unit/billing/test_guards.py."""

from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from accounts.models import User
from billing.money import MAX_NANO, NANO
from referrals import links, rewards, withdrawals
from referrals.models import Link, Policy, Referral, Reward, RewardAllocation, Withdrawal, WithdrawalEvent
from tests.guarded import (
    Probe,
    change,
    declared,
    named,
    only_this_constraint_refuses,
    only_this_trigger_refuses,
    schema_changes,
    triggers,
    twice,
    twice_but,
)
from tests.make import NOW
from tests.unit.referrals.make import ask, available

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("scene")]
TABLE = WithdrawalEvent._meta.db_table


@pytest.fixture
def scene(ada: User, sam: User, cleo: User) -> None:
    """One of everything: a withdrawal that was paid, one that is open, a conversion."""
    available(ada, 120 * NANO, rewards_of=60 * NANO)
    links.link_of(user=cleo)
    done = ask(ada, 60 * NANO)
    withdrawals.claim(withdrawal=done, by=sam, now=NOW)
    withdrawals.approve(withdrawal=done, by=sam, now=NOW)
    withdrawals.mark_paid(withdrawal=done, by=sam, reference="ALI-1", now=NOW)
    ask(ada, 50 * NANO, client_id="form-2")
    rewards.convert(user=ada, amount=NANO, client_id="c", now=NOW)


def another(model: type[Any], which: dict[str, object], **other: object) -> None:
    """A copy of a row with some values of its own."""
    row = model.objects.filter(**which).order_by("pk")[0]
    for name, value in other.items():
        setattr(row, name, value)
    twice(row)


def alter(model: type[Any], which: dict[str, object], **values: object) -> int:
    rows = model.objects.filter(**which)
    return int(rows.filter(pk=rows.order_by("pk").values("pk")[:1]).update(**values))


reward = partial(change, Reward)
paid = partial(alter, Withdrawal, {"state": "paid"})
asked = partial(alter, Withdrawal, {"state": "requested"})
another_paid = partial(another, Withdrawal, {"state": "paid"})


def erase_event() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE id = (SELECT min(id) FROM {TABLE})")


def a_second_link() -> None:
    row = Link.objects.get(user__email="ada@example.com")
    row.code = "ANOTHER1"
    twice(row)


def a_second_policy() -> None:
    row = Policy.objects.all()[0]
    row.version, row._state.adding = 99, True
    row.save(force_insert=True)


def a_second_referrer() -> None:
    """The same person, brought by somebody else."""
    stranger = User.objects.get(email="cleo@example.com")
    another(Referral, {}, referrer=stranger, link=Link.objects.get(user=stranger))


def refuse(changed: str) -> str:
    """One trigger stands for both changes on PostgreSQL."""
    return f"{TABLE}_no_change" if connection.vendor == "postgresql" else f"{TABLE}_no_{changed}"


TRIGGERS = [
    Probe(refuse("update"), lambda: change(WithdrawalEvent, note="It never happened")),
    Probe(refuse("delete"), erase_event),
]
CONSTRAINTS = [
    Probe("policy_one_per_moment", a_second_policy),
    Probe("policy_rate", lambda: change(Policy, rate_bp=10_001)),
    Probe("policy_bounds", lambda: change(Policy, fee_nano=-1)),
    Probe("Link.user", a_second_link),
    Probe("Link.code", lambda: change(Link, code=Link.objects.order_by("pk")[1].code)),
    Probe("Referral.referee", a_second_referrer),
    Probe("referral_not_oneself", lambda: change(Referral, referrer=F("referee"))),
    Probe("Reward.public_id", lambda: twice_but(Reward, part=2)),
    Probe("reward_part_once_per_day", lambda: twice_but(Reward, public_id="rwd_another")),
    Probe("reward_amount", lambda: reward(amount=0)),
    Probe("reward_reversed_within", lambda: reward(reversed=F("amount") + 1)),
    Probe("reward_base_reversed_within", lambda: reward(base_reversed=F("base_nano") + 1)),
    Probe("reward_within_caps", lambda: reward(amount=F("uncapped_nano") + 1)),
    Probe("Withdrawal.public_id", lambda: another_paid(client_id="another", payment_reference="ALI-2")),
    Probe("withdrawal_client_id", lambda: another_paid(public_id="wd_another", payment_reference="ALI-2")),
    Probe(
        "withdrawal_one_open",
        lambda: another(Withdrawal, {"state": "requested"}, public_id="wd_another", client_id="another"),
    ),
    Probe("withdrawal_reference_once", lambda: another_paid(public_id="wd_another", client_id="another")),
    Probe("withdrawal_amount", lambda: asked(amount=MAX_NANO + 1)),
    Probe("withdrawal_approved_within", lambda: asked(approved_amount=F("amount") + 1)),
    Probe("withdrawal_not_by_oneself", lambda: asked(approved_by=F("user"))),
    Probe("withdrawal_second_person_pays", lambda: paid(second_person_above=F("approved_amount") - 1)),
    Probe("reward_allocation_amount", lambda: change(RewardAllocation, amount=0)),
    Probe(
        "reward_allocation_one_exit",
        lambda: alter(RewardAllocation, {"withdrawal": None}, withdrawal=Withdrawal.objects.all()[0]),
    ),
]


@pytest.mark.parametrize("probe", named(TRIGGERS))
def test_each_trigger_refuses_what_it_is_for_and_only_it_does(probe: Probe) -> None:
    only_this_trigger_refuses(probe)


@schema_changes
@pytest.mark.parametrize("probe", named(CONSTRAINTS))
def test_each_constraint_refuses_what_it_is_for_and_only_it_does(probe: Probe) -> None:
    only_this_constraint_refuses(probe)


def test_every_guard_of_rewards_and_withdrawals_has_a_probe() -> None:
    assert {probe.name for probe in TRIGGERS} == triggers("referrals")
    assert {probe.name for probe in CONSTRAINTS} == declared("referrals")
