"""The operator's pages of prices: the list, one model's history, a new price with its preview."""

from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.http import AuthedRequest, operators_only
from accounts.proof import fresh_proof_required
from billing import price_reports, prices
from billing.models import Price
from billing.price_forms import PriceForm, initial


@operators_only
@require_safe
def price_list(request: HttpRequest) -> HttpResponse:
    return render(request, "desk/price_list.html", {"models": price_reports.models(now=timezone.now())})


@operators_only
@require_safe
def price_detail(request: HttpRequest, model: str) -> HttpResponse:
    now = timezone.now()
    versions = price_reports.history(model, now=now)
    if not versions:
        raise Http404
    trend = price_reports.trend(versions, now=now)
    return render(request, "desk/price_detail.html", {"model": model, "versions": versions, "trend": trend})


@operators_only
@fresh_proof_required
@require_http_methods(["GET", "HEAD", "POST"])
def price_change(request: HttpRequest, model: str) -> HttpResponse:
    """A form, then the same form with what it would have meant, then it is set."""
    now = timezone.now()
    latest = prices.latest(model)
    if latest is None:
        raise Http404
    if request.method != "POST":
        known = initial(prices.in_force(model, now) or latest)
        return _page(request, model, PriceForm(now=now, initial={**known, "seen": latest.pk}))
    form = PriceForm(request.POST, now=now)
    if not form.is_valid():
        return _page(request, model, form, status=400)
    if form.cleaned_data["seen"] != latest.pk:
        return _overtaken(request, latest, form)
    if "set" not in request.POST or form.cleaned_data["shown"] != form.digest:
        return _preview(request, model, form)
    return _set(cast("AuthedRequest", request), latest, form)


def _preview(request: HttpRequest, model: str, form: PriceForm) -> HttpResponse:
    """Also when what is to be set was changed after it was shown."""
    new = Price(model=model, effective_from=form.effective_from, **form.given)
    shown = PriceForm({**request.POST.dict(), "shown": form.digest}, now=form.now)
    shown.is_valid()
    more: dict[str, Any] = {"new": new, "impact": price_reports.impact(new, now=form.now)}
    return _page(request, model, shown, changed="set" in request.POST, **more)


def _overtaken(request: HttpRequest, latest: Price, form: PriceForm) -> HttpResponse:
    by = latest.created_by.email if latest.created_by else _("The catalogue")
    again = PriceForm({**request.POST.dict(), "seen": str(latest.pk), "shown": ""}, now=form.now)
    again.add_error(None, _("%(who)s has set a price since you opened this page. Look again.") % {"who": by})
    return _page(request, latest.model, again, status=409)


def _set(request: AuthedRequest, seen: Price, form: PriceForm) -> HttpResponse:
    model, at = seen.model, form.effective_from
    try:
        prices.set_price(model=model, effective_from=at, by=request.user, seen=seen.pk, **form.given)
    except prices.PriceTaken:
        latest = prices.latest(model)
        if latest is not None and latest != seen:
            return _overtaken(request, latest, form)
        form.add_error("at", _("There is a price from this very moment. Take a later one."))
        return _page(request, model, form, status=409)
    messages.success(request, _("The price of %(model)s is set.") % {"model": model})
    return redirect("billing:price-detail", model=model)


def _page(request: HttpRequest, model: str, form: PriceForm, status: int = 200, **more: Any) -> HttpResponse:
    more["following"] = price_reports.following(model, now=form.now)
    return render(request, "desk/price_change.html", {"model": model, "form": form, **more}, status=status)
