"""All that must hold for the books, from every app with money: one proof for the command, the task and the tests."""

from datetime import datetime, timedelta

from django.core.cache import cache

import billing.audit
import billing.payment_audit
import billing.usage_audit
import referrals.audit
from accounts.models import User
from billing.models import LedgerAudit

QUIET_HOUR = 3  # UTC; the proof reads the whole journal
EVERY = timedelta(hours=24)
PATIENCE_S = 900  # after that nobody believes any more that a proof is under way
_UNDER_WAY = "books.under_way"
INVARIANTS = {
    **billing.audit.INVARIANTS,
    **billing.usage_audit.INVARIANTS,
    **billing.payment_audit.INVARIANTS,
    **referrals.audit.INVARIANTS,
}


def prove(
    *, now: datetime, asked: LedgerAudit.Asked = LedgerAudit.Asked.SCHEDULE, by: User | None = None
) -> LedgerAudit:
    return billing.audit.run(INVARIANTS, now=now, asked=asked, by=by)


def is_due(*, now: datetime) -> bool:
    """In the quiet hour of each day, and whenever there has been none for a day."""
    latest = LedgerAudit.objects.order_by("-finished_at").first()
    if latest is None or now - latest.finished_at >= EVERY:
        return True
    return now.hour == QUIET_HOUR and now - latest.finished_at > EVERY / 4


def begin_check() -> bool:
    """False when somebody else's is under way. Kept where it may be lost: the worst is a second proof."""
    return bool(cache.add(_UNDER_WAY, "1", PATIENCE_S))


def is_checking() -> bool:
    return bool(cache.get(_UNDER_WAY))


def checked() -> None:
    cache.delete(_UNDER_WAY)
