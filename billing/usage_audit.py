"""What must always hold between calls, their sums of each hour and each day, and the ledger. Part of the audit.

A moment as text begins with its date and hour on both databases (a connection of ours speaks UTC on PostgreSQL; SQLite
keeps text). One query groups what stands in a row of sums together with what it should be the sum of, taken away: what
is left has to be nothing, so a row too many, a row too few and a wrong number are found alike.
"""

from billing import rollups

_CELL = "user_id, key_id, model, endpoint, status"


def _equal(sums: str, begin: str, parts: str, moment: str, *, counted: bool) -> str:
    """Rows of `sums`, for which `begin` is the text of their block, equal the sums of `parts`."""
    kept = ", ".join(rollups.SUMS)
    taken = ", ".join("-1" if counted and name == "calls" else f"-{name}" for name in rollups.SUMS)
    wrong = " OR ".join(f"SUM({name}) <> 0" for name in rollups.SUMS)
    return f"""
        SELECT x.user_id FROM (
            SELECT {_CELL}, {begin} AS block, {kept} FROM {sums}
            UNION ALL
            SELECT {_CELL}, {moment}, {taken} FROM {parts}
        ) x GROUP BY {_CELL}, block HAVING {wrong}
    """  # noqa: S608 our own names, no values


INVARIANTS = {
    "the sums of an hour equal its calls": _equal(
        "billing_usagehour",
        "SUBSTR(CAST(hour AS TEXT), 1, 13)",
        "billing_usage",
        "SUBSTR(CAST(started_at AS TEXT), 1, 13)",
        counted=True,
    ),
    "the sums of a day equal its hours": _equal(
        "billing_usageday",
        "CAST(day AS TEXT)",
        "billing_usagehour",
        "SUBSTR(CAST(hour AS TEXT), 1, 10)",
        counted=False,
    ),
    "sums begin with their hour": """
        SELECT id FROM billing_usagehour WHERE SUBSTR(CAST(hour AS TEXT), 14, 6) <> ':00:00'
    """,
    # What calls say they cost, against what left the accounts of credit for calls; the same for what came back.
    "usage equals the ledger, by person and class": """
        SELECT x.user_id FROM (
            SELECT user_id, SUM(promo_nano) AS promo, SUM(reward_nano) AS reward, SUM(paid_nano) AS paid,
                SUM(refunded_nano) AS refunded
            FROM billing_usageday GROUP BY user_id
            UNION ALL
            SELECT a.owner_id,
                -SUM(CASE WHEN t.kind = 'usage' AND a.kind = 'user.promo' THEN e.amount ELSE 0 END),
                -SUM(CASE WHEN t.kind = 'usage' AND a.kind = 'user.reward' THEN e.amount ELSE 0 END),
                -SUM(CASE WHEN t.kind = 'usage' AND a.kind = 'user.paid' THEN e.amount ELSE 0 END),
                -SUM(CASE WHEN t.kind = 'usage.refund' THEN e.amount ELSE 0 END)
            FROM billing_ledgertxn t
            JOIN billing_ledgerentry e ON e.txn_id = t.id
            JOIN billing_ledgeraccount a ON a.id = CASE t.kind WHEN 'usage' THEN e.debit_id ELSE e.credit_id END
            WHERE t.kind IN ('usage', 'usage.refund') GROUP BY a.owner_id
        ) x GROUP BY x.user_id
        HAVING SUM(x.promo) <> 0 OR SUM(x.reward) <> 0 OR SUM(x.paid) <> 0 OR SUM(x.refunded) <> 0
    """,
}
