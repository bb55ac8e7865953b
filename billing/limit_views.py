"""The page of spend limits: where each stands, set one, remove one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_POST

from accounts.http import AuthedRequest
from accounts.models import ApiKey, User
from billing import limits
from billing.limit_forms import WHOLE, LimitForm
from billing.limits import Standing
from billing.models import SpendLimit
from billing.money import SYMBOL, format_amount


@dataclass(frozen=True)
class OfKey:
    key: ApiKey
    limits: Sequence[Standing]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def limit_list(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    now = timezone.now()
    if request.method != "POST":
        chosen = {name: request.GET.get(name, "")[:40] for name in ("scope", "window", "amount")}
        initial = {"scope": WHOLE, "window": SpendLimit.Window.MONTH, **{name: v for name, v in chosen.items() if v}}
        return _page(request, LimitForm(user=request.user, initial=initial))
    form = LimitForm(request.POST, user=request.user)
    if not form.is_valid():
        return _page(request, form, status=400)
    amount, window = form.cleaned_data["amount"], form.cleaned_data["window"]
    try:
        row = limits.set_limit(
            user=request.user, key=form.key, window=window, amount=amount, actor=request.user, now=now
        )
    except limits.CannotSet:  # the key was revoked a moment ago
        form.add_error(None, _("This limit cannot be set: the key was revoked. Nothing was changed."))
        return _page(request, form, status=400)
    messages.success(request, _said(row, _SET) % {"amount": f"{SYMBOL}{format_amount(amount)}", "name": _name(row)})
    return redirect("billing:limit-list")


@login_required
@require_POST
def limit_remove(request: HttpRequest, public_id: str) -> HttpResponse:
    request = cast("AuthedRequest", request)
    row = get_object_or_404(SpendLimit.objects.select_related("user", "key"), user=request.user, public_id=public_id)
    limits.remove_limit(limit=row, actor=request.user, now=timezone.now())
    messages.success(request, _said(row, _REMOVED) % {"name": _name(row)})
    return redirect("billing:limit-list")


def _page(request: AuthedRequest, form: LimitForm, status: int = 200) -> HttpResponse:
    now = timezone.now()
    standing = limits.standings(request.user, now)
    keys = _keys(request.user, standing)
    context = {
        "form": form,
        "now": now,
        "account": [each for each in standing if each.scope == "account"],
        "limited": [each for each in keys if each.limits],
        "free": [each.key for each in keys if not each.limits],
        "zone": request.user.time_zone,
    }
    return render(request, "billing/limit_list.html", context, status=status)


def _keys(user: User, standing: Sequence[Standing]) -> list[OfKey]:
    """The keys that can spend; those that are revoked have nothing left to limit."""
    by_key: dict[int | None, list[Standing]] = {}
    for each in standing:
        by_key.setdefault(each.key_id, []).append(each)
    usable = ApiKey.objects.of(user).filter(revoked_at=None).order_by("name", "pk")
    return [OfKey(key, by_key.get(key.pk, [])) for key in usable]


def _name(row: SpendLimit) -> str:
    return row.key.name if row.key is not None else ""


def _said(row: SpendLimit, words: dict[tuple[str, str], str]) -> str:
    return _(words[row.scope, str(row.window)])


_SET = {
    ("account", "day"): gettext_noop("Your account may spend %(amount)s a day."),
    ("account", "week"): gettext_noop("Your account may spend %(amount)s a week."),
    ("account", "month"): gettext_noop("Your account may spend %(amount)s a month."),
    ("key", "day"): gettext_noop("“%(name)s” may spend %(amount)s a day."),
    ("key", "week"): gettext_noop("“%(name)s” may spend %(amount)s a week."),
    ("key", "month"): gettext_noop("“%(name)s” may spend %(amount)s a month."),
}
_REMOVED = {
    ("account", "day"): gettext_noop("Your account has no daily limit any more."),
    ("account", "week"): gettext_noop("Your account has no weekly limit any more."),
    ("account", "month"): gettext_noop("Your account has no monthly limit any more."),
    ("key", "day"): gettext_noop("“%(name)s” has no daily limit any more."),
    ("key", "week"): gettext_noop("“%(name)s” has no weekly limit any more."),
    ("key", "month"): gettext_noop("“%(name)s” has no monthly limit any more."),
}
