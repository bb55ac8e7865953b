"""Charges in one database, by the real verbs, beside plain inserts into it: a process that measures what it is told.

Each line of its input is `{"case": …, "size": …, "seconds": …}`, each line of its output the number per second. A
charge is a hold and a settlement, each committed: hold, usage row, posting, sums of the hour and the day. `insert` puts
rows of the same width into a table with nothing but a key: more than that no design could do here.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count, cycle
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402 after the set-up
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import keys  # noqa: E402
from accounts.ids import new_public_id  # noqa: E402
from accounts.models import ApiKey, User  # noqa: E402
from billing import charges, ledger, prices, reservations  # noqa: E402
from billing.charges import Settlement, Tokens  # noqa: E402
from billing.models import Hold, Price, Usage  # noqa: E402
from billing.money import NANO  # noqa: E402
from console import books, people  # noqa: E402

MODEL = "bench"
HELD = 50_000_000  # nano
PLENTY = 1_000_000 * NANO
TABLE = "bench_insert"


class Bench:
    """People with credit, a price, and a table for plain inserts."""

    def __init__(self, accounts: int) -> None:
        now, marker = timezone.now(), new_public_id("b")[-8:].lower()
        with transaction.atomic():
            self.keys: list[ApiKey] = []
            for number in range(accounts):
                user = people.create_person(email=f"bench-{marker}-{number}@example.com", password=None, now=now)
                ledger.grant(user=user, amount=PLENTY, kind="paid", reason="The bench", actor=None, now=now)
                self.keys.append(keys.issue(user=user, name="bench")[0])
            self.price: Price = prices.in_force(MODEL, now) or prices.set_price(
                model=MODEL, effective_from=now, input_nano_per_mtok=NANO, output_nano_per_mtok=4 * NANO
            )
        self._next = cycle(self.keys)
        self._numbers = count(1)
        self._make_table()
        self.cases: dict[str, Callable[[int], None]] = {
            "insert": self.insert,
            "hot": lambda size: self.charge([self.keys[0]] * size),
            "spread": lambda size: self.charge([next(self._next) for _ in range(size)]),
        }

    def measure(self, case: str, size: int, seconds: float) -> float:
        """Rows or charges per second, in transactions of `size`."""
        work, done = self.cases[case], 0
        work(size)  # what is prepared once is prepared
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            work(size)
            done += size
        return done / (time.perf_counter() - began)

    def charge(self, chosen: list[ApiKey]) -> None:
        now = timezone.now()
        calls = [self._call(key, now) for key in chosen]
        later, context = now + timedelta(minutes=5), {"model": MODEL, "endpoint": "chat/completions"}
        asks = [
            reservations.Ask(call.request_id, call.user_id, call.key_id, HELD, now, later, context) for call in calls
        ]
        assert all(isinstance(made, Hold) for made in reservations.hold_many(asks))
        tokens = Tokens(input=20, output=20)
        rows = charges.settle_many(
            [
                Settlement(call, tokens, self.price, Usage.Source.UPSTREAM, Usage.Status.OK, 200, total_ms=5)
                for call in calls
            ],
            now=now,
        )
        assert all(row.charge_nano for row in rows)

    def insert(self, size: int) -> None:
        rows = [[f"req_{next(self._numbers):026d}", *self._sample[1:]] for _ in range(size)]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"{self._insert} {', '.join([self._places] * size)}", [v for row in rows for v in row])

    def _call(self, key: ApiKey, now: Any) -> charges.Call:
        return charges.Call(
            request_id=new_public_id("req"),
            user_id=key.user_id,
            key_id=key.pk,
            model=MODEL,
            endpoint="chat/completions",
            channel="bench",
            stream=False,
            client_request_id="",
            started_at=now,
        )

    def _make_table(self) -> None:
        """As wide as a usage row: the values are those of a real one."""
        self.charge(self.keys[:1])
        with connection.cursor() as cursor:
            columns = [
                column.name for column in connection.introspection.get_table_description(cursor, "billing_usage")
            ]
        columns.sort(key=lambda name: name != "request_id")
        names = ", ".join(columns)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
            cursor.execute(f"CREATE TABLE {TABLE} AS SELECT {names} FROM billing_usage WHERE 1 = 0")
            cursor.execute(f"CREATE UNIQUE INDEX {TABLE}_key ON {TABLE} (request_id)")
            cursor.execute(f"SELECT {names} FROM billing_usage WHERE model = %s LIMIT 1", [MODEL])
            self._sample = list(cursor.fetchone())
        self._places = "(" + ", ".join(["%s"] * len(columns)) + ")"
        self._insert = f"INSERT INTO {TABLE} ({names}) VALUES"

    def durability(self) -> str:
        """What the database promises of a commit."""
        asked = (
            ["synchronous_commit", "fsync"] if connection.vendor == "postgresql" else ["journal_mode", "synchronous"]
        )
        found = []
        with connection.cursor() as cursor:
            for name in asked:
                cursor.execute(f"SHOW {name}" if connection.vendor == "postgresql" else f"PRAGMA {name}")
                found.append(f"{name}={cursor.fetchone()[0]}")
        return ", ".join(found)

    def close(self) -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {TABLE}")
        mine = {"user__in": User.objects.filter(pk__in=[key.user_id for key in self.keys])}
        findings = books.prove(now=timezone.now()).findings
        return {"charges": Usage.objects.filter(**mine, charge_nano__gt=0).count(), "findings": findings}


def main() -> None:
    accounts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    call_command("migrate", verbosity=0)
    bench = Bench(accounts)
    print(json.dumps(bench.durability()), flush=True)
    for line in sys.stdin:
        print(json.dumps(bench.measure(**json.loads(line))), flush=True)
    print(json.dumps(bench.close()), flush=True)


if __name__ == "__main__":
    main()
