"""Money that comes in through Stripe, goes back, or is disputed; and the card that may be charged again."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.ids import new_public_id
from accounts.models import User
from billing.models.bounds import bounded
from billing.models.ledger import LedgerTxn


def payment_public_id() -> str:
    return new_public_id("pay")


def refund_public_id() -> str:
    return new_public_id("rfd")


class PaymentQuerySet(models.QuerySet["Payment"]):
    def of(self, user: User) -> "PaymentQuerySet":
        return self.filter(user=user).order_by("-created_at", "-pk")

    def in_flight(self) -> "PaymentQuerySet":
        return self.filter(state__in=Payment.IN_FLIGHT)


class Payment(models.Model):
    """One attempt to buy credit. Made before Stripe is asked; its state only ever moves forward (`rank`)."""

    class Kind(models.TextChoices):
        CHECKOUT = "checkout", _("Top-up")
        AUTO = "auto", _("Automatic top-up")

    class State(models.TextChoices):
        NEW = "new", _("Being prepared")
        OPEN = "open", _("Waiting for payment")
        PROCESSING = "processing", _("Waiting for confirmation")
        ACTION = "action", _("Needs your confirmation")
        EXPIRED = "expired", _("Not paid")
        FAILED = "failed", _("Failed")
        PAID = "paid", _("Paid")

    class Alarm(models.TextChoices):
        """Stripe said something that does not fit our row; nothing was credited for it."""

        AMOUNT = "amount", _("The amount or currency does not match.")
        MODE = "mode", _("The event belongs to the other mode, test or live.")
        OBJECT = "object", _("It names an object that belongs to another payment.")
        LOST = "lost", _("The outcome could not be learned in time.")

    IN_FLIGHT = (State.NEW, State.OPEN, State.PROCESSING, State.ACTION)

    public_id = models.CharField(max_length=32, default=payment_public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="payments", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.CHECKOUT)
    client_id = models.UUIDField(default=uuid.uuid4)  # from the form: the same form twice is one payment
    amount_nano = models.BigIntegerField()  # whole cents
    state = models.CharField(max_length=10, choices=State, default=State.NEW)
    saves_card = models.BooleanField(default=False)  # with consent: for automatic top-ups
    session_id = models.CharField(max_length=200, null=True)
    intent_id = models.CharField(max_length=200, null=True)
    checkout_url = models.CharField(max_length=2000, blank=True)
    method = models.CharField(max_length=24, blank=True)  # card, alipay, wechat_pay
    method_hint = models.CharField(max_length=40, blank=True)  # "visa 4242"
    decline_code = models.CharField(max_length=64, blank=True)
    fee_nano = models.BigIntegerField(null=True)  # Stripe's, once it is known
    refunded_nano = models.BigIntegerField(default=0)
    receipt_number = models.BigIntegerField(null=True)
    buyer_email = models.EmailField(max_length=254, blank=True)  # as it was when the payment was made
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    alarm = models.CharField(max_length=12, choices=Alarm, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)
    look_at = models.DateTimeField(null=True)  # when Stripe is asked next; null: nothing is left to learn
    looks = models.IntegerField(default=0)

    objects: ClassVar[PaymentQuerySet] = PaymentQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="payment_user_time"),
            models.Index(fields=["-created_at", "-id"], name="payment_time"),
            models.Index(fields=["look_at"], condition=Q(look_at__isnull=False), name="payment_due"),
        ]
        constraints = [
            bounded("payment_amount", "amount_nano", least=1),
            models.UniqueConstraint(fields=["public_id"], name="payment_public_id"),
            models.UniqueConstraint(fields=["session_id"], name="payment_once_per_session"),
            models.UniqueConstraint(fields=["intent_id"], name="payment_once_per_intent"),
            models.UniqueConstraint(fields=["receipt_number"], name="payment_number"),
            models.UniqueConstraint(fields=["txn"], name="payment_credited_once"),
            models.UniqueConstraint(fields=["user", "client_id"], name="payment_once_per_form"),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(kind="auto", state__in=["new", "open", "processing", "action"]),
                name="payment_one_automatic_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", txn__isnull=False, paid_at__isnull=False, receipt_number__isnull=False)
                | (~Q(state="paid") & Q(txn=None, paid_at=None, receipt_number=None, refunded_nano=0, fee_nano=None)),
                name="payment_paid_is_posted",
            ),
            models.CheckConstraint(
                condition=Q(refunded_nano__gte=0, refunded_nano__lte=F("amount_nano")), name="payment_refund_within"
            ),
            models.CheckConstraint(
                condition=Q(fee_nano=None) | Q(fee_nano__gte=0, fee_nano__lte=F("amount_nano")), name="payment_fee"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def rank(self) -> int:
        """States are ordered; whatever arrives in whatever order, the highest one stays."""
        return RANKS[Payment.State(self.state)]

    @property
    def is_paid(self) -> bool:
        return self.state == Payment.State.PAID

    @property
    def is_in_flight(self) -> bool:
        return self.state in Payment.IN_FLIGHT

    @property
    def number(self) -> str:
        """On the receipt; the public id until there is one."""
        return f"R-{self.receipt_number:06d}" if self.receipt_number else self.public_id

    @property
    def is_fully_refunded(self) -> bool:
        return self.refunded_nano == self.amount_nano


RANKS = {state: rank for rank, state in enumerate(Payment.State)}


class PaymentEvent(models.Model):
    """One event of Stripe's, stored once and applied once."""

    class State(models.TextChoices):
        STORED = "stored", _("Not applied yet")
        WAITING = "waiting", _("Waits for its payment")
        APPLIED = "applied", _("Applied")
        IGNORED = "ignored", _("Nothing of ours")
        REFUSED = "refused", _("Does not fit our row")

    event_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=80)
    object_id = models.CharField(max_length=200, blank=True)
    intent_id = models.CharField(max_length=200, blank=True)
    is_live = models.BooleanField()
    body = models.JSONField()  # the object, reduced to what is read of it: no names, no addresses
    state = models.CharField(max_length=8, choices=State, default=State.STORED)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="events")
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["received_at"], condition=Q(state__in=["stored", "waiting"]), name="payment_event_due"
            ),
            models.Index(fields=["intent_id"], condition=Q(state="waiting"), name="payment_event_waiting"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["event_id"], name="payment_event_once"),
            models.CheckConstraint(
                condition=Q(state__in=["stored", "waiting"], applied_at=None)
                | (~Q(state__in=["stored", "waiting"]) & Q(applied_at__isnull=False)),
                name="payment_event_applied",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class PaymentRefund(models.Model):
    """Money that goes back. Asked for by an operator here, or seen at Stripe (`asked_by` is null then)."""

    class State(models.TextChoices):
        RESERVED = "reserved", _("Set aside, Stripe is asked")
        REFUSED = "refused", _("Refused by Stripe")
        DONE = "done", _("Refunded")
        FAILED = "failed", _("Came back")

    public_id = models.CharField(max_length=32, default=refund_public_id, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    client_id = models.UUIDField(default=uuid.uuid4)
    stripe_id = models.CharField(max_length=200, null=True)
    amount_nano = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    failure = models.CharField(max_length=80, blank=True)  # Stripe's code
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    undone = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    look_at = models.DateTimeField(null=True)  # when Stripe is asked again about a reserved one

    class Meta:
        indexes = [models.Index(fields=["look_at"], condition=Q(state="reserved"), name="payment_refund_due")]
        constraints = [
            bounded("payment_refund_amount", "amount_nano", least=1),
            models.UniqueConstraint(fields=["public_id"], name="payment_refund_public_id"),
            models.UniqueConstraint(fields=["stripe_id"], name="payment_refund_once"),
            models.UniqueConstraint(fields=["txn"], name="payment_refund_posted_once"),
            models.UniqueConstraint(fields=["undone"], name="payment_refund_undone_once"),
            models.UniqueConstraint(fields=["payment", "client_id"], name="payment_refund_once_per_form"),
            models.CheckConstraint(
                condition=Q(state="reserved", txn=None, undone=None, closed_at=None)
                | Q(state="refused", txn=None, undone=None, closed_at__isnull=False)
                | Q(state="done", txn__isnull=False, undone=None, closed_at__isnull=False, stripe_id__isnull=False)
                | Q(state="failed", txn__isnull=False, undone__isnull=False, closed_at__isnull=False)
                | Q(
                    state="failed", txn=None, undone=None, closed_at__isnull=False
                ),  # it had failed when we heard of it
                name="payment_refund_is_posted",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class Dispute(models.Model):
    """A bank takes a payment back; won, it comes home."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        LOST = "lost", _("Lost")
        WON = "won", _("Won")

    stripe_id = models.CharField(max_length=200)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    amount_nano = models.BigIntegerField()
    reason = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=4, choices=State, default=State.OPEN)
    fee_nano = models.BigIntegerField(default=0)  # what Stripe kept for it, all fees together
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, related_name="+", db_index=False)
    won_txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stripe_id"], name="dispute_once"),
            models.UniqueConstraint(fields=["txn"], name="dispute_posted_once"),
            models.UniqueConstraint(fields=["won_txn"], name="dispute_won_once"),
            bounded("dispute_amount", "amount_nano", least=1),
            bounded("dispute_fee", "fee_nano"),
            models.CheckConstraint(
                condition=Q(state="won", won_txn__isnull=False) | (~Q(state="won") & Q(won_txn=None)),
                name="dispute_won_is_posted",
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="dispute_open_or_closed",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id


class Freeze(models.Model):
    """No new calls for this person. There exactly while they owe us or a dispute of theirs is open."""

    class Reason(models.TextChoices):
        DISPUTE = "dispute", _("A payment is disputed")
        DEBT = "debt", _("Money is owed")

    user = models.OneToOneField(User, on_delete=models.PROTECT, primary_key=True, related_name="+")
    reason = models.CharField(max_length=8, choices=Reason)
    since = models.DateTimeField()


class AutoTopUp(models.Model):
    """Charge the saved card when the balance falls below the threshold. Off until its owner switches it on."""

    class OffBecause(models.TextChoices):
        NEVER_ON = "", _("Not switched on")
        OWNER = "owner", _("Switched off by you")
        DECLINED = "declined", _("Switched off after several declines")
        DISPUTED = "disputed", _("Switched off after a dispute")

    user = models.OneToOneField(User, on_delete=models.PROTECT, primary_key=True, related_name="auto_topup")
    is_on = models.BooleanField(default=False)
    threshold_nano = models.BigIntegerField()
    amount_nano = models.BigIntegerField()
    monthly_cap_nano = models.BigIntegerField()
    customer_id = models.CharField(max_length=200, blank=True)
    card_id = models.CharField(max_length=200, blank=True)  # Stripe's name of the saved payment method
    card_hint = models.CharField(max_length=40, blank=True)
    card_from = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="+")  # that saved it
    consented_at = models.DateTimeField(null=True)
    wants_on = models.BooleanField(default=False)  # switch on as soon as the card has been saved
    failures = models.SmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    off_because = models.CharField(max_length=8, choices=OffBecause, blank=True)

    class Meta:
        indexes = [models.Index(fields=["next_try_at"], condition=Q(is_on=True), name="auto_topup_on")]
        constraints = [
            bounded("auto_topup_amounts", "threshold_nano", "amount_nano", "monthly_cap_nano", least=1),
            models.CheckConstraint(condition=Q(monthly_cap_nano__gte=F("amount_nano")), name="auto_topup_cap"),
            models.CheckConstraint(
                condition=Q(is_on=False)
                | (~Q(card_id="") & ~Q(customer_id="") & Q(consented_at__isnull=False, off_because="")),
                name="auto_topup_needs_consent",
            ),
        ]
