"""Keyset pages: a signed cursor, so that nothing is skipped or repeated while rows are added."""

from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

SALT = "console.api.cursor"
MOST = 100
USUAL = 25


def limit_of(request: Request) -> int:
    text = request.query_params.get("limit", "")
    if not text:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST):  # noqa: PLR2004
        raise ParseError(f"limit goes from 1 to {MOST}.")
    return int(text)


def page(request: Request, rows: QuerySet[Any], *, order: str, tie: str) -> tuple[list[Any], str | None]:
    """The rows after the cursor, newest first by (`order`, `tie`), and the next cursor. Raises ParseError."""
    limit = limit_of(request)
    if text := request.query_params.get("cursor", ""):
        value, last = _opened(text, order)
        # The first condition is what an index is entered by.
        rows = rows.filter(**{f"{order}__lte": value}).filter(
            Q(**{f"{order}__lt": value}) | Q(**{order: value, f"{tie}__lt": last})
        )
    found = list(rows.order_by(f"-{order}", f"-{tie}")[: limit + 1])
    if len(found) <= limit:
        return found, None
    end = found[limit - 1]
    cursor = signing.dumps([order, getattr(end, order).isoformat(), getattr(end, tie)], salt=SALT)
    return found[:limit], cursor


def _opened(text: str, order: str) -> tuple[Any, Any]:
    try:
        name, value, last = signing.loads(text[:500], salt=SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise ParseError("This cursor is not one of ours. Start without it.") from error
    if name != order:
        raise ParseError("This cursor belongs to another list. Start without it.")
    return value, last
