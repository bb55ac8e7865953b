"""Everything that `/v1` can answer instead of what was asked, as one tree, and the one place where it takes a shape.

    GatewayError
    ├── Refused                      the caller can change it
    │   ├── BadRequest          400  a field, the JSON, a header
    │   ├── NotAuthenticated    401  no key, or not a usable one
    │   ├── InsufficientCredit  402  the balance cannot hold this call
    │   ├── NotFound            404
    │   │   ├── ModelNotFound        no such model
    │   │   └── NotOffered           a path of the protocol that we do not serve
    │   ├── WrongMethod         405
    │   ├── BodyTimeout         408  the body stopped arriving
    │   ├── BodyTooLarge        413
    │   ├── WrongMediaType      415
    │   └── HeadTooLarge        431
    ├── Unable                       ours to mend; trying again later may help
    │   ├── Bug                 500
    │   ├── StoreDown           503  the database does not answer
    │   ├── NoChannel           503  no provider channel serves this now
    │   └── Draining            503  this process is going down
    └── UpstreamError                the provider; `fatal` ones are not tried on another channel
        ├── UpstreamRefused     4xx  it says the request is wrong
        ├── UpstreamLimited     429
        ├── UpstreamFailed      502  broken, unreachable or not understood
        ├── UpstreamBusy        503
        └── UpstreamTimeout     504

Pure: no Django, no network, no clock. A text says what happened and what to do; whether anything was charged is added
when it is drawn.
"""

from enum import Enum
from typing import Any, ClassVar

import msgspec

Headers = list[tuple[bytes, bytes]]


class Shape(Enum):
    """The two error formats of the world; the Responses and Images APIs use OpenAI's."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class GatewayError(Exception):
    status: ClassVar[int] = 500
    code: str = "internal_error"
    param: str | None = None
    retry_after_s: int | None = None
    charged = "Nothing was charged."

    def __init__(
        self, message: str, *, code: str = "", param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.param = param
        self.retry_after_s = retry_after_s if retry_after_s is not None else type(self).retry_after_s
        self.http_status = type(self).status

    def headers(self) -> Headers:
        return [] if self.retry_after_s is None else [(b"retry-after", str(self.retry_after_s).encode())]


class Refused(GatewayError): ...


class BadRequest(Refused):
    status = 400
    code = "invalid_request"


class NotAuthenticated(Refused):
    status = 401
    code = "invalid_api_key"

    def headers(self) -> Headers:
        return [(b"www-authenticate", b"Bearer")]


class InsufficientCredit(Refused):
    status = 402
    code = "insufficient_credit"


class NotFound(Refused):
    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class NotOffered(NotFound):
    code = "not_offered"


class WrongMethod(Refused):
    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow

    def headers(self) -> Headers:
        return [(b"allow", self.allow.encode())]


class BodyTimeout(Refused):
    status = 408
    code = "body_timeout"


class BodyTooLarge(Refused):
    status = 413
    code = "body_too_large"


class WrongMediaType(Refused):
    status = 415
    code = "unsupported_media_type"


class HeadTooLarge(Refused):
    status = 431
    code = "head_too_large"


class Unable(GatewayError): ...


class Bug(Unable):
    status = 500


class StoreDown(Unable):
    status = 503
    code = "store_unavailable"
    retry_after_s = 5


class NoChannel(Unable):
    status = 503
    code = "no_channel"
    retry_after_s = 30


class Draining(Unable):
    status = 503
    code = "draining"
    retry_after_s = 1


class UpstreamError(GatewayError):
    """`fatal`: another channel would say the same, or might do the work twice."""

    fatal = False


class UpstreamRefused(UpstreamError):
    """The provider's own words about the caller's request, masked. Keeps its 400, 413 or 422."""

    status = 400
    code = "upstream_refused"
    fatal = True

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.http_status = status


class UpstreamLimited(UpstreamError):
    status = 429
    code = "upstream_rate_limited"


class UpstreamFailed(UpstreamError):
    status = 502
    code = "upstream_failed"


class UpstreamBusy(UpstreamError):
    status = 503
    code = "upstream_overloaded"
    retry_after_s = 5


class UpstreamTimeout(UpstreamError):
    """It accepted the request and may have worked on it: never sent again without a word."""

    status = 504
    code = "upstream_timeout"
    fatal = True


_OPENAI_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def openai_object(error: GatewayError, request_id: str) -> dict[str, Any]:
    kind = _OPENAI_TYPES.get(error.http_status, "server_error" if error.http_status >= 500 else "invalid_request_error")  # noqa: PLR2004
    return {
        "message": _words(error),
        "type": kind,
        "param": error.param,
        "code": error.code,
        "request_id": request_id,
    }


def anthropic_object(error: GatewayError, request_id: str) -> dict[str, Any]:
    kind = _ANTHROPIC_TYPES.get(error.http_status, "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": _words(error)}, "request_id": request_id}


def body(error: GatewayError, shape: Shape, request_id: str) -> bytes:
    """The whole answer in the caller's own protocol."""
    if shape is Shape.ANTHROPIC:
        return msgspec.json.encode(anthropic_object(error, request_id))
    return msgspec.json.encode({"error": openai_object(error, request_id)})


def _words(error: GatewayError) -> str:
    return f"{error.message} {error.charged}"
