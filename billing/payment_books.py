"""What a payment does to the ledger: credit, fee, money that goes back, money that comes home.

Every verb runs inside the caller's transaction with the payment's row locked; each writes its own posting and lets
`standing` repay what is owed.
"""

from datetime import datetime

from django.db.models import Max

from billing import ledger, standing
from billing.ledger import Line
from billing.models import AccountKind, Dispute, LedgerAccount, LedgerTxn, Payment
from billing.money import CURRENCY, from_cents
from billing.stripe_facts import Fee

SOURCE = "payment"


def credit(payment: Payment, now: datetime) -> None:
    """The one posting that makes credit of a payment. The row becomes paid with it and gets its number."""
    line = Line(
        debit=ledger.account(AccountKind.CASH_STRIPE),
        credit=ledger.account(AccountKind.USER_PAID, payment.user),
        amount=payment.amount_nano,
    )
    payment.receipt_number = _next_number()
    payment.txn = _post(payment, "topup", f"topup:stripe:{payment.intent_id or payment.session_id}", [line], now)
    payment.state = Payment.State.PAID
    payment.paid_at = now
    payment.buyer_email = payment.user.email
    payment.save(update_fields=["receipt_number", "txn", "state", "paid_at", "buyer_email"])
    standing.review(user=payment.user, now=now)


def fee(payment: Payment, found: Fee, now: datetime) -> None:
    """What Stripe kept, once. Of an account that settles in another currency the fee is not ours to convert."""
    if payment.fee_nano is not None or found.currency != CURRENCY.lower():
        return
    amount = from_cents(max(found.fee, 0))
    if amount:
        line = Line(
            debit=ledger.account(AccountKind.EXPENSE_PAYMENT_FEE),
            credit=ledger.account(AccountKind.CASH_STRIPE),
            amount=amount,
        )
        _post(payment, "topup", f"topup:stripe:{payment.intent_id or payment.session_id}:fee", [line], now)
    payment.fee_nano = amount
    payment.save(update_fields=["fee_nano"])


def take_back(payment: Payment, *, kind: str, key: str, amount: int, now: datetime) -> LedgerTxn:
    """Money that left Stripe: from paid credit as far as it goes, the rest is owed."""
    accounts = ledger.locked(payment.user, AccountKind.USER_PAID, AccountKind.USER_DEBT)
    cash = ledger.account(AccountKind.CASH_STRIPE)
    covered = min(amount, max(accounts[AccountKind.USER_PAID].spendable, 0))
    parts = {AccountKind.USER_PAID: covered, AccountKind.USER_DEBT: amount - covered}
    lines = [Line(debit=accounts[kind], credit=cash, amount=part) for kind, part in parts.items() if part]
    return _post(payment, kind, key, lines, now)


def bring_home(payment: Payment, *, kind: str, key: str, amount: int, now: datetime) -> LedgerTxn:
    """The reverse: what is owed at this moment is repaid first, the rest is paid credit again."""
    accounts = ledger.locked(payment.user, AccountKind.USER_PAID, AccountKind.USER_DEBT)
    cash = ledger.account(AccountKind.CASH_STRIPE)
    owed = min(amount, accounts[AccountKind.USER_DEBT].balance)
    parts = {AccountKind.USER_DEBT: owed, AccountKind.USER_PAID: amount - owed}
    lines = [Line(debit=cash, credit=accounts[kind], amount=part) for kind, part in parts.items() if part]
    return _post(payment, kind, key, lines, now)


def dispute_fee(dispute: Dispute, found: Fee, now: datetime) -> None:
    """Each movement that Stripe kept a fee of, or gave one back with, once."""
    if not found.fee or found.currency != CURRENCY.lower() or dispute.fee_nano + from_cents(found.fee) < 0:
        return
    loss, cash = ledger.account(AccountKind.EXPENSE_LOSS), ledger.account(AccountKind.CASH_STRIPE)
    amount = from_cents(abs(found.fee))
    debit, credit_ = (loss, cash) if found.fee > 0 else (cash, loss)
    key = f"dispute:{dispute.stripe_id}:fee:{found.id}"
    if LedgerTxn.objects.filter(idempotency_key=key).exists():
        return
    kind = "dispute" if found.fee > 0 else "dispute.won"
    _post(dispute.payment, kind, key, [Line(debit=debit, credit=credit_, amount=amount)], now)
    dispute.fee_nano += from_cents(found.fee)
    dispute.save(update_fields=["fee_nano"])


def _post(payment: Payment, kind: str, key: str, lines: list[Line], now: datetime) -> LedgerTxn:
    return ledger.post(
        kind=kind, key=key, lines=lines, actor=None, now=now, source_type=SOURCE, source_id=payment.public_id
    ).txn


def _next_number() -> int:
    """Without gaps: the row of the cash account is the turnstile, and whoever fails takes the number back with it."""
    list(LedgerAccount.objects.select_for_update(no_key=True).filter(kind=AccountKind.CASH_STRIPE, owner=None))
    return (Payment.objects.aggregate(last=Max("receipt_number"))["last"] or 0) + 1
