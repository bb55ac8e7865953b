"""What a call may cost (hold), what it cost (usage), and the sums of each hour."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from billing.models.bounds import bounded
from billing.models.ledger import AccountKind, LedgerTxn
from billing.models.prices import Price

# The classes of credit in the order they are spent (what may expire first, what can be refunded in money last), and the
# column that says how much of an amount came from each.
CLASS_COLUMNS = {
    AccountKind.USER_PROMO: "promo_nano",
    AccountKind.USER_REWARD: "reward_nano",
    AccountKind.USER_PAID: "paid_nano",
}
TOKEN_COLUMNS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


class Funded(models.Model):
    """An amount and the classes of credit that it came from."""

    promo_nano = models.BigIntegerField(default=0)
    reward_nano = models.BigIntegerField(default=0)
    paid_nano = models.BigIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def parts(self) -> dict[AccountKind, int]:
        """Nano by class, in the order they are spent; only what is not zero."""
        return {kind: part for kind, column in CLASS_COLUMNS.items() if (part := getattr(self, column))}


def split_of(amount: str, name: str) -> models.CheckConstraint:
    """The classes add up to the amount, and none is below zero."""
    total = F("promo_nano") + F("reward_nano") + F("paid_nano")
    least = Q(promo_nano__gte=0, reward_nano__gte=0, paid_nano__gte=0)
    return models.CheckConstraint(condition=least & Q(**{amount: total}), name=name)


class Hold(Funded):
    """The most one call may cost, set aside before it starts. Ends exactly once. The id is the request id."""

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        RELEASED = "released"
        EXPIRED = "expired"

    request_id = models.CharField(max_length=40, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", db_index=False)
    amount = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    context = models.JSONField(default=dict)  # model, endpoint, price: for the row of an expired hold
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()  # moved on by the heartbeat of a long stream
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            bounded("hold_amount", "amount"),
            split_of("amount", "hold_is_the_sum_of_its_parts"),
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="hold_open_or_closed",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="open"), name="hold_open_deadline"),
            models.Index(fields=["user"], condition=Q(state="open"), name="hold_open_user"),
        ]


class Usage(Funded):
    """One call and what it cost: the row that explains a charge."""

    class Status(models.TextChoices):
        OK = "ok", _("Completed")
        STOPPED = "stopped", _("Client left")
        FAILED = "failed", _("Failed")
        EXPIRED = "expired", _("Interrupted")

    class Source(models.TextChoices):
        UPSTREAM = "upstream", _("Reported by the provider")
        COUNTED = "counted", _("Counted by us")
        NONE = "none", _("Nothing delivered")

    request_id = models.CharField(max_length=40, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="usage", db_index=False)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="usage", db_index=False)
    model = models.CharField(max_length=80)
    endpoint = models.CharField(max_length=24)
    channel = models.CharField(max_length=80, blank=True)
    stream = models.BooleanField(default=False)
    status = models.CharField(max_length=8, choices=Status)
    http_status = models.SmallIntegerField()
    error_code = models.CharField(max_length=64, blank=True)
    client_request_id = models.CharField(max_length=128, blank=True)
    input_tokens = models.BigIntegerField(default=0)  # not cached, not written to a cache
    cached_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)  # reasoning not included
    reasoning_tokens = models.BigIntegerField(default=0)
    images = models.IntegerField(default=0)
    image_class = models.CharField(max_length=40, blank=True)  # "<size>/<quality>"
    source = models.CharField(max_length=8, choices=Source)
    price = models.ForeignKey(Price, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    held_nano = models.BigIntegerField(default=0)
    charge_nano = models.BigIntegerField(default=0)
    uncollected_nano = models.BigIntegerField(default=0)
    refunded_nano = models.BigIntegerField(default=0)
    not_charged_because = models.CharField(max_length=40, blank=True)
    late = models.BooleanField(default=False)  # the hold had expired when the call was settled
    started_at = models.DateTimeField()
    settled_at = models.DateTimeField()
    sent_ms = models.IntegerField(null=True)  # until it went to the provider: read, checked, held
    first_byte_ms = models.IntegerField(null=True)
    total_ms = models.IntegerField(default=0)
    # The posting that moved the charge. Calls of one person that were settled together share one.
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            bounded("usage_bounds", "charge_nano", "uncollected_nano", "held_nano", "input_tokens", "output_tokens"),
            bounded("usage_units", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "images", "total_ms"),
            split_of("charge_nano", "usage_charge_is_the_sum_of_its_parts"),
            models.CheckConstraint(
                condition=Q(charge_nano=0, txn=None) | Q(charge_nano__gt=0, txn__isnull=False),
                name="usage_charge_is_posted",
            ),
            models.CheckConstraint(
                condition=Q(refunded_nano__gte=0, refunded_nano__lte=F("charge_nano")),
                name="usage_refund_within_charge",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-started_at", "-request_id"], name="usage_user_time"),
            models.Index(fields=["key", "-started_at", "-request_id"], name="usage_key_time"),
            models.Index(
                fields=["user", "client_request_id"], condition=~Q(client_request_id=""), name="usage_client_id"
            ),
        ]


class UsageSums(Funded):
    """Sums of calls of one person, key, model, endpoint and way to end, written in the transaction of each charge.

    Exactly the sum of its usage rows, refunds included (billing/audit.py proves it), so pages never add up calls.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", db_index=False)
    model = models.CharField(max_length=80)
    endpoint = models.CharField(max_length=24)
    status = models.CharField(max_length=8, choices=Usage.Status)
    calls = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    images = models.BigIntegerField(default=0)
    charge_nano = models.BigIntegerField(default=0)
    uncollected_nano = models.BigIntegerField(default=0)
    refunded_nano = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class UsageHour(UsageSums):
    """Of the calls that began in one hour."""

    hour = models.DateTimeField()  # UTC, its first moment

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "hour", "key", "model", "endpoint", "status"], name="usage_hour_unique"
            ),
            bounded("usage_hour_bounds", "charge_nano", "uncollected_nano", "refunded_nano", least=0),
            split_of("charge_nano", "usage_hour_charge_is_the_sum_of_its_parts"),
        ]
        indexes = [
            models.Index(fields=["model", "hour"], name="usage_hour_model"),
            # Where the calls of a rare model, or those that ended in a rare way, are. They grow with hours, not with
            # calls: a row that is there already is changed in place, and no column of an index is in the change.
            models.Index(fields=["user", "model", "hour"], name="usage_hour_user_model"),
            models.Index(fields=["user", "status", "hour"], name="usage_hour_user_status"),
        ]


class UsageDay(UsageSums):
    """Of the calls that began on one day of UTC: a year is read from days, only its edges from hours."""

    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "day", "key", "model", "endpoint", "status"], name="usage_day_unique"
            ),
            bounded("usage_day_bounds", "charge_nano", "uncollected_nano", "refunded_nano", least=0),
            split_of("charge_nano", "usage_day_charge_is_the_sum_of_its_parts"),
        ]
        # Which models somebody called at all, from one name to the next.
        indexes = [models.Index(fields=["user", "model"], name="usage_day_user_model")]
