"""Make a batch of redeem codes, from the command line."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing import codes
from billing.models import RedeemCode
from billing.money import CURRENCY, NotAnAmount, format_amount, parse_amount

MAX_DAYS = 3650


class Command(BaseCommand):
    help = "Make codes worth AMOUNT and print them, one per line. `paid` codes are sold for money, `promo` are gifts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("amount", help=f"{CURRENCY} for each person who redeems, such as 5.00")
        parser.add_argument("--count", type=int, default=1, help="how many codes")
        parser.add_argument("--kind", choices=["paid", "promo"], default="promo")
        parser.add_argument("--uses", type=int, default=1, help="how many people may redeem each")
        parser.add_argument("--expires-days", type=int, help="valid for so many days from now; else without end")
        parser.add_argument("--per-person", type=int, default=1, help="how many of these codes one person may redeem")
        parser.add_argument("--credit-days", type=int, help="a gift expires so many days after it was redeemed")
        parser.add_argument("--batch", "--note", default="", help="the name of the batch: where the codes go")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        days = options["expires_days"]
        if not 0 < options["count"] <= codes.MAX_COUNT or (days is not None and not 0 < days <= MAX_DAYS):
            raise CommandError(
                f"--count goes from 1 to {codes.MAX_COUNT}, --expires-days from 1 to {MAX_DAYS}. No code was made."
            )
        expires_at = timezone.now() + timedelta(days=days) if days is not None else None
        try:
            plan = codes.Plan(
                name=options["batch"][:120] or f"Command line {timezone.now():%Y-%m-%d %H:%M}",
                kind=options["kind"],
                amount=parse_amount(options["amount"]),
                count=options["count"],
                uses=options["uses"],
                per_person=options["per_person"],
                expires_at=expires_at,
                credit_expires_after_days=options["credit_days"],
            )
            made = list(codes.create_batch(plan=plan, by=None).codes.order_by("pk"))
        except (NotAnAmount, codes.CannotCreate):
            raise CommandError(
                f"AMOUNT must be {CURRENCY} above zero, --uses 1 to {codes.MAX_USES}, --per-person at most --count, "
                f"--credit-days 1 to {MAX_DAYS} and only for gifts. No code was made."
            ) from None
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(code) for code in made]))
        else:
            self.stdout.write("\n".join(codes.shown(code.code) for code in made))


def _as_json(code: RedeemCode) -> dict[str, Any]:
    return {
        "code": codes.shown(code.code),
        "kind": code.kind,
        "amount": format_amount(code.amount_nano),
        "uses": code.uses_left,
        "expires_at": code.expires_at.isoformat() if code.expires_at else None,
    }
