"""Usage, one call explained, and the wallet: balance, statement, redeem code."""

from datetime import datetime
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.http import AuthedRequest, client_ip
from billing import attempts, codes, promos, receipts, reports
from billing.forms import RedeemForm
from billing.models import LedgerAudit, Usage
from billing.money import SYMBOL, format_amount


@login_required
@require_safe
def usage_detail(request: HttpRequest, request_id: str) -> HttpResponse:
    request = cast("AuthedRequest", request)
    try:
        receipt = receipts.receipt(user=request.user, request_id=request_id)
    except (Usage.DoesNotExist, ValueError):
        raise Http404 from None
    return render(request, "billing/usage_detail.html", {"receipt": receipt, "call": receipt.call})


@login_required
@require_safe
def usage_find(request: HttpRequest) -> HttpResponse:
    """To the receipt of the call with this id. Several calls may carry the same id of somebody's program."""
    request = cast("AuthedRequest", request)
    text = request.GET.get("q", "").strip()
    found = receipts.find(user=request.user, text=text)
    if len(found) == 1:
        return redirect("billing:usage-detail", found[0].request_id)
    status = 200 if found or not text else 404
    return render(request, "billing/find_call.html", {"asked": text, "calls": found}, status=status)


@login_required
@require_safe
def wallet(request: HttpRequest) -> HttpResponse:
    return _wallet(request, RedeemForm())


@login_required
@require_POST
def code_redeem(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    now = timezone.now()
    form = RedeemForm(request.POST)
    if not form.is_valid():
        return _wallet(request, form, status=400)
    try:
        with attempts.counted(user_id=request.user.pk, address=client_ip(request), now=now):
            redemption = codes.redeem(user=request.user, code=form.cleaned_data["code"], now=now)
    except attempts.TooManyAttempts as refused:
        form.add_error("code", _pause(refused, now))
        answer = _wallet(request, form, status=429)
        answer["Retry-After"] = str(int((refused.until - now).total_seconds()) + 1)
        return answer
    except codes.CannotRedeem as refused:
        form.add_error("code", _refusal(refused))
        return _wallet(request, form, status=400)
    amount = f"{SYMBOL}{format_amount(redemption.code.amount_nano)}"
    messages.success(request, _("%(amount)s was added to your credit.") % {"amount": amount})
    return redirect("billing:wallet")


def _wallet(request: HttpRequest, form: RedeemForm, status: int = 200) -> HttpResponse:
    request = cast("AuthedRequest", request)
    audit = LedgerAudit.objects.order_by("-finished_at").first() if request.user.is_staff else None
    month = request.GET.get("month", "")
    context = {
        "form": form,
        "page": reports.wallet(user=request.user, month=month, now=timezone.now()),
        "audit": audit,
        "lots": promos.lines(user=request.user, now=timezone.now()),
    }
    return render(request, "billing/wallet.html", context, status=status)


def _refusal(refused: codes.CannotRedeem) -> str:
    if isinstance(refused, codes.AlreadyRedeemed):
        return _("You redeemed this code before. Nothing was added.")
    if isinstance(refused, codes.EnoughOfBatch):
        return ngettext(
            "One person can redeem only one code of this kind, and you have. Nothing was added.",
            "One person can redeem only %(limit)s codes of this kind, and you have. Nothing was added.",
            refused.limit,
        ) % {"limit": refused.limit}
    if isinstance(refused, codes.CodeExpired):
        return _("This code has expired. Nothing was added.")
    if isinstance(refused, codes.CodeUsedUp):
        return _("This code is used up. Nothing was added.")
    return _("There is no such code. Check each character; nothing was added.")


def _pause(refused: attempts.TooManyAttempts, now: datetime) -> str:
    minutes = int((refused.until - now).total_seconds()) // 60 + 1
    return ngettext(
        "Too many codes were tried. Nothing was added. Try again in %(minutes)s minute, at %(time)s UTC.",
        "Too many codes were tried. Nothing was added. Try again in %(minutes)s minutes, at %(time)s UTC.",
        minutes,
    ) % {"minutes": minutes, "time": f"{refused.until:%H:%M}"}
