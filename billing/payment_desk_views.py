"""The operator's pages about payments: find one, see all of it, refund it, ask Stripe."""

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.http import operators_only
from accounts.models import User
from accounts.proof import fresh_proof_required
from billing import payment_refunds, payment_reports, payments, standing, stripe_gate
from billing.models import Payment, PaymentRefund
from billing.money import CENT, SYMBOL, floor_to, format_amount
from billing.payment_forms import PaymentSearch, RefundForm
from billing.payment_refunds import AlreadySpent, CannotRefund, MoreThanPaid

PAGE = 50


@operators_only
@require_safe
def desk_payment_list(request: HttpRequest) -> HttpResponse:
    search = PaymentSearch(request.GET)
    q = search.cleaned_data["q"].strip().replace("\0", "") if search.is_valid() else ""
    state = request.GET.get("state", "")
    page = Paginator(payment_reports.found(q=q, state=state), PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": payment_reports.rows(page),
        "q": q,
        "state": state,
        "states": [*Payment.State.choices, ("alarm", _("Needs a look"))],
        "alarms": payment_reports.alarms(),
        "is_on": stripe_gate.is_on(),
        "is_live": stripe_gate.is_live(),
    }
    return render(request, "desk/payment_list.html", context)


@operators_only
@require_safe
def desk_payment(request: HttpRequest, public_id: str) -> HttpResponse:
    return _page(request, _payment(public_id))


@operators_only
@fresh_proof_required
@require_POST
def desk_payment_refund(request: HttpRequest, public_id: str) -> HttpResponse:
    """Set aside, ask Stripe, say what came of it."""
    payment, form, now = _payment(public_id), RefundForm(request.POST), timezone.now()
    if not form.is_valid():
        return _page(request, payment, form, status=400)
    if not stripe_gate.is_on():
        form.add_error(None, _("Stripe is not configured, so nothing can be refunded."))
        return _page(request, payment, form, status=409)
    data = form.cleaned_data
    try:
        refund = payment_refunds.reserve(
            payment=payment,
            amount=data["amount"],
            by=cast("User", request.user),
            reason=data["reason"],
            client_id=data["client_id"],
            now=now,
        )
    except CannotRefund as refused:
        form.add_error("amount", _refusal(refused))
        return _page(request, payment, form, status=409)
    _say(request, payment_refunds.send(refund=refund, now=now))
    return redirect("billing:desk-payment", public_id)


@operators_only
@require_POST
def desk_payment_look(request: HttpRequest, public_id: str) -> HttpResponse:
    payment = _payment(public_id)
    try:
        payments.look(payment=payment, now=timezone.now())
    except stripe_gate.StripeError:
        messages.error(request, _("Stripe could not be asked. Nothing has changed."))
    else:
        messages.success(request, _("This is what Stripe says now."))
    return redirect("billing:desk-payment", public_id)


def _page(request: HttpRequest, payment: Payment, form: RefundForm | None = None, status: int = 200) -> HttpResponse:
    shown = payment_reports.desk_page(payment, frozen=standing.refusal(payment.user_id) or "")
    most = min(shown.refundable, shown.spendable)
    context = {
        "desk": shown,
        "page": shown.page,
        "payment": payment,
        "form": form or RefundForm(initial={"amount": format_amount(floor_to(most, CENT))}),
        "is_open": form is not None,
        "most": most,
        "is_on": stripe_gate.is_on(),
    }
    return render(request, "desk/payment_detail.html", context, status=status)


def _payment(public_id: str) -> Payment:
    return get_object_or_404(Payment.objects.select_related("user"), public_id=public_id)


def _say(request: HttpRequest, refund: PaymentRefund) -> None:
    amount = f"{SYMBOL}{format_amount(refund.amount_nano)}"
    if refund.state == PaymentRefund.State.REFUSED:
        words = _("Stripe refused the refund (%(code)s). The credit is free again.")
        messages.error(request, words % {"code": refund.failure})
    elif refund.state == PaymentRefund.State.RESERVED:
        words = _("%(amount)s is set aside. Stripe did not answer; it is asked again until it does.")
        messages.warning(request, words % {"amount": amount})
    else:
        messages.success(request, _("%(amount)s goes back to the buyer.") % {"amount": amount})


def _refusal(refused: CannotRefund) -> str:
    if isinstance(refused, MoreThanPaid):
        left = f"{SYMBOL}{format_amount(refused.most)}"
        return _("Only %(left)s of this payment is left to refund. Nothing was set aside.") % {"left": left}
    if isinstance(refused, AlreadySpent):
        left = f"{SYMBOL}{format_amount(refused.spendable)}"
        return _("The rest was spent: %(left)s of paid credit is left. Nothing was set aside.") % {"left": left}
    if isinstance(refused, payment_refunds.NotRefundable):
        return _("This payment cannot be refunded: it is not paid, or it is disputed. Nothing was set aside.")
    return _("Whole cents above zero. Nothing was set aside.")
