"""Filters and tags of the design system; what each is for stands in docs/design-system.md."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import template
from django.forms import BoundField, CheckboxInput
from django.template.context import RequestContext
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince
from pygments import highlight as paint
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from billing import ledger
from billing.money import NANO, SYMBOL, format_amount
from console.icons import ICONS

register = template.Library()

_TONES = {"debug": "info", "info": "info", "success": "success", "warning": "warning", "error": "danger"}
_TONE_ICONS = {"info": "info", "success": "check", "warning": "warning", "danger": "warning"}
_SHORT_DECIMALS = 4


@register.filter
def money(nano: int) -> str:
    """Exact: `$0.000123`."""
    return f"-{SYMBOL}{format_amount(-nano)}" if nano < 0 else f"{SYMBOL}{format_amount(nano)}"


@register.filter
def money_short(nano: int) -> str:
    """Rounded down to four decimals, for balances in passing: `$12.3456`."""
    step = NANO // 10**_SHORT_DECIMALS
    return money(nano // step * step)


@register.filter
def percent(basis_points: int) -> str:
    """A change with its sign: 1250 is `+12.50 %`."""
    whole, rest = divmod(abs(basis_points), 100)
    return f"{'−' if basis_points < 0 else '+'}{whole}.{rest:02d} %"


@register.simple_tag
def icon(name: str) -> SafeString:
    """A decorative drawing; the words stand beside it or in aria-label."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>',
        mark_safe(ICONS[name]),  # noqa: S308 our own drawings
    )


@register.filter
def tone_icon(tone: str) -> str:
    return _TONE_ICONS.get(tone or "info", "info")


@register.filter
def message_tone(level_tag: str) -> str:
    return _TONES.get(level_tag, "info")


@register.simple_tag(takes_context=True)
def nav_link(context: RequestContext, name: str, label: str, drawing: str = "", apart: str = "") -> SafeString:
    """A link of a navigation, marked when it is where we are. Empty when the page does not exist.

    `apart`: words that follow its path on pages which have links of their own.
    """
    try:
        href = reverse(name)
    except NoReverseMatch:
        return mark_safe("")
    path = context["request"].path
    below = href != "/" and path.startswith(href) and path.removeprefix(href).partition("/")[0] not in apart.split()
    here = mark_safe(' aria-current="page"') if path == href or below else ""
    return format_html('<a href="{}"{}>{}{}</a>', href, here, icon(drawing) if drawing else "", label)


@register.simple_tag(takes_context=True)
def balance(context: RequestContext) -> ledger.Balances | None:
    """What the person who looks has; one query."""
    user = context["request"].user
    return ledger.balances(user) if user.is_authenticated else None


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    """`3 hours ago` with the exact moment in UTC behind it."""
    if moment is None:
        return "—"
    exact = date_format(moment, "Y-m-d H:i:s")
    return format_html(
        '<time datetime="{}" title="{} UTC">{} UTC</time>', moment.isoformat(), exact, date_format(moment, "Y-m-d H:i")
    )


@register.filter
def age(moment: datetime, now: datetime | None = None) -> str:
    return timesince(moment, now)


@register.filter
def highlight(code: str, language: str) -> SafeString:
    """Code as spans with classes (no inline style). An unknown language is plain text."""
    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text", stripnl=False)
    painted: str = paint(code, lexer, HtmlFormatter(nowrap=True))
    return mark_safe(painted.rstrip("\n"))  # noqa: S308 Pygments escapes


@register.filter
def described(field: BoundField) -> SafeString:
    """The widget with what a screen reader needs: its hint, its errors, whether it is wrong."""
    attributes: dict[str, Any] = {}
    described_by = [
        f"{field.auto_id}_{part}" for part, there in (("helptext", field.help_text), ("error", field.errors)) if there
    ]
    if described_by:
        attributes["aria-describedby"] = " ".join(described_by)
    if field.errors:
        attributes["aria-invalid"] = "true"
    return field.as_widget(attrs=attributes)


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, CheckboxInput)


@register.simple_tag(takes_context=True)
def with_query(context: RequestContext, **changes: Any) -> str:
    """This page's URL with some parameters changed; an empty value drops one."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value not in {None, ""}:
            query[name] = str(value)
    return f"?{urlencode(query, doseq=True)}"
