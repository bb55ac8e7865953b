"""The support desk: the queue and one page per request. For staff; to everybody else it is not there."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.http import client_ip, staff_only
from accounts.models import User
from billing.money import format_amount
from referrals import cases, forms, payees, policies, refusals, withdrawals
from referrals.models import HoldReason, Withdrawal

PAGE = 50


@staff_only
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    search = forms.SearchForm(request.GET)
    q = search.cleaned_data["q"].strip() if search.is_valid() else ""
    state = request.GET.get("state", "")
    rows = cases.queue(state=state, q=q)
    if q and (found := rows[:2]) and len(found) == 1:
        return redirect("referrals:desk-case", found[0].public_id)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [cases.row(each, timezone.now()) for each in page],
        "counts": cases.counts(),
        "state": state,
        "q": q,
        "search": search,
    }
    return render(request, "desk/queue.html", context)


@staff_only
@require_safe
def case(request: HttpRequest, public_id: str) -> HttpResponse:
    return _case(request, public_id)


@staff_only
@require_POST
def reveal(request: HttpRequest, public_id: str) -> HttpResponse:
    """The answer of this request is the only place where the payee is written out; it is not stored by any cache."""
    withdrawal = get_object_or_404(Withdrawal.objects.select_related("user"), public_id=public_id)
    form = _form("reveal", withdrawal, request.POST)
    if not form.is_valid():
        return _case(request, public_id, bound={"reveal": form}, status=400)
    try:
        payee = withdrawals.reveal(
            withdrawal=withdrawal,
            by=_user(request),
            reason=form.cleaned_data["reason"],
            now=timezone.now(),
            ip=client_ip(request),
        )
    except refusals.Refused as refused:
        form.add_error(None, refused.message)
        return _case(request, public_id, bound={"reveal": form}, status=refused.status)
    return _case(request, public_id, payee=payee)


@staff_only
@require_POST
def act(request: HttpRequest, public_id: str, action: str) -> HttpResponse:
    """One step: its form, one call, then the page again."""
    if action not in ACTIONS:
        raise Http404
    withdrawal = get_object_or_404(Withdrawal.objects.select_related("user"), public_id=public_id)
    form = _form(action, withdrawal, request.POST)
    if not form.is_valid():
        return _case(request, public_id, bound={action: form}, status=400)
    verb, arguments = ACTIONS[action]
    common = {"withdrawal": withdrawal, "by": _user(request), "now": timezone.now(), "ip": client_ip(request)}
    try:
        done = verb(**common, **arguments(form.cleaned_data))
    except refusals.Refused as refused:
        form.add_error(None, refused.message)
        return _case(request, public_id, bound={action: form}, status=refused.status)
    messages.success(request, _("Request %(number)s: %(state)s.") % _said(done))
    return redirect("referrals:desk-case", public_id)


def _case(
    request: HttpRequest,
    public_id: str,
    *,
    bound: dict[str, Form] | None = None,
    payee: payees.Payee | None = None,
    status: int = 200,
) -> HttpResponse:
    try:
        found = cases.case(public_id=public_id, by=_user(request), now=timezone.now())
    except Withdrawal.DoesNotExist as error:
        raise Http404 from error
    bound = bound or {}
    steps = [
        {
            "action": action,
            "form": bound.get(action.name) or _form(action.name, found.withdrawal),
            "open": action.name in bound,
        }
        for action in found.actions
    ]
    offered = {action.name for action in found.actions}
    context = {
        "case": found,
        "withdrawal": found.withdrawal,
        "method_name": policies.method_name(found.withdrawal.method),
        "steps": steps,
        # A step that is no longer offered (a colleague was quicker) still says why it did not happen.
        "stale": [form for name, form in bound.items() if name not in offered and name != "reveal"],
        "reveal": bound.get("reveal") or _form("reveal", found.withdrawal),
        "payee": payee,
    }
    return render(request, "desk/case.html", context, status=status)


def _form(action: str, withdrawal: Withdrawal, data: Any = None) -> Form:
    ids = f"id_{action}_%s"  # several forms with fields of the same name stand on one page
    if action == "approve":
        start = {"amount": format_amount(withdrawal.amount)}
        return forms.ApproveForm(data, withdrawal=withdrawal, initial=start, auto_id=ids)
    return FORMS.get(action, forms.NothingForm)(data, auto_id=ids)


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)


def _said(withdrawal: Withdrawal) -> dict[str, str]:
    return {"number": withdrawal.public_id, "state": withdrawal.get_state_display()}


FORMS: dict[str, type[Form]] = {
    "reject": forms.ReasonForm,
    "revoke": forms.ReasonForm,
    "mark_failed": forms.ReasonForm,
    "mark_returned": forms.EvidenceForm,
    "hold": forms.HoldForm,
    "mark_paid": forms.PaidForm,
    "reveal": forms.RevealForm,
}

Arguments = Callable[[dict[str, Any]], dict[str, Any]]
ACTIONS: dict[str, tuple[Callable[..., Withdrawal], Arguments]] = {
    "claim": (withdrawals.claim, lambda _data: {}),
    "release_claim": (withdrawals.release_claim, lambda _data: {}),
    "start_paying": (withdrawals.start_paying, lambda _data: {}),
    "approve": (withdrawals.approve, lambda data: data),
    "hold": (withdrawals.hold, lambda data: {**data, "reason": HoldReason(data["reason"])}),
    "reject": (withdrawals.reject, lambda data: data),
    "revoke": (withdrawals.revoke, lambda data: data),
    "mark_paid": (withdrawals.mark_paid, lambda data: data),
    "mark_failed": (withdrawals.mark_failed, lambda data: data),
    "mark_returned": (withdrawals.mark_returned, lambda data: {"evidence": data["reason"]}),
}
