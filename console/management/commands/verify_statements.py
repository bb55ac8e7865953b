"""Verify the sealed statements: hashes, sums, and the journal they were made from."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from billing import seals
from billing.models import SealedStatement


class Command(BaseCommand):
    help = "Build every sealed statement again from the journal and compare hash by hash. Exit code 1 when one differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", help="only this person's")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        if email := options["email"]:
            user = User.objects.filter(email=email.strip().lower()).first()
            if user is None:
                raise CommandError(f"There is no account {email}.")
            count, faults = seals.verify(user=user)
            wrong = {user.public_id: faults} if faults else {}
        else:
            count, wrong = SealedStatement.objects.count(), seals.verify_all()
        if options["json"]:
            self.stdout.write(json.dumps({"clean": not wrong, "statements": count, "faults": wrong}))
        else:
            for account, faults in wrong.items():
                for fault in faults:
                    self.stdout.write(f"WRONG: {account}: {fault}")
            self.stdout.write(f"{count} statements, {'nothing is wrong' if not wrong else 'see above'}.")
        if wrong:
            sys.exit(1)
