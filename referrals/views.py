"""The referrer's pages: link, rewards, people, conversion, withdrawals. Also the door that links lead to."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import proof
from accounts.http import client_ip
from accounts.models import User
from billing import ledger
from billing.money import NANO, SYMBOL, format_amount
from referrals import codes, links, policies, refusals, reports, rewards, withdrawals
from referrals.forms import ConvertForm, WithdrawForm
from referrals.models import Reward, Withdrawal

PAGE = 25
FEW = 5  # rows of each table on the first page
EXAMPLE_SPEND = 20 * NANO


@require_safe
@never_cache
def follow(request: HttpRequest, code: str) -> HttpResponse:
    """`/r/CODE`: the same answer for every code, known or not."""
    response = redirect("console:landing")
    if request.method == "GET":
        links.count_click(request, code)
    links.remember(request, response, code)
    return response


@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return _overview(request, ConvertForm())


@login_required
@require_POST
def convert(request: HttpRequest) -> HttpResponse:
    form = ConvertForm(request.POST)
    if not form.is_valid():
        return _overview(request, form, status=400)
    amount, client_id = form.cleaned_data["amount"], str(form.cleaned_data["client_id"])
    try:
        rewards.convert(user=_user(request), amount=amount, client_id=client_id, now=timezone.now())
    except ledger.InsufficientBalance as error:
        form.add_error("amount", refusals.NotEnough(error.spendable).message)
        return _overview(request, form, status=409)
    except ledger.IdempotencyMismatch:
        form.add_error(None, refusals.OtherContent().message)
        return _overview(request, form, status=422)
    messages.success(request, _("%(amount)s is API credit now.") % {"amount": f"{SYMBOL}{format_amount(amount)}"})
    return redirect("referrals:overview")


@login_required
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    page = Paginator(reports.referees(user=_user(request)), PAGE).get_page(request.GET.get("page"))
    policy = policies.in_force(now)
    rows = [reports.referee_row(referral, policy, now) for referral in page]
    return render(request, "referrals/people.html", {"page": page, "rows": rows, "policy": policy})


@login_required
@require_safe
def reward_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(reports.rewards(user=_user(request)), PAGE).get_page(request.GET.get("page"))
    return render(
        request, "referrals/rewards.html", {"page": page, "rows": [reports.reward_row(each) for each in page]}
    )


@login_required
@require_safe
def reward_detail(request: HttpRequest, public_id: str) -> HttpResponse:
    try:
        detail = reports.reward_detail(user=_user(request), public_id=public_id)
    except Reward.DoesNotExist as error:
        raise Http404 from error
    return render(request, "referrals/reward.html", {"detail": detail, "reward": detail.reward})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest) -> HttpResponse:
    """Asks for the password when the last proof is old; what was typed is not kept meanwhile: it names an account."""
    now = timezone.now()
    if not proof.is_fresh(request, now):
        if request.method == "POST":
            messages.info(request, _("Confirm your password first. Nothing was requested yet."))
        return redirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': reverse('referrals:withdraw')})}")
    overview = reports.overview(user=_user(request), now=now)
    start = {"amount": format_amount(overview.pools.withdrawable), "method": overview.policy.payout_methods[0]}
    form = WithdrawForm(request.POST or None, policy=overview.policy, initial=start)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                made = _request(request, form)
            except refusals.Refused as refused:
                form.add_error(None, refused.message)
                status = refused.status
            else:
                return redirect("referrals:withdrawal-detail", made.public_id)
    return render(request, "referrals/withdraw.html", {"form": form, "overview": overview}, status=status)


@login_required
@require_safe
def withdrawal_detail(request: HttpRequest, public_id: str) -> HttpResponse:
    withdrawal = get_object_or_404(
        Withdrawal.objects.select_related("policy"), user=_user(request), public_id=public_id
    )
    return _withdrawal(request, withdrawal)


@login_required
@require_POST
def withdrawal_cancel(request: HttpRequest, public_id: str) -> HttpResponse:
    user = _user(request)
    withdrawal = get_object_or_404(Withdrawal.objects.select_related("policy"), user=user, public_id=public_id)
    try:
        withdrawals.cancel(withdrawal=withdrawal, by=user, now=timezone.now(), ip=client_ip(request))
    except refusals.Refused as refused:
        withdrawal.refresh_from_db()
        return _withdrawal(request, withdrawal, error=refused.message, status=refused.status)
    messages.success(request, _("The request is cancelled. The amount is available again."))
    return redirect("referrals:withdrawal-detail", public_id)


@require_safe
def contact(request: HttpRequest) -> HttpResponse:
    """What the QR code opens by default: how to reach the person who handles withdrawals. For everybody."""
    context = {
        "contact_name": settings.WECOM_CONTACT_NAME,
        # The code would lead back to this page: the operator has not said where the contact is yet.
        "leads_here": not settings.WECOM_QR_IMAGE and _contact_address() == _contact_page(),
    }
    return render(request, "referrals/contact.html", context)


@require_safe
def contact_qr(request: HttpRequest) -> HttpResponseBase:
    """The operator's own picture, else a code of the contact's address."""
    del request
    if settings.WECOM_QR_IMAGE:
        picture = codes.picture(settings.WECOM_QR_IMAGE)
        if picture is None:
            raise Http404
        return FileResponse(picture.open("rb"), content_type=codes.content_type(picture))
    return HttpResponse(codes.svg(_contact_address()), content_type="image/svg+xml")


@login_required
@require_safe
def link_qr(request: HttpRequest, kind: str) -> HttpResponse:
    address = _address(links.link_of(user=_user(request)).code)
    if kind == "svg":
        return HttpResponse(codes.svg(address), content_type="image/svg+xml")
    if kind == "png":
        headers = {"Content-Disposition": 'attachment; filename="referral-link.png"'}
        return HttpResponse(codes.png(address), content_type="image/png", headers=headers)
    raise Http404


def _overview(request: HttpRequest, form: ConvertForm, status: int = 200) -> HttpResponse:
    user, now = _user(request), timezone.now()
    overview = reports.overview(user=user, now=now)
    referees = reports.referees(user=user)[:FEW]
    context = {
        "overview": overview,
        "pools": overview.pools,
        "goal": overview.goal,
        "policy": overview.policy,
        "policy_lines": policies.describe(overview.policy),
        "form": form,
        "rewards": [reports.reward_row(each) for each in reports.rewards(user=user)[:FEW]],
        "people": [reports.referee_row(each, overview.policy, now) for each in referees],
        "withdrawals": list(Withdrawal.objects.of(user)[:FEW]),
        "share": _share(overview.link.code),
        "rate": policies.percent(overview.policy.rate_bp),
        "example": {"spend": EXAMPLE_SPEND, "reward": rewards.compute(EXAMPLE_SPEND, overview.policy.rate_bp, None)},
    }
    return render(request, "referrals/overview.html", context, status=status)


def _withdrawal(request: HttpRequest, withdrawal: Withdrawal, *, error: str = "", status: int = 200) -> HttpResponse:
    context = {
        "withdrawal": withdrawal,
        "steps": reports.steps(withdrawal),
        "events": reports.events_for_person(withdrawal),
        "error": error,
        "method_name": policies.method_name(withdrawal.method),
        "contact_name": settings.WECOM_CONTACT_NAME,
        "wish": _("Hello, I requested withdrawal %(number)s of %(amount)s.")
        % {"number": withdrawal.public_id, "amount": f"{SYMBOL}{format_amount(withdrawal.gross)}"},
    }
    return render(request, "referrals/withdrawal.html", context, status=status)


def _request(request: HttpRequest, form: WithdrawForm) -> Withdrawal:
    cleaned = form.cleaned_data
    return withdrawals.request(
        user=_user(request),
        amount=cleaned["amount"],
        method=cleaned["method"],
        payee=form.payee,
        client_id=str(cleaned["client_id"]),
        now=timezone.now(),
        ip=client_ip(request),
    )


def _contact_address() -> str:
    """What the code opens; this site's own page while the setting is empty."""
    return settings.WECOM_CONTACT_URL or _contact_page()


def _contact_page() -> str:
    return settings.PUBLIC_URL + reverse("referrals:contact")


def _share(code: str) -> dict[str, str]:
    return {"link": _address(code), "any_page": f"{settings.PUBLIC_URL}/docs/?ref={code}", "code": code}


def _address(code: str) -> str:
    return settings.PUBLIC_URL + reverse("referrals:link", args=[code])


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)
