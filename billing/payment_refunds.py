"""Money goes back: asked for by an operator here, or made in Stripe's dashboard, where it is gone already.

Ours is set aside first (`held`, so nothing can spend it meanwhile), then Stripe is asked outside of any transaction,
under a key of its own: asking again never refunds twice. Theirs is taken from paid credit, the rest is owed.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Sum

from accounts.models import User
from billing import ledger, notices, payment_books, standing, stripe_gate
from billing.models import AccountKind, Dispute, NoticeKind, Payment, PaymentRefund
from billing.money import CENT, CURRENCY, SYMBOL, format_amount, from_cents
from billing.stripe_facts import Seen, seen
from billing.stripe_gate import StripeDown, StripeRefused

BACK = {"failed", "canceled"}  # in every other state the money is on its way
AGAIN = timedelta(minutes=2)
AT_ONCE = 20
log = structlog.get_logger("billing")


class CannotRefund(Exception):
    """Nothing was set aside, Stripe was not asked."""


class NotRefundable(CannotRefund):
    """It was not paid, or a dispute of it is open or lost."""


class MoreThanPaid(CannotRefund):
    """`most`: nano of this payment that have not gone back yet."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class AlreadySpent(CannotRefund):
    """`spendable`: nano of paid credit that are left."""

    def __init__(self, spendable: int) -> None:
        super().__init__(spendable)
        self.spendable = spendable


class OutOfBounds(CannotRefund):
    """Not above zero, or not whole cents."""


def left_of(payment: Payment) -> int:
    """Nano of this payment that may still go back."""
    reserved = payment.refunds.filter(state=PaymentRefund.State.RESERVED).aggregate(sum=Sum("amount_nano", default=0))
    return payment.amount_nano - payment.refunded_nano - int(reserved["sum"])


def reserve(*, payment: Payment, amount: int, by: User, reason: str, client_id: UUID, now: datetime) -> PaymentRefund:
    """Set the amount aside. The same `client_id` again is the first refund; `send` asks Stripe.

    Raises NotRefundable, MoreThanPaid, AlreadySpent, OutOfBounds.
    """
    if amount <= 0 or amount % CENT:
        raise OutOfBounds(amount)
    try:
        with transaction.atomic():
            payment = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
            if before := payment.refunds.filter(client_id=client_id).first():
                return before
            if not payment.is_paid or payment.disputes.exclude(state=Dispute.State.WON).exists():
                raise NotRefundable
            if amount > (most := left_of(payment)):
                raise MoreThanPaid(most)
            paid = ledger.locked(payment.user, AccountKind.USER_PAID)[AccountKind.USER_PAID]
            if amount > paid.spendable:
                raise AlreadySpent(paid.spendable)
            ledger.move_held({paid: amount})
            return PaymentRefund.objects.create(
                payment=payment,
                client_id=client_id,
                amount_nano=amount,
                state=PaymentRefund.State.RESERVED,
                asked_by=by,
                reason=reason,
                created_at=now,
                look_at=now + AGAIN,
            )
    except IntegrityError:
        return PaymentRefund.objects.get(payment=payment, client_id=client_id)


def send(*, refund: PaymentRefund, now: datetime) -> PaymentRefund:
    """Ask Stripe for a refund that is set aside. Unknown outcomes stay reserved and are asked about again."""
    payment = refund.payment
    if refund.state != PaymentRefund.State.RESERVED or not payment.intent_id:
        return refund
    try:
        said = _found(refund, payment.intent_id) if refund.created_at < now - AGAIN else None
        said = said or seen(
            stripe_gate.refund(refund=refund.public_id, intent_id=payment.intent_id, amount=refund.amount_nano)
        )
    except StripeDown:
        PaymentRefund.objects.filter(pk=refund.pk, state=PaymentRefund.State.RESERVED).update(look_at=now + AGAIN)
        refund.refresh_from_db()
        return refund
    except StripeRefused as refused:
        return _refused(refund, refused.code, now)
    with transaction.atomic():
        payment = Payment.objects.select_for_update(no_key=True).select_related("user").get(pk=payment.pk)
        take(payment, said, now)
    refund.refresh_from_db()
    return refund


def send_due(*, now: datetime) -> int:
    """Those of which Stripe's answer was lost. How many were asked about."""
    due = PaymentRefund.objects.filter(state=PaymentRefund.State.RESERVED, look_at__lte=now).order_by("look_at")
    count = 0
    for refund in list(due.select_related("payment")[:AT_ONCE]):
        mine = PaymentRefund.objects.filter(pk=refund.pk, look_at=refund.look_at).update(look_at=now + AGAIN)
        count += bool(mine and send(refund=refund, now=now))
    return count


def take(payment: Payment, said: Seen, now: datetime) -> bool:
    """A refund as Stripe describes it, of a paid payment whose row is locked. False: more than was paid."""
    amount = from_cents(said.amount)
    if amount <= 0 or said.currency != CURRENCY.lower():
        return False
    row = PaymentRefund.objects.filter(stripe_id=said.id).first() or _ours(payment, said)
    if row is not None and (row.payment_id != payment.pk or row.amount_nano != amount):
        return False
    is_new = row is None or row.state in {PaymentRefund.State.RESERVED, PaymentRefund.State.REFUSED}
    if is_new and said.status in BACK:
        _never_left(payment, row, said, now)
    elif is_new:
        if exceeds(payment, said):
            return False
        _gone(payment, row, said, now)
    elif row is not None and said.status in BACK and row.state == PaymentRefund.State.DONE:
        _came_back(payment, row, said, now)
    return True


def exceeds(payment: Payment, said: Seen) -> bool:
    """A refund we have not seen, with which more would have gone back than was paid: one of those that we have seen
    must have failed.
    """
    is_new = not PaymentRefund.objects.filter(stripe_id=said.id).exists()
    leaves = said.status not in BACK and from_cents(said.amount) > payment.amount_nano - payment.refunded_nano
    return is_new and leaves


def _gone(payment: Payment, row: PaymentRefund | None, said: Seen, now: datetime) -> PaymentRefund:
    """The money has left: what was set aside is free for the posting, and the posting takes it."""
    amount = from_cents(said.amount)
    row = row or PaymentRefund(payment=payment, amount_nano=amount, created_at=now, reason=said.reason)
    if row.state == PaymentRefund.State.RESERVED:
        _free(row)
    row.txn = payment_books.take_back(payment, kind="refund", key=f"refund:stripe:{said.id}", amount=amount, now=now)
    row.state, row.stripe_id, row.closed_at, row.look_at = PaymentRefund.State.DONE, said.id, now, None
    row.failure = ""
    row.save()
    payment.refunded_nano += amount
    payment.save(update_fields=["refunded_nano"])
    standing.review(user=payment.user, now=now)
    notices.write(
        user=payment.user,
        kind=NoticeKind.REFUND,
        key=f"refund:{row.public_id}",
        data={
            "amount_nano": amount,
            "number": payment.number,
            "paid": f"US{SYMBOL}{format_amount(amount)}",
            "path": f"/billing/payments/{payment.public_id}/",
        },
        now=now,
    )
    log.info("billing.refund.done", refund=row.public_id, payment=payment.public_id, amount_nano=amount)
    return row


def _never_left(payment: Payment, row: PaymentRefund | None, said: Seen, now: datetime) -> None:
    """It had failed when we first heard of it: nothing to post, what was set aside is free."""
    row = row or PaymentRefund(payment=payment, amount_nano=from_cents(said.amount), created_at=now, reason=said.reason)
    if row.state == PaymentRefund.State.RESERVED:
        _free(row)
    row.state, row.stripe_id, row.failure = PaymentRefund.State.FAILED, said.id, said.code
    row.closed_at, row.look_at = now, None
    row.save()


def _came_back(payment: Payment, row: PaymentRefund, said: Seen, now: datetime) -> None:
    """The bank would not have it: the money is at Stripe again, the credit with its owner."""
    row.undone = payment_books.bring_home(
        payment, kind="refund.undo", key=f"refund:stripe:{said.id}:undo", amount=row.amount_nano, now=now
    )
    row.state, row.failure = PaymentRefund.State.FAILED, said.code
    row.save()
    payment.refunded_nano -= row.amount_nano
    payment.save(update_fields=["refunded_nano"])
    standing.review(user=payment.user, now=now)
    log.warning("billing.refund.came_back", refund=row.public_id, payment=payment.public_id, code=said.code)


def _refused(refund: PaymentRefund, code: str, now: datetime) -> PaymentRefund:
    with transaction.atomic():
        Payment.objects.select_for_update(no_key=True).get(pk=refund.payment_id)
        row = PaymentRefund.objects.get(pk=refund.pk)
        if row.state == PaymentRefund.State.RESERVED:
            _free(row)
            row.state, row.failure = PaymentRefund.State.REFUSED, code[:80]
            row.closed_at, row.look_at = now, None
            row.save()
    return row


def _free(row: PaymentRefund) -> None:
    paid = ledger.locked(row.payment.user, AccountKind.USER_PAID)[AccountKind.USER_PAID]
    ledger.move_held({paid: -row.amount_nano})


def _ours(payment: Payment, said: Seen) -> PaymentRefund | None:
    """The row that asked for it, by the name that we gave it; it has no id of Stripe's yet."""
    if not said.our_refund:
        return None
    return PaymentRefund.objects.filter(public_id=said.our_refund, payment=payment, stripe_id=None).first()


def _found(refund: PaymentRefund, intent_id: str) -> Seen | None:
    """Stripe keeps keys for a day only; later its list says whether it has this one."""
    listed = (seen(each) for each in stripe_gate.refunds(intent_id))
    return next((each for each in listed if each.our_refund == refund.public_id), None)
