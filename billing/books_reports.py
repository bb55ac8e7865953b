"""The operator's look at the books: do they balance, what stands where, does every source tell the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Min, Q, Sum
from django.utils.translation import gettext as _

from billing import checkpoints
from billing.checkpoints import TrialLine
from billing.models import AccountKind, Hold, LedgerAccount, LedgerAudit, Payment, PaymentRefund, UsageDay

KEPT = 60  # runs of the audit that are drawn


@dataclass(frozen=True)
class Comparison:
    """One sum, from two sources that must agree."""

    name: str
    here: str
    there: str
    one: int  # nano
    other: int  # nano

    @property
    def difference(self) -> int:
        return self.one - self.other


@dataclass(frozen=True)
class Books:
    latest: LedgerAudit | None
    runs: list[LedgerAudit]  # oldest first
    trial: list[TrialLine]
    comparisons: list[Comparison]
    holds: int
    held: int  # nano
    oldest_hold: datetime | None
    overdue: int
    uncollected: int  # nano
    debt: int  # nano

    @property
    def debits(self) -> int:
        return sum(line.debits for line in self.trial)

    @property
    def credits(self) -> int:
        return sum(line.credits for line in self.trial)


def books(*, now: datetime) -> Books:
    """A dozen queries, none over the whole journal or all calls."""
    house = list(checkpoints.house().values())
    trial = checkpoints.trial_balance(house)
    runs = list(LedgerAudit.objects.select_related("by").order_by("-finished_at")[:KEPT])[::-1]
    open_holds = Hold.objects.filter(state=Hold.State.OPEN).aggregate(
        count=Count("pk"),
        amount=Sum("amount", default=0),
        oldest=Min("created_at"),
        overdue=Count("pk", filter=Q(expires_at__lt=now)),
    )
    calls = UsageDay.objects.aggregate(
        charged=Sum("charge_nano", default=0),
        refunded=Sum("refunded_nano", default=0),
        uncollected=Sum("uncollected_nano", default=0),
    )
    reserved = PaymentRefund.objects.filter(state=PaymentRefund.State.RESERVED).aggregate(
        s=Sum("amount_nano", default=0)
    )
    held = LedgerAccount.objects.filter(live=True).aggregate(s=Sum("held", default=0))
    paid = Payment.objects.filter(state=Payment.State.PAID).aggregate(s=Sum("amount_nano", default=0))
    debt = LedgerAccount.objects.filter(kind=AccountKind.USER_DEBT).aggregate(
        s=Sum(F("debits") - F("credits"), default=0)
    )
    return Books(
        latest=runs[-1] if runs else None,
        runs=runs,
        trial=trial,
        comparisons=_compared(house, calls, paid["s"], open_holds["amount"] + reserved["s"], held["s"]),
        holds=open_holds["count"],
        held=open_holds["amount"],
        oldest_hold=open_holds["oldest"],
        overdue=open_holds["overdue"],
        uncollected=calls["uncollected"],
        debt=debt["s"],
    )


def _compared(
    house: Sequence[checkpoints.Moved], calls: Mapping[str, int], paid: int, set_aside: int, held: int
) -> list[Comparison]:
    return [
        Comparison(
            _("Charges"),
            _("sums of the calls"),
            _("journal"),
            calls["charged"],
            checkpoints.credits_of(house, AccountKind.REVENUE_API, "usage"),
        ),
        Comparison(
            _("Charges given back"),
            _("sums of the calls"),
            _("journal"),
            calls["refunded"],
            checkpoints.debits_of(house, AccountKind.REVENUE_API, "usage.refund"),
        ),
        Comparison(
            _("Top-ups"),
            _("payments"),
            _("journal"),
            paid,
            checkpoints.debits_of(house, AccountKind.CASH_STRIPE, "topup"),
        ),
        Comparison(
            _("Set aside"),
            _("open holds and refunds under way"),
            _("accounts"),
            set_aside,
            held,
        ),
    ]
