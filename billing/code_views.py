"""The operator's pages of redeem codes: batches, a new one with its preview, one batch with its codes."""

from typing import Any, cast

import structlog
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.http import AuthedRequest, operators_only
from accounts.proof import fresh_proof_required
from billing import code_reports, codes
from billing.credit_forms import BatchForm, FindForm
from billing.models import RedeemCode, RedeemCodeBatch

log = structlog.get_logger("billing")


@operators_only
@require_safe
def code_list(request: HttpRequest) -> HttpResponse:
    """A whole code in the search leads to its batch: that is what somebody on the phone reads out."""
    now = timezone.now()
    search = FindForm(request.GET)
    q = search.cleaned_data["q"].strip() if search.is_valid() else ""
    if q and (found := code_reports.find(q)):
        return redirect("billing:code-batch", found.batch.public_id)
    lines, page = code_reports.batches(q=q, number=request.GET.get("page"), now=now)
    context = {"lines": lines, "page": page, "q": q, "totals": code_reports.totals(now=now)}
    return render(request, "desk/code_list.html", context)


@operators_only
@fresh_proof_required
@require_http_methods(["GET", "HEAD", "POST"])
def code_create(request: HttpRequest) -> HttpResponse:
    """A form, then the same form with what it may come to, then the codes are made."""
    now = timezone.now()
    form = BatchForm(request.POST or None, now=now)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form)
    plan = form.plan
    if "make" not in request.POST:
        return _form(request, form, plan=plan)
    try:
        batch = codes.create_batch(
            plan=plan, by=cast("AuthedRequest", request).user, client_id=form.cleaned_data["client_id"]
        )
    except codes.CannotCreate:
        form.add_error(None, _("These numbers make no batch. Nothing was made."))
        return _form(request, form)
    log.info("billing.codes.made", batch=batch.public_id, count=batch.count, liability_nano=plan.liability)
    messages.success(
        request,
        ngettext("%(count)s code was made.", "%(count)s codes were made.", batch.count) % {"count": batch.count},
    )
    return redirect("billing:code-batch", batch.public_id)


@operators_only
@require_safe
def code_batch(request: HttpRequest, public_id: str) -> HttpResponse:
    try:
        found = code_reports.batch(public_id=public_id, number=request.GET.get("page"), now=timezone.now())
    except RedeemCodeBatch.DoesNotExist:
        raise Http404 from None
    return render(request, "desk/code_batch.html", {"found": found, "line": found.line, "batch": found.line.batch})


@operators_only
@fresh_proof_required
@require_safe
def code_csv(request: HttpRequest, public_id: str) -> HttpResponse:
    """Streamed: ten thousand codes are never one string. Whoever takes it away is on record."""
    batch = get_object_or_404(RedeemCodeBatch, public_id=public_id)
    log.info("billing.codes.downloaded", batch=batch.public_id, by=cast("AuthedRequest", request).user.public_id)
    answer = StreamingHttpResponse(code_reports.csv_rows(batch), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="codes-{batch.public_id}.csv"'
    answer["Cache-Control"] = "no-store"
    return cast("HttpResponse", answer)


@operators_only
@require_POST
def code_disable(request: HttpRequest, public_id: str) -> HttpResponse:
    """The whole batch, or with `code` one of it. What was redeemed stays."""
    batch = get_object_or_404(RedeemCodeBatch, public_id=public_id)
    by, now = cast("AuthedRequest", request).user, timezone.now()
    if typed := request.POST.get("code", ""):
        code = get_object_or_404(RedeemCode, batch=batch, code=codes.normalised(typed[:80]))
        done = codes.disable(code=code, by=by, now=now)
        words = _("The code %(code)s is switched off.") % {"code": codes.shown(code.code)}
    else:
        done = codes.disable_batch(batch=batch, by=by, now=now)
        words = _("The batch is switched off. What was redeemed stays.")
    if done:
        messages.success(request, words)
    else:
        messages.info(request, _("It was switched off before."))
    return redirect("billing:code-batch", batch.public_id)


def _form(request: HttpRequest, form: BatchForm, **more: Any) -> HttpResponse:
    return render(request, "desk/code_create.html", {"form": form, **more}, status=400 if form.errors else 200)
