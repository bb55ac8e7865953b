"""Who brought whom, the policy in force, what was earned, and what is being paid out."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.ids import new_public_id
from accounts.models import User
from billing.models import bounded


def withdrawal_public_id() -> str:
    return new_public_id("wd")


def reward_public_id() -> str:
    return new_public_id("rwd")


class Policy(models.Model):
    """Dated rules. A reward keeps the version under which it was earned; a new row never changes the past."""

    version = models.PositiveIntegerField(primary_key=True)
    effective_from = models.DateTimeField()
    enabled = models.BooleanField(default=True)
    rate_bp = models.PositiveIntegerField()  # basis points of paid spend
    earning_days = models.PositiveIntegerField()  # after the referee joined
    holding_days = models.PositiveIntegerField()
    cap_per_referee_nano = models.BigIntegerField(null=True)  # over the whole earning period
    cap_per_month_nano = models.BigIntegerField(null=True)  # per referrer and UTC month
    threshold_nano = models.BigIntegerField()
    fee_nano = models.BigIntegerField(default=0)
    second_person_above_nano = models.BigIntegerField()  # maker and checker differ above this
    expire_after_days = models.PositiveIntegerField(default=30)  # an untouched request
    payout_methods = models.JSONField()  # ["alipay", "wechat", "bank"]
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["effective_from"], name="policy_one_per_moment"),
            models.CheckConstraint(condition=Q(rate_bp__lte=10_000), name="policy_rate"),
            bounded("policy_bounds", "threshold_nano", "fee_nano", "second_person_above_nano"),
        ]

    def __str__(self) -> str:
        return f"policy {self.version}"

    @property
    def earning_time(self) -> timedelta:
        return timedelta(days=self.earning_days)


class Link(models.Model):
    """A person's referral code."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="referral_link")
    code = models.CharField(max_length=32, unique=True)
    clicks = models.PositiveIntegerField(default=0)
    disabled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)


class Referral(models.Model):
    """Bound once, at sign-up, for ever."""

    referee = models.OneToOneField(User, on_delete=models.PROTECT, related_name="referred_by")
    referrer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="referrals")
    link = models.ForeignKey(Link, on_delete=models.PROTECT, related_name="referrals")
    joined_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(referee=F("referrer")), name="referral_not_oneself"),
        ]


class RewardQuerySet(models.QuerySet["Reward"]):
    def of(self, user: User) -> "RewardQuerySet":
        return self.filter(referrer=user).order_by("-day", "-id")

    def due(self, now: datetime) -> "RewardQuerySet":
        """Through the holding period. A closed account keeps its rewards pending until somebody decides."""
        return self.filter(state=Reward.State.PENDING, matures_at__lte=now, referrer__is_active=True)


class AccruedDay(models.Model):
    """A closed UTC day whose rewards were worked out at least once: what tells a missed day from an empty one."""

    day = models.DateField(primary_key=True)
    accrued_at = models.DateTimeField()


class Reward(models.Model):
    """What one referee's paid spend of one UTC day earned. Recomputable from its inputs and its policy.

    Spend that becomes known after the first accrual of a day is a further part; a part never changes but for what was
    taken back from it.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        ON_HOLD = "on_hold", _("On hold")
        AVAILABLE = "available", _("Available")
        REVERSED = "reversed", _("Reversed")

    public_id = models.CharField(max_length=32, unique=True, default=reward_public_id, editable=False)
    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="rewards")
    referrer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="rewards")
    day = models.DateField()  # UTC
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    part = models.PositiveSmallIntegerField(default=1)
    base_nano = models.BigIntegerField()  # paid spend of the day that no earlier part counted
    base_reversed = models.BigIntegerField(default=0)  # of it refunded since
    rate_bp = models.PositiveIntegerField()
    uncapped_nano = models.BigIntegerField()  # base x rate, rounded down
    room_nano = models.BigIntegerField(null=True)  # what the caps still allowed; null: no cap
    amount = models.BigIntegerField()
    reversed = models.BigIntegerField(default=0)
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    matures_at = models.DateTimeField()
    matured_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[RewardQuerySet] = RewardQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["referral", "day", "policy", "part"], name="reward_part_once_per_day"),
            bounded("reward_amount", "amount", "base_nano", least=1),
            models.CheckConstraint(
                condition=Q(reversed__gte=0, reversed__lte=F("amount")), name="reward_reversed_within"
            ),
            models.CheckConstraint(
                condition=Q(base_reversed__gte=0, base_reversed__lte=F("base_nano")), name="reward_base_reversed_within"
            ),
            models.CheckConstraint(
                condition=Q(amount__lte=F("uncapped_nano")) & (Q(room_nano=None) | Q(amount__lte=F("room_nano"))),
                name="reward_within_caps",
            ),
        ]
        indexes = [
            models.Index(fields=["referrer", "-day"], name="reward_referrer_day"),
            models.Index(fields=["matures_at"], condition=Q(state="pending"), name="reward_maturing"),
        ]

    @property
    def left(self) -> int:
        """Nano that still counts: what was earned less what was taken back."""
        return self.amount - self.reversed


class HoldReason(models.TextChoices):
    """Why a request waits, in words that accuse nobody."""

    DETAILS = "details", _("We need to check the payment details.")
    IDENTITY = "identity", _("We need to confirm who you are.")
    REVIEW = "review", _("We are looking at the rewards behind this request.")


class WithdrawalQuerySet(models.QuerySet["Withdrawal"]):
    def of(self, user: User) -> "WithdrawalQuerySet":
        return self.filter(user=user).order_by("-requested_at", "-id")

    def open(self) -> "WithdrawalQuerySet":
        return self.filter(state__in=Withdrawal.OPEN)


class Withdrawal(models.Model):
    """A request to be paid. What held when it was made is kept on the row; each change writes an event."""

    class State(models.TextChoices):
        REQUESTED = "requested", _("Requested")
        IN_REVIEW = "in_review", _("In review")
        ON_HOLD = "on_hold", _("On hold")
        APPROVED = "approved", _("Approved")
        PAYING = "paying", _("Being paid")
        PAID = "paid", _("Paid")
        REJECTED = "rejected", _("Rejected")
        CANCELLED = "cancelled", _("Cancelled")
        REVOKED = "revoked", _("Revoked")
        EXPIRED = "expired", _("Expired")
        RETURNED = "returned", _("Returned")

    OPEN = (State.REQUESTED, State.IN_REVIEW, State.ON_HOLD, State.APPROVED, State.PAYING)

    public_id = models.CharField(max_length=32, unique=True, default=withdrawal_public_id, editable=False)
    client_id = models.CharField(max_length=64)  # from the form: a double click is one request
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="withdrawals")
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    amount = models.BigIntegerField()  # requested, gross
    approved_amount = models.BigIntegerField(null=True)  # gross; less than asked only with a reason
    fee = models.BigIntegerField(default=0)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    threshold = models.BigIntegerField()
    second_person_above = models.BigIntegerField()  # as the policy said when it was asked for
    method = models.CharField(max_length=16)
    payee_encrypted = models.TextField(editable=False)
    payee_hint = models.CharField(max_length=40)
    reason = models.CharField(max_length=500, blank=True)  # why held, rejected or approved for less; the user reads it
    claimed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    claimed_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    paid_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    paid_at = models.DateTimeField(null=True)
    payment_reference = models.CharField(max_length=80, blank=True)
    requested_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects: ClassVar[WithdrawalQuerySet] = WithdrawalQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "client_id"], name="withdrawal_client_id"),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(state__in=["requested", "in_review", "on_hold", "approved", "paying"]),
                name="withdrawal_one_open",
            ),
            models.UniqueConstraint(
                fields=["method", "payment_reference"],
                condition=~Q(payment_reference=""),
                name="withdrawal_reference_once",
            ),
            bounded("withdrawal_amount", "amount", least=1),
            models.CheckConstraint(
                condition=Q(approved_amount=None) | Q(approved_amount__gte=1, approved_amount__lte=F("amount")),
                name="withdrawal_approved_within",
            ),
            models.CheckConstraint(
                condition=(Q(approved_by=None) | ~Q(approved_by=F("user"))) & (Q(paid_by=None) | ~Q(paid_by=F("user"))),
                name="withdrawal_not_by_oneself",
            ),
            models.CheckConstraint(
                condition=Q(paid_by=None)
                | Q(approved_by__isnull=False, approved_amount__lte=F("second_person_above"))
                | Q(approved_by__isnull=False) & ~Q(paid_by=F("approved_by")),
                name="withdrawal_second_person_pays",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def gross(self) -> int:
        return self.approved_amount or self.amount

    @property
    def net(self) -> int:
        return self.gross - self.fee

    @property
    def needs_second_person(self) -> bool:
        return self.gross > self.second_person_above

    @property
    def reason_text(self) -> str:
        """What the person reads: a hold reason in their language, else the words of support."""
        return str(HoldReason(self.reason).label) if self.reason in HoldReason.values else self.reason


class RewardAllocation(models.Model):
    """Which reward funded which exit, oldest first."""

    reward = models.ForeignKey(Reward, on_delete=models.PROTECT, related_name="allocations")
    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.PROTECT, null=True, related_name="allocations")
    conversion = models.ForeignKey("billing.LedgerTxn", on_delete=models.PROTECT, null=True, related_name="+")
    amount = models.BigIntegerField()

    class Meta:
        constraints = [
            bounded("reward_allocation_amount", "amount", least=1),
            models.CheckConstraint(
                condition=Q(withdrawal=None, conversion__isnull=False) | Q(withdrawal__isnull=False, conversion=None),
                name="reward_allocation_one_exit",
            ),
        ]


class WithdrawalEvent(models.Model):
    """Append-only history of a request."""

    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.PROTECT, related_name="events")
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=16)
    old_state = models.CharField(max_length=10, blank=True)
    new_state = models.CharField(max_length=10)
    note = models.CharField(max_length=500, blank=True)
    ip = models.GenericIPAddressField(null=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["withdrawal", "at"], name="withdrawal_event_time")]
