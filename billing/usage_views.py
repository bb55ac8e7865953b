"""Usage: every call that is filtered, its sums in groups, and all of it as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import time_zones
from accounts.http import AuthedRequest
from billing import usage_exports, usage_reports
from billing.usage_exports import Export
from billing.usage_forms import UsageForm
from billing.usage_reports import Group

PAGING = ("after", "before")


@dataclass(frozen=True)
class Bar:
    """A group on the page: where it is drawn, and the address that shows only it."""

    group: Group
    href: str
    x: int


@login_required
@require_safe
def usage_list(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    now = timezone.now()
    form = UsageForm(request.GET, user=request.user, now=now)
    form.is_valid()  # what is not valid is told beside its field, and left out
    wanted = form.wanted()
    after, before = (request.GET.get(name, "") for name in PAGING)
    page = usage_reports.page(wanted.which, by=wanted.by, zone=wanted.zone, after=after, before=before, now=now)
    context = {
        "form": form,
        "page": page,
        "bars": [Bar(group, _narrowed(request.GET, group), n * 10) for n, group in enumerate(page.summary.groups)],
        "width": len(page.summary.groups) * 10,
        "day": wanted.day,
        "zone": wanted.zone,
        "zone_label": time_zones.label(wanted.zone.key, now),
        "query": _without(request.GET, *PAGING).urlencode(),
    }
    return render(request, "billing/usage_list.html", context)


@login_required
@require_safe
def usage_export(request: HttpRequest) -> HttpResponseBase:
    """A filter that is not understood leads back to the page, which says so: a file never has more than was asked."""
    request = cast("AuthedRequest", request)
    now = timezone.now()
    form, kind = UsageForm(request.GET, user=request.user, now=now), request.GET.get("as", "csv")
    if not form.is_valid() or kind not in usage_exports.TYPES:
        return redirect(f"{reverse('billing:usage-list')}?{_without(request.GET, *PAGING, 'as').urlencode()}")
    wanted = form.wanted()
    return usage_exports.response(Export(wanted.which, wanted.zone, kind, now, bom=kind == "csv"))


def _narrowed(query: QueryDict, group: Group) -> str:
    """This page with only that group. "" for what stands for several."""
    if not group.narrowed:
        return ""
    changed = _without(query, *PAGING, "by", *(("time", "day") if "from" in group.narrowed else ()))
    return _with(changed, group.narrowed)


def _without(query: QueryDict, *names: str) -> QueryDict:
    copy = query.copy()
    for name in names:
        copy.pop(name, None)
    return copy


def _with(query: QueryDict, changes: Mapping[str, str]) -> str:
    for name, value in changes.items():
        query[name] = value
        if not value:
            del query[name]
    return f"?{query.urlencode()}"
