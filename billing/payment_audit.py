"""What must always hold for payments, as SQL that both databases run; part of the same proof as billing/audit.py."""

INVARIANTS: dict[str, str] = {
    "I11 a payment is credited exactly once": """
        SELECT p.public_id FROM billing_payment p
        LEFT JOIN (
            SELECT t.source_id, COUNT(*) AS entries, MIN(e.amount) AS amount, MIN(a.owner_id) AS owner_id,
                MIN(t.id) AS txn
            FROM billing_ledgertxn t
            JOIN billing_ledgerentry e ON e.txn_id = t.id
            JOIN billing_ledgeraccount a ON a.id = e.credit_id AND a.kind = 'user.paid'
            WHERE t.kind = 'topup' AND t.source_type = 'payment' GROUP BY t.source_id
        ) c ON c.source_id = p.public_id
        WHERE (p.state = 'paid') <> (c.entries IS NOT NULL)
            OR c.entries <> 1 OR c.amount <> p.amount_nano OR c.owner_id <> p.user_id OR c.txn <> p.txn_id
    """,
    "money at Stripe is what the rows of each payment say": """
        SELECT p.public_id FROM billing_payment p
        LEFT JOIN (
            SELECT t.source_id, SUM(CASE WHEN d.kind = 'cash.stripe' THEN e.amount ELSE -e.amount END) AS net
            FROM billing_ledgertxn t
            JOIN billing_ledgerentry e ON e.txn_id = t.id
            JOIN billing_ledgeraccount d ON d.id = e.debit_id
            JOIN billing_ledgeraccount c ON c.id = e.credit_id
            WHERE t.source_type = 'payment' AND (d.kind = 'cash.stripe' OR c.kind = 'cash.stripe')
            GROUP BY t.source_id
        ) l ON l.source_id = p.public_id
        LEFT JOIN (
            SELECT payment_id, SUM(CASE WHEN state = 'won' THEN fee_nano ELSE amount_nano + fee_nano END) AS taken
            FROM billing_dispute GROUP BY payment_id
        ) d ON d.payment_id = p.id
        WHERE COALESCE(l.net, 0) <> CASE WHEN p.state = 'paid' THEN p.amount_nano ELSE 0 END
            - COALESCE(p.fee_nano, 0) - p.refunded_nano - COALESCE(d.taken, 0)
    """,
    "money at Stripe came with a payment": """
        SELECT t.id FROM billing_ledgertxn t
        JOIN billing_ledgerentry e ON e.txn_id = t.id
        JOIN billing_ledgeraccount a ON a.id IN (e.debit_id, e.credit_id) AND a.kind = 'cash.stripe'
        LEFT JOIN billing_payment p ON p.public_id = t.source_id AND t.source_type = 'payment'
        WHERE t.kind NOT IN ('adjust', 'reversal') AND p.id IS NULL
    """,
    "refunds of a payment add up": """
        SELECT p.public_id FROM billing_payment p
        LEFT JOIN (
            SELECT payment_id, SUM(amount_nano) AS s FROM billing_paymentrefund WHERE state = 'done' GROUP BY payment_id
        ) r ON r.payment_id = p.id
        WHERE p.refunded_nano <> COALESCE(r.s, 0) OR p.refunded_nano > p.amount_nano
    """,
    "what went back was posted to the nano": """
        SELECT r.public_id FROM billing_paymentrefund r
        LEFT JOIN (SELECT txn_id, SUM(amount) AS s FROM billing_ledgerentry GROUP BY txn_id) o ON o.txn_id = r.txn_id
        LEFT JOIN (SELECT txn_id, SUM(amount) AS s FROM billing_ledgerentry GROUP BY txn_id) u ON u.txn_id = r.undone_id
        WHERE (r.txn_id IS NOT NULL AND o.s <> r.amount_nano) OR (r.undone_id IS NOT NULL AND u.s <> r.amount_nano)
        UNION ALL
        SELECT d.stripe_id FROM billing_dispute d
        LEFT JOIN (SELECT txn_id, SUM(amount) AS s FROM billing_ledgerentry GROUP BY txn_id) o ON o.txn_id = d.txn_id
        LEFT JOIN (SELECT txn_id, SUM(amount) AS s FROM billing_ledgerentry GROUP BY txn_id) w
            ON w.txn_id = d.won_txn_id
        WHERE o.s <> d.amount_nano OR (d.won_txn_id IS NOT NULL AND w.s <> d.amount_nano)
    """,
    "receipts are numbered without gaps": """
        SELECT n.numbers FROM (
            SELECT COUNT(receipt_number) AS numbers, COALESCE(MAX(receipt_number), 0) AS highest FROM billing_payment
        ) n WHERE n.numbers <> n.highest
    """,
    "who owes or is disputed makes no calls": """
        SELECT f.user_id FROM billing_freeze f
        JOIN billing_ledgeraccount a ON a.owner_id = f.user_id AND a.kind = 'user.debt'
        WHERE a.debits = a.credits AND NOT EXISTS (
            SELECT 1 FROM billing_dispute d JOIN billing_payment p ON p.id = d.payment_id
            WHERE p.user_id = f.user_id AND d.state = 'open')
        UNION ALL
        SELECT p.user_id FROM billing_payment p
        JOIN billing_ledgeraccount a ON a.owner_id = p.user_id AND a.kind = 'user.debt'
        LEFT JOIN billing_dispute d ON d.payment_id = p.id AND d.state = 'open'
        LEFT JOIN billing_freeze f ON f.user_id = p.user_id
        WHERE f.user_id IS NULL AND (a.debits > a.credits OR d.id IS NOT NULL)
    """,
}
