"""`manage.py mature_rewards`: release rewards whose holding period is over; the schedule does it too."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from billing.money import format_amount
from referrals import rewards


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = "Move rewards through their holding period to the available pool."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--now", type=_moment, metavar="ISO", help="act as of this moment (UTC unless it says otherwise)"
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        done = rewards.mature(now=options["now"] or timezone.now())
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "rewards": done.rewards,
                        "amount": format_amount(done.amount),
                        "netted": format_amount(done.netted),
                    }
                )
            )
            return
        self.stdout.write(
            f"{done.rewards} rewards of {format_amount(done.amount)} available, "
            f"{format_amount(done.netted)} repaid a debt"
        )
