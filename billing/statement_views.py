"""Statements by the month: the list, one on a page that prints well, as CSV, and the sealed chain to verify."""

import csv
import io
from datetime import UTC, date
from pathlib import Path
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.http import AuthedRequest
from accounts.models import User
from billing import seals, statement_check
from billing.money import CURRENCY, format_amount
from billing.seals import Month
from billing.statements import EVENT_NAMES
from billing.usage_exports import harmless

NAMES = ("paid", "promo", "reward")


@login_required
@require_safe
def statement_list(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    sealed = {row.month: row for row in seals.chain(request.user)}
    today = timezone.now().astimezone(UTC).date()
    months = [
        {"first": first, "sealed": sealed.get(first), "is_current": seals.following(first) > today}
        for first in seals.months(request.user, today)
    ]
    return render(request, "billing/statement_list.html", {"months": months[::-1], "chained": bool(sealed)})


@login_required
@require_safe
def statement_detail(request: HttpRequest, month: str) -> HttpResponse:
    request = cast("AuthedRequest", request)
    first = _first(request.user, month)
    found = seals.month_of(user=request.user, first=first)
    context = {
        "first": first,
        "month": found,
        "rows": [(each, EVENT_NAMES.get(each.kind, each.kind), _by_class(each.amounts)) for each in found.movements],
        "opening": _by_class(found.opening),
        "closing": _by_class(found.closing),
        "opening_total": sum(found.opening.values()),
        "closing_total": sum(found.closing.values()),
        "sealed": seals.chain(request.user).filter(month=first).first(),
        "is_current": first == timezone.now().astimezone(UTC).date().replace(day=1),
    }
    return render(request, "billing/statement_detail.html", context)


@login_required
@require_safe
def statement_csv(request: HttpRequest, month: str) -> HttpResponse:
    request = cast("AuthedRequest", request)
    found = seals.month_of(user=request.user, first=_first(request.user, month))
    return _file(as_csv(found), "text/csv", f"statement-{month}.csv")


@login_required
@require_safe
def statement_chain(request: HttpRequest) -> HttpResponse:
    """Every sealed statement, for billing/statement_check.py."""
    request = cast("AuthedRequest", request)
    return _file("".join(seals.lines(request.user)), "application/jsonl", "statements.jsonl")


@login_required
@require_safe
def statement_script(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The very file with which we verify them ourselves."""
    return _file(Path(statement_check.__file__).read_text(encoding="utf-8"), "text/x-python", "verify_statements.py")


def as_csv(month: Month) -> str:
    """Opening, movements, closing; exact decimals, and no cell that a spreadsheet takes for a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["day (UTC)", "event", "detail", "calls", *(f"{name} {CURRENCY}" for name in (*NAMES, "total"))])
    writer.writerow(["", "opening", "", "", *_amounts(month.opening)])
    for each in month.movements:
        writer.writerow([each.day, each.kind, harmless(each.detail), each.calls or "", *_amounts(each.amounts)])
    writer.writerow(["", "closing", "", "", *_amounts(month.closing)])
    return out.getvalue()


def _by_class(amounts: dict[str, int]) -> list[int]:
    return [amounts[name] for name in NAMES]


def _amounts(amounts: dict[str, int]) -> list[str]:
    return [*(format_amount(amounts[name]) for name in NAMES), format_amount(sum(amounts.values()))]


def _first(user: User, month: str) -> date:
    """404 for what is no month, has not begun, or was before the first movement."""
    first = seals.read_month(month, user=user, today=timezone.now().astimezone(UTC).date())
    if first is None:
        raise Http404
    return first


def _file(text: str, kind: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(text, content_type=f"{kind}; charset=utf-8", headers=headers)
