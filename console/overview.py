"""The dashboard, the settings of a person, and the outbox of the embedded profile."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from accounts import languages, time_zones
from accounts.forms import ProfileForm
from accounts.http import AuthedRequest, client_ip
from accounts.models import User
from accounts.views import FIRST_CALL
from billing.notice_forms import MANDATORY, NoticesForm
from console import outbox, reports

OUTBOX_PAGE = 50


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    context = {
        "overview": reports.overview(user=request.user, now=timezone.now()),
        "snippet": FIRST_CALL.format(base_url=f"{settings.PUBLIC_URL}/v1"),
    }
    return render(request, "pages/dashboard.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    form = _profile_form(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        language = form.cleaned_data["language"]
        languages.choose(user=request.user, language=language)
        if form.cleaned_data["time_zone"]:
            time_zones.choose(user=request.user, name=form.cleaned_data["time_zone"])
        with translation.override(language):
            messages.success(request, _("Saved."))
        response = redirect("console:settings")
        languages.remember(response, language)
        return response
    return _settings(request, form, NoticesForm(user=request.user))


@login_required
@require_POST
def choose_notices(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    form = NoticesForm(request.POST, user=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("console:settings")
    return _settings(request, _profile_form(request, None), form)


def _profile_form(request: AuthedRequest, data: QueryDict | None) -> ProfileForm:
    initial = {"language": request.user.language or translation.get_language()}
    return ProfileForm(data, initial=initial, now=timezone.now(), time_zone=request.user.time_zone)


def _settings(request: AuthedRequest, form: ProfileForm, notices: NoticesForm) -> HttpResponse:
    context = {"form": form, "notices": notices, "mandatory": MANDATORY}
    return render(request, "pages/settings.html", context, status=400 if form.errors or notices.errors else 200)


@login_required
@require_POST
def sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    """End every other session of this person; this one goes on under a new id."""
    request = cast("AuthedRequest", request)
    request.user.end_sessions()
    update_session_auth_hash(request, request.user)
    messages.success(request, _("Every other browser is signed out. API keys go on working."))
    return redirect("console:settings")


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """The switch on every page: the cookie for pages and, for a person, the row for mail."""
    language = request.POST.get("language", "")
    if isinstance(request.user, User) and languages.is_offered(language):
        languages.choose(user=request.user, language=language)
    return set_language(request)


def mail_list(request: HttpRequest) -> HttpResponse:
    _only_here(request)
    return render(request, "pages/outbox.html", {"mails": outbox.newest(OUTBOX_PAGE)})


def mail_detail(request: HttpRequest, mail_id: str) -> HttpResponse:
    _only_here(request)
    mail = outbox.find(mail_id)
    if mail is None:
        raise Http404
    return render(request, "pages/outbox_mail.html", {"mail": mail})


def _only_here(request: HttpRequest) -> None:
    """The embedded profile, and a browser on this very machine: codes and reset links are in these mails.

    In production mail goes out by SMTP; with HOST=0.0.0.0 the rest of the network must not read it.
    """
    address = client_ip(request) or ""
    if settings.PRODUCTION or not (address.startswith("127.") or address == "::1"):
        raise Http404
