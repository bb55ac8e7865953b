"""The language of a person: on the row for mail, in a cookie for pages."""

from django.conf import settings
from django.http import HttpResponse

from accounts.models import User

COOKIE_AGE_S = 365 * 24 * 3600


def is_offered(language: str) -> bool:
    return language in dict(settings.LANGUAGES)


def choose(*, user: User, language: str) -> None:
    """Raises ValueError for a language that is not offered."""
    if not is_offered(language):
        raise ValueError(language)
    User.objects.filter(pk=user.pk).update(language=language)


def remember(response: HttpResponse, language: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=COOKIE_AGE_S,
        samesite="Lax",
        secure=settings.LANGUAGE_COOKIE_SECURE,
    )
