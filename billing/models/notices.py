"""What a person is told by mail about their money, and what they do not want to be told."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class NoticeKind(models.TextChoices):
    LOW_BALANCE = "low_balance", _("The balance falls below my threshold")
    LIMIT_REACHED = "limit_reached", _("A spend limit is used to 50, 80 or 100 %")
    PROMO_EXPIRING = "promo_expiring", _("Promotional credit expires within a week")
    TOPUP_RECEIPT = "topup_receipt", _("Receipt of each top-up")
    AUTO_TOPUP_FAILED = "auto_topup_failed", _("An automatic top-up failed")
    AUTO_TOPUP_ACTION = "auto_topup_action", _("An automatic top-up needs my confirmation")
    PAYMENT_DISPUTED = "payment_disputed", _("A payment was disputed")
    REFUND = "refund", _("A payment was refunded")


# What a person may switch off; the rest is about money that moved or could not.
OPTIONAL_NOTICES = (
    NoticeKind.LOW_BALANCE,
    NoticeKind.LIMIT_REACHED,
    NoticeKind.PROMO_EXPIRING,
    NoticeKind.TOPUP_RECEIPT,
)


class Notice(models.Model):
    """One mail that is owed. Written with what it is about, in the same transaction; sent later by a task.

    `due_at`: the next attempt, or the end of the claim of whoever is sending it now.
    """

    class Dropped(models.TextChoices):
        UNWANTED = "unwanted", _("Switched off by the person")
        GONE = "gone", _("The account is closed")
        FAILED = "failed", _("Given up after several attempts")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=32, choices=NoticeKind)
    key = models.CharField(max_length=200)  # what it is about: never told twice
    data = models.JSONField(default=dict)  # amounts are integers of nano, moments ISO texts
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    attempts = models.SmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    dropped_because = models.CharField(max_length=12, choices=Dropped, blank=True)
    last_error = models.CharField(max_length=120, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(sent_at=None, dropped_because=""), name="notice_due"),
            models.Index(fields=["user", "-id"], name="notice_of_person"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="notice_once"),
            models.CheckConstraint(condition=Q(sent_at=None) | Q(dropped_because=""), name="notice_one_end"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class NoticeOff(models.Model):
    """A kind of notice that a person does not want."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices_off")
    kind = models.CharField(max_length=32, choices=[(kind.value, kind.label) for kind in OPTIONAL_NOTICES])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="notice_off_once")]
