"""The sums of each hour and of each day, kept in the transaction of each charge: pages never add up calls.

`UsageHour` is exactly the sum of its usage rows, `UsageDay` that of its hours; the audit proves both.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from billing.models import CLASS_COLUMNS, TOKEN_COLUMNS, Usage

NAMES = ("user_id", "key_id", "model", "endpoint", "status")
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
_Sums = dict[str, int]


def add(rows: Iterable[Usage], *, sign: int = 1) -> None:
    """Count these calls; with `sign` -1 take them out again, as they were counted."""
    _merge((_row(row), {name: sign * (1 if name == "calls" else getattr(row, name)) for name in SUMS}) for row in rows)


def add_refund(row: Usage, amount: int) -> None:
    """`amount` nano of a charge was given back: it counts in the hour of the call."""
    _merge([(_row(row), {"refunded_nano": amount})])


def _row(row: Usage) -> _Row:
    hour = row.started_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return row.user_id, hour, row.key_id, row.model, row.endpoint, str(row.status)


def _merge(changes: Iterable[tuple[_Row, _Sums]]) -> None:
    hours: dict[Any, _Sums] = {}
    days: dict[Any, _Sums] = {}
    for row, sums in changes:
        user_id, hour, *rest = row
        for kept, name in ((hours, row), (days, (user_id, hour.date(), *rest))):
            into = kept.setdefault(name, dict.fromkeys(SUMS, 0))
            for each, number in sums.items():
                into[each] += number
    if hours:
        _raise("billing_usagehour", "hour", hours, connection.ops.adapt_datetimefield_value)
        _raise("billing_usageday", "day", days, connection.ops.adapt_datefield_value)


def _raise(table: str, column: str, merged: dict[Any, _Sums], adapt: Callable[[Any], str | None]) -> None:
    """One statement for all, in the order of the rows' names: two transactions never wait for each other in a ring."""
    names = (column, *NAMES)
    columns = (*names, *SUMS)
    places = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * len(merged))
    raised = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    query = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {places} "  # noqa: S608 our own names, no values
        f"ON CONFLICT ({', '.join(names)}) DO UPDATE SET {raised}"
    )
    values: list[int | str | None] = []
    for user_id, moment, *rest in sorted(merged):
        values += [adapt(moment), user_id, *rest, *merged[(user_id, moment, *rest)].values()]
    with connection.cursor() as cursor:
        cursor.execute(query, values)
