"""The ledger, holds, prices, usage and codes. Rules live in the verbs: ledger, reservations, charges, codes."""

from billing.models.books import LedgerCheckpoint, SealedStatement
from billing.models.bounds import bounded
from billing.models.calls import CLASS_COLUMNS, TOKEN_COLUMNS, Hold, Usage, UsageDay, UsageHour
from billing.models.codes import CodeKind, RedeemCode, RedeemCodeBatch, Redemption
from billing.models.credit import BalanceWatch, Grant, PromoBook, PromoLot
from billing.models.ledger import (
    AccountKind,
    LedgerAccount,
    LedgerAudit,
    LedgerEntry,
    LedgerFlow,
    LedgerScale,
    LedgerTxn,
)
from billing.models.limits import SpendLimit
from billing.models.notices import OPTIONAL_NOTICES, Notice, NoticeKind, NoticeOff
from billing.models.payments import AutoTopUp, Dispute, Freeze, Payment, PaymentEvent, PaymentRefund
from billing.models.prices import Price

__all__ = [
    "CLASS_COLUMNS",
    "OPTIONAL_NOTICES",
    "TOKEN_COLUMNS",
    "AccountKind",
    "AutoTopUp",
    "BalanceWatch",
    "CodeKind",
    "Dispute",
    "Freeze",
    "Grant",
    "Hold",
    "LedgerAccount",
    "LedgerAudit",
    "LedgerCheckpoint",
    "LedgerEntry",
    "LedgerFlow",
    "LedgerScale",
    "LedgerTxn",
    "Notice",
    "NoticeKind",
    "NoticeOff",
    "Payment",
    "PaymentEvent",
    "PaymentRefund",
    "Price",
    "PromoBook",
    "PromoLot",
    "RedeemCode",
    "RedeemCodeBatch",
    "Redemption",
    "SealedStatement",
    "SpendLimit",
    "Usage",
    "UsageDay",
    "UsageHour",
    "bounded",
]
