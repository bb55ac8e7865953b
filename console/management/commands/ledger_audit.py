"""Prove the books, from the command line: exit code 0 when they balance to the last unit, 1 when not."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from billing.models import LedgerAudit
from console import books


class Command(BaseCommand):
    help = "Check every invariant of money and rewards. Exit code 1 when one does not hold; the offenders are printed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        audit = books.prove(now=timezone.now(), asked=LedgerAudit.Asked.COMMAND)
        if options["json"]:
            answer = {"clean": audit.is_clean, "checked": len(books.INVARIANTS) + 1, "findings": audit.findings}
            self.stdout.write(json.dumps(answer))
        elif audit.is_clean:
            self.stdout.write(f"The books balance to the last unit: {len(books.INVARIANTS) + 1} checks, nothing found.")
        else:
            for name, offenders in audit.findings.items():
                self.stdout.write(f"NOT TRUE: {name}: {', '.join(offenders)}")
        if not audit.is_clean:
            sys.exit(1)
