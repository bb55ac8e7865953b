"""A bank takes a payment back. The credit goes at once, calls stop; won, everything comes home."""

from datetime import datetime

import structlog

from billing import auto_topup, notices, payment_books, standing
from billing.models import AccountKind, Dispute, LedgerEntry, NoticeKind, Payment
from billing.money import CURRENCY, from_cents
from billing.stripe_facts import Seen

# An inquiry (warning_…) moves no money, and a dispute that was prevented never did.
OPEN = {"needs_response", "under_review", "appeal_needs_response", "appeal_under_review"}
CLOSED = {"won": Dispute.State.WON, "lost": Dispute.State.LOST}
log = structlog.get_logger("billing")


def take(payment: Payment, said: Seen, now: datetime) -> bool:
    """A dispute as Stripe describes it, of a paid payment whose row is locked. False: it does not fit."""
    if said.status not in OPEN and said.status not in CLOSED:
        return True
    amount = from_cents(said.amount)
    row = Dispute.objects.filter(stripe_id=said.id).first()
    if amount <= 0 or said.currency != CURRENCY.lower() or (row and row.payment_id != payment.pk):
        return False
    row = row or _opened(payment, said, amount, now)
    for found in sorted(said.fees, key=lambda each: -each.fee):  # kept before given back
        payment_books.dispute_fee(row, found, now)
    if said.status in CLOSED:
        _closed(payment, row, CLOSED[said.status], now)
    standing.review(user=payment.user, now=now)
    return True


def _opened(payment: Payment, said: Seen, amount: int, now: datetime) -> Dispute:
    txn = payment_books.take_back(payment, kind="dispute", key=f"dispute:{said.id}", amount=amount, now=now)
    row = Dispute.objects.create(
        stripe_id=said.id, payment=payment, amount_nano=amount, reason=said.reason, txn=txn, opened_at=now
    )
    auto_topup.stop(user=payment.user, because=auto_topup.OffBecause.DISPUTED)
    owed = LedgerEntry.objects.filter(txn=txn, debit__kind=AccountKind.USER_DEBT).first()
    notices.write(
        user=payment.user,
        kind=NoticeKind.PAYMENT_DISPUTED,
        key=f"dispute:{said.id}",
        data={"amount_nano": amount, "number": payment.number, "debt_nano": owed.amount if owed else 0},
        now=now,
    )
    log.error("billing.dispute.opened", dispute=said.id, payment=payment.public_id, amount_nano=amount)
    return row


def _closed(payment: Payment, row: Dispute, state: Dispute.State, now: datetime) -> None:
    """Lost stays as it is. Won is the last word: it can follow a loss on appeal, nothing follows it."""
    if row.state in {Dispute.State.WON, state}:
        return
    if state == Dispute.State.WON:
        row.won_txn = payment_books.bring_home(
            payment, kind="dispute.won", key=f"dispute:{row.stripe_id}:won", amount=row.amount_nano, now=now
        )
    row.state, row.closed_at = state, now
    row.save()
    log.info("billing.dispute.closed", dispute=row.stripe_id, payment=payment.public_id, state=str(state))
