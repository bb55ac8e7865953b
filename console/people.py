"""Bring a person in: the one place where a user, their ledger accounts and their referral begin together."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts.models import User
from billing import ledger
from referrals import links


def create_person(
    *,
    email: str,
    password: str | None,
    now: datetime,
    staff: bool = False,
    superuser: bool = False,
    verified: bool = False,
    referral_code: str = "",
) -> User:
    """A user with all ledger accounts and, if the code is good, bound to who brought them. One transaction."""
    with transaction.atomic():
        user = User(email=email.strip().lower(), is_staff=staff or superuser, is_superuser=superuser)
        user.set_password(password)
        user.save()
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=verified)
        settle_in(user=user, referral_code=referral_code, now=now)
    return user


def settle_in(*, user: User, referral_code: str, now: datetime) -> None:
    """What a stored user needs before anything else; also called by sign-up, inside its transaction."""
    ledger.open_accounts(user=user)
    if referral_code:
        links.attribute(referee=user, code=referral_code, now=now)
