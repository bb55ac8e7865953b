"""What proves the books: sums of the journal up to a moment, and statements that were sealed."""

from django.db import models

from accounts.models import User
from billing.models.bounds import bounded
from billing.models.ledger import LedgerAccount


class LedgerCheckpoint(models.Model):
    """What one account of the house was debited and credited by one kind of event, before a moment.

    Accounts of the house keep no balance of their own: it would be one row that every charge waits for. Their balance
    is these sums and the entries since.
    """

    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="+")
    txn_kind = models.CharField(max_length=32)
    debits = models.BigIntegerField()
    credits = models.BigIntegerField()
    until = models.DateTimeField()  # by the database's clock; the same in all rows

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "txn_kind"], name="ledger_checkpoint_unique"),
            bounded("ledger_checkpoint_bounds", "debits", "credits"),
        ]


class SealedStatement(models.Model):
    """One month of one person, for good. `hash` covers the document and the statement before it. Append-only."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    month = models.DateField()  # its first day, UTC
    document = models.TextField()  # canonical JSON: sorted keys, no spaces, nano as text
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "month"], name="sealed_statement_one_per_month"),
            # A chain does not fork: each statement is followed by one at most.
            models.UniqueConstraint(fields=["user", "previous_hash"], name="sealed_statement_no_fork"),
        ]
