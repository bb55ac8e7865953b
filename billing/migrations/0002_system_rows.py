"""The unit of account, the accounts of the house, and every transfer that the ledger allows."""

from django.db import migrations

SYSTEM_ACCOUNTS = {  # kind: sign (+1 liability, income, equity; -1 asset, expense)
    "cash.offline": -1,
    "cash.stripe": -1,
    "cash.payout": -1,
    "tax.withheld": 1,
    "revenue.api": 1,
    "revenue.breakage": 1,
    "revenue.payout_fee": 1,
    "expense.referral": -1,
    "expense.promo": -1,
    "expense.payment_fee": -1,
    "expense.loss": -1,
    "equity.adjust": 1,
}
CASH = ("cash.offline", "cash.stripe")
CREDIT = ("user.promo", "user.reward", "user.paid")
# An operator's correction goes against equity. Not ref.pending and ref.reserved: each of their nano is a reward or a
# withdrawal, and those have verbs of their own.
ADJUSTABLE = (*CREDIT, "user.debt", "ref.available", "ref.debt", *(kind for kind in SYSTEM_ACCOUNTS if kind != "equity.adjust"))

FLOWS = {  # event: (debit, credit), …
    "topup": [*((cash, "user.paid") for cash in CASH), *(("expense.payment_fee", cash) for cash in CASH)],
    "topup.bonus": [("expense.promo", "user.promo")],
    "redeem": [("expense.promo", "user.promo"), ("cash.offline", "user.paid")],
    "grant": [("expense.promo", "user.promo"), ("cash.offline", "user.paid")],
    "usage": [(kind, "revenue.api") for kind in CREDIT],
    "usage.refund": [("revenue.api", kind) for kind in CREDIT],
    # The money is gone already when a refund was made at Stripe: what paid credit does not cover becomes debt.
    "refund": [*(("user.paid", cash) for cash in CASH), ("user.debt", "cash.stripe")],
    # A refund that failed and a dispute that was won bring the money back; what is owed at that moment is repaid first.
    "refund.undo": [("cash.stripe", "user.paid"), ("cash.stripe", "user.debt")],
    "dispute": [("user.paid", "cash.stripe"), ("user.debt", "cash.stripe"), ("expense.loss", "cash.stripe")],
    "dispute.won": [("cash.stripe", "user.paid"), ("cash.stripe", "user.debt"), ("cash.stripe", "expense.loss")],
    "debt.repay": [("user.paid", "user.debt")],
    "promo.expire": [("user.promo", "expense.promo"), ("user.promo", "revenue.breakage")],
    "reward.accrue": [("expense.referral", "ref.pending")],
    "reward.mature": [("ref.pending", "ref.available")],
    "reward.net": [("ref.available", "ref.debt")],
    "reward.claw": [(kind, "expense.referral") for kind in ("ref.pending", "ref.available", "ref.debt")],
    "reward.convert": [("ref.available", "user.reward")],
    "reward.forfeit": [(kind, "expense.referral") for kind in ("ref.pending", "ref.available")],
    "wd.reserve": [("ref.available", "ref.reserved")],
    "wd.partial": [("ref.reserved", "ref.available")],
    "wd.release": [("ref.reserved", "ref.available")],
    "wd.paid": [("ref.reserved", kind) for kind in ("cash.payout", "revenue.payout_fee", "tax.withheld")],
    "wd.returned": [(kind, "ref.available") for kind in ("cash.payout", "revenue.payout_fee")],
    "adjust": [pair for kind in ADJUSTABLE for pair in ((kind, "equity.adjust"), ("equity.adjust", kind))],
}
# A correction mirrors these. Charges, payments, rewards and withdrawals are undone by their own events instead.
REVERSIBLE = ("topup.bonus", "redeem", "grant", "promo.expire", "adjust")


def load(apps, schema_editor):
    apps.get_model("billing", "LedgerScale").objects.create(asset="USD", units_per_currency_unit=10**9)
    account = apps.get_model("billing", "LedgerAccount")
    for kind, sign in SYSTEM_ACCOUNTS.items():
        account.objects.create(kind=kind, owner=None, asset="USD", sign=sign, guarded=False, live=False)
    allowed = {(event, debit, credit) for event, pairs in FLOWS.items() for debit, credit in pairs}
    allowed |= {("reversal", credit, debit) for event in REVERSIBLE for debit, credit in FLOWS[event]}
    flow = apps.get_model("billing", "LedgerFlow")
    flow.objects.bulk_create(
        flow(txn_kind=event, debit_kind=debit, credit_kind=credit) for event, debit, credit in sorted(allowed)
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunPython(load, elidable=False)]
