"""Promotional credit by the lot, grants by operators, and whom a falling balance is told to."""

from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.ids import new_public_id
from accounts.models import User
from billing.models.bounds import bounded
from billing.models.ledger import LedgerTxn

REASON_LENGTH = 500


def grant_public_id() -> str:
    return new_public_id("grt")


class PromoLot(models.Model):
    """Promotional credit that came in at one time and leaves at one time.

    What was spent is taken off lots lazily (billing/lots.py), so `remaining_nano` is as of the last look. A lot without
    `txn` holds what was given back of calls whose lots had ended; it never expires, and a person has at most one.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="promo_lots")
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, null=True, related_name="promo_lots")
    amount_nano = models.BigIntegerField()
    remaining_nano = models.BigIntegerField()
    expired_nano = models.BigIntegerField(default=0)
    source = models.CharField(max_length=REASON_LENGTH, blank=True)
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    warn_at = models.DateTimeField(null=True)  # when to say that it expires; null: never, or said
    closed_at = models.DateTimeField(null=True)  # expired or reversed: nothing is given back to it

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(closed_at=None), name="promo_lot_due"),
            models.Index(fields=["warn_at"], condition=Q(warn_at__isnull=False), name="promo_lot_to_warn"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["txn"], name="promo_lot_once_per_posting"),
            bounded("promo_lot_bounds", "remaining_nano", "expired_nano"),
            bounded("promo_lot_amount", "amount_nano", least=1),
            models.CheckConstraint(
                condition=Q(amount_nano__gte=F("remaining_nano") + F("expired_nano")), name="promo_lot_within_amount"
            ),
            models.CheckConstraint(condition=Q(closed_at=None) | Q(remaining_nano=0), name="promo_lot_closed_is_empty"),
            models.CheckConstraint(
                condition=Q(txn__isnull=False) | Q(expires_at=None), name="promo_lot_given_back_stays"
            ),
            models.UniqueConstraint(fields=["user"], condition=Q(txn=None), name="promo_lot_one_given_back"),
        ]

    def __str__(self) -> str:
        return f"{self.remaining_nano} of {self.amount_nano} nano"

    @property
    def room(self) -> int:
        """Nano that can be given back to it."""
        return self.amount_nano - self.remaining_nano - self.expired_nano


class PromoBook(models.Model):
    """Up to which movement of somebody's promotional account the lots are in step: their sum was credits - debits."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, primary_key=True, related_name="promo_book")
    credits = models.BigIntegerField(default=0)
    debits = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            bounded("promo_book_bounds", "credits", "debits"),
            models.CheckConstraint(condition=Q(credits__gte=F("debits")), name="promo_book_never_negative"),
        ]


class BalanceWatch(models.Model):
    """Tell this person when what they can spend falls below a threshold; again only after it rose well above it."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="balance_watch")
    threshold_nano = models.BigIntegerField()
    rearm_nano = models.BigIntegerField()  # a quarter more (billing/watches.py)
    armed = models.BooleanField(default=True)
    fired = models.IntegerField(default=0)  # how often it was told

    class Meta:
        constraints = [
            bounded("balance_watch_bounds", "threshold_nano", "rearm_nano", least=1),
            models.CheckConstraint(
                condition=Q(rearm_nano__gt=F("threshold_nano")), name="balance_watch_rearms_above_its_threshold"
            ),
        ]


class Grant(models.Model):
    """Credit that an operator gives, or asks a second operator to give. The posting is `txn`."""

    class Kind(models.TextChoices):
        PAID = "paid", _("Paid credit")
        PROMO = "promo", _("Promotional credit")

    class State(models.TextChoices):
        PENDING = "pending", _("Waits for a second person")
        POSTED = "posted", _("Granted")
        REFUSED = "refused", _("Refused")

    public_id = models.CharField(max_length=32, default=grant_public_id, editable=False)
    client_id = models.UUIDField(default=uuid4)  # from the form: the same form twice is one grant
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    kind = models.CharField(max_length=8, choices=Kind)
    amount_nano = models.BigIntegerField()
    credit_expires_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=REASON_LENGTH)
    state = models.CharField(max_length=8, choices=State)
    two_people = models.BooleanField()
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision = models.CharField(max_length=REASON_LENGTH, blank=True)  # the second person's words
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, null=True, related_name="grants")

    class Meta:
        indexes = [
            models.Index(fields=["user", "-requested_at"], name="grant_of_person"),
            models.Index(fields=["requested_at"], condition=Q(state="pending"), name="grant_pending"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["public_id"], name="grant_public_id"),
            models.UniqueConstraint(fields=["client_id"], name="grant_once_per_form"),
            models.UniqueConstraint(fields=["txn"], name="grant_once_per_posting"),
            bounded("grant_amount", "amount_nano", least=1),
            models.CheckConstraint(condition=~Q(reason=""), name="grant_has_a_reason"),
            models.CheckConstraint(
                condition=Q(state="posted", txn__isnull=False) | (~Q(state="posted") & Q(txn=None)),
                name="grant_posted_has_a_posting",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_by=None, decided_at=None)
                | (~Q(state="pending") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="grant_decided_by_somebody",
            ),
            # Nobody alone gives away more than the limit, and nobody gives to themselves.
            models.CheckConstraint(
                condition=~Q(state="posted")
                | (~Q(decided_by=F("user")) & (Q(two_people=False) | ~Q(decided_by=F("requested_by")))),
                name="grant_by_two_people",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
