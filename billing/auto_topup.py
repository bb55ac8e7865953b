"""Charge a saved card when the balance falls below a threshold. Off until its owner says so, with their consent.

One attempt is one Payment, and the database allows one in flight per person. A decline is told by mail and waited for;
after MOST_FAILURES in a row it is switched off.
"""

from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery, Sum
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import User
from billing import notices, standing, stripe_gate
from billing.ledger import SPEND_ORDER
from billing.models import AutoTopUp, Freeze, LedgerAccount, NoticeKind, Payment
from billing.payment_rows import advance
from billing.stripe_facts import Seen

OffBecause = AutoTopUp.OffBecause
MOST_FAILURES = 3
PAUSES = (timedelta(hours=1), timedelta(hours=24))  # after the first and the second decline
CONFIRM_WITHIN = timedelta(hours=23)  # Stripe forgets idempotency keys after a day
FIRST_LOOK = timedelta(minutes=1)
AT_ONCE = 100
log = structlog.get_logger("billing")


def settings_of(user: User) -> AutoTopUp | None:
    return AutoTopUp.objects.filter(user=user).first()


def customer_of(user: User) -> str:
    """Stripe's name for this person, "" while it has none."""
    found = settings_of(user)
    return found.customer_id if found else ""


def card_of(user: User) -> AutoTopUp | None:
    """The settings, if a card is saved."""
    found = settings_of(user)
    return found if found and found.card_id else None


def choose(*, user: User, threshold: int, amount: int, cap: int, now: datetime) -> AutoTopUp:
    """What somebody consented to. It is on at once where a card is saved, else as soon as one is."""
    with transaction.atomic():
        amounts = {"threshold_nano": threshold, "amount_nano": amount, "monthly_cap_nano": cap}
        row, _created = AutoTopUp.objects.select_for_update(no_key=True).get_or_create(user=user, defaults=amounts)
        row.threshold_nano, row.amount_nano, row.monthly_cap_nano = threshold, amount, cap
        row.consented_at = now
        row.is_on, row.wants_on = bool(row.card_id), not row.card_id
        row.failures, row.next_try_at, row.off_because = 0, None, OffBecause.NEVER_ON
        row.save()
    return row


def stop(*, user: User, because: AutoTopUp.OffBecause) -> None:
    """Nothing is charged any more; the card stays saved."""
    live = AutoTopUp.objects.filter(user=user).filter(Q(is_on=True) | Q(wants_on=True))
    live.update(is_on=False, wants_on=False, off_because=because, next_try_at=None)


def forget_card(*, user: User) -> None:
    """Off, and the card is gone, at Stripe too. Raises StripeDown; then it is off, and the card is still there."""
    stop(user=user, because=OffBecause.OWNER)
    row = card_of(user)
    if row is not None:
        stripe_gate.forget_card(row.card_id)
        AutoTopUp.objects.filter(pk=row.pk, card_id=row.card_id).update(card_id="", card_hint="", is_on=False)


def card_saved(*, payment: Payment, customer: str, card: str, now: datetime) -> None:
    """A payment with consent left a card. Once per payment: a card that was removed does not come back with a poll."""
    row = AutoTopUp.objects.select_for_update(no_key=True, of=("self",)).filter(user=payment.user).first()
    if row is None or row.consented_at is None:
        return
    if row.card_from_id == payment.pk:
        if row.card_id and not row.card_hint and payment.method_hint:
            row.card_hint = payment.method_hint
            row.save(update_fields=["card_hint"])
        return
    if row.card_from is not None and row.card_from.created_at >= payment.created_at:
        return
    row.customer_id, row.card_id, row.card_hint, row.card_from = customer, card, payment.method_hint, payment
    if row.wants_on:
        row.is_on, row.wants_on, row.off_because = True, False, OffBecause.NEVER_ON
        log.info("billing.auto_topup.on", user=payment.user.public_id, at=now.isoformat())
    row.save()


def begin_due(*, now: datetime) -> list[Payment]:
    """One payment for each person whose balance is below the threshold and who may be charged."""
    own = LedgerAccount.objects.filter(owner=OuterRef("user_id"), kind__in=SPEND_ORDER).values("owner")
    left = own.annotate(left=Sum(F("credits") - F("debits") - F("held"))).values("left")
    due = (
        AutoTopUp.objects.filter(Q(next_try_at=None) | Q(next_try_at__lte=now), is_on=True, user__is_active=True)
        .annotate(left=Subquery(left))
        .filter(left__lt=F("threshold_nano"))
        .exclude(Exists(Freeze.objects.filter(user=OuterRef("user_id"))))
        .exclude(Exists(Payment.objects.in_flight().filter(user=OuterRef("user_id"), kind=Payment.Kind.AUTO)))
    )
    begun = (_begin(row.pk, now) for row in list(due.order_by("pk")[:AT_ONCE]))
    return [payment for payment in begun if payment is not None]


def take(payment: Payment, said: Seen, now: datetime) -> None:
    """An automatic charge that has not gone through (yet). The payment's row is locked."""
    if said.status == "requires_action" or (
        said.status == "requires_payment_method" and said.code == "authentication_required"
    ):
        if advance(payment, Payment.State.ACTION):
            _ask_owner(payment, now)
    elif said.status == "canceled" or (said.status == "requires_payment_method" and said.code):
        failed(payment, said.code or "canceled", now)


def failed(payment: Payment, code: str, now: datetime) -> None:
    """A decline, once per payment: wait longer each time, then give up. The payment's row is locked."""
    if not advance(payment, Payment.State.FAILED):
        return
    payment.decline_code = code[:64]
    payment.save(update_fields=["decline_code"])
    row = AutoTopUp.objects.select_for_update(no_key=True).filter(user=payment.user).first()
    if row is None:
        return
    row.failures += 1
    gives_up = row.failures >= MOST_FAILURES or code == "no_card"
    if gives_up:
        row.is_on, row.off_because, row.next_try_at = False, OffBecause.DECLINED, None
    else:
        row.next_try_at = now + PAUSES[min(row.failures, len(PAUSES)) - 1]
    row.save()
    _tell(payment.user, f"payment:{payment.public_id}:failed", payment.amount_nano, code, gives_up, now)


def paid(payment: Payment) -> None:
    """It went through: declines before it are forgotten. The payment's row is locked."""
    if payment.kind == Payment.Kind.AUTO:
        AutoTopUp.objects.filter(user=payment.user).update(failures=0, next_try_at=None)


def spent_this_month(user: User, now: datetime) -> int:
    """Nano that were charged automatically since the first of the month (UTC), or are being charged."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    mine = Payment.objects.filter(user=user, kind=Payment.Kind.AUTO, created_at__gte=first)
    counted = mine.filter(state__in=[*Payment.IN_FLIGHT, Payment.State.PAID])
    return int(counted.aggregate(sum=Sum("amount_nano", default=0))["sum"])


def decline_words(code: str) -> str:
    """Why a card was not charged, for its owner."""
    known = {
        "insufficient_funds": _("The card has not enough funds."),
        "expired_card": _("The card has expired."),
        "not_confirmed": _("It was not confirmed in time."),
        "monthly_cap": _("Your monthly limit for automatic top-ups is reached."),
        "no_card": _("No card is saved any more."),
        "authentication_required": _("The bank wanted a confirmation."),
    }
    return known.get(code, _("The card was declined."))


def _begin(pk: int, now: datetime) -> Payment | None:
    try:
        with transaction.atomic():
            row = AutoTopUp.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=pk)
            if not row.is_on or (row.next_try_at and row.next_try_at > now) or standing.refusal(pk):
                return None
            # Looked at, not left to the unique key: that would wait, with our lock, for whoever ends the other one.
            if Payment.objects.in_flight().filter(user=pk, kind=Payment.Kind.AUTO).exists():
                return None
            spendable = LedgerAccount.objects.filter(owner=pk, kind__in=SPEND_ORDER)
            if sum(each.spendable for each in spendable) >= row.threshold_nano:
                return None
            if spent_this_month(row.user, now) + row.amount_nano > row.monthly_cap_nano:
                _tell(row.user, f"auto_topup:{pk}:{now:%Y-%m}:cap", row.amount_nano, "monthly_cap", False, now)
                return None
            return Payment.objects.create(
                user=row.user,
                kind=Payment.Kind.AUTO,
                amount_nano=row.amount_nano,
                created_at=now,
                expires_at=now + CONFIRM_WITHIN,
                look_at=now + FIRST_LOOK,
            )
    except IntegrityError:  # the unique key has the last word
        return None


def _ask_owner(payment: Payment, now: datetime) -> None:
    notices.write(
        user=payment.user,
        kind=NoticeKind.AUTO_TOPUP_ACTION,
        key=f"payment:{payment.public_id}:action",
        data={"amount_nano": payment.amount_nano, "url": f"/billing/payments/{payment.public_id}/"},
        now=now,
    )


def _tell(user: User, key: str, amount: int, code: str, is_off: bool, now: datetime) -> None:  # noqa: FBT001 a column
    with translation.override(user.language or "en"):
        reason = decline_words(code)
    notices.write(
        user=user,
        kind=NoticeKind.AUTO_TOPUP_FAILED,
        key=key,
        data={"amount_nano": amount, "reason": reason, "is_off": is_off},
        now=now,
    )
