"""Exactly what is filtered, as CSV or JSON, in the order of the page, and at its end the sums of what was written.

A piece at a time by keyset: memory and the database's share do not grow with the length, and a reader that is slow
holds no connection. CSV ends with a row TOTAL, JSON is one object that ends with `totals`: what was cut short can be
told, because its end is missing.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import StreamingHttpResponse

from billing import usage_rows
from billing.models import Usage
from billing.money import CURRENCY, format_amount
from billing.usage_rows import place_of
from billing.usage_sums import NAMES, NOTHING, Sums, Which

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
PIECE = 1000  # calls that are in memory at a time
# What a spreadsheet takes for a formula, the wide forms of Chinese and Japanese keyboards too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


_TEXTS = ("request_id", "started_at", "local_time", "model", "endpoint", "key_id", "key", "status", "http_status")
_MORE = ("error_code", "not_charged_because", "client_request_id", "stream", "first_byte_ms", "total_ms")
COLUMNS = (*_TEXTS, *_MORE, *(name.removesuffix("_nano") for name in NAMES))


@dataclass(frozen=True)
class Export:
    which: Which
    zone: ZoneInfo
    kind: str  # csv or json
    now: datetime
    bom: bool = False  # for the double click: without it Excel reads names as another encoding

    @property
    def name(self) -> str:
        """With the days it is of, in the zone of the person."""
        span = self.which.charged or self.which.span
        zone = UTC if self.which.charged else self.zone
        first = f"{span.start.astimezone(zone):%Y-%m-%d}" if span.start else "begin"
        last = (min(span.end, self.now) if span.end else self.now) - timedelta(microseconds=1)
        return f"usage_{first}_{last.astimezone(zone):%Y-%m-%d}.{self.kind}"

    def pieces(self) -> Iterator[bytes]:
        """Text of at most PIECE calls each. Newest first: what is called meanwhile lies before the beginning."""
        write = _Csv(self) if self.kind == "csv" else _Json(self)
        yield write.head()
        sums, after = NOTHING, None
        while calls := usage_rows.take(self.which, PIECE, after=after):
            sums = sum((_sums_of(call) for call in calls), sums)
            after = place_of(calls[-1])
            yield write.calls(calls)
        yield write.end(sums)


def response(export: Export) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _streamed(export.pieces()),
        content_type=TYPES[export.kind],
        headers={
            "Content-Disposition": f'attachment; filename="{export.name}"',
            "Cache-Control": "no-store, no-transform",
            "X-Accel-Buffering": "no",
        },
    )


async def _streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece is made in the request's own thread when the one before is on its way."""
    while piece := await sync_to_async(_next)(pieces):
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes:
    try:
        return next(pieces, b"")
    finally:
        if not connection.in_atomic_block:  # only a test's transaction can be open here
            connection.close()


def row(call: Usage, zone: ZoneInfo) -> dict[str, Any]:
    """COLUMNS with their values. Amounts are exact decimal text of the currency."""
    return {
        "request_id": call.request_id,
        "started_at": f"{call.started_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        "local_time": call.started_at.astimezone(zone).isoformat(timespec="milliseconds"),
        "model": call.model,
        "endpoint": call.endpoint,
        "key_id": call.key.public_id,
        "key": call.key.name,
        "status": call.status,
        "http_status": call.http_status,
        "error_code": call.error_code,
        "not_charged_because": call.not_charged_because,
        "client_request_id": call.client_request_id,
        "stream": call.stream,
        "first_byte_ms": call.first_byte_ms,
        "total_ms": call.total_ms,
        **_numbers(_sums_of(call)),
    }


def _sums_of(call: Usage) -> Sums:
    return Sums(1, *(getattr(call, name) for name in NAMES[1:]))


def _numbers(sums: Sums) -> dict[str, Any]:
    """`charge_nano` 1500 is `charge` "0.0000015"."""
    pairs = [(name, getattr(sums, name)) for name in NAMES]
    return {
        name.removesuffix("_nano"): format_amount(number) if name.endswith("_nano") else number
        for name, number in pairs
    }


class _Csv:
    def __init__(self, export: Export) -> None:
        self._export = export
        self._names = list(COLUMNS)

    def head(self) -> bytes:
        return (b"\xef\xbb\xbf" if self._export.bom else b"") + self._lines([self._names])

    def calls(self, calls: list[Usage]) -> bytes:
        return self._lines([list(row(call, self._export.zone).values()) for call in calls])

    def end(self, sums: Sums) -> bytes:
        total = {"request_id": "TOTAL", **_numbers(sums)}
        return self._lines([[total.get(name, "") for name in self._names]])

    def _lines(self, rows: list[list[Any]]) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows([[harmless(value) for value in each] for each in rows])
        return text.getvalue().encode()


class _Json:
    def __init__(self, export: Export) -> None:
        self._export = export
        self._begun = False

    def head(self) -> bytes:
        which, zone = self._export.which, self._export.zone
        span = which.charged or which.span
        about = {
            "currency": CURRENCY,
            "time_zone": zone.key,
            "from": span.start and span.start.isoformat(),
            "to": (span.end or self._export.now).isoformat(),
        }
        return f'{_compact(about)[:-1]},\n"calls":['.encode()

    def calls(self, calls: list[Usage]) -> bytes:
        text = ",\n".join(_compact(row(call, self._export.zone)) for call in calls)
        text, self._begun = f"{',' if self._begun else ''}\n{text}", True
        return text.encode()

    def end(self, sums: Sums) -> bytes:
        return f'\n],\n"totals":{_compact(_numbers(sums))}}}\n'.encode()


def _compact(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def harmless(value: Any) -> Any:
    """A name that somebody chose, so that no spreadsheet runs it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
