"""Sign-up and sign-in through allauth: what our accounts need beyond it."""

from smtplib import SMTPException
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from accounts import languages, proof
from accounts.models import User
from console import people
from referrals import links

log = structlog.get_logger()
MAX_EMAIL_LENGTH = 254  # Source: RFC 5321, 4.5.3.1.3, less the angle brackets
MAX_PASSWORD_LENGTH = 1000  # argon2 takes more, nobody types more


class ReferralCodeForm(forms.Form):
    """What sign-up asks beyond e-mail and password; allauth builds its form on it."""

    referral_code = forms.RegexField(
        label=_("Referral code"),
        regex=r"^[0-9A-Za-z]{4,32}$",
        max_length=32,
        required=False,
        error_messages={"invalid": _("A referral code has 4 to 32 letters and digits.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )

    @property
    def remembered_code(self) -> str:
        """The code of the link that brought this visitor, not one just typed. Whose it is stays hidden."""
        codes = links.remembered(context.request).split(".")
        return next((code for code in codes if links.met(context.request, code)), "")

    def signup(self, request: HttpRequest, user: User) -> None:
        """Nothing: asked for by allauth; the adapter has done everything inside its transaction."""


class SignupAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth is untyped
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _("This e-mail address and password do not belong together."),
        "too_many_login_attempts": _("Too many attempts. Wait five minutes, or reset your password."),
        "incorrect_code": _("This is not the code in our newest message. Check it, or ask for a new one."),
        "incorrect_password": _("This is not your password."),
        "enter_current_password": _("This is not your current password."),
        "rate_limited": _("You just asked for a code. Wait ten seconds, then ask again."),
        "same_as_current": _("This is the address you have now."),
    }

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:  # noqa: ARG002, FBT001, FBT002 allauth's signature
        """The user, the ledger accounts and the referral in one transaction."""
        user.language = translation.get_language() or ""
        with transaction.atomic():
            super().save_user(request, user, form, commit=True)
            people.settle_in(user=user, referral_code=links.remembered(request), now=timezone.now())
        return user

    def clean_email(self, email: str) -> str:
        """Lower case, and only ASCII: look-alike letters would make two people of one address."""
        if not email.isascii():
            raise ValidationError(_("Use an e-mail address of Latin letters, digits and signs only."), code="not_ascii")
        if len(email) > MAX_EMAIL_LENGTH:
            raise ValidationError(_("This e-mail address is too long."), code="too_long")
        return email.lower()

    def clean_password(self, password: str, user: User | None = None) -> str:
        if len(password) > MAX_PASSWORD_LENGTH:
            params = {"limit": MAX_PASSWORD_LENGTH}
            raise ValidationError(_("Use a password of at most %(limit)d characters."), code="too_long", params=params)
        return str(super().clean_password(password, user))

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        proof.record_sign_in(request, timezone.now())

    def post_login(self, request: HttpRequest, user: User, **about: Any) -> HttpResponse:
        """On to the page, in the person's own language also on a new device."""
        response: HttpResponse = super().post_login(request, user, **about)
        if user.language:
            languages.remember(response, user.language)
        return response

    def get_password_change_redirect_url(self, _request: HttpRequest) -> str:
        return reverse("account_login")  # changing the password ends every session, this one too

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail server that is down must not undo, or hide, what the person just did."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException):
            log.exception("console.mail.failed", template=template_prefix)

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        """In the reader's language; without a known reader, in that of the page."""
        reader = context.get("user")
        language = getattr(reader, "language", "") or translation.get_language() or settings.LANGUAGE_CODE
        with translation.override(language):
            message: EmailMessage = super().render_mail(template_prefix, email, context, headers)
        return message
