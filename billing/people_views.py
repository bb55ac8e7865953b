"""People and their credit at the desk: support looks, operators grant and correct."""

from typing import Any, cast

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.http import AuthedRequest, operators_only, staff_only
from accounts.models import User
from accounts.proof import fresh_proof_required
from billing import grants, people
from billing.credit_forms import CorrectForm, DecisionForm, FindForm, GrantForm
from billing.models import Grant
from billing.money import SYMBOL, format_amount


@staff_only
@require_safe
def person_list(request: HttpRequest) -> HttpResponse:
    search = FindForm(request.GET)
    q = search.cleaned_data["q"].strip() if search.is_valid() else ""
    found = people.search(q) if q else []
    if len(found) == 1:
        return redirect("billing:person-detail", found[0].user.public_id)
    context = {"q": q, "found": found, "pending": people.pending(), "limit": grants.limit()}
    return render(request, "desk/person_list.html", context)


@staff_only
@require_safe
def person_detail(request: HttpRequest, public_id: str) -> HttpResponse:
    return _person(request, public_id)


@operators_only
@require_POST
@fresh_proof_required
def person_grant(request: HttpRequest, public_id: str) -> HttpResponse:
    now = timezone.now()
    user = get_object_or_404(User, public_id=public_id)
    form = GrantForm(request.POST, now=now)
    if not form.is_valid():
        return _person(request, public_id, grant=form, status=400)
    try:
        grant = grants.ask(user=user, order=form.order, by=_by(request), now=now)
    except grants.AnotherGrant:
        form.add_error(None, _("This form was sent before, with something else in it. Open the page again."))
        return _person(request, public_id, grant=form, status=409)
    except grants.CannotGrant:
        form.add_error(None, _("This is no grant. Nothing was credited."))
        return _person(request, public_id, grant=form, status=400)
    if grant.state == Grant.State.PENDING:
        messages.info(request, _("Nothing was credited yet: a second operator has to approve it."))
    else:
        _say_posted(request, grant)
    return redirect("billing:person-detail", public_id)


@operators_only
@require_POST
@fresh_proof_required
def grant_approve(request: HttpRequest, public_id: str) -> HttpResponse:
    grant, form = _grant(public_id), DecisionForm(request.POST)
    if not form.is_valid():
        return _person(request, grant.user.public_id, bound={f"approve:{public_id}": form}, status=400)
    try:
        done = grants.approve(grant=grant, by=_by(request), words=form.cleaned_data["words"], now=timezone.now())
    except grants.NotYours:
        form.add_error(None, _("Somebody else has to approve this: not who asked and not who receives."))
        return _person(request, grant.user.public_id, bound={f"approve:{public_id}": form}, status=403)
    except grants.AlreadyDecided:
        return _too_late(request, grant)
    except grants.NotAGrant:
        form.add_error(None, _("Its credit would have expired by now. Refuse it. Nothing was credited."))
        return _person(request, grant.user.public_id, bound={f"approve:{public_id}": form}, status=409)
    _say_posted(request, done)
    return redirect("billing:person-detail", grant.user.public_id)


@operators_only
@require_POST
def grant_refuse(request: HttpRequest, public_id: str) -> HttpResponse:
    grant, form = _grant(public_id), DecisionForm(request.POST)
    if not form.is_valid():
        return _person(request, grant.user.public_id, bound={f"refuse:{public_id}": form}, status=400)
    try:
        grants.refuse(grant=grant, by=_by(request), words=form.cleaned_data["words"], now=timezone.now())
    except grants.AlreadyDecided:
        return _too_late(request, grant)
    messages.success(request, _("The grant is refused. Nothing was credited."))
    return redirect("billing:person-detail", grant.user.public_id)


@operators_only
@require_POST
@fresh_proof_required
def grant_correct(request: HttpRequest, public_id: str) -> HttpResponse:
    grant, form = _grant(public_id), CorrectForm(request.POST)
    bound: dict[str, Form] = {f"correct:{public_id}": form}
    if not form.is_valid():
        return _person(request, grant.user.public_id, bound=bound, status=400)
    try:
        grants.correct(grant=grant, by=_by(request), reason=form.cleaned_data["reason"], now=timezone.now())
    except grants.CannotCorrect as refused:
        form.add_error(None, _why_not(refused))
        return _person(request, grant.user.public_id, bound=bound, status=409)
    messages.success(request, _("The grant is taken back. Both postings stay in the journal."))
    return redirect("billing:person-detail", grant.user.public_id)


def _person(
    request: HttpRequest,
    public_id: str,
    *,
    grant: GrantForm | None = None,
    bound: dict[str, Form] | None = None,
    status: int = 200,
) -> HttpResponse:
    now, by = timezone.now(), _by(request)
    try:
        found = people.person(public_id=public_id, by=by, now=now)
    except User.DoesNotExist:
        raise Http404 from None
    bound = bound or {}
    offered = [_offer(line, bound) for line in found.grants]
    known = {name for line in offered for name in line["names"]}
    context = {
        "found": found,
        "person": found.user,
        "form": grant or GrantForm(now=now),
        "lines": offered,
        # A step that is no longer offered still says why it did not happen.
        "stale": [form for name, form in bound.items() if name not in known],
        "is_self": found.user.pk == by.pk,
    }
    return render(request, "desk/person_detail.html", context, status=status)


def _offer(line: people.GrantLine, bound: dict[str, Form]) -> dict[str, Any]:
    """The forms of one grant: those that were sent with errors stay as they are, and open."""
    number = line.grant.public_id
    offers = {
        "approve": (DecisionForm, line.may_approve),
        "refuse": (DecisionForm, line.may_refuse),
        "correct": (CorrectForm, line.may_correct),
    }
    forms = {
        verb: bound.get(f"{verb}:{number}") or form(auto_id=f"id_{verb}_{number}_%s")
        for verb, (form, may) in offers.items()
        if may
    }
    names = {f"{verb}:{number}" for verb in forms}
    opened = {verb for verb in forms if f"{verb}:{number}" in bound}
    return {"line": line, "grant": line.grant, "forms": forms, "names": names, "opened": opened}


def _grant(public_id: str) -> Grant:
    return get_object_or_404(Grant.objects.select_related("user", "txn"), public_id=public_id)


def _say_posted(request: HttpRequest, grant: Grant) -> None:
    words = {"amount": f"{SYMBOL}{format_amount(grant.amount_nano)}", "email": grant.user.email}
    messages.success(request, _("%(amount)s was credited to %(email)s.") % words)


def _too_late(request: HttpRequest, grant: Grant) -> HttpResponse:
    messages.info(request, _("A colleague has decided this already. Nothing was changed."))
    return redirect("billing:person-detail", grant.user.public_id)


def _why_not(refused: grants.CannotCorrect) -> str:
    if refused.spendable is None:
        return _("This grant was taken back before, or never posted. Nothing was changed.")
    return _("Only %(amount)s of this credit is left, so it cannot be taken back. Nothing was changed.") % {
        "amount": f"{SYMBOL}{format_amount(refused.spendable)}"
    }


def _by(request: HttpRequest) -> User:
    return cast("AuthedRequest", request).user
