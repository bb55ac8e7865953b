"""What the wallet page shows, as frozen data. Days are UTC."""

from dataclasses import dataclass
from datetime import datetime

from accounts.models import User
from billing import ledger
from billing.models import LedgerAccount, Redemption
from billing.statements import Statement, statement

CREDIT_KINDS = list(ledger.SPEND_ORDER)


@dataclass(frozen=True)
class Wallet:
    balances: ledger.Balances
    statement: Statement
    redemptions: list[Redemption]


def wallet(*, user: User, month: str, now: datetime) -> Wallet:
    """What somebody has, and the statement of one month."""
    accounts = list(LedgerAccount.objects.filter(owner=user))
    credit = [account for account in accounts if account.kind in CREDIT_KINDS]
    return Wallet(
        balances=ledger.balances_of(accounts),
        statement=statement(credit=credit, month=month, now=now),
        redemptions=list(Redemption.objects.filter(user=user).select_related("code").order_by("-pk")[:5]),
    )
