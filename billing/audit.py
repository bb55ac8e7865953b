"""Prove the books: what must always hold for money, as SQL that both databases run. Each query returns the offenders.

Numbers in names are those of the ledger design; the others are ours. Every query is one statement, so it sees one
moment, whatever is being posted meanwhile.
"""

import time
from collections.abc import Mapping
from datetime import datetime

import structlog
from django.db import connection, transaction

from accounts.models import User
from billing import checkpoints, guards
from billing.models import LedgerAudit

SHOWN = 20  # offenders kept per finding
log = structlog.get_logger("billing")

INVARIANTS: dict[str, str] = {
    "I1 live balances equal the journal": """
        SELECT a.id FROM billing_ledgeraccount a
        LEFT JOIN (SELECT credit_id AS a, SUM(amount) AS s FROM billing_ledgerentry GROUP BY credit_id) c ON c.a = a.id
        LEFT JOIN (SELECT debit_id AS a, SUM(amount) AS s FROM billing_ledgerentry GROUP BY debit_id) d ON d.a = a.id
        WHERE a.live AND (a.credits <> COALESCE(c.s, 0) OR a.debits <> COALESCE(d.s, 0))
    """,
    "I2 nothing guarded is below zero": """
        SELECT id FROM billing_ledgeraccount
        WHERE guarded
            AND ((sign = 1 AND credits - debits - held < 0) OR (sign = -1 AND debits - credits < 0) OR held < 0)
    """,
    "I3 held equals open holds": """
        SELECT a.id FROM billing_ledgeraccount a
        LEFT JOIN (
            SELECT user_id, SUM(promo_nano) AS promo, SUM(reward_nano) AS reward, SUM(paid_nano) AS paid
            FROM billing_hold WHERE state = 'open' GROUP BY user_id
        ) h ON h.user_id = a.owner_id
        LEFT JOIN (
            SELECT p.user_id, SUM(f.amount_nano) AS paid FROM billing_paymentrefund f
            JOIN billing_payment p ON p.id = f.payment_id WHERE f.state = 'reserved' GROUP BY p.user_id
        ) r ON r.user_id = a.owner_id
        WHERE a.held <> COALESCE(CASE a.kind
            WHEN 'user.promo' THEN h.promo
            WHEN 'user.reward' THEN h.reward
            WHEN 'user.paid' THEN COALESCE(h.paid, 0) + COALESCE(r.paid, 0) END, 0)
    """,
    "I5 every charge is explained to the nano": """
        SELECT x.txn_id FROM (
            SELECT e.txn_id,
                SUM(CASE a.kind WHEN 'user.promo' THEN e.amount ELSE 0 END) AS promo,
                SUM(CASE a.kind WHEN 'user.reward' THEN e.amount ELSE 0 END) AS reward,
                SUM(CASE a.kind WHEN 'user.paid' THEN e.amount ELSE 0 END) AS paid,
                MIN(a.owner_id) AS owner_id
            FROM billing_ledgerentry e
            JOIN billing_ledgertxn t ON t.id = e.txn_id AND t.kind = 'usage'
            JOIN billing_ledgeraccount a ON a.id = e.debit_id
            GROUP BY e.txn_id
        ) x
        LEFT JOIN (
            SELECT txn_id, SUM(promo_nano) AS promo, SUM(reward_nano) AS reward, SUM(paid_nano) AS paid,
                MIN(user_id) AS least, MAX(user_id) AS most
            FROM billing_usage WHERE txn_id IS NOT NULL GROUP BY txn_id
        ) u ON u.txn_id = x.txn_id
        WHERE u.txn_id IS NULL OR u.promo <> x.promo OR u.reward <> x.reward OR u.paid <> x.paid
            OR u.least <> x.owner_id OR u.most <> x.owner_id
    """,
    "I12 no transaction is without entries": """
        SELECT t.id FROM billing_ledgertxn t LEFT JOIN billing_ledgerentry e ON e.txn_id = t.id WHERE e.id IS NULL
    """,
    "I13 debits equal credits": """
        SELECT s.asset FROM (
            SELECT a.asset, e.amount AS net FROM billing_ledgerentry e JOIN billing_ledgeraccount a ON a.id = e.debit_id
            UNION ALL
            SELECT a.asset, -e.amount FROM billing_ledgerentry e JOIN billing_ledgeraccount a ON a.id = e.credit_id
        ) s GROUP BY s.asset HAVING SUM(s.net) <> 0
    """,
    "a system account keeps no balance of its own": """
        SELECT id FROM billing_ledgeraccount WHERE NOT live AND (credits <> 0 OR debits <> 0 OR held <> 0)
    """,
    "every entry follows the rules of the ledger": " UNION ALL ".join(
        f"SELECT new.id FROM billing_ledgerentry new WHERE NOT ({rule})" for rule in guards.ENTRY_RULES.values()
    ),
    "a reversal mirrors what it reverses": """
        SELECT t.id FROM billing_ledgertxn t
        LEFT JOIN billing_ledgerentry e ON e.txn_id = t.id
        LEFT JOIN billing_ledgerentry o
            ON o.txn_id = t.reverses_id
            AND o.debit_id = e.credit_id AND o.credit_id = e.debit_id AND o.amount = e.amount
        WHERE (t.reverses_id IS NOT NULL OR t.kind = 'reversal') AND o.id IS NULL
        UNION ALL
        SELECT t.id FROM billing_ledgertxn t
        JOIN billing_ledgerentry o ON o.txn_id = t.reverses_id
        LEFT JOIN billing_ledgerentry e
            ON e.txn_id = t.id AND o.debit_id = e.credit_id AND o.credit_id = e.debit_id AND o.amount = e.amount
        WHERE e.id IS NULL
    """,
    "a hold and its call end alike": """
        SELECT h.request_id FROM billing_hold h LEFT JOIN billing_usage u ON u.request_id = h.request_id
        WHERE (h.state = 'open' AND u.request_id IS NOT NULL)
            OR (h.state = 'settled' AND (u.request_id IS NULL OR u.charge_nano + u.uncollected_nano = 0))
            OR (h.state = 'released' AND u.charge_nano + u.uncollected_nano > 0)
            OR (h.state = 'expired' AND (u.request_id IS NULL OR (u.charge_nano > 0 AND NOT u.late)))
            OR (u.user_id <> h.user_id)
            OR ((h.state = 'open') <> (h.closed_at IS NULL))
    """,
    "a charge was posted once": """
        SELECT u.request_id FROM billing_usage u LEFT JOIN billing_ledgertxn t ON t.id = u.txn_id AND t.kind = 'usage'
        WHERE (u.charge_nano > 0) <> (t.id IS NOT NULL)
    """,
    "refunds stay within the charge": """
        SELECT u.request_id FROM billing_usage u LEFT JOIN (
            SELECT t.source_id, SUM(e.amount) AS s FROM billing_ledgertxn t
            JOIN billing_ledgerentry e ON e.txn_id = t.id
            WHERE t.kind = 'usage.refund' AND t.source_type = 'usage' GROUP BY t.source_id
        ) r ON r.source_id = u.request_id
        WHERE u.refunded_nano <> COALESCE(r.s, 0) OR u.refunded_nano > u.charge_nano
    """,
    "a refund goes back to the class it came from": """
        SELECT r.source_id FROM (
            SELECT t.source_id, e.credit_id, SUM(e.amount) AS s FROM billing_ledgertxn t
            JOIN billing_ledgerentry e ON e.txn_id = t.id
            WHERE t.kind = 'usage.refund' GROUP BY t.source_id, e.credit_id
        ) r
        JOIN billing_ledgeraccount a ON a.id = r.credit_id
        LEFT JOIN billing_usage u ON u.request_id = r.source_id AND u.user_id = a.owner_id
        WHERE r.s > COALESCE(CASE a.kind
            WHEN 'user.promo' THEN u.promo_nano WHEN 'user.reward' THEN u.reward_nano WHEN 'user.paid' THEN u.paid_nano
            END, 0)
    """,
    "a redemption has exactly one posting": """
        SELECT r.txn_id FROM billing_redemption r
        JOIN billing_ledgertxn t ON t.id = r.txn_id
        LEFT JOIN billing_ledgerentry e ON e.txn_id = t.id
        GROUP BY r.txn_id, t.kind HAVING t.kind <> 'redeem' OR COUNT(e.id) <> 1
        UNION ALL
        SELECT t.id FROM billing_ledgertxn t LEFT JOIN billing_redemption r ON r.txn_id = t.id
        WHERE t.kind = 'redeem' GROUP BY t.id HAVING COUNT(r.id) <> 1
    """,
    "a code's uses add up": """
        SELECT c.id FROM billing_redeemcode c LEFT JOIN billing_redemption r ON r.code_id = c.id
        GROUP BY c.id, c.uses, c.uses_left HAVING c.uses - c.uses_left <> COUNT(r.id)
    """,
    "nobody has more of a batch than one person may": """
        SELECT r.id FROM billing_redemption r
        JOIN billing_redeemcode c ON c.id = r.code_id
        JOIN billing_redeemcodebatch b ON b.id = c.batch_id
        WHERE r.batch_id <> c.batch_id OR r.nth < 1 OR r.nth > b.per_person
    """,
    # Lots follow their account lazily, so the sum is compared with what the account stood at when they last did.
    "lots of promotional credit add up": """
        SELECT b.user_id FROM billing_promobook b
        JOIN billing_ledgeraccount a ON a.owner_id = b.user_id AND a.kind = 'user.promo'
        LEFT JOIN (SELECT user_id, SUM(remaining_nano) AS s FROM billing_promolot GROUP BY user_id) l
            ON l.user_id = b.user_id
        WHERE COALESCE(l.s, 0) <> b.credits - b.debits OR b.credits > a.credits OR b.debits > a.debits
        UNION ALL
        SELECT l.user_id FROM billing_promolot l LEFT JOIN billing_promobook b ON b.user_id = l.user_id
        WHERE b.user_id IS NULL
    """,
    "every gift of promotional credit is one lot": """
        SELECT t.id FROM billing_ledgertxn t
        JOIN billing_ledgerentry e ON e.txn_id = t.id
        JOIN billing_ledgeraccount a ON a.id = e.credit_id AND a.kind = 'user.promo'
        LEFT JOIN billing_promolot l ON l.txn_id = t.id AND l.user_id = a.owner_id AND l.amount_nano = e.amount
        WHERE t.kind IN ('redeem', 'grant', 'topup.bonus') AND l.id IS NULL
        UNION ALL
        SELECT l.txn_id FROM billing_promolot l JOIN billing_ledgertxn t ON t.id = l.txn_id
        WHERE t.kind NOT IN ('redeem', 'grant', 'topup.bonus')
    """,
    "what expired of a lot was posted": """
        SELECT l.id FROM billing_promolot l
        LEFT JOIN (
            SELECT t.source_id, SUM(e.amount) AS s FROM billing_ledgertxn t
            JOIN billing_ledgerentry e ON e.txn_id = t.id
            WHERE t.kind = 'promo.expire' AND t.source_type = 'promo_lot' GROUP BY t.source_id
        ) x ON x.source_id = CAST(l.id AS VARCHAR(20))
        WHERE l.expired_nano <> COALESCE(x.s, 0)
    """,
    "a grant is what was posted for it": """
        SELECT g.id FROM billing_grant g
        LEFT JOIN billing_ledgertxn t ON t.id = g.txn_id AND t.kind = 'grant'
        LEFT JOIN billing_ledgerentry e ON e.txn_id = t.id AND e.amount = g.amount_nano
        LEFT JOIN billing_ledgeraccount a
            ON a.id = e.credit_id AND a.owner_id = g.user_id
            AND a.kind = CASE g.kind WHEN 'paid' THEN 'user.paid' ELSE 'user.promo' END
        WHERE g.state = 'posted' AND a.id IS NULL
    """,
    # A row whose period has ended still says what was spent in that one: nothing was charged since.
    "a spend limit counts what was charged in its period": """
        SELECT l.id FROM billing_spendlimit l
        LEFT JOIN billing_usage u
            ON u.user_id = l.user_id AND (l.key_id IS NULL OR u.key_id = l.key_id) AND u.settled_at >= l.period_start
        GROUP BY l.id, l.spent_nano HAVING l.spent_nano <> COALESCE(SUM(u.charge_nano - u.refunded_nano), 0)
    """,
    "a spend limit of a key is its owner's": """
        SELECT l.id FROM billing_spendlimit l JOIN accounts_apikey k ON k.id = l.key_id WHERE k.user_id <> l.user_id
    """,
    "the sums of the house equal the journal before them": f"""
        SELECT c.id FROM billing_ledgercheckpoint c LEFT JOIN (
            {checkpoints.BEFORE_THEM}
        ) j ON j.account_id = c.account_id AND j.kind = c.txn_kind
        WHERE c.debits <> COALESCE(j.debits, 0) OR c.credits <> COALESCE(j.credits, 0)
    """,
}
GUARDS = "the guards of the ledger are in place"


def run(
    invariants: Mapping[str, str],
    *,
    now: datetime,
    asked: LedgerAudit.Asked = LedgerAudit.Asked.SCHEDULE,
    by: User | None = None,
) -> LedgerAudit:
    """Ask every question, keep what was found. The triggers themselves are part of it."""
    began = time.monotonic()
    findings = {name: offenders for name, query in invariants.items() if (offenders := _offenders(query))}
    wrong = guards.missing(connection)
    if guards.is_unlocked(connection):
        wrong.append("ledger_unlock is open")
    if wrong:
        findings[GUARDS] = wrong
    for name, offenders in findings.items():
        log.error("billing.audit.finding", invariant=name, offenders=offenders)
    return LedgerAudit.objects.create(
        finished_at=now,
        took_ms=int((time.monotonic() - began) * 1000),
        checked=len(invariants) + 1,
        asked=asked,
        by=by,
        is_clean=not findings,
        findings=findings,
    )


def _offenders(query: str) -> list[str]:
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = 0")  # years of calls are read; nobody waits
        cursor.execute(query)
        return [str(row[0]) for row in cursor.fetchmany(SHOWN)]
