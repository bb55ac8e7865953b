"""What is answered where a page cannot be: words for people, JSON for programs that came to the wrong address."""

import re
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from accounts.ids import new_public_id
from gateway import errors

log = structlog.get_logger()
# How the paths of the gateway end. Seen here, a client was given a base URL without its /v1, or with another prefix.
_OF_THE_GATEWAY = re.compile(
    r"/(chat/completions|completions|responses|messages|embeddings|images/(generations|edits)|models)(/[^/]+)?/?$"
)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 Django gives it
    lost = bool(_OF_THE_GATEWAY.search(request.path))
    if lost and not _is_browser(request):
        return _wrong_base_url(request)
    if _is_program(request):
        return _as_json(404, "not_found", "There is no such thing here, or it is not yours.")
    return HttpResponse(render_to_string("404.html", {"lost": lost}, request), status=404)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 Django gives it
    if _is_program(request):
        return _as_json(403, "forbidden", "You may not do this.")
    return HttpResponse(render_to_string("403.html", request=request), status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 Django gives it
    """Without the request: reading it is what failed."""
    return HttpResponse(render_to_string("400.html"), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without database, session and context: any of them may be what failed. The id is the one in the log."""
    request_id = new_public_id("req")
    log.exception("console.page.failed", request_id=request_id, path=request.path)  # noqa: LOG004 Django calls this while it handles one
    if _is_program(request):
        return _as_json(500, "internal_error", "An error of ours. Send it again.", request_id)
    return HttpResponse(render_to_string("500.html", {"request_id": request_id}), status=500)


def _is_browser(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _is_program(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or not request.accepts("text/html")


def _as_json(status: int, code: str, message: str, request_id: str = "") -> HttpResponse:
    """The shape of the console's API."""
    error = {"code": code, "message": message, "request_id": request_id or new_public_id("req")}
    return JsonResponse({"error": error}, status=status)


def _wrong_base_url(request: HttpRequest) -> HttpResponse:
    """The shape of the gateway, so that an SDK shows the words."""
    native = "anthropic-version" in request.headers
    base_url = settings.PUBLIC_URL if native else f"{settings.PUBLIC_URL}/v1"
    said = urlsplit(request.path).path[:200]
    error = errors.NotOffered(
        f"Nothing is served at {said}. The base URL is {base_url}; see {settings.PUBLIC_URL}/docs/.",
        code="unknown_path",
    )
    shape = errors.Shape.ANTHROPIC if native else errors.Shape.OPENAI
    body = errors.body(error, shape, new_public_id("req"))
    return HttpResponse(body, status=404, content_type="application/json")
