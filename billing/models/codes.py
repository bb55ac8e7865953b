"""Codes that become credit, made in batches."""

from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.ids import new_public_id
from accounts.models import User
from billing.models.bounds import bounded
from billing.models.ledger import LedgerTxn

MAX_CREDIT_DAYS = 3650


def batch_public_id() -> str:
    return new_public_id("bat")


class CodeKind(models.TextChoices):
    """Whether it was sold (paid) or given (promo)."""

    PAID = "paid", _("Paid")
    PROMO = "promo", _("Promotional")


class RedeemCodeBatch(models.Model):
    """Codes that were made together and are worth the same. `uses` of each; a person may have `per_person` of them."""

    public_id = models.CharField(max_length=32, default=batch_public_id, editable=False)
    client_id = models.UUIDField(default=uuid4)  # from the form: the same form twice is one batch
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=CodeKind)
    amount_nano = models.BigIntegerField()
    count = models.IntegerField()
    uses = models.IntegerField()
    per_person = models.IntegerField()
    expires_at = models.DateTimeField(null=True)
    credit_expires_after_days = models.IntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    disabled_at = models.DateTimeField(null=True)
    disabled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["public_id"], name="code_batch_public_id"),
            models.UniqueConstraint(fields=["client_id"], name="code_batch_once_per_form"),
            bounded("code_batch_amount", "amount_nano", least=1),
            models.CheckConstraint(condition=Q(count__gte=1, uses__gte=1, per_person__gte=1), name="code_batch_counts"),
            models.CheckConstraint(
                condition=Q(credit_expires_after_days=None)
                | Q(kind="promo", credit_expires_after_days__gte=1, credit_expires_after_days__lte=MAX_CREDIT_DAYS),
                name="code_batch_only_gifts_expire",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RedeemCode(models.Model):
    """Credit in exchange for a code."""

    Kind = CodeKind

    batch = models.ForeignKey(RedeemCodeBatch, on_delete=models.PROTECT, related_name="codes")
    code = models.CharField(max_length=40, unique=True)  # upper case, without separators
    kind = models.CharField(max_length=8, choices=CodeKind)
    amount_nano = models.BigIntegerField()
    uses = models.IntegerField(default=1)
    uses_left = models.IntegerField(default=1)
    expires_at = models.DateTimeField(null=True)
    credit_expires_after_days = models.IntegerField(null=True)  # of what it turns into
    disabled_at = models.DateTimeField(null=True)
    disabled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            bounded("redeem_code_amount", "amount_nano", least=1),
            models.CheckConstraint(condition=Q(uses_left__gte=0), name="redeem_code_uses_left"),
            models.CheckConstraint(condition=Q(uses_left__lte=F("uses")), name="redeem_code_uses"),
        ]


class Redemption(models.Model):
    """Who turned which code into credit. `nth`: of this person in this batch."""

    code = models.ForeignKey(RedeemCode, on_delete=models.PROTECT, related_name="redemptions")
    batch = models.ForeignKey(RedeemCodeBatch, on_delete=models.PROTECT, related_name="redemptions")
    nth = models.IntegerField(default=1)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="redemptions")
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, related_name="+")
    redeemed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["batch", "-redeemed_at"], name="redemption_of_batch")]
        constraints = [
            models.UniqueConstraint(fields=["code", "user"], name="redemption_once_per_person"),
            models.UniqueConstraint(fields=["batch", "user", "nth"], name="redemption_nth_of_person"),
        ]
