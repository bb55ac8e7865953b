"""What must always hold for rewards and withdrawals, as SQL that both databases run. Each query returns the offenders.

Numbers in names are those of the ledger design; the others are ours. Multiplication is split to stay in 64 bits.
"""

_FLOOR = "(({base}) / 10000) * r.rate_bp + ((({base}) % 10000) * r.rate_bp) / 10000"
# An operator's adjustment puts money into a pool that no reward explains; who has one is looked at by hand.
_NOT_ADJUSTED = """{owner} NOT IN (
            SELECT a.owner_id FROM billing_ledgerentry e
            JOIN billing_ledgertxn t ON t.id = e.txn_id AND t.kind = 'adjust'
            JOIN billing_ledgeraccount a ON a.id IN (e.debit_id, e.credit_id) AND a.owner_id IS NOT NULL
        )"""
_UNCAPPED = _FLOOR.format(base="r.base_nano")
_STILL = _FLOOR.format(base="r.base_nano - r.base_reversed")

INVARIANTS: dict[str, str] = {
    "I6 pending equals rewards in their holding period": """
        SELECT a.id FROM billing_ledgeraccount a
        LEFT JOIN referrals_reward r ON r.referrer_id = a.owner_id AND r.state IN ('pending', 'on_hold')
        WHERE a.kind = 'ref.pending'
        GROUP BY a.id, a.credits, a.debits
        HAVING a.credits - a.debits <> COALESCE(SUM(r.amount - r.reversed), 0)
    """,
    "I7 reserved equals open withdrawals": """
        SELECT a.id FROM billing_ledgeraccount a
        LEFT JOIN referrals_withdrawal w ON w.user_id = a.owner_id
            AND w.state IN ('requested', 'in_review', 'on_hold', 'approved', 'paying')
        WHERE a.kind = 'ref.reserved'
        GROUP BY a.id, a.credits, a.debits
        HAVING a.credits - a.debits <> COALESCE(SUM(COALESCE(w.approved_amount, w.amount)), 0)
    """,
    "I8 what stands is what was earned less what left": """
        SELECT s.owner_id FROM (
            SELECT owner_id, SUM(credits - debits) AS standing FROM billing_ledgeraccount
            WHERE kind IN ('ref.pending', 'ref.available', 'ref.reserved', 'ref.debt') GROUP BY owner_id
        ) s
        LEFT JOIN (
            SELECT referrer_id, SUM(amount - reversed) AS earned FROM referrals_reward GROUP BY referrer_id
        ) r ON r.referrer_id = s.owner_id
        LEFT JOIN (
            SELECT x.owner_id, SUM(x.amount) AS gone FROM (
                SELECT d.owner_id, e.amount FROM billing_ledgerentry e
                JOIN billing_ledgertxn t ON t.id = e.txn_id
                    AND t.kind IN ('reward.convert', 'wd.paid', 'reward.forfeit', 'adjust', 'reversal')
                JOIN billing_ledgeraccount d ON d.id = e.debit_id
                    AND d.kind IN ('ref.pending', 'ref.available', 'ref.reserved', 'ref.debt')
                UNION ALL
                SELECT c.owner_id, -e.amount FROM billing_ledgerentry e
                JOIN billing_ledgertxn t ON t.id = e.txn_id AND t.kind IN ('wd.returned', 'adjust', 'reversal')
                JOIN billing_ledgeraccount c ON c.id = e.credit_id
                    AND c.kind IN ('ref.pending', 'ref.available', 'ref.reserved', 'ref.debt')
            ) x GROUP BY x.owner_id
        ) g ON g.owner_id = s.owner_id
        WHERE s.standing <> COALESCE(r.earned, 0) - COALESCE(g.gone, 0)
    """,
    "I9 a withdrawal is reserved once and ends once": """
        SELECT w.id FROM referrals_withdrawal w
        LEFT JOIN billing_ledgertxn t ON t.source_type = 'withdrawal' AND t.source_id = w.public_id
        GROUP BY w.id, w.state
        HAVING SUM(CASE WHEN t.kind = 'wd.reserve' THEN 1 ELSE 0 END) <> 1
            OR SUM(CASE WHEN t.kind IN ('wd.release', 'wd.paid') THEN 1 ELSE 0 END)
                <> CASE WHEN w.state IN ('requested', 'in_review', 'on_hold', 'approved', 'paying') THEN 0 ELSE 1 END
            OR SUM(CASE WHEN t.kind = 'wd.paid' THEN 1 ELSE 0 END)
                <> CASE WHEN w.state IN ('paid', 'returned') THEN 1 ELSE 0 END
            OR SUM(CASE WHEN t.kind = 'wd.returned' THEN 1 ELSE 0 END)
                <> CASE WHEN w.state = 'returned' THEN 1 ELSE 0 END
    """,
    "I10 a reward is never reversed or allocated beyond its amount": """
        SELECT r.id FROM referrals_reward r
        LEFT JOIN referrals_rewardallocation x ON x.reward_id = r.id
        GROUP BY r.id, r.amount, r.reversed
        HAVING r.reversed > r.amount OR COALESCE(SUM(x.amount), 0) > r.amount
    """,
    "I14 nobody approved or paid their own withdrawal": """
        SELECT id FROM referrals_withdrawal WHERE approved_by_id = user_id OR paid_by_id = user_id
    """,
    "above the limit two people approved and paid": """
        SELECT id FROM referrals_withdrawal
        WHERE paid_by_id = approved_by_id AND COALESCE(approved_amount, amount) > second_person_above
    """,
    "every reward follows from its inputs": f"""
        SELECT r.id FROM referrals_reward r
        WHERE r.uncapped_nano <> {_UNCAPPED}
            OR r.amount <> CASE WHEN r.room_nano IS NULL OR r.room_nano > r.uncapped_nano
                THEN r.uncapped_nano ELSE r.room_nano END
            OR r.amount - r.reversed <> CASE WHEN {_STILL} < r.amount THEN {_STILL} ELSE r.amount END
    """,  # noqa: S608 constants only
    "every reward carries the rate of its policy": """
        SELECT r.id FROM referrals_reward r JOIN referrals_policy p ON p.version = r.policy_id
        WHERE r.rate_bp <> p.rate_bp
    """,
    "every reward is posted: accrued, taken back and matured as the row says": """
        SELECT r.id FROM referrals_reward r
        LEFT JOIN billing_ledgertxn t ON t.source_type = 'reward' AND t.source_id = r.public_id
        LEFT JOIN billing_ledgerentry e ON e.txn_id = t.id
        GROUP BY r.id, r.amount, r.reversed, r.matured_at
        HAVING COALESCE(SUM(CASE WHEN t.kind = 'reward.accrue' THEN e.amount ELSE 0 END), 0) <> r.amount
            OR COALESCE(SUM(CASE WHEN t.kind = 'reward.claw' THEN e.amount ELSE 0 END), 0) <> r.reversed
            OR COALESCE(SUM(CASE WHEN t.kind = 'reward.mature' THEN 1 ELSE 0 END), 0)
                <> CASE WHEN r.matured_at IS NULL THEN 0 ELSE 1 END
    """,
    "no cap was passed for one person": """
        SELECT r.referral_id FROM referrals_reward r JOIN referrals_policy p ON p.version = r.policy_id
        GROUP BY r.referral_id HAVING SUM(r.amount) > MAX(p.cap_per_referee_nano)
            AND COUNT(*) = COUNT(p.cap_per_referee_nano)
    """,
    "every withdrawal is funded by rewards to the nano": f"""
        SELECT w.id FROM referrals_withdrawal w
        LEFT JOIN referrals_rewardallocation x ON x.withdrawal_id = w.id
        WHERE {_NOT_ADJUSTED.format(owner="w.user_id")}
        GROUP BY w.id, w.state, w.amount, w.approved_amount, w.fee
        HAVING COALESCE(SUM(x.amount), 0) <> CASE
            WHEN w.state IN ('requested', 'in_review', 'on_hold', 'approved', 'paying', 'paid')
                THEN COALESCE(w.approved_amount, w.amount)
            WHEN w.state = 'returned' THEN w.fee
            ELSE 0 END
    """,  # noqa: S608 constants only
    "every conversion is funded by rewards to the nano": f"""
        SELECT t.id FROM billing_ledgertxn t
        LEFT JOIN (SELECT txn_id, SUM(amount) AS moved FROM billing_ledgerentry GROUP BY txn_id) e ON e.txn_id = t.id
        LEFT JOIN (
            SELECT conversion_id, SUM(amount) AS funded FROM referrals_rewardallocation GROUP BY conversion_id
        ) x ON x.conversion_id = t.id
        WHERE t.kind = 'reward.convert' AND COALESCE(e.moved, 0) <> COALESCE(x.funded, 0)
            AND {_NOT_ADJUSTED.format(owner="t.actor_id")}
    """,  # noqa: S608 constants only
    "the last event of a withdrawal says its state": """
        SELECT w.id FROM referrals_withdrawal w
        LEFT JOIN referrals_withdrawalevent v ON v.withdrawal_id = w.id
            AND v.id = (SELECT MAX(l.id) FROM referrals_withdrawalevent l WHERE l.withdrawal_id = w.id)
        WHERE v.new_state IS NULL OR v.new_state <> w.state
    """,
}
