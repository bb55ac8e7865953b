"""`manage.py accrue_rewards`: work out the rewards of closed UTC days; the schedule does it every ten minutes."""

import json
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.money import format_amount
from referrals import rewards


class Command(BaseCommand):
    help = "Bring rewards in line with the ledger: missed days and the last week, or one day."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", type=date.fromisoformat, metavar="YYYY-MM-DD", help="this UTC day only")
        parser.add_argument("--include-today", action="store_true", help="the running day too; later spend adds a part")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            done = rewards.accrue(now=timezone.now(), day=options["day"], include_today=options["include_today"])
        except rewards.NotClosed as error:
            raise CommandError(f"{error}. Wait for the end of the UTC day, or add --include-today.") from error
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "days": [str(day) for day in done.days],
                        "rewards": done.rewards,
                        "amount": format_amount(done.amount),
                        "clawed_back": format_amount(done.clawed_back),
                    }
                )
            )
            return
        self.stdout.write(
            f"{len(done.days)} days read, {done.rewards} rewards of {format_amount(done.amount)} accrued, "
            f"{format_amount(done.clawed_back)} taken back"
        )
