"""`?ref=CODE` on any page is remembered for the sign-up."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from referrals import links

Get = Callable[[HttpRequest], HttpResponseBase]
GetAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
PARAMETER = "ref"


@sync_and_async_middleware
def remember_link(get_response: Get | GetAsync) -> Get | GetAsync:
    """One look at the query string for every other request."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)
            if code := _code(request):
                await sync_to_async(links.count_click)(request, code)
                links.remember(request, response, code)
            return response

        return middleware

    def sync_middleware(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)  # type: ignore[assignment]
        if code := _code(request):
            links.count_click(request, code)
            links.remember(request, response, code)
        return response

    return sync_middleware


def _code(request: HttpRequest) -> str:
    if "ref=" not in request.META.get("QUERY_STRING", "") or request.method != "GET":
        return ""
    return links.clean_code(request.GET.get(PARAMETER, ""))
