"""How much a person lets be spent in a day, a week or a month: by one key, or by all that they have."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.ids import new_public_id
from accounts.models import ApiKey, User
from billing.models.bounds import bounded


def limit_public_id() -> str:
    return new_public_id("lim")


class SpendLimit(models.Model):
    """What may be spent in each period, and what was spent in the one that `period_start` names.

    The rules are in billing/limits.py; a period that has ended is rolled by the next charge, or in memory by a reader.
    """

    class Window(models.TextChoices):
        DAY = "day", _("Daily")
        WEEK = "week", _("Weekly")
        MONTH = "month", _("Monthly")

    public_id = models.CharField(max_length=32, default=limit_public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="spend_limits", db_index=False)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, null=True, related_name="spend_limits")  # null: all
    window = models.CharField(max_length=5, choices=Window)
    amount_nano = models.BigIntegerField()
    spent_nano = models.BigIntegerField(default=0)
    period_start = models.DateTimeField()
    zone = models.CharField(max_length=64)  # of this period; another one counts from the next
    noticed_percent = models.SmallIntegerField(default=0)  # the highest that was told, or was passed when it was set
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["public_id"], name="spend_limit_public_id"),
            # Also the index by which a person's limits are found.
            models.UniqueConstraint(fields=["user", "key", "window"], name="spend_limit_one_per_key"),
            models.UniqueConstraint(
                fields=["user", "window"], condition=Q(key=None), name="spend_limit_one_per_account"
            ),
            bounded("spend_limit_amount", "amount_nano", least=1),
            bounded("spend_limit_spent", "spent_nano"),
            models.CheckConstraint(condition=Q(window__in=["day", "week", "month"]), name="spend_limit_window"),
            models.CheckConstraint(
                condition=Q(noticed_percent__in=[0, 50, 80, 100]), name="spend_limit_noticed_percent"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def scope(self) -> str:
        return "account" if self.key_id is None else "key"
