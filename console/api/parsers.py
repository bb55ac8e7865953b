"""JSON in, strictly: UTF-8, no NaN, no repeated name, bounded in size and depth."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_DIGITS = 30


class TooLarge(APIException):
    status_code = 413
    default_code = "body_too_large"
    default_detail = f"The body is larger than {MAX_BYTES // 1024} KiB. Nothing was changed."


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 DRF's signature
    ) -> Any:
        charset = (media_type or "").lower().partition("charset=")[2].strip(' "')
        if charset not in {"", "utf-8", "utf8"}:
            raise ParseError("Send the body as UTF-8. Nothing was changed.")
        data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise TooLarge
        try:
            value = json.loads(
                data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_integer
            )
            _check(value, MAX_DEPTH)
        except (ValueError, RecursionError) as error:
            raise ParseError("The body is not a JSON document that this API takes. Nothing was changed.") from error
        if not isinstance(value, dict):
            raise ParseError("The body must be a JSON object. Nothing was changed.")
        return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number with too many digits")
    return int(digits)


def _check(value: Any, depth: int) -> None:
    """Raises ValueError for nesting, for half characters and for NUL, which a database cannot keep."""
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise ValueError("NUL")
    elif isinstance(value, dict):
        for name, each in value.items():
            _check(name, depth - 1)
            _check(each, depth - 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth - 1)
