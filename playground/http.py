"""Small things that every JSON call and stream of the playground does the same way."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from accounts.models import User
from playground import runs

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponseBase]]


def problem(status: int, code: str, message: str, *, field: str = "") -> JsonResponse:
    """A call that did nothing: the words say that nothing was charged."""
    error: dict[str, Any] = {"code": code, "message": f"{message} {_('Nothing was charged.')}", "charged": False}
    if field:
        error["field"] = field
    return JsonResponse({"error": error}, status=status)


def not_found() -> JsonResponse:
    return problem(404, "not_found", _("There is nothing here, or it belongs to somebody else."))


def signed_in(view: View[P]) -> View[P]:
    """401 as JSON instead of a redirect: a script cannot see where a redirect led. For async views only."""
    assert iscoroutinefunction(view)

    @wraps(view)
    async def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        user = await request.auser()
        if not user.is_authenticated:
            return problem(401, "signed_out", _("Your session has ended. Sign in again; what was answered is kept."))
        request.user = user
        return await view(request, *args, **kwargs)

    return checked


def person(request: HttpRequest) -> User:
    """The signed-in user; views call it behind `signed_in` or `login_required` only."""
    return cast("User", request.user)


async def in_database(query: Callable[[], Any]) -> Any:
    """Run a query in the request's thread and give its connection back before anything is streamed."""

    def and_let_go() -> Any:
        try:
            return query()
        finally:
            runs.let_go()

    return await sync_to_async(and_let_go)()
