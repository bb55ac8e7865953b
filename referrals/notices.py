"""Mails to a person about their withdrawal, in their language, sent after the commit."""

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from referrals.models import Withdrawal


def send(*, withdrawal_id: int, action: str) -> None:
    withdrawal = Withdrawal.objects.select_related("user").get(pk=withdrawal_id)
    with translation.override(withdrawal.user.language or settings.LANGUAGE_CODE):
        subject, sentence = _words(withdrawal, action)
        body = render_to_string(
            "emails/withdrawal.txt",
            {
                "withdrawal": withdrawal,
                "sentence": sentence,
                "url": settings.PUBLIC_URL + reverse("referrals:withdrawal-detail", args=[withdrawal.public_id]),
                "contact": settings.WECOM_CONTACT_NAME,
            },
        )
        send_mail(subject, body, None, [withdrawal.user.email])


def _words(withdrawal: Withdrawal, action: str) -> tuple[str, str]:
    """Subject and first sentence. Every step that is told has its own."""
    number = {"number": withdrawal.public_id}
    words = {
        "request": (_("Withdrawal %(number)s requested"), _("We have your request. Support looks at it next.")),
        "hold": (_("Withdrawal %(number)s is on hold"), _("Your request is on hold; the amount stays set aside.")),
        "approve": (_("Withdrawal %(number)s approved"), _("Your request is approved. The payment comes next.")),
        "reject": (_("Withdrawal %(number)s rejected"), _("Your request was rejected; the amount is available again.")),
        "revoke": (
            _("Withdrawal %(number)s withdrawn"),
            _("The approval was taken back; the amount is available again."),
        ),
        "mark_paid": (_("Withdrawal %(number)s paid"), _("The money is on its way to your account.")),
        "mark_failed": (
            _("Payment of withdrawal %(number)s did not go through"),
            _("The payment did not go through. The amount stays set aside while we look into it."),
        ),
        "mark_returned": (
            _("Withdrawal %(number)s came back"),
            _("The payment came back to us; what was sent is available again."),
        ),
        "cancel": (
            _("Withdrawal %(number)s cancelled"),
            _("You cancelled the request; the amount is available again."),
        ),
        "expire": (
            _("Withdrawal %(number)s expired"),
            _("Nothing happened to the request for a long time, so it was closed; the amount is available again."),
        ),
    }
    subject, sentence = words[action]
    return subject % number, sentence
