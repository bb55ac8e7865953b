"""What we know of a request: whose it is, and where it comes from."""

from django.conf import settings
from django.http import HttpRequest

from accounts.models import User


class AuthedRequest(HttpRequest):
    user: User


def client_ip(request: HttpRequest) -> str | None:
    """The address of the browser: the one that our own proxies saw, never what the browser says."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    count = settings.TRUSTED_PROXY_COUNT
    found = hops[-count] if count and len(hops) >= count else request.META.get("REMOTE_ADDR")
    return found or None
