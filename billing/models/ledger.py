"""Accounts, transfers and the flows that are allowed."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing.models.bounds import bounded
from billing.money import CURRENCY


class LedgerScale(models.Model):
    """One row that says what an integer means. A trigger refuses every change of it."""

    asset = models.CharField(max_length=3, primary_key=True)
    units_per_currency_unit = models.BigIntegerField()


class AccountKind(models.TextChoices):
    USER_PAID = "user.paid", _("Paid credit")
    USER_PROMO = "user.promo", _("Promotional credit")
    USER_REWARD = "user.reward", _("Reward credit")
    USER_DEBT = "user.debt", _("Debt")
    REF_PENDING = "ref.pending", _("Pending rewards")
    REF_AVAILABLE = "ref.available", _("Available rewards")
    REF_RESERVED = "ref.reserved", _("Rewards in withdrawal")
    REF_DEBT = "ref.debt", _("Reward debt")
    CASH_OFFLINE = "cash.offline", _("Cash taken outside")
    CASH_STRIPE = "cash.stripe", _("Cash at Stripe")
    CASH_PAYOUT = "cash.payout", _("Paid out")
    TAX_WITHHELD = "tax.withheld", _("Tax withheld")
    REVENUE_API = "revenue.api", _("API revenue")
    REVENUE_BREAKAGE = "revenue.breakage", _("Expired credit")
    REVENUE_PAYOUT_FEE = "revenue.payout_fee", _("Payout fees")
    EXPENSE_REFERRAL = "expense.referral", _("Referral rewards")
    EXPENSE_PROMO = "expense.promo", _("Promotions")
    EXPENSE_PAYMENT_FEE = "expense.payment_fee", _("Payment fees")
    EXPENSE_LOSS = "expense.loss", _("Losses")
    EQUITY_ADJUST = "equity.adjust", _("Adjustments")


class LedgerAccount(models.Model):
    """One balance. `live` accounts (those with an owner) keep it inline, maintained by a trigger on entries.

    sign +1: liability, income, equity (balance = credits - debits); -1: asset, expense (debits - credits).
    `guarded` accounts cannot go below zero: a CHECK on this row, not an `if`.
    """

    kind = models.CharField(max_length=24, choices=AccountKind)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="ledger_accounts")
    asset = models.CharField(max_length=3, default=CURRENCY)
    sign = models.SmallIntegerField()
    guarded = models.BooleanField()
    live = models.BooleanField()
    credits = models.BigIntegerField(default=0)
    debits = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "owner", "asset"], name="ledger_account_unique_owned"),
            models.UniqueConstraint(
                fields=["kind", "asset"], condition=Q(owner=None), name="ledger_account_unique_system"
            ),
            models.CheckConstraint(condition=Q(sign__in=[1, -1]), name="ledger_account_sign"),
            bounded("ledger_account_bounds", "credits", "debits", "held"),
            models.CheckConstraint(
                condition=Q(guarded=False)
                | Q(sign=1, credits__gte=F("debits") + F("held"))
                | Q(sign=-1, debits__gte=F("credits")),
                name="ledger_account_never_negative",
            ),
            models.CheckConstraint(
                condition=Q(owner=None, live=False, guarded=False) | Q(owner__isnull=False, live=True, guarded=True),
                name="ledger_account_owned_is_live_and_guarded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"

    @property
    def balance(self) -> int:
        """Nano, holds included. Only a live account keeps it inline."""
        return self.sign * (self.credits - self.debits)

    @property
    def spendable(self) -> int:
        """Nano that a new hold or entry may take."""
        return self.credits - self.debits - self.held


class LedgerTxn(models.Model):
    """One event: who, why, from what, and the entries under it. Append-only."""

    kind = models.CharField(max_length=32)
    idempotency_key = models.CharField(max_length=200, unique=True)
    request_hash = models.CharField(max_length=64)
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")  # null: the system
    reason = models.CharField(max_length=500, blank=True)
    source_type = models.CharField(max_length=32, blank=True)
    source_id = models.CharField(max_length=80, blank=True)
    policy_version = models.IntegerField(null=True)
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="reversed_by")
    effective_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["source_type", "source_id"], name="ledger_txn_source"),
            models.Index(fields=["kind", "effective_at"], name="ledger_txn_kind_time"),
            models.Index(fields=["created_at"], name="ledger_txn_created"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.idempotency_key}"


class LedgerEntry(models.Model):
    """One transfer: `amount` nano from the debit side to the credit side. Append-only."""

    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, related_name="entries")
    debit = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="debit_entries")
    credit = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="credit_entries")
    asset = models.CharField(max_length=3, default=CURRENCY)
    amount = models.BigIntegerField()

    class Meta:
        constraints = [
            bounded("ledger_entry_amount", "amount", least=1),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="ledger_entry_two_accounts"),
        ]


class LedgerFlow(models.Model):
    """An allowed transfer. An entry outside this list is refused by a trigger."""

    txn_kind = models.CharField(max_length=32)
    debit_kind = models.CharField(max_length=24)
    credit_kind = models.CharField(max_length=24)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["txn_kind", "debit_kind", "credit_kind"], name="ledger_flow_unique"),
        ]


class LedgerAudit(models.Model):
    """When the books were proved, who asked for it, and what was found."""

    class Asked(models.TextChoices):
        SCHEDULE = "schedule", _("On schedule")
        COMMAND = "command", _("From the command line")
        PAGE = "page", _("From the page")

    finished_at = models.DateTimeField()
    took_ms = models.IntegerField(default=0)
    checked = models.IntegerField(default=0)  # questions
    asked = models.CharField(max_length=8, choices=Asked, default=Asked.SCHEDULE)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    is_clean = models.BooleanField()
    findings = models.JSONField(default=dict)  # question: the first offenders

    class Meta:
        indexes = [models.Index(fields=["-finished_at"], name="ledger_audit_latest")]
