"""Add credit, payments and their receipts, automatic top-up; and the door for Stripe's events."""

from typing import cast

import structlog
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import proof
from accounts.http import AuthedRequest
from billing import auto_topup, ledger, payment_events, payment_reports, payments, standing, stripe_gate
from billing.models import AutoTopUp, Payment
from billing.money import NANO, format_amount
from billing.payment_forms import AutoTopUpForm, TopUpForm
from billing.payments import CannotPay, NotReached, TooManyOpen

PAGE = 25
EVENT_BYTES = 256 * 1024
log = structlog.get_logger("billing")


class SeeOther(HttpResponseRedirect):
    """To Stripe's page, with GET."""

    status_code = 303


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """200 says: stored. Anything else brings the event again. Who asks proves themselves by the signature alone."""
    if not stripe_gate.is_on():
        return HttpResponse(status=404)
    body = request.read(EVENT_BYTES + 1)
    if len(body) > EVENT_BYTES:
        return HttpResponse(status=413)
    try:
        event = stripe_gate.verified(body, request.headers.get("Stripe-Signature", ""))
        payment_events.receive(event, now=timezone.now())
    except (stripe_gate.NotVerified, payment_events.NotAnEvent) as error:
        log.warning("billing.stripe.not_verified", reason=str(error))
        return HttpResponse(status=403)
    return HttpResponse(status=200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def topup(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    if not stripe_gate.is_on():
        return _topup(request, None, status=404 if request.method == "POST" else 200)
    form = TopUpForm(request.POST or None)
    if request.method != "POST":
        return _topup(request, form)
    if not form.is_valid():
        return _topup(request, form, status=400)
    return _pay(request, form, form.cleaned_data["chosen"], saves_card=False)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def auto_topup_settings(request: HttpRequest) -> HttpResponse:
    """The rules; where no card is saved yet, agreeing to them leads to a first payment that saves one."""
    request = cast("AuthedRequest", request)
    row = auto_topup.settings_of(request.user)
    if not stripe_gate.is_on():
        return _auto(request, None, row, status=404 if request.method == "POST" else 200)
    form = AutoTopUpForm(request.POST or None, initial=_usual(row))
    if request.method != "POST":
        return _auto(request, form, row)
    if not proof.is_fresh(request, timezone.now()):
        raise ReauthenticationRequired  # then the same request goes on
    if not form.is_valid():
        return _auto(request, form, row, status=400)
    data, now = form.cleaned_data, timezone.now()
    row = auto_topup.choose(
        user=request.user, threshold=data["threshold"], amount=data["amount"], cap=data["cap"], now=now
    )
    if not row.card_id:
        return _pay(request, form, row.amount_nano, saves_card=True)
    messages.success(request, _("Automatic top-up is on."))
    return redirect("billing:auto-topup")


@login_required
@require_POST
def auto_topup_off(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    auto_topup.stop(user=request.user, because=AutoTopUp.OffBecause.OWNER)
    messages.success(request, _("Automatic top-up is off. Nothing more is charged."))
    return redirect("billing:auto-topup")


@login_required
@require_POST
def card_forget(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    try:
        auto_topup.forget_card(user=request.user)
    except stripe_gate.StripeError:
        messages.error(request, _("Stripe could not be reached. Automatic top-up is off; remove the card again later."))
    else:
        messages.success(request, _("The card is removed."))
    return redirect("billing:auto-topup")


@login_required
@require_safe
def payment_list(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    page = Paginator(payment_reports.history(request.user), PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": payment_reports.rows(page), "is_on": stripe_gate.is_on()}
    return render(request, "billing/payment_list.html", context)


@login_required
@require_safe
def payment_detail(request: HttpRequest, public_id: str) -> HttpResponse:
    """The receipt; before that, where the payment stands. What the address says credits nothing."""
    payment = _own(request, public_id)
    if request.method == "GET":
        payment = payments.refresh(payment=payment, now=timezone.now())
    came_back = request.GET.get("from") == "stripe"
    waits = payment.state == Payment.State.PROCESSING or (payment.is_in_flight and came_back)
    context = {"page": payment_reports.page(payment), "payment": payment, "waits": waits, "is_on": stripe_gate.is_on()}
    if payment.decline_code:
        context["decline"] = auto_topup.decline_words(payment.decline_code)
    return _may_lead_to_stripe(render(request, "billing/payment_receipt.html", context))


@login_required
@require_POST
def payment_confirm(request: HttpRequest, public_id: str) -> HttpResponse:
    """To the bank's question about an automatic top-up."""
    payment = _own(request, public_id)
    try:
        target = payments.confirm(payment=payment, now=timezone.now())
    except (CannotPay, stripe_gate.StripeError):
        messages.error(request, _("This payment cannot be confirmed now. Nothing was charged."))
        target = ""
    return SeeOther(target) if target else redirect("billing:payment-detail", public_id)


def _pay(request: AuthedRequest, form: TopUpForm | AutoTopUpForm, amount: int, *, saves_card: bool) -> HttpResponse:
    """A payment and off to Stripe; a form that was used before leads to what became of it."""
    try:
        payment = payments.start(
            user=request.user,
            amount=amount,
            form_id=form.cleaned_data["form_id"],
            saves_card=saves_card,
            language=translation.get_language() or "en",
            now=timezone.now(),
        )
    except CannotPay as refused:
        form.add_error(None, _refusal(refused))
        status = 503 if isinstance(refused, NotReached) else 409
        if isinstance(form, TopUpForm):
            return _topup(request, form, status=status)
        return _auto(request, form, auto_topup.settings_of(request.user), status=status)
    if payment.state == Payment.State.OPEN and payment.checkout_url:
        return SeeOther(payment.checkout_url)
    return redirect("billing:payment-detail", payment.public_id)


def _topup(request: AuthedRequest, form: TopUpForm | None, status: int = 200) -> HttpResponse:
    least, most = payments.bounds()
    context = {
        "form": form,
        "least": least,
        "most": most,
        "methods": payment_reports.offered_methods(),
        "debt": ledger.balances(request.user).user_debt,
        "frozen": standing.refusal(request.user.pk),
        "auto": auto_topup.settings_of(request.user),
        "is_test": not stripe_gate.is_live(),
    }
    return _may_lead_to_stripe(render(request, "billing/topup.html", context, status=status))


def _auto(request: AuthedRequest, form: AutoTopUpForm | None, row: AutoTopUp | None, status: int = 200) -> HttpResponse:
    spent = auto_topup.spent_this_month(request.user, timezone.now()) if row else 0
    card = payment_reports.card_name(row.card_hint) if row and row.card_hint else ""
    context = {"form": form, "auto": row, "spent": spent, "card": card}
    return _may_lead_to_stripe(render(request, "billing/topup_auto.html", context, status=status))


def _usual(row: AutoTopUp | None) -> dict[str, str]:
    """What the form starts with: the rules in force, else something sensible."""
    if row is not None:
        amounts = {"threshold": row.threshold_nano, "amount": row.amount_nano, "cap": row.monthly_cap_nano}
    else:
        amount = payments.presets()[0]
        amounts = {"threshold": 5 * NANO, "amount": amount, "cap": 5 * amount}
    return {name: format_amount(nano) for name, nano in amounts.items()}


def _own(request: HttpRequest, public_id: str) -> Payment:
    mine = Payment.objects.select_related("user").filter(user=cast("AuthedRequest", request).user)
    return get_object_or_404(mine, public_id=public_id)


def _may_lead_to_stripe(response: HttpResponse) -> HttpResponse:
    """A browser follows the redirect of a form only to where the page's policy lets forms lead."""
    if stripe_gate.is_on():
        response._csp_update = {"form-action": list(settings.STRIPE_PAGE_HOSTS)}  # type: ignore[attr-defined] # noqa: SLF001 django-csp's way
    return response


def _refusal(refused: CannotPay) -> str:
    if isinstance(refused, TooManyOpen):
        return _("Several of your payments are not finished. Finish one, or wait an hour. Nothing was charged.")
    if isinstance(refused, NotReached):
        return _("The payment page could not be reached. Nothing was charged; please try again.")
    return _("This amount cannot be paid. Nothing was charged.")
