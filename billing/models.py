"""The ledger, holds, prices, usage and codes. Rules live in the verbs: ledger, reservations, charges, codes."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from billing.money import CURRENCY, MAX_NANO


def bounded(name: str, *fields: str, least: int = 0) -> models.CheckConstraint:
    """SQLite turns an integer overflow into a float without a word; every amount is bounded on both databases."""
    condition = Q()
    for field in fields:
        condition &= Q(**{f"{field}__gte": least, f"{field}__lte": MAX_NANO})
    return models.CheckConstraint(condition=condition, name=name)


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


class Hold(models.Model):
    """The most one call may cost, set aside before it starts. Ends exactly once.

    The id is the request id. Parts say from which class of credit it was taken.
    """

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        RELEASED = "released"
        EXPIRED = "expired"

    request_id = models.CharField(max_length=40, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    context = models.JSONField(default=dict)  # key, model, endpoint: for the row of an expired hold
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [bounded("hold_amount", "amount")]
        indexes = [models.Index(fields=["expires_at"], condition=Q(state="open"), name="hold_open_deadline")]


class HoldPart(models.Model):
    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, related_name="parts")
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField()

    class Meta:
        constraints = [
            bounded("hold_part_amount", "amount", least=1),
            models.UniqueConstraint(fields=["hold", "account"], name="hold_part_unique"),
        ]


class Price(models.Model):
    """What a model costs from a moment on. A new row changes the price; the past keeps its own.

    Token prices are nano per 1,000,000 tokens; null means "as the broader class" (cached input as input, and so on).
    `image_nano` maps `"<size>/<quality>"`, with `*` for any, to nano per image.
    """

    model = models.CharField(max_length=80)
    effective_from = models.DateTimeField()
    input_nano_per_mtok = models.BigIntegerField(default=0)
    cached_input_nano_per_mtok = models.BigIntegerField(null=True)
    cache_write_nano_per_mtok = models.BigIntegerField(null=True)
    output_nano_per_mtok = models.BigIntegerField(default=0)
    reasoning_nano_per_mtok = models.BigIntegerField(null=True)
    image_nano = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "effective_from"], name="price_one_per_moment"),
            bounded("price_bounds", "input_nano_per_mtok", "output_nano_per_mtok"),
            models.CheckConstraint(
                condition=Q(
                    *(
                        Q(**{name: None}) | Q(**{f"{name}__gte": 0, f"{name}__lte": MAX_NANO})
                        for name in (
                            "cached_input_nano_per_mtok",
                            "cache_write_nano_per_mtok",
                            "reasoning_nano_per_mtok",
                        )
                    )
                ),
                name="price_narrow_bounds",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.effective_from:%Y-%m-%d %H:%M}"


class Usage(models.Model):
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
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="usage")
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="usage")
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
    price = models.ForeignKey(Price, on_delete=models.PROTECT, null=True, related_name="+")
    held_nano = models.BigIntegerField(default=0)
    charge_nano = models.BigIntegerField(default=0)
    uncollected_nano = models.BigIntegerField(default=0)
    refunded_nano = models.BigIntegerField(default=0)
    not_charged_because = models.CharField(max_length=40, blank=True)
    late = models.BooleanField(default=False)  # the hold had expired when the call was settled
    started_at = models.DateTimeField()
    first_byte_ms = models.IntegerField(null=True)
    total_ms = models.IntegerField(default=0)
    txn = models.ForeignKey(LedgerTxn, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            bounded("usage_bounds", "charge_nano", "uncollected_nano", "held_nano", "input_tokens", "output_tokens"),
            bounded("usage_units", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "images", "total_ms"),
            models.CheckConstraint(
                condition=Q(refunded_nano__gte=0, refunded_nano__lte=F("charge_nano")),
                name="usage_refund_within_charge",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-started_at"], name="usage_user_time"),
            models.Index(fields=["key", "-started_at"], name="usage_key_time"),
        ]


class UsagePart(models.Model):
    """How much of a charge came from which class of credit."""

    usage = models.ForeignKey(Usage, on_delete=models.PROTECT, related_name="parts")
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField()

    class Meta:
        constraints = [
            bounded("usage_part_amount", "amount", least=1),
            models.UniqueConstraint(fields=["usage", "account"], name="usage_part_unique"),
        ]


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


class LedgerAudit(models.Model):
    """When the books were last proved, and what was found."""

    finished_at = models.DateTimeField()
    is_clean = models.BooleanField()
    findings = models.JSONField(default=dict)
