"""The ledger, holds, prices, usage and codes. Rules live in the verbs: ledger, reservations, charges, codes."""

from billing.models.bounds import bounded
from billing.models.calls import CLASS_COLUMNS, TOKEN_COLUMNS, Hold, Usage, UsageHour
from billing.models.codes import RedeemCode, Redemption
from billing.models.ledger import (
    AccountKind,
    LedgerAccount,
    LedgerAudit,
    LedgerEntry,
    LedgerFlow,
    LedgerScale,
    LedgerTxn,
)
from billing.models.notices import OPTIONAL_NOTICES, Notice, NoticeKind, NoticeOff
from billing.models.prices import Price

__all__ = [
    "CLASS_COLUMNS",
    "OPTIONAL_NOTICES",
    "TOKEN_COLUMNS",
    "AccountKind",
    "Hold",
    "LedgerAccount",
    "LedgerAudit",
    "LedgerEntry",
    "LedgerFlow",
    "LedgerScale",
    "LedgerTxn",
    "Notice",
    "NoticeKind",
    "NoticeOff",
    "Price",
    "RedeemCode",
    "Redemption",
    "Usage",
    "UsageHour",
    "bounded",
]
