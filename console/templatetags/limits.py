"""What pages need to show spend limits: those of each key, and when one begins anew, in words."""

from datetime import datetime, timedelta

from django import template
from django.template.context import RequestContext
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import time_zones
from billing import limits
from billing.limits import Standing

register = template.Library()

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@register.simple_tag(takes_context=True)
def key_limits(context: RequestContext) -> dict[str, Standing]:
    """The tightest limit of each key of the person who looks, by the key's public id; two queries for all of them."""
    tightest: dict[str, Standing] = {}
    for limit in limits.standings(context["request"].user, context["now"]):
        before = tightest.get(limit.key_public_id)
        if before is None or limit.used_part > before.used_part:
            tightest[limit.key_public_id] = limit
    tightest.pop("", None)  # the account's own
    return tightest


@register.filter
def of_key(found: dict[str, Standing], public_id: str) -> Standing | None:
    return found.get(public_id)


@register.filter
def resets(limit: Standing, now: datetime) -> SafeString:
    """`in 5 hours, Mon 30 Nov 00:00 (Asia/Shanghai)`: how long, and the moment as its owner's clock shows it."""
    zone = time_zones.zone(limit.zone)
    # Translators: a moment as Django's date format writes it, such as Mon 30 Nov 00:00
    local = date_format(limit.resets_at.astimezone(zone).replace(tzinfo=None), _("D j M H:i"))
    return format_html(
        '<time datetime="{}">{}, {} ({})</time>',
        limit.resets_at.isoformat(),
        _in(limit.resets_at - now),
        local,
        zone.key,
    )


def _in(time: timedelta) -> str:
    """Rounded up in minutes, else to the nearest: nobody plans by the second."""
    if time < _HOUR:
        minutes = max(1, -(-time // timedelta(minutes=1)))
        return ngettext("in %(count)s minute", "in %(count)s minutes", minutes) % {"count": minutes}
    if time < 2 * _DAY:
        hours = (time + _HOUR / 2) // _HOUR
        return ngettext("in %(count)s hour", "in %(count)s hours", hours) % {"count": hours}
    days = (time + _DAY / 2) // _DAY
    return ngettext("in %(count)s day", "in %(count)s days", days) % {"count": days}
