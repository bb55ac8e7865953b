"""The dated rules of the programme, and the words that explain them.

Nothing here is written by hand for one page: the referrer's page, the docs and the mails read the same rows.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.money import BASIS_POINTS, SYMBOL, format_amount
from referrals.models import Policy


class NoPolicy(Exception):
    """No rules were in force at that moment."""


@dataclass(frozen=True)
class Reign:
    """A stretch of time, end not included, under one version of the rules."""

    policy: Policy
    start: datetime
    end: datetime


def in_force(at: datetime) -> Policy:
    """The version that decides at this moment. Raises NoPolicy before the first one."""
    policy = Policy.objects.filter(effective_from__lte=at).order_by("-effective_from").first()
    if policy is None:
        raise NoPolicy(f"no referral policy at {at:%Y-%m-%d %H:%M}")
    return policy


def reigns(start: datetime, end: datetime) -> list[Reign]:
    """The versions in force between two moments, each with its share of the time; a change at noon makes two."""
    found = []
    until = end
    for policy in Policy.objects.filter(effective_from__lt=end).order_by("-effective_from"):
        begin = max(policy.effective_from, start)
        found.append(Reign(policy, begin, until))
        if begin <= start:
            break
        until = begin
    return found[::-1]


def percent(rate_bp: int) -> str:
    """1000 basis points are `10 %`, 1250 are `12.5 %`."""
    whole, rest = divmod(rate_bp, BASIS_POINTS // 100)
    return f"{whole} %" if not rest else f"{whole}.{rest:02d}".rstrip("0") + " %"


def amount(nano: int) -> str:
    return f"{SYMBOL}{format_amount(nano)}"


def method_name(method: str) -> str:
    names = {"alipay": _("Alipay"), "wechat": _("WeChat Pay"), "bank": _("Bank transfer")}
    return names.get(method, method)


def describe(policy: Policy) -> list[tuple[str, str]]:
    """Heading and sentence for each rule, in the reader's language."""
    if not policy.enabled:
        return [(_("Paused"), _("New rewards and withdrawals are paused. Rewards earned before stay yours."))]
    return [*_earning(policy), *_paying_out(policy)]


def _earning(policy: Policy) -> list[tuple[str, str]]:
    return [
        (
            _("Reward"),
            _(
                "%(rate)s of what people you bring spend from paid credit. "
                "Promotional credit and reward credit earn nothing."
            )
            % {"rate": percent(policy.rate_bp)},
        ),
        (
            _("What does not earn"),
            _(
                "Sign-ups alone pay nothing, and nobody can refer themselves. "
                "When a call is refunded, its reward is taken back."
            ),
        ),
        (
            _("For how long"),
            ngettext(
                "Each person earns for you for %(days)d day after they join.",
                "Each person earns for you for %(days)d days after they join.",
                policy.earning_days,
            )
            % {"days": policy.earning_days},
        ),
        (
            _("When it becomes available"),
            ngettext(
                "Rewards are worked out per UTC day and become available %(days)d day after that day ends.",
                "Rewards are worked out per UTC day and become available %(days)d days after that day ends.",
                policy.holding_days,
            )
            % {"days": policy.holding_days},
        ),
        (_("Limits"), _limits(policy)),
    ]


def _limits(policy: Policy) -> str:
    limits = []
    if policy.cap_per_referee_nano is not None:
        limits.append(_("At most %(amount)s for one person.") % {"amount": amount(policy.cap_per_referee_nano)})
    if policy.cap_per_month_nano is not None:
        limits.append(
            _("At most %(amount)s in one calendar month (UTC).") % {"amount": amount(policy.cap_per_month_nano)}
        )
    if limits:
        limits.append(_("A reward taken back later does not free its limit."))
    return " ".join(limits) or _("There is no limit.")


def _paying_out(policy: Policy) -> list[tuple[str, str]]:
    fee = (
        _("The fee is %(amount)s for each withdrawal.") % {"amount": amount(policy.fee_nano)}
        if policy.fee_nano
        else _("There is no fee.")
    )
    return [
        (
            _("Use it here"),
            _(
                "Turn available rewards into API credit, any amount, at once. "
                "That credit never expires and is not refundable."
            ),
        ),
        (
            _("Withdraw"),
            _("From %(threshold)s, one request at a time, paid by hand through %(methods)s.")
            % {
                "threshold": amount(policy.threshold_nano),
                "methods": ", ".join(method_name(method) for method in policy.payout_methods),
            }
            + " "
            + fee,
        ),
        (
            _("Care"),
            _("A withdrawal above %(amount)s is approved and paid by two different people.")
            % {"amount": amount(policy.second_person_above_nano)},
        ),
    ]
