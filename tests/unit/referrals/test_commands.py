"""The commands and the tasks: thin doors to the verbs."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from billing import ledger
from billing.money import NANO
from referrals import tasks
from referrals.models import Reward, Withdrawal
from tests.unit.referrals.make import LONG_AGO, ask, available, bring, spend

pytestmark = pytest.mark.django_db


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_accrue_one_day_as_json(ada: User) -> None:
    spend(bring(ada).referee, 10 * NANO, LONG_AGO)
    said = json.loads(run("accrue_rewards", "--day", str(LONG_AGO), "--json"))
    assert said == {"days": [str(LONG_AGO)], "rewards": 1, "amount": "1.00", "clawed_back": "0.00"}
    assert "0 rewards" in run("accrue_rewards")


def test_a_day_that_is_not_over_is_an_error_that_says_what_to_do() -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    with pytest.raises(CommandError, match="--include-today"):
        run("accrue_rewards", "--day", str(tomorrow))


def test_mature_as_of_a_moment(ada: User) -> None:
    spend(bring(ada).referee, 10 * NANO, LONG_AGO)
    run("accrue_rewards", "--day", str(LONG_AGO))
    assert json.loads(run("mature_rewards", "--now", str(LONG_AGO), "--json"))["rewards"] == 0
    later = LONG_AGO + timedelta(days=15)
    assert json.loads(run("mature_rewards", "--now", str(later), "--json"))["amount"] == "1.00"
    assert "0 rewards" in run("mature_rewards")
    assert ledger.balances(ada).available == NANO


def test_the_tasks_of_the_schedule_do_the_same_and_ignore_unknown_words(ada: User) -> None:
    spend(bring(ada).referee, 10 * NANO, LONG_AGO)
    tasks.accrue_rewards(from_a_newer_release=1)
    tasks.mature_rewards(from_a_newer_release=1)
    assert Reward.objects.get().state == "available"


def test_the_task_expires_old_requests(ada: User) -> None:
    available(ada, 60 * NANO)
    ask(ada, 60 * NANO, now=datetime(2026, 1, 2, tzinfo=UTC))
    tasks.expire_withdrawals(from_a_newer_release=1)
    assert Withdrawal.objects.get().state == "expired"
