"""Whether somebody may make calls: not while they owe us or a payment of theirs is disputed.

A frozen person has a row of Freeze, so the gateway needs one look at a nearly empty table. The row is kept in line in
the transaction of whatever changes it; credit that frees itself later (a hold that ends) repays in the sweep.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from billing import ledger
from billing.ledger import Line
from billing.models import AccountKind, Dispute, Freeze


def frozen(user_ids: Iterable[int]) -> dict[int, str]:
    """Why these people may not make calls, by id; who may is not in it. One query, for the gateway."""
    return dict(Freeze.objects.filter(user__in=list(user_ids)).values_list("user_id", "reason"))


def refusal(user_id: int) -> str | None:
    """The same for one person: a `Freeze.Reason`, or None."""
    return frozen([user_id]).get(user_id)


def words(reason: str) -> str:
    """What a refused caller reads."""
    if reason == Freeze.Reason.DISPUTE:
        return _("Calls are paused: a payment of this account is disputed. See /billing/.")
    return _("Calls are paused: this account owes for a payment that was taken back. Add credit at /billing/.")


def repay(*, user: User, now: datetime) -> int:
    """What is owed is paid back from paid credit, as far as that goes. Nano. Inside the caller's transaction."""
    accounts = ledger.locked(user, AccountKind.USER_PAID, AccountKind.USER_DEBT)
    paid, debt = accounts[AccountKind.USER_PAID], accounts[AccountKind.USER_DEBT]
    amount = min(paid.spendable, debt.balance)
    if amount > 0:
        line = Line(debit=paid, credit=debt, amount=amount)
        ledger.post(kind="debt.repay", key=f"debt:{uuid4()}", lines=[line], actor=None, now=now)
    return max(amount, 0)


def review(*, user: User, now: datetime) -> None:
    """Repay, then freeze or free. Inside the caller's transaction, after anything that moves paid credit or debt."""
    repay(user=user, now=now)
    is_disputed = Dispute.objects.filter(payment__user=user, state=Dispute.State.OPEN).exists()
    owes = ledger.locked(user, AccountKind.USER_DEBT)[AccountKind.USER_DEBT].balance > 0
    if is_disputed or owes:
        reason = Freeze.Reason.DISPUTE if is_disputed else Freeze.Reason.DEBT
        Freeze.objects.update_or_create(
            user=user, defaults={"reason": reason}, create_defaults={"reason": reason, "since": now}
        )
    else:
        Freeze.objects.filter(user=user).delete()


def sweep(*, now: datetime) -> int:
    """Those who can repay by now, do. How many were freed."""
    freed = 0
    for freeze in list(Freeze.objects.select_related("user").order_by("since")[:500]):
        with transaction.atomic():
            review(user=freeze.user, now=now)
            freed += not Freeze.objects.filter(pk=freeze.pk).exists()
    return freed
