"""Who calls the console's API: an API key, or the browser's own session with its CSRF token. Closed by default."""

from typing import Any

from allauth.account.models import EmailAddress
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts import keys, proof
from accounts.models import ApiKey, User


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer qy_…`: the keys of `/v1`. The playground's own key is not one of them."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = keys.authenticate(plain.strip())
        if key is None or key.purpose != ApiKey.Purpose.API:
            raise AuthenticationFailed(
                "This API key is not valid. Make one on the page /keys/.", code="invalid_api_key"
            )
        return key.user, key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 DRF's signature
        return "Bearer"


class StrictSessionAuthentication(SessionAuthentication):
    """The session cookie, with the CSRF token on every change."""


class DenyAll(BasePermission):
    """What a view gets that names no permission."""

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 DRF's signature
        return False


class IsVerified(BasePermission):
    """Signed in, active, with a confirmed address."""

    message = "Confirm your e-mail address first."

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 DRF's signature
        user = request.user
        if user is None or not user.is_authenticated or not user.is_active:
            return False
        return bool(EmailAddress.objects.filter(user=user, verified=True).exists())


class ProvedAgain(BasePermission):
    """By session, with the password typed in the last minutes: an API key alone never moves money out."""

    message = (
        "This needs a browser session in which the password was typed within the last 5 minutes "
        "(/accounts/reauthenticate/). An API key is not enough. Nothing was moved."
    )

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 DRF's signature
        return request.auth is None and bool(proof.is_fresh(request._request, timezone.now()))  # noqa: SLF001 DRF wraps Django's request


class BySession(BasePermission):
    """Not by an API key: whoever finds one must not be able to let it spend more."""

    message = "This needs a browser session: an API key cannot change what it may spend. Nothing was changed."

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 DRF's signature
        return request.auth is None


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # spectacular is untyped here
    target_class = "console.api.auth.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 spectacular's signature
        return {"type": "http", "scheme": "bearer", "description": "An API key of yours, as for /v1."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # as above
    target_class = "console.api.auth.StrictSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 spectacular's signature
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "session",
            "description": "The browser's session, with X-CSRFToken.",
        }
