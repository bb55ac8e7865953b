"""How fresh is the proof that this is the person: a sign-in or a typed password of the last few minutes.

Needed for what a stolen session must not do: make keys, change the address, ask for money.
"""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

SESSION_KEY = "signed_in_at"
P = ParamSpec("P")


def record_sign_in(request: HttpRequest, now: datetime) -> None:
    request.session[SESSION_KEY] = now.timestamp()


def is_fresh(request: HttpRequest, now: datetime) -> bool:
    """A sign-in, or the password again, within ACCOUNT_REAUTHENTICATION_TIMEOUT seconds in this session."""
    if not request.user.is_authenticated:
        return False
    records = get_authentication_records(request, request.user)
    again = [record["at"] for record in records if record.get("reauthenticated")]
    latest: float = max([request.session.get(SESSION_KEY, 0.0), *again])
    return now.timestamp() - latest < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def fresh_proof_required(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Ask for the password when the proof is old, then carry on with the same request."""

    @wraps(view)
    def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not is_fresh(request, timezone.now()):  # noqa: TID251 a decorator of views: the edge
            raise ReauthenticationRequired  # AccountMiddleware keeps the request and shows the password page
        return view(request, *args, **kwargs)

    return checked  # type: ignore[return-value] # wraps() names the first argument
