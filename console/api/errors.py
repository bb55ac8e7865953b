"""One shape for every error: `{"error": {"code", "message", "fields", "request_id"}}`."""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db import DataError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from accounts.ids import new_public_id
from accounts.keys import CannotIssueKey, KeyAlreadyIssued
from billing import ledger
from referrals import refusals, rewards

log = structlog.get_logger()
# What hostile input can make the standard library and the database say.
_BAD_INPUT = (ValueError, DataError, OverflowError, RecursionError, ValidationError, SuspiciousOperation)
# The first that fits.
_SAID: dict[type[Exception] | tuple[type[Exception], ...], tuple[int, str, str]] = {
    Http404: (404, "not_found", "There is no such thing here, or it is not yours."),
    PermissionDenied: (403, "forbidden", "You may not do this."),
    ledger.IdempotencyMismatch: (
        422,
        "idempotency_mismatch",
        "This client_id was used for something else. Nothing was changed.",
    ),
    rewards.NothingToConvert: (400, "invalid_field", "The amount has to be above zero. Nothing was moved."),
    CannotIssueKey: (409, "too_many_keys", "You have as many keys as one account may have. Revoke one first."),
    KeyAlreadyIssued: (409, "already_issued", "A key was made with this client_id before; it was shown once."),
    _BAD_INPUT: (400, "invalid_request", "The request has a value that this API cannot take. Nothing was changed."),
}


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None lets Django answer 500 and report it."""
    if isinstance(error, exceptions.APIException):
        return _of_api(error)
    status, code, message = _of(error)
    if not status:
        return None
    if status == 400:  # noqa: PLR2004
        log.info("console.api.refused", view=type(context.get("view")).__name__, error=type(error).__name__)
    return answer(status, code, message)


def answer(status: int, code: str, message: str, fields: dict[str, list[str]] | None = None) -> Response:
    body: dict[str, Any] = {"code": code, "message": message, "request_id": new_public_id("req")}
    if fields:
        body["fields"] = fields
    return Response({"error": body}, status=status)


def _of_api(error: exceptions.APIException) -> Response:
    headers = {}
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if isinstance(error, exceptions.ValidationError):
        response = answer(
            400, "invalid_field", "Some fields are not valid. Nothing was changed.", _fields(error.detail)
        )
    else:
        detail = error.detail
        code = detail.code if isinstance(detail, exceptions.ErrorDetail) else error.default_code
        response = answer(error.status_code, str(code), str(detail))
    for name, value in headers.items():
        response[name] = value
    return response


def _of(error: Exception) -> tuple[int, str, str]:
    """Status, code and words; status 0 for what we did not foresee."""
    if isinstance(error, refusals.Refused):
        return error.status, error.code, error.message
    if isinstance(error, ledger.InsufficientBalance):
        return 409, "insufficient_balance", refusals.NotEnough(error.spendable).message
    return next((said for kinds, said in _SAID.items() if isinstance(error, kinds)), (0, "", ""))


def _fields(detail: Any) -> dict[str, list[str]]:
    if isinstance(detail, dict):
        return {
            str(name): [str(each) for each in (value if isinstance(value, list) else [value])]
            for name, value in detail.items()
        }
    return {"": [str(each) for each in detail]}
