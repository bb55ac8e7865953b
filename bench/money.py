"""Charges per second, recorded durably, on SQLite and on PostgreSQL, beside the raw insert limit of each.

Both databases are new, measured in one run, turn by turn, by one writer each (bench/ledger.py). Read the ratios: how
many of the rows that this disk and this database could write at all are left when every row is a whole charge.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devtools import testing
from devtools.ground import ROOT
from devtools.terminal import Problem
from tests.stack import PASSED_ON, own_database

ROUNDS = 3
SIZES = (1, 8, 32, 128)
CASES = ("insert", "spread", "hot")
ACCOUNTS = 1000


class Database:
    """One database and the process that measures in it."""

    def __init__(self, name: str, url: str, folder: Path, accounts: int) -> None:
        self.name = name
        self.rates: dict[tuple[str, int], list[float]] = {(case, size): [] for case in CASES for size in SIZES}
        passed_on = {key: value for key, value in os.environ.items() if key in PASSED_ON}
        own = {"DATABASE_URL": url, "DATA_DIR": str(folder), "SECRET_KEY": secrets.token_urlsafe(32)}
        env = {**passed_on, **own, "PROFILE": "embedded", "REDIS_URL": "redis://127.0.0.1:1/0"}
        folder.mkdir()
        argv = [sys.executable, "-m", "bench.ledger", str(accounts)]
        self._process = subprocess.Popen(
            argv, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.durability = self._answer()

    def measure(self, case: str, size: int, seconds: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"case": case, "size": size, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        self.rates[case, size].append(float(self._answer()))

    def close(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.close()
        found: dict[str, Any] = self._answer()
        return found

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(("{", '"')) or line[:1].isdigit():
                return json.loads(line)
        raise Problem(f"The measuring process of {self.name} ended; what it said is above.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def databases(accounts: int) -> Iterator[list[Database]]:
    """SQLite as in production, PostgreSQL where one is there."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-money-")))
        found = [("SQLite", f"sqlite:///{folder}/money.sqlite3")]
        try:
            url = testing.environment(services=True)["DATABASE_URL"]
            found.append(("PostgreSQL", stack.enter_context(own_database(url))))
        except Problem as problem:
            print(f"Without PostgreSQL: {problem}")
        yield [stack.enter_context(Database(name, url, folder / name, accounts)) for name, url in found]


def flush_us(folder: str) -> float:
    """What one flush to this disk takes, microseconds."""
    with tempfile.TemporaryFile(dir=folder) as file:
        taken = []
        for _ in range(100):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1_000_000


def table(database: Database, accounts: int) -> str:
    def rate(case: str, size: int) -> float:
        return statistics.median(database.rates[case, size])

    heads = f"{'together':>8}  {'inserts/s':>10}  {f'charges/s, {accounts} accounts':>25}  {'of limit':>8}"
    heads += f"  {'charges/s, 1 account':>21}  {'of limit':>8}  {'hot / spread':>12}"
    lines = [f"\n{database.name} ({database.durability})", f"  {heads}"]
    for size in SIZES:
        limit, spread, hot = (rate(case, size) for case in CASES)
        lines.append(
            f"  {size:>8}  {limit:>10,.0f}  {spread:>25,.0f}  {spread / limit:>8.1%}  {hot:>21,.0f}"
            f"  {hot / limit:>8.1%}  {hot / spread:>12.2f}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench money", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1, help="of each case in each of the rounds (default 1)")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS, help="over which charges are spread")
    given = parser.parse_args()
    with databases(given.accounts) as measured:
        print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, ", end="")
        print(
            f"a flush takes {flush_us(tempfile.gettempdir()):.0f} µs; {ROUNDS} rounds of {given.seconds:g} s, in turns"
        )
        for turn in range(ROUNDS):
            for case in CASES:
                for size in SIZES:
                    for database in measured if turn % 2 == 0 else measured[::-1]:
                        database.measure(case, size, given.seconds)
        for database in measured:
            print(table(database, given.accounts))
        for database in measured:
            end = database.close()
            print(
                f"\n{database.name}: {end['charges']:,} charges; the audit found {end['findings'] or 'nothing'}.",
                end="",
            )
            if end["findings"]:
                return 1
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
