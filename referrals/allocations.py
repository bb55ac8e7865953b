"""Which reward funded which exit, oldest first. The caller holds the person's lock (links.lock)."""

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from billing.models import LedgerTxn
from referrals.models import Reward, RewardAllocation, Withdrawal


def fund(*, user: User, amount: int, withdrawal: Withdrawal | None = None, conversion: LedgerTxn | None = None) -> None:
    """Take `amount` nano from matured rewards, the oldest first.

    What an operator's adjustment put into the pool comes from no reward and stays without one.
    """
    rows = []
    for reward in _free_rewards(user):
        share = min(amount, reward.amount - reward.reversed - reward.allocated)  # type: ignore[attr-defined] # annotated
        rows.append(RewardAllocation(reward=reward, withdrawal=withdrawal, conversion=conversion, amount=share))
        amount -= share
        if amount == 0:
            break
    RewardAllocation.objects.bulk_create(rows)


def shrink(*, withdrawal: Withdrawal, keep: int) -> None:
    """Give back what a withdrawal no longer takes; the newest share first, so that the oldest rewards stay spent."""
    excess = sum(withdrawal.allocations.values_list("amount", flat=True)) - keep
    for allocation in withdrawal.allocations.order_by("-reward__day", "-reward_id", "-pk"):
        if excess <= 0:
            return
        if allocation.amount <= excess:
            excess -= allocation.amount
            allocation.delete()
        else:
            RewardAllocation.objects.filter(pk=allocation.pk).update(amount=F("amount") - excess)
            excess = 0


def _free_rewards(user: User) -> QuerySet[Reward]:
    return (
        Reward.objects.filter(referrer=user, state=Reward.State.AVAILABLE)
        .annotate(allocated=Coalesce(Sum("allocations__amount"), 0))
        .filter(amount__gt=F("reversed") + F("allocated"))
        .order_by("day", "pk")
    )
