"""The schedule's doors: load, one call. Safe to run twice and at the same time."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from referrals import rewards, withdrawals


@shared_task(name="referrals.tasks.accrue_rewards")
def accrue_rewards(**_: Any) -> None:
    rewards.accrue(now=timezone.now())


@shared_task(name="referrals.tasks.mature_rewards")
def mature_rewards(**_: Any) -> None:
    rewards.mature(now=timezone.now())


@shared_task(name="referrals.tasks.expire_withdrawals")
def expire_withdrawals(**_: Any) -> None:
    withdrawals.expire(now=timezone.now())
