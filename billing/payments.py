"""Buy credit: a row first, then Stripe; what Stripe says afterwards, by event or when asked, moves the row forward.

Nothing that a browser brings back credits anything. An event and a look at Stripe end in the same function
(`take`), which holds the payment's row; states only rise, so order and repetition change nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import User
from billing import auto_topup, notices, payment_books, payment_disputes, payment_refunds, stripe_gate
from billing.models import NoticeKind, Payment
from billing.money import CENT, CURRENCY, NANO, SYMBOL, format_amount, to_cents
from billing.payment_rows import advance, alarm, locked
from billing.stripe_facts import Seen, seen
from billing.stripe_gate import StripeDown, StripeError, StripeRefused

LASTS = timedelta(minutes=60)  # of a Checkout page; Stripe takes 30 minutes at least
MOST_OPEN = 10
FIRST_LOOK = timedelta(minutes=2)
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (2, 3, 5, 10, 15, 30, 60, 120, 360, 720, 1440))
AT_ONCE = 50
SOON = timedelta(seconds=5)
LEASE = timedelta(minutes=2)
log = structlog.get_logger("billing")


class CannotPay(Exception):
    """No payment was started; nothing was charged."""


class PaymentsOff(CannotPay):
    """No payment provider is configured."""


class OutOfBounds(CannotPay):
    """Less or more than may be bought at once, or not whole cents."""


class TooManyOpen(CannotPay):
    """Unfinished payments pile up."""


class NotReached(CannotPay):
    """Stripe did not answer; the same form may be sent again."""


def bounds() -> tuple[int, int]:
    """The smallest and the largest top-up, nano."""
    return settings.TOPUP_MIN * NANO, settings.TOPUP_MAX * NANO


def presets() -> list[int]:
    """The amounts that are offered, nano."""
    return [int(each) * NANO for each in settings.TOPUP_PRESETS]


def start(*, user: User, amount: int, form_id: UUID, saves_card: bool, language: str, now: datetime) -> Payment:
    """A payment and the page at Stripe where it is made (`checkout_url`). The same form and amount is one payment.

    Raises PaymentsOff, OutOfBounds, TooManyOpen, NotReached.
    """
    least, most = bounds()
    if not stripe_gate.is_on():
        raise PaymentsOff
    if not least <= amount <= most or amount % CENT:
        raise OutOfBounds(amount)
    payment = _row(user, amount, uuid5(form_id, f"{amount}:{saves_card}"), saves_card=saves_card, now=now)
    if payment.state != Payment.State.NEW:
        return payment
    try:
        made = stripe_gate.create_session(
            payment=payment.public_id,
            amount=amount,
            description=f"{SYMBOL}{format_amount(amount)} of API credit",
            email=user.email,
            customer=auto_topup.customer_of(user) if saves_card else "",
            saves_card=saves_card,
            language=language,
            expires_at=int(payment.expires_at.astimezone(UTC).timestamp()),
            success_url=f"{address(payment)}?from=stripe",
            cancel_url=f"{address(payment)}?from=cancel",
        )
    except StripeDown as error:
        raise NotReached from error
    except StripeRefused as refused:
        log.exception("billing.payment.refused", payment=payment.public_id, code=refused.code)
        with locked(payment) as row:
            advance(row, Payment.State.FAILED)
        raise NotReached from refused
    with locked(payment) as row:
        row.session_id = row.session_id or made["id"]
        row.checkout_url = made.get("url") or ""
        row.save(update_fields=["session_id", "checkout_url"])
        advance(row, Payment.State.OPEN)
    return row


def address(payment: Payment) -> str:
    """Of its page, for mails and for Stripe."""
    return f"{settings.PUBLIC_URL}/billing/payments/{payment.public_id}/"


def take(payment: Payment, said: Seen, *, has_failed: bool = False, now: datetime) -> bool:
    """What Stripe says of a payment whose row is locked. False: it does not fit, and nothing was done but the alarm.

    Refunds, disputes and charges are for payments that are paid.
    """
    takers: dict[str, Callable[[], bool]] = {
        "checkout.session": lambda: _take_session(payment, said, now, has_failed=has_failed),
        "payment_intent": lambda: _take_intent(payment, said, now),
        "charge": lambda: _take_charge(payment, said, now),
        "refund": lambda: payment_refunds.take(payment, said, now) or alarm(payment, Payment.Alarm.AMOUNT, said),
        "dispute": lambda: payment_disputes.take(payment, said, now) or alarm(payment, Payment.Alarm.AMOUNT, said),
    }
    return takers[said.what]()


def look(*, payment: Payment, now: datetime) -> Payment:
    """Ask Stripe, the second verified source, and take what it says. Raises StripeDown, StripeRefused."""
    row = payment
    if row.session_id and row.is_in_flight:
        said = seen(stripe_gate.session(row.session_id))
        with locked(payment) as row:
            take(row, said, now=now)
    if row.intent_id:
        said = seen(stripe_gate.intent(row.intent_id))
        back: list[Seen] = []
        if said.charge and (said.charge.refunded > 0 or said.charge.is_disputed):
            listed = [*stripe_gate.refunds(row.intent_id), *stripe_gate.disputes(row.intent_id)]
            back = sorted(map(seen, listed), key=lambda each: each.status not in payment_refunds.BACK)
        with locked(payment) as row:
            take(row, said, now=now)
            for each in back if row.is_paid else []:
                take(row, each, now=now)
    return row


def look_at_due(*, now: datetime) -> int:
    """Ask Stripe about every payment that is due, one by one. How many were looked at."""
    due = Payment.objects.filter(look_at__lte=now).order_by("look_at")
    count = 0
    for payment in list(due[:AT_ONCE]):
        if not Payment.objects.filter(pk=payment.pk, look_at=payment.look_at).update(look_at=now + LEASE):
            continue  # somebody else has it
        try:
            fresh = charge(payment=payment, now=now) if _is_unsent(payment) else look(payment=payment, now=now)
        except StripeError as error:
            log.warning("billing.payment.not_reached", payment=payment.public_id, error=type(error).__name__)
            fresh = payment
        _schedule(fresh, now)
        count += 1
    return count


def refresh(*, payment: Payment, now: datetime) -> Payment:
    """For the page that a payer comes back to: ask Stripe, but not more often than every few seconds."""
    if not stripe_gate.is_on() or not payment.is_in_flight:
        return payment
    free = Payment.objects.filter(pk=payment.pk).filter(Q(look_at=None) | ~Q(look_at__gt=now, look_at__lte=now + SOON))
    if not free.update(look_at=now + SOON):
        return payment
    try:
        return look(payment=payment, now=now)
    except StripeError as error:
        log.warning("billing.payment.not_reached", payment=payment.public_id, error=type(error).__name__)
        return payment


def charge(*, payment: Payment, now: datetime) -> Payment:
    """Charge the saved card for an automatic top-up. Safe to repeat: Stripe knows the key. Raises StripeDown."""
    card = auto_topup.card_of(payment.user)
    if card is None:
        with locked(payment) as row:
            auto_topup.failed(row, "no_card", now)
        return row
    try:
        said = seen(
            stripe_gate.charge_card(
                payment=payment.public_id,
                amount=payment.amount_nano,
                description=f"{SYMBOL}{format_amount(payment.amount_nano)} of API credit, automatic",
                customer=card.customer_id,
                card=card.card_id,
            )
        )
    except StripeRefused as refused:
        return _declined(payment, refused, now)
    with locked(payment) as row:
        take(row, said, now=now)
    return row


def confirm(*, payment: Payment, now: datetime) -> str:
    """The owner is here: try an automatic charge again that their bank wants to ask about. Where it asks, "" if not.

    Raises CannotPay, StripeError.
    """
    card = auto_topup.card_of(payment.user)
    if payment.state != Payment.State.ACTION or not payment.intent_id or card is None:
        raise CannotPay
    try:
        said = seen(
            stripe_gate.confirm_intent(intent_id=payment.intent_id, card=card.card_id, return_url=address(payment))
        )
    except StripeRefused as refused:
        _declined(payment, refused, now)
        return ""
    with locked(payment) as row:
        take(row, said, now=now)
    return said.action_url


def charge_due(*, now: datetime) -> int:
    """Begin the automatic top-ups that are due. How many."""
    begun = auto_topup.begin_due(now=now)
    for payment in begun:
        try:
            charge(payment=payment, now=now)
        except StripeDown:
            log.warning("billing.payment.not_reached", payment=payment.public_id)  # its look asks again
    return len(begun)


def _declined(payment: Payment, refused: StripeRefused, now: datetime) -> Payment:
    with locked(payment) as row:
        if refused.intent:
            take(row, seen(refused.intent), now=now)
        if row.state not in {Payment.State.ACTION, Payment.State.PAID}:
            auto_topup.failed(row, refused.decline_code or refused.code, now)
    return row


def _row(user: User, amount: int, client_id: UUID, *, saves_card: bool, now: datetime) -> Payment:
    if before := Payment.objects.filter(user=user, client_id=client_id).first():
        return before
    if Payment.objects.filter(user=user).in_flight().count() >= MOST_OPEN:
        raise TooManyOpen
    try:
        with transaction.atomic():
            return Payment.objects.create(
                user=user,
                client_id=client_id,
                amount_nano=amount,
                saves_card=saves_card,
                created_at=now,
                expires_at=now + LASTS,
                look_at=now + FIRST_LOOK,
            )
    except IntegrityError:
        return Payment.objects.get(user=user, client_id=client_id)


def _take_session(payment: Payment, said: Seen, now: datetime, *, has_failed: bool) -> bool:
    if said.mode != "payment" or not _fits(payment, said.amount, said.currency):
        return alarm(payment, Payment.Alarm.AMOUNT, said)
    if not _link(payment, said):
        return False
    if said.payment_status == "paid":
        _paid(payment, now)
    elif has_failed:
        advance(payment, Payment.State.FAILED)
    elif said.status == "expired":
        advance(payment, Payment.State.EXPIRED)
    elif said.status == "complete":
        advance(payment, Payment.State.PROCESSING)
    return True


def _take_intent(payment: Payment, said: Seen, now: datetime) -> bool:
    if not _fits(payment, said.amount, said.currency):
        return alarm(payment, Payment.Alarm.AMOUNT, said)
    if not _link(payment, said):
        return False
    if said.status == "succeeded":
        if said.received != said.amount:
            return alarm(payment, Payment.Alarm.AMOUNT, said)
        _paid(payment, now)
    elif said.status == "processing":
        advance(payment, Payment.State.PROCESSING)
    elif payment.kind == Payment.Kind.AUTO:
        auto_topup.take(payment, said, now)
    elif said.status == "canceled":
        advance(payment, Payment.State.EXPIRED)
    if payment.is_paid and said.charge:
        _take_charge(payment, said.charge, now)
    if payment.is_paid and payment.saves_card and said.customer and said.card:
        auto_topup.card_saved(payment=payment, customer=said.customer, card=said.card, now=now)
    return True


def _take_charge(payment: Payment, said: Seen, now: datetime) -> bool:
    """How it was paid, what Stripe kept; that something went back is asked for in full."""
    if said.currency != CURRENCY.lower():
        return alarm(payment, Payment.Alarm.AMOUNT, said)
    if said.method and not payment.method:
        payment.method, payment.method_hint = said.method, said.method_hint
        payment.save(update_fields=["method", "method_hint"])
    for found in said.fees:
        payment_books.fee(payment, found, now)
    if said.refunded > to_cents(payment.refunded_nano):
        Payment.objects.filter(pk=payment.pk).update(look_at=now, looks=0)
    return True


def _fits(payment: Payment, cents: int, currency: str) -> bool:
    return cents == to_cents(payment.amount_nano) and currency == CURRENCY.lower()


def _link(payment: Payment, said: Seen) -> bool:
    """The payment intent belongs to this payment alone."""
    if not said.intent or payment.intent_id == said.intent:
        return True
    if payment.intent_id or Payment.objects.filter(intent_id=said.intent).exists():
        return alarm(payment, Payment.Alarm.OBJECT, said)
    payment.intent_id = said.intent
    payment.save(update_fields=["intent_id"])
    return True


def _paid(payment: Payment, now: datetime) -> None:
    """Credit, once: the row is locked and says whether it was."""
    if payment.is_paid:
        return
    payment_books.credit(payment, now)
    payment.look_at, payment.looks = now + SOON, 0  # for the fee and the method
    payment.save(update_fields=["look_at", "looks"])
    auto_topup.paid(payment)
    notices.write(
        user=payment.user,
        kind=NoticeKind.TOPUP_RECEIPT,
        key=f"payment:{payment.public_id}:receipt",
        data={
            "amount_nano": payment.amount_nano,
            "number": payment.number,
            "paid_at": now.isoformat(),
            "paid": f"US{SYMBOL}{format_amount(payment.amount_nano)}",
            "path": f"/billing/payments/{payment.public_id}/",
        },
        now=now,
    )
    log.info("billing.payment.paid", payment=payment.public_id, amount_nano=payment.amount_nano)


def _end(payment: Payment, now: datetime) -> None:
    """What nobody will finish any more: a page that was never made, a charge that was never confirmed or never sent."""
    if payment.kind == Payment.Kind.AUTO:
        if payment.state == Payment.State.NEW and not payment.intent_id:
            payment.alarm = Payment.Alarm.LOST
            payment.save(update_fields=["alarm"])
        if payment.state in {Payment.State.NEW, Payment.State.ACTION}:
            auto_topup.failed(payment, "not_confirmed", now)
    elif payment.state == Payment.State.NEW:
        advance(payment, Payment.State.EXPIRED)


def _is_unsent(payment: Payment) -> bool:
    """An automatic charge of which we do not know whether Stripe has it."""
    return payment.kind == Payment.Kind.AUTO and payment.is_in_flight and not payment.intent_id


def _schedule(payment: Payment, now: datetime) -> None:
    """The next look: while it is in flight, then until the fee is known. A page that was never made has ended."""
    with locked(payment) as row:
        if row.expires_at <= now:
            _end(row, now)
        has_more = row.is_in_flight or (row.is_paid and row.fee_nano is None and row.looks < len(PAUSES))
        if row.look_at is not None and row.look_at <= now:
            return  # somebody wants it looked at again, at once
        row.look_at = now + PAUSES[min(row.looks, len(PAUSES) - 1)] if has_more else None
        row.looks += 1
        row.save(update_fields=["look_at", "looks"])
