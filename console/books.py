"""All that must hold for the books, from every app with money: one proof for the command, the task and the tests."""

from datetime import datetime

import billing.audit
import billing.payment_audit
import billing.usage_audit
import referrals.audit
from billing.models import LedgerAudit

INVARIANTS = {
    **billing.audit.INVARIANTS,
    **billing.usage_audit.INVARIANTS,
    **billing.payment_audit.INVARIANTS,
    **referrals.audit.INVARIANTS,
}


def prove(*, now: datetime) -> LedgerAudit:
    return billing.audit.run(INVARIANTS, now=now)
