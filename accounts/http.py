"""What we know of a request: whose it is, where it comes from, and which pages are there for whom."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse

from accounts.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


class AuthedRequest(HttpRequest):
    user: User


def client_ip(request: HttpRequest) -> str | None:
    """The address of the browser: the one that our own proxies saw, never what the browser says."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    count = settings.TRUSTED_PROXY_COUNT
    found = hops[-count] if count and len(hops) >= count else request.META.get("REMOTE_ADDR")
    return found or None


def staff_only(view: View[P]) -> View[P]:
    """For support and operators; to everybody else the page is not there."""
    return _there_for(lambda user: user.is_staff, view)


def operators_only(view: View[P]) -> View[P]:
    """For operators (superusers): prices, credit, payments, books. To everybody else the page is not there."""
    return _there_for(lambda user: user.is_superuser, view)


def _there_for(may_see: Callable[[User], bool], view: View[P]) -> View[P]:
    @wraps(view)
    def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not may_see(cast("User", request.user)):
            raise Http404
        return view(request, *args, **kwargs)

    return login_required(checked)  # type: ignore[return-value] # wraps() names the first argument
