"""A payment's row: locked, moved forward, alarmed. What every verb about payments begins with."""

import structlog
from django.db import transaction
from django.db.models import Q

from billing.models import Payment
from billing.models.payments import RANKS
from billing.stripe_facts import Seen

log = structlog.get_logger("billing")


class locked:  # noqa: N801 reads as a word: with locked(payment) as row
    """The payment's row as it is and stays until the block ends, in a transaction of its own or the caller's."""

    def __init__(self, payment: Payment) -> None:
        self._pk = payment.pk
        self._atomic = transaction.atomic()

    def __enter__(self) -> Payment:
        self._atomic.__enter__()
        return lock(Q(pk=self._pk)) or self._gone()

    def __exit__(self, *error: object) -> None:
        self._atomic.__exit__(*error)  # type: ignore[arg-type] # the three of every context manager

    def _gone(self) -> Payment:
        raise Payment.DoesNotExist(self._pk)


def lock(which: Q) -> Payment | None:
    """One payment for the rest of the transaction; its person with it, not locked."""
    return Payment.objects.select_for_update(no_key=True, of=("self",)).select_related("user").filter(which).first()


def advance(payment: Payment, state: Payment.State) -> bool:
    """Forward only, and whether it moved. The row is locked."""
    if RANKS[state] <= payment.rank:
        return False
    payment.state = state
    payment.save(update_fields=["state"])
    return True


def alarm(payment: Payment, reason: Payment.Alarm, said: Seen) -> bool:
    """Stripe said what cannot be: keep it in sight, change nothing else. Always False."""
    log.error("billing.payment.alarm", payment=payment.public_id, alarm=str(reason), object=said.id, amount=said.amount)
    if not payment.alarm:
        payment.alarm = reason
        payment.save(update_fields=["alarm"])
    return False
