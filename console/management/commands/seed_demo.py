"""The demo accounts of the embedded profile: generated passwords, a key that works, money to try things with."""

import json
import os
import secrets
from argparse import ArgumentParser
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import keys
from accounts.models import User
from billing import codes, ledger
from billing.models import RedeemCode
from billing.money import NANO
from console import people

ACCOUNT = "demo@example.com"
SUPPORT = "support@example.com"
OPERATOR = "operator@example.com"
CREDIT = 20 * NANO
LOW = NANO  # less than this, and the printed curl line may not work for long
CODE_AMOUNT = 5 * NANO


class Command(BaseCommand):
    help = "Make or mend the demo accounts; print them as one JSON line, kept in DATA_DIR/demo.json (0600)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="the output is JSON anyway")

    def handle(self, *_: Any, **_options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("There is no demo account in production.")
        self.now = timezone.now()
        self.file = settings.DATA_DIR / "demo.json"
        self.known: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}
        before = dict(self.known)
        user = self._person(ACCOUNT, "password")
        support = self._person(SUPPORT, "support_password", staff=True)
        self._person(OPERATOR, "operator_password", superuser=True)
        self._key(user)
        self._credit(user)
        self._code(support)
        self.known |= {"email": ACCOUNT, "support_email": SUPPORT, "operator_email": OPERATOR}
        if self.known != before:
            self._keep()
        self.stdout.write(json.dumps(self.known))

    def _person(self, email: str, slot: str, *, staff: bool = False, superuser: bool = False) -> User:
        """With the password we can print: a changed one is left alone and no longer printed."""
        user = User.objects.filter(email=email).first()
        if user is None:
            self.known[slot] = secrets.token_urlsafe(12)
            password = self.known[slot]
            return people.create_person(
                email=email, password=password, now=self.now, staff=staff, superuser=superuser, verified=True
            )
        EmailAddress.objects.filter(user=user, email=email).update(verified=True)
        if not user.check_password(self.known.get(slot, "")):
            self.known[slot] = "(as you changed it)"
        return user

    def _key(self, user: User) -> None:
        found = keys.authenticate(self.known.get("key", ""))
        if found is None or found.user_id != user.pk:
            _, self.known["key"] = keys.issue(user=user, name="Demo")

    def _credit(self, user: User) -> None:
        """Paid money, so that a referral of this account earns; again when it is nearly used up."""
        if ledger.balances(user).spendable < LOW:
            ledger.grant(user=user, amount=CREDIT, kind="paid", reason="Demo credit", actor=None, now=self.now)

    def _code(self, support: User) -> None:
        code = self.known.get("code", "").replace("-", "")
        if not RedeemCode.objects.filter(code=code, uses_left__gt=0, disabled_at=None).exists():
            made = codes.create(kind="paid", amount=CODE_AMOUNT, uses=1, expires_at=None, note="Demo", by=support)
            self.known["code"] = made.code

    def _keep(self) -> None:
        part = self.file.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(self.known, opened)
        part.replace(self.file)
