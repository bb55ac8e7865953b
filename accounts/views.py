"""The API keys page: list, make one (shown once), revoke."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import keys
from accounts.forms import KeyForm
from accounts.http import AuthedRequest
from accounts.models import ApiKey
from accounts.proof import fresh_proof_required

REVOKED_SHOWN = 50
FIRST_CALL = """\
import os
from openai import OpenAI

client = OpenAI(
    base_url="{base_url}",
    api_key=os.environ["QYUAN_API_KEY"],
)
answer = client.chat.completions.create(
    model="gpt-5.4-mini",
    messages=[{{"role": "user", "content": "Say hello."}}],
)
print(answer.choices[0].message.content)
"""


@login_required
def key_list(request: HttpRequest) -> HttpResponse:
    request = cast("AuthedRequest", request)
    order = F("revoked_at").desc(nulls_first=True)  # usable ones first, then those revoked most recently
    listed = ApiKey.objects.of(request.user).order_by(order, "-id")[: keys.MAX_KEYS_PER_USER + REVOKED_SHOWN]
    return render(request, "accounts/key_list.html", {"keys": listed, "now": timezone.now()})


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
@fresh_proof_required
def key_create(request: HttpRequest) -> HttpResponse:
    """The answer to the form holds the plain key, and nothing else ever does: no redirect, no session, no store."""
    request = cast("AuthedRequest", request)
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            key, plain = keys.issue(
                user=request.user, name=form.cleaned_data["name"], client_id=form.cleaned_data["client_id"]
            )
        except keys.KeyAlreadyIssued as before:
            messages.info(
                request, _("The key “%(name)s” was made already; it was shown once.") % {"name": before.key.name}
            )
            return redirect("accounts:key-list")
        except keys.CannotIssueKey:
            form.add_error(None, _("You have as many keys as one account may have. Revoke one first."))
        else:
            context = {"key": key, "plain": plain, "snippet": FIRST_CALL.format(base_url=f"{settings.PUBLIC_URL}/v1")}
            return render(request, "accounts/key_created.html", context)
    return render(request, "accounts/key_create.html", {"form": form}, status=400 if form.errors else 200)


@login_required
@require_http_methods(["GET", "POST"])
def key_revoke(request: HttpRequest, public_id: str) -> HttpResponse:
    """The list asks in a dialog; without scripts its button leads here to be asked."""
    request = cast("AuthedRequest", request)
    key = get_object_or_404(ApiKey.objects.of(request.user), public_id=public_id)
    if request.method == "GET":
        return render(request, "accounts/key_revoke.html", {"key": key})
    if keys.revoke(key=key, by=request.user, now=timezone.now()):
        messages.success(request, _("“%(name)s” is revoked. New calls with it are refused.") % {"name": key.name})
    else:
        messages.info(request, _("“%(name)s” was revoked before.") % {"name": key.name})
    return redirect("accounts:key-list")
