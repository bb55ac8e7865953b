"""The state machine's rules along one path that passes every event of the posting table, and the proof that it does.

A new way of the ledger (billing/migrations/0002) fails here until the machine has a rule for it; an event that lost its
rule fails, too. After each step the oracle, the house and the whole audit must agree, as in the random walks.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.models import Q

from billing.models import Hold, LedgerEntry, LedgerFlow, LedgerTxn, PaymentRefund, Usage
from billing.money import CENT
from referrals.models import Reward, Withdrawal
from tests.stateful.states import SPEND_ORDER
from tests.stateful.test_ledger_machine import Ledger
from tests.stateful.test_ledger_machine import shop as shop  # noqa: PLC0414 the fixture

pytestmark = pytest.mark.django_db
Way = tuple[str, str, str]  # event, debit, credit

# The posting table of the ledger design: what shows that an event happened. Ways end in money; the rest in rows.
TABLE: dict[str, set[Way] | Callable[[], bool]] = {
    "top-up paid": {("topup", "cash.stripe", "user.paid"), ("topup", "expense.payment_fee", "cash.stripe")},
    "top-up bonus": {("topup.bonus", "expense.promo", "user.promo")},
    "redeem code": {("redeem", "expense.promo", "user.promo"), ("redeem", "cash.offline", "user.paid")},
    "grant": {("grant", "expense.promo", "user.promo"), ("grant", "cash.offline", "user.paid")},
    "API hold": Hold.objects.exists,
    "API settle": {("usage", kind, "revenue.api") for kind in SPEND_ORDER},
    "API settle, batched": lambda: (
        Usage.objects.values("txn").exclude(txn=None).count() > LedgerTxn.objects.filter(kind="usage").count()
    ),
    "API release": lambda: Hold.objects.filter(state="released").exclude(pk__in=Usage.objects.values("pk")).exists(),
    "upstream error": lambda: Usage.objects.filter(status="failed", charge_nano=0).exists(),
    "hold expired, settled late": lambda: Usage.objects.filter(late=True, charge_nano__gt=0).exists(),
    "cost above hold": lambda: (
        Usage.objects.filter(uncollected_nano__gt=0).exists()
        and Usage.objects.filter(charge_nano__gt=0, held_nano__gt=0, uncollected_nano=0).exists()
    ),
    "API charge refunded": {
        ("usage.refund", "revenue.api", kind) for kind in ("user.promo", "user.reward", "user.paid")
    },
    "top-up refunded": {("refund", "user.paid", "cash.stripe"), ("refund", "user.debt", "cash.stripe")},
    "top-up refund set aside": lambda: PaymentRefund.objects.filter(asked_by__isnull=False, state="done").exists(),
    "top-up refund came back": {
        ("refund.undo", "cash.stripe", "user.paid"),
        ("refund.undo", "cash.stripe", "user.debt"),
    },
    "chargeback": {
        ("dispute", "user.paid", "cash.stripe"),
        ("dispute", "user.debt", "cash.stripe"),
        ("dispute", "expense.loss", "cash.stripe"),
    },
    "dispute won": {
        ("dispute.won", "cash.stripe", "user.paid"),
        ("dispute.won", "cash.stripe", "user.debt"),
        ("dispute.won", "cash.stripe", "expense.loss"),
    },
    "debt repaid from credit": {("debt.repay", "user.paid", "user.debt")},
    "promo expiry": {("promo.expire", "user.promo", "expense.promo")},
    "reward accrued": {("reward.accrue", "expense.referral", "ref.pending")},
    "reward matured": {("reward.mature", "ref.pending", "ref.available")},
    "debt repaid": {("reward.net", "ref.available", "ref.debt")},
    "clawback, pending": {("reward.claw", "ref.pending", "expense.referral")},
    "clawback, later states": {
        ("reward.claw", "ref.available", "expense.referral"),
        ("reward.claw", "ref.debt", "expense.referral"),
    },
    "clawback of all of a reward": lambda: Reward.objects.filter(state="reversed").exists(),
    "convert to credit": {("reward.convert", "ref.available", "user.reward")},
    "withdrawal requested": {("wd.reserve", "ref.available", "ref.reserved")},
    "approved for less": {("wd.partial", "ref.reserved", "ref.available")},
    "rejected / cancelled / expired": {("wd.release", "ref.reserved", "ref.available")},
    "each way to end a withdrawal": lambda: (
        set(Withdrawal.objects.values_list("state", flat=True))
        == {"rejected", "cancelled", "expired", "revoked", "returned", "paid"}
    ),
    "paid": {("wd.paid", "ref.reserved", "cash.payout"), ("wd.paid", "ref.reserved", "revenue.payout_fee")},
    "returned by bank": {("wd.returned", "cash.payout", "ref.available")},
    "rewards forfeited": {("reward.forfeit", "ref.available", "expense.referral")},
    "operator adjustment": {
        ("adjust", "user.paid", "equity.adjust"),
        ("adjust", "equity.adjust", "user.paid"),
        ("adjust", "ref.available", "equity.adjust"),
        ("adjust", "equity.adjust", "ref.available"),
    },
    "correction": {("reversal", "user.promo", "expense.promo"), ("reversal", "user.paid", "cash.offline")},
}
# Allowed, and used by no verb: an operator's correction may touch any of these accounts, the rest waits for its verb.
NOT_WALKED = Q(txn_kind__in=["adjust", "reversal"]) | Q(
    txn_kind__in=["topup", "refund"], debit_kind__in=["cash.offline", "expense.payment_fee", "user.paid"]
) & (Q(debit_kind="cash.offline") | Q(credit_kind="cash.offline"))
WITHOUT_A_VERB: set[Way] = {
    ("promo.expire", "user.promo", "revenue.breakage"),  # what expires lowers the expense of having given it
    ("reward.forfeit", "ref.pending", "expense.referral"),
    ("wd.paid", "ref.reserved", "tax.withheld"),
    ("wd.returned", "revenue.payout_fee", "ref.available"),
}


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    machine = Ledger()
    yield machine
    machine.teardown()


class Walk:
    """Steps of a machine, each followed by the whole proof."""

    def __init__(self, machine: Ledger) -> None:
        self.machine = machine

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def step(*args: Any, **given: Any) -> Any:
            answer = getattr(self.machine, name)(*args, **given)
            self.machine.the_books_say_what_the_oracle_says()
            self.machine.the_house_is_the_other_side()
            self.machine.the_audit_finds_nothing()
            return answer

        return step

    def call(self, who: str, amount: int, **given: Any) -> str:
        """Held and charged to the nano."""
        request = self.hold(who, amount)
        self.settle(request, **given)
        return str(request)


def credit_comes_in(walk: Walk) -> str:
    payment = walk.buy("ben", 10)
    walk.we_look_at_stripe(payment)
    walk.top_up_bonus("ben", 50, 1)
    for kind in ("promo", "paid"):
        code = walk.make_code(kind, 30, 1, 2)
        walk.redeem("ben", code)
        walk.redeem("ben", code)
    gift = walk.grant("ada", "promo", 40, 1)
    walk.is_corrected(gift)
    walk.is_corrected(walk.grant("ada", "paid", 40))
    walk.grant("ben", "promo", 70)
    for kind in ("user.paid", "ref.available"):
        walk.is_adjusted_up("ada", kind, 25)
        walk.is_adjusted("ada", kind, 25)
    return str(payment)


def calls_of_every_kind(walk: Walk) -> None:
    walk.grant("ada", "paid", 1000)
    walk.limit_is_set("ada", 100)
    assert isinstance(walk.hold("ada", 100), str)
    assert not isinstance(walk.hold("ada", 1), str)
    walk.limit_is_removed("ada")
    walk.release(walk.hold("ada", 10))
    walk.upstream_fails(walk.hold("ada", 10))
    late = walk.hold("ada", 10, lasts=5)
    walk.time_passes(20)
    walk.settle(late)
    walk.settle_together(walk.hold("ada", 10), walk.hold("ada", 20), walk.hold("ben", 30), 1)
    walk.settle(walk.hold("ada", 0, "all"), 12)


def rewards_come_and_go(walk: Walk) -> None:
    """Ben's charges of 160 cents earn Ada 80; refunds take back in every state."""
    walk.what_is_due_expires()
    first = walk.call("ben", 160 * CENT)
    walk.days_pass(1)
    walk.days_are_accrued()
    walk.refund(first, 2)  # a quarter: pending
    walk.days_are_accrued()
    walk.days_pass(2)
    walk.rewards_mature()
    walk.refund(first, 2)  # a quarter of the rest: available
    walk.days_are_accrued()
    walk.convert("some", 10 * CENT)
    walk.refund(walk.call("ada", 10), 1)
    walk.withdrawal_is_asked_for()
    walk.refund(first, 1)  # all that is left: owed
    walk.days_are_accrued()
    walk.withdrawal_is_closed("cancel")
    walk.call("ben", 300 * CENT)
    walk.days_pass(1)
    walk.days_are_accrued()
    walk.days_pass(2)
    walk.rewards_mature()
    walk.is_forfeited(5)


def withdrawals_of_every_kind(walk: Walk) -> None:
    def asked(amount: int = 6) -> None:
        walk.withdrawal_is_asked_for("some", amount * CENT)
        walk.withdrawal_moves_on("claim")

    asked()
    walk.withdrawal_is_closed("reject")
    asked()
    walk.withdrawal_is_approved()
    walk.withdrawal_is_closed("revoke")
    asked()
    walk.withdrawal_moves_on("hold")
    walk.days_pass(5)
    walk.old_withdrawals_expire()
    for comes_back in (True, False):
        asked()
        walk.withdrawal_is_approved(1)
        walk.withdrawal_is_paid("start")
        walk.withdrawal_moves_on("fail")
        walk.withdrawal_is_paid("pay")
        if comes_back:
            walk.withdrawal_is_paid("come back")


def payments_go_back(walk: Walk, payment: str) -> None:
    walk.we_refund(payment, 2)
    walk.we_refund(payment, 3, answers=False)
    walk.what_was_set_aside_is_sent(payment)
    walk.refunded_at_stripe(payment, 4)
    walk.the_refund_comes_back(payment)
    walk.call("ben", 0, free=True)
    walk.settle(walk.hold("ben", 0, "all"))  # nothing is left
    walk.refunded_at_stripe(payment, 5)  # so it is owed
    assert not isinstance(walk.hold("ben", 1), str)
    walk.the_refund_comes_back(payment)
    walk.refunded_at_stripe(payment, 6)
    walk.grant("ben", "paid", 2 * CENT)
    walk.who_owes_repays()
    walk.grant("ben", "paid", 20 * CENT)
    walk.who_owes_repays()
    walk.dispute_opens(payment, 50)  # more than is there
    walk.dispute_closes(payment, won=False)
    walk.dispute_closes(payment, won=True, returns_fee=500)
    walk.dispute_opens(payment, 5, (2, 1, 0, 1))
    walk.dispute_closes(payment, won=True, order=(2, 0, 1))


def test_every_event_of_the_posting_table_has_its_rule(ledger: Ledger) -> None:
    walk = Walk(ledger)
    payment = credit_comes_in(walk)
    calls_of_every_kind(walk)
    walk.days_pass(3)
    rewards_come_and_go(walk)
    withdrawals_of_every_kind(walk)
    payments_go_back(walk, payment)
    for number in range(len(ledger.again)):
        walk.something_is_done_again(number)

    rows = LedgerEntry.objects.values_list("txn__kind", "debit__kind", "credit__kind").distinct()
    walked: set[Way] = {(str(kind), str(debit), str(credit)) for kind, debit, credit in rows}
    missing = {
        event: proof if callable(proof) else proof - walked
        for event, proof in TABLE.items()
        if not (proof() if callable(proof) else proof <= walked)
    }
    assert not missing
    shown = {way for proof in TABLE.values() if not callable(proof) for way in proof}
    allowed = set(LedgerFlow.objects.exclude(NOT_WALKED).values_list("txn_kind", "debit_kind", "credit_kind"))
    assert allowed - shown == WITHOUT_A_VERB
