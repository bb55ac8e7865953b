"""Bring a person in, from the command line."""

import json
import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from console import people


class Command(BaseCommand):
    help = "Make an account for EMAIL. Without --password one is generated and printed, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--password")
        parser.add_argument("--staff", action="store_true", help="support: the withdrawal desk at /desk/")
        parser.add_argument(
            "--superuser",
            action="store_true",
            help="operators: also prices, codes, credit, payments, the books, /admin/",
        )
        parser.add_argument("--verified", action="store_true", help="the address is known to be theirs")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        email = options["email"].strip().lower()
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError(f"{options['email']!r} is not an e-mail address. No account was made.") from None
        password = options["password"] or secrets.token_urlsafe(12)
        try:
            with transaction.atomic():
                user = people.create_person(
                    email=email,
                    password=password,
                    now=timezone.now(),
                    staff=options["staff"],
                    superuser=options["superuser"],
                    verified=options["verified"],
                )
        except IntegrityError:
            if not User.objects.filter(email=email).exists():
                raise
            raise CommandError(f"{email} has an account already. Nothing was changed.") from None
        made = {"email": user.email, "id": user.public_id, "staff": user.is_staff, "verified": options["verified"]}
        if options["json"]:
            self.stdout.write(json.dumps(made if options["password"] else {**made, "password": password}))
        else:
            told = "" if options["password"] else f" The password is {password}"
            self.stdout.write(f"{user.email} has an account now.{told}")
