"""The sums of each hour, kept in the transaction of each charge: pages and exports never add up calls.

`UsageHour` is exactly the sum of its usage rows; the audit proves it.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from billing.models import CLASS_COLUMNS, TOKEN_COLUMNS, Usage

NAMES = ("user_id", "hour", "key_id", "model", "endpoint", "status")
SUMS = (
    "calls",
    *TOKEN_COLUMNS,
    "images",
    "charge_nano",
    *CLASS_COLUMNS.values(),
    "uncollected_nano",
    "refunded_nano",
)
_Row = tuple[int, datetime, int, str, str, str]


def add(rows: Iterable[Usage], *, sign: int = 1) -> None:
    """Count these calls; with `sign` -1 take them out again, as they were counted."""
    _merge((_row(row), {name: sign * (1 if name == "calls" else getattr(row, name)) for name in SUMS}) for row in rows)


def add_refund(row: Usage, amount: int) -> None:
    """`amount` nano of a charge was given back: it counts in the hour of the call."""
    _merge([(_row(row), {"refunded_nano": amount})])


def _row(row: Usage) -> _Row:
    hour = row.started_at.replace(minute=0, second=0, microsecond=0)
    return row.user_id, hour, row.key_id, row.model, row.endpoint, str(row.status)


def _merge(changes: Iterable[tuple[_Row, dict[str, int]]]) -> None:
    """One statement for all, in the order of the rows' names: two transactions never wait for each other in a ring."""
    merged: dict[_Row, dict[str, int]] = {}
    for row, sums in changes:
        kept = merged.setdefault(row, dict.fromkeys(SUMS, 0))
        for name, number in sums.items():
            kept[name] += number
    if not merged:
        return
    columns = (*NAMES, *SUMS)
    places = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * len(merged))
    raised = ", ".join(f"{name} = billing_usagehour.{name} + excluded.{name}" for name in SUMS)
    query = (
        f"INSERT INTO billing_usagehour ({', '.join(columns)}) VALUES {places} "  # noqa: S608 our own names, no values
        f"ON CONFLICT ({', '.join(NAMES)}) DO UPDATE SET {raised}"
    )
    values: list[int | str | None] = []
    for row in sorted(merged):
        user, hour, key, *words = row
        values += [user, connection.ops.adapt_datetimefield_value(hour), key, *words, *merged[row].values()]
    with connection.cursor() as cursor:
        cursor.execute(query, values)
