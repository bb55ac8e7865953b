"""How long the pages and answers about usage take for somebody with millions of calls. `./dev bench usage`.

Makes a database of its own, fills it (bench/usage_seed.py), asks each page and each answer of the API through the real
Django with a fresh connection each time, prints p50 and p95, and drops it again.
"""

import argparse
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

LIMIT_MS = 100.0
ZONES = ("UTC", "Asia/Shanghai", "Asia/Kolkata")


@contextmanager
def scratch(url: str) -> Iterator[str]:
    """A database that is there only meanwhile: on the server of `url`, or a file where that is SQLite or nothing."""
    if not url.startswith("postgres"):
        with tempfile.TemporaryDirectory(prefix="bench-usage-") as folder:
            yield f"sqlite:///{folder}/usage.sqlite3"
        return
    import psycopg

    name = f"bench_usage_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@dataclass
class Page:
    name: str
    path: str
    zone: str = "UTC"
    ms: list[float] = field(default_factory=list)
    status: int = 0

    @property
    def p50(self) -> float:
        return statistics.median(self.ms)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.ms, n=20)[-1]


class Bench:
    """Everything after Django is set up on the scratch database."""

    def __init__(self, *, turns: int) -> None:
        from django.test import Client

        from accounts import keys
        from accounts.models import User

        self.turns = turns
        self.hot = User.objects.get(email="bench0@example.com")
        _, plain = keys.issue(user=self.hot, name="for the bench")
        self.browser = Client(HTTP_HOST="localhost")
        self.browser.force_login(self.hot)
        self.program = Client(HTTP_HOST="localhost", headers={"Authorization": f"Bearer {plain}"})

    def run(self) -> list[Page]:
        from django.utils import timezone

        pages = self._pages(timezone.now())
        for page in pages:
            self._measure(page)
            flag = "" if page.p95 < LIMIT_MS else "   ← over"
            print(f"  {page.name:<44} {page.p50:8.1f} {page.p95:8.1f} ms   {page.status}{flag}", flush=True)
        return pages

    def _measure(self, page: Page) -> None:
        from django.db import connection

        from accounts import time_zones

        time_zones.choose(user=self.hot, name=page.zone)
        client = self.program if page.path.startswith("/api/") else self.browser
        for turn in range(self.turns + 2):
            connection.close()  # as a server: a connection for each request
            began = time.perf_counter()
            answer = client.get(page.path)
            took = (time.perf_counter() - began) * 1000
            page.status = answer.status_code
            if turn > 1:  # templates and plans are warm
                page.ms.append(took)

    def _pages(self, now: datetime) -> list[Page]:
        from billing.models import Usage

        calls = Usage.objects.filter(user=self.hot).order_by("-started_at")
        one, deep = calls[1000], calls.filter(started_at__lte=now - timedelta(days=100)).first()
        assert deep is not None
        zones = ("Asia/Shanghai", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu")
        return [
            *(Page(f"usage: {name}", f"/usage/?{urlencode(query)}") for name, query in _lists(one, deep, now).items()),
            *(Page(f"usage: {zone}", "/usage/", zone) for zone in zones),
            *(Page(f"usage: 90 days, {zone}", "/usage/?time=90", zone) for zone in zones),
            Page("receipt", f"/usage/{one.request_id}/"),
            Page("dashboard", "/dashboard/"),
            Page("dashboard, Asia/Kolkata", "/dashboard/", "Asia/Kolkata"),
            Page("wallet", "/billing/"),
            Page("keys", "/keys/"),
            *(
                Page(f"api usage: {name}", f"/api/v1/usage/?{urlencode(query)}")
                for name, query in _answers(one, now).items()
            ),
            Page("api receipt", f"/api/v1/usage/{one.request_id}/"),
            Page("api balance", "/api/v1/balance/"),
        ]


def _lists(one: Any, deep: Any, now: datetime) -> dict[str, dict[str, str]]:
    """What the page of usage is asked for: around one call, and far back from another."""
    from bench.usage_seed import RARE_MODEL
    from billing.usage_rows import place_of

    key, after = one.key.public_id, place_of(deep).sealed
    asked: dict[str, dict[str, str]] = {
        "as it opens (30 days)": {},
        "today": {"time": "1"},
        "7 days": {"time": "7"},
        "90 days": {"time": "90"},
        "all time": {"time": "all"},
        "a month": {"time": (now - timedelta(days=40)).strftime("%Y-%m")},
        "from, to the minute": {"from": (now - timedelta(days=20)).strftime("%Y-%m-%dT%H:17")},
        "key": {"key": key},
        "model": {"model": one.model},
        "endpoint": {"endpoint": one.endpoint},
        "status ok": {"status": "ok"},
        "status failed": {"status": "failed"},
        "rare status, 90 days": {"status": "expired", "time": "90"},
        "rare status, all time": {"status": "expired", "time": "all"},
        "rare model, all time": {"model": RARE_MODEL, "time": "all"},
        "key and model and status": {"key": key, "model": one.model, "status": "stopped", "time": "90"},
        "100 days deep": {"time": "all", "after": after},
        "100 days deep, newer": {"time": "all", "before": after},
        "100 days deep, rare status": {"time": "all", "status": "expired", "after": after},
        "100 days deep, key": {"time": "all", "key": key, "after": after},
        "one UTC day, as charged": {"day": (now - timedelta(days=9)).strftime("%Y-%m-%d")},
    }
    groups = ("hour", "day", "week", "month", "model", "key", "endpoint", "status")
    asked |= {f"by {by}": {"by": by} for by in groups}
    return asked | {f"by {by}, 90 days": {"by": by, "time": "90"} for by in ("day", "week", "model", "key")}


def _answers(one: Any, now: datetime) -> dict[str, dict[str, str]]:
    """What the API is asked for."""
    from bench.usage_seed import RARE_MODEL

    then = now - timedelta(days=30)
    return {
        "list": {},
        "list of 100": {"limit": "100"},
        "from": {"from": then.strftime("%Y-%m-%dT%H:17:00Z")},
        "key": {"key": one.key.public_id},
        "model": {"model": one.model},
        "rare status": {"status": "expired"},
        "rare model": {"model": RARE_MODEL},
        "by day, 30 days": {"group_by": "day", "from": then.strftime("%Y-%m-%dT00:00:00Z")},
        "by model": {"group_by": "model"},
        "by month": {"group_by": "month"},
    }


def set_up(url: str, folder: str) -> None:
    """Django on this database; its files in a folder of its own."""
    os.environ |= {"DATABASE_URL": url, "DATA_DIR": folder, "PROFILE": "embedded"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("collectstatic", interactive=False, verbosity=0)


def fill(rows: int) -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from bench import usage_seed

    call_command("migrate", verbosity=0)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
    began = time.perf_counter()
    usage_seed.seed(rows, now=timezone.now(), say=print)
    print(f"  in {time.perf_counter() - began:.0f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench usage", description=__doc__)
    parser.add_argument(
        "--rows", type=int, help="calls to make (default: 10 million on PostgreSQL, 1 million on SQLite)"
    )
    parser.add_argument("--turns", type=int, default=40, help="how often each page is asked for (default 40)")
    parser.add_argument(
        "--keep", action="store_true", help="fill the database of DATABASE_URL itself and leave it there"
    )
    parser.add_argument("--measure", action="store_true", help="with --keep: it is filled already")
    given = parser.parse_args()
    url = os.environ.get("DATABASE_URL", "")
    rows = given.rows or (10_000_000 if url.startswith("postgres") else 1_000_000)
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        if given.keep:
            return bench(url, folder, rows, given)
        with scratch(url) as made:
            return bench(made, folder, rows, given)


def bench(url: str, folder: str, rows: int, given: argparse.Namespace) -> int:
    set_up(url, folder)
    from django.db import connection

    if not given.measure:
        fill(rows)
    print(f"{connection.display_name}, Python {sys.version.split()[0]}, {given.turns} times each\n")
    print(f"  {'':<44} {'p50':>8} {'p95':>8}")
    pages = Bench(turns=given.turns).run()
    slow = [page for page in pages if page.p95 >= LIMIT_MS]
    print(f"\n{len(pages) - len(slow)} of {len(pages)} answer within {LIMIT_MS:.0f} ms at p95.")
    connection.close()
    return 1 if slow or any(page.status != 200 for page in pages) else 0


if __name__ == "__main__":
    sys.exit(main())
