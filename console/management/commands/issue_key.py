"""Issue an API key, from the command line. The key stands alone on stdout, so that a script can take it."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import MaxLengthValidator

from accounts import keys
from accounts.models import User
from accounts.names import validate_name

MAX_NAME = 80


class Command(BaseCommand):
    help = "Make an API key for EMAIL and print it, once. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="Command line", help="what the person calls it on /keys/")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        user = User.objects.filter(email=options["email"].strip().lower(), is_active=True).first()
        if user is None:
            raise CommandError(f"Nobody has the address {options['email']}. No key was made.")
        name = options["name"].strip()
        try:
            validate_name(name)
            MaxLengthValidator(MAX_NAME)(name)
        except ValidationError as error:
            raise CommandError(f"{' '.join(error.messages)} No key was made.") from None
        try:
            key, plain = keys.issue(user=user, name=name)
        except keys.CannotIssueKey as error:
            raise CommandError(f"{error}. Revoke one first. No key was made.") from None
        shown = json.dumps({"email": user.email, "id": key.public_id, "name": key.name, "key": plain})
        self.stdout.write(shown if options["json"] else plain)
