"""Codes that become credit."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing.models.bounds import bounded
from billing.models.ledger import LedgerTxn


class RedeemCode(models.Model):
    """Credit in exchange for a code. `kind` says whether it was sold (paid) or given (promo)."""

    class Kind(models.TextChoices):
        PAID = "paid", _("Paid")
        PROMO = "promo", _("Promotional")

    code = models.CharField(max_length=40, unique=True)  # upper case, without separators
    kind = models.CharField(max_length=8, choices=Kind)
    amount_nano = models.BigIntegerField()
    uses_left = models.IntegerField(default=1)
    expires_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            bounded("redeem_code_amount", "amount_nano", least=1),
            models.CheckConstraint(condition=Q(uses_left__gte=0), name="redeem_code_uses_left"),
        ]


class Redemption(models.Model):
    code = models.ForeignKey(RedeemCode, on_delete=models.PROTECT, related_name="redemptions")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="redemptions")
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, related_name="+")
    redeemed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code", "user"], name="redemption_once_per_person")]
