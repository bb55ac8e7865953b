"""The words of each notice, in the language of its reader: subject, sentences, facts, one thing to do.

What `data` holds, by kind (amounts are nano, moments ISO texts; what is in brackets may be missing):

- low_balance: threshold_nano, spendable_nano
- limit_reached: percent, window (day, week, month), limit_nano, spent_nano, resets_at, [zone], [key_name], [key_hint]
- promo_expiring: amount_nano, expires_at, [source]
- topup_receipt: amount_nano, number, paid_at, [paid] (the sum as the payer's bank shows it), [path]
- auto_topup_failed: amount_nano, [reason], [is_off] (true: it was switched off)
- auto_topup_action: amount_nano, [url] (where the bank asks; else the billing page)
- payment_disputed: amount_nano, number, [debt_nano]
- refund: amount_nano, number, [paid], [path]
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts import time_zones
from billing.models import OPTIONAL_NOTICES, Notice, NoticeKind
from billing.money import SYMBOL, format_amount

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Words:
    subject: str
    sentences: list[str]
    facts: list[tuple[str, str]] = field(default_factory=list)
    action: str = ""  # of the button
    path: str = ""  # where it leads; an absolute address stays as it is


def letter(notice: Notice) -> EmailMultiAlternatives:
    """The mail: text, and the same as HTML. Raises KeyError when `data` lacks something."""
    with translation.override(notice.user.language or settings.LANGUAGE_CODE):
        words = _WORDS[NoticeKind(notice.kind)](notice.data)
        path = words.path or reverse("billing:wallet")
        context = {
            "words": words,
            "url": settings.PUBLIC_URL + path if path.startswith("/") else path,
            "settings_url": settings.PUBLIC_URL + reverse("console:settings") if _optional(notice) else "",
            "product": "QYUAN AI Console",
            "language": translation.get_language(),
        }
        mail = EmailMultiAlternatives(
            words.subject, render_to_string("emails/notice.txt", context), None, [notice.user.email]
        )
        mail.attach_alternative(render_to_string("emails/notice.html", context), "text/html")
    return mail


def _optional(notice: Notice) -> bool:
    return notice.kind in OPTIONAL_NOTICES


def _low_balance(data: Data) -> Words:
    return Words(
        subject=_("Your balance is below %(amount)s") % {"amount": _money(data["threshold_nano"])},
        sentences=[
            _("Calls are refused once the balance cannot pay for them. Nothing else happens by itself."),
            _("You are told again only after the balance has risen a quarter above your threshold."),
        ],
        facts=[(_("Balance"), _money(data["spendable_nano"])), (_("Your threshold"), _money(data["threshold_nano"]))],
        action=_("Add credit"),
    )


def _limit_reached(data: Data) -> Words:
    used, name = {"percent": data["percent"], "name": data.get("key_name", "")}, data.get("key_name", "")
    if data["percent"] < 100:  # noqa: PLR2004 per cent
        of_key, of_account = (
            _("“%(name)s” has used %(percent)s %% of its spend limit"),
            _("Your account has used %(percent)s %% of its spend limit"),
        )
        sentence = _("Calls go on until the limit is used up; then they are refused until it resets.")
    else:
        of_key, of_account = (
            _("“%(name)s” has reached its spend limit"),
            _("Your account has reached its spend limit"),
        )
        sentence = _("Further calls are refused until the limit resets. Nothing is charged for a refused call.")
        if data["spent_nano"] < data["limit_nano"]:
            sentence = _("A call was refused: what is left does not cover the most that it may cost. It cost nothing.")
    subject = (of_key if name else of_account) % used
    windows = {"day": _("Daily limit"), "week": _("Weekly limit"), "month": _("Monthly limit")}
    facts = [
        *([(_("API key"), f"{name} {data.get('key_hint', '')}".strip())] if name else []),
        (windows[data["window"]], _money(data["limit_nano"])),
        (_("Used"), _money(data["spent_nano"])),
        (_("Resets"), _moment(data["resets_at"], data.get("zone", "UTC"))),
    ]
    return Words(subject, [sentence], facts, _("See the limits"), reverse("billing:limit-list"))


def _promo_expiring(data: Data) -> Words:
    return Words(
        subject=_("%(amount)s of promotional credit expires soon") % {"amount": _money(data["amount_nano"])},
        sentences=[
            _("Promotional credit is spent first, the part that expires first before the rest."),
            _("What is left of it at that moment is taken off. Credit that you paid for never expires."),
        ],
        facts=[
            (_("Left now"), _money(data["amount_nano"])),
            (_("Expires"), _moment(data["expires_at"])),
            *([(_("From"), data["source"])] if data.get("source") else []),
        ],
        action=_("See your credit"),
    )


def _topup_receipt(data: Data) -> Words:
    return Words(
        subject=_("Receipt: %(amount)s of paid credit") % {"amount": _money(data["amount_nano"])},
        sentences=[_("Thank you. The credit is in your balance and can be spent.")],
        facts=[
            (_("Number"), data["number"]),
            (_("Credit"), _money(data["amount_nano"])),
            *([(_("Paid"), data["paid"])] if data.get("paid") else []),
            (_("Time"), _moment(data["paid_at"])),
        ],
        action=_("Open the receipt"),
        path=data.get("path", ""),
    )


def _auto_topup_failed(data: Data) -> Words:
    off = [_("It is switched off now. Switch it on again when the card is in order.")] if data.get("is_off") else []
    return Words(
        subject=_("The automatic top-up of %(amount)s failed") % {"amount": _money(data["amount_nano"])},
        sentences=[_("Your card was not charged and no credit was added."), *off],
        facts=[
            (_("Amount"), _money(data["amount_nano"])),
            *([(_("Reason"), data["reason"])] if data.get("reason") else []),
        ],
        action=_("See the automatic top-up"),
    )


def _auto_topup_action(data: Data) -> Words:
    return Words(
        subject=_("Confirm the automatic top-up of %(amount)s") % {"amount": _money(data["amount_nano"])},
        sentences=[
            _("Your bank wants you to confirm this payment. Nothing was charged yet, and no credit was added."),
            _("No automatic top-up is tried until this one has been confirmed or has ended."),
        ],
        facts=[(_("Amount"), _money(data["amount_nano"]))],
        action=_("Confirm the payment"),
        path=data.get("url", ""),
    )


def _payment_disputed(data: Data) -> Words:
    debt = data.get("debt_nano", 0)
    spent = _("Part of it was spent already. Further calls are refused until the dispute is settled.")
    return Words(
        subject=_("Payment %(number)s was disputed") % {"number": data["number"]},
        sentences=[
            _("The bank that paid asks for its money back, so the credit of this payment was taken off for now."),
            *([spent] if debt else []),
            _("If you did not mean to dispute it, tell your bank, and the credit comes back once we win."),
        ],
        facts=[
            (_("Payment"), data["number"]),
            (_("Amount"), _money(data["amount_nano"])),
            *([(_("Owed"), _money(debt))] if debt else []),
        ],
        action=_("See your billing"),
    )


def _refund(data: Data) -> Words:
    return Words(
        subject=_("%(amount)s of payment %(number)s was refunded")
        % {"amount": _money(data["amount_nano"]), "number": data["number"]},
        sentences=[_("The money goes back the way it came; a bank takes some days. The credit was taken off.")],
        facts=[
            (_("Payment"), data["number"]),
            (_("Credit taken off"), _money(data["amount_nano"])),
            *([(_("Refunded"), data["paid"])] if data.get("paid") else []),
        ],
        action=_("Open the receipt"),
        path=data.get("path", ""),
    )


_WORDS: dict[NoticeKind, Callable[[Data], Words]] = {
    NoticeKind.LOW_BALANCE: _low_balance,
    NoticeKind.LIMIT_REACHED: _limit_reached,
    NoticeKind.PROMO_EXPIRING: _promo_expiring,
    NoticeKind.TOPUP_RECEIPT: _topup_receipt,
    NoticeKind.AUTO_TOPUP_FAILED: _auto_topup_failed,
    NoticeKind.AUTO_TOPUP_ACTION: _auto_topup_action,
    NoticeKind.PAYMENT_DISPUTED: _payment_disputed,
    NoticeKind.REFUND: _refund,
}


def _money(nano: int) -> str:
    return f"{SYMBOL}{format_amount(nano)}"


def _moment(text: str, zone: str = "UTC") -> str:
    """As the clock of a time zone shows it."""
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError(text)
    return f"{moment.astimezone(time_zones.zone(zone)):%Y-%m-%d %H:%M} {zone}"
