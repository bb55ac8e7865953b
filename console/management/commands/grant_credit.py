"""Give a person credit, from the command line."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.money import CURRENCY, NotAnAmount, format_amount, parse_amount

MAX_REASON = 500
MAX_DAYS = 3650


class Command(BaseCommand):
    help = "Credit AMOUNT to the account of EMAIL. `paid` was paid outside of the console, `promo` is a gift."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("amount", help=f"{CURRENCY}, such as 5.00")
        parser.add_argument("--kind", choices=["paid", "promo"], default="promo")
        parser.add_argument("--reason", required=True, help="kept in the journal and shown on the person's statement")
        parser.add_argument("--expires-days", type=int, help="a gift: what is left of it then is taken off")
        parser.add_argument("--key", help="grant at most once under this key: safe to run again")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        user = User.objects.filter(email=options["email"].strip().lower()).first()
        if user is None:
            raise CommandError(f"Nobody has the address {options['email']}. Nothing was credited.")
        now, days = timezone.now(), options["expires_days"]
        if days is not None and (options["kind"] != "promo" or not 0 < days <= MAX_DAYS):
            raise CommandError(f"--expires-days goes from 1 to {MAX_DAYS}, for gifts only. Nothing was credited.")
        try:
            txn = ledger.grant(
                user=user,
                amount=parse_amount(options["amount"]),
                kind=options["kind"],
                reason=_reason(options["reason"]),
                actor=None,
                now=now,
                key=options["key"],
                expires_at=now + timedelta(days=days) if days else None,
            )
        except (NotAnAmount, ledger.NotATransfer):
            raise CommandError(
                f"{options['amount']!r} is not an amount of {CURRENCY} above zero. Nothing was credited."
            ) from None
        except ledger.IdempotencyMismatch:
            raise CommandError(
                f"The key {options['key']!r} was used for another grant. Nothing was credited."
            ) from None
        spendable = format_amount(ledger.balances(user).spendable)
        if options["json"]:
            self.stdout.write(json.dumps({"email": user.email, "transaction": txn.pk, "spendable": spendable}))
        else:
            self.stdout.write(f"{user.email} can spend {spendable} {CURRENCY} now (transaction {txn.pk}).")


def _reason(text: str) -> str:
    if not text.strip() or len(text) > MAX_REASON:
        raise CommandError(f"--reason needs between 1 and {MAX_REASON} characters. Nothing was credited.")
    return text.strip()
