"""What the gateway costs: paired rounds, direct to a provider and through us, in one interleaved run.

Everything is on: key, hold, settling, journal. The provider (bench/provider.py) answers at once, so what is added is
ours. Read the ratios; absolute numbers are of this machine at this hour: load, gateway and provider share its cores.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

from devtools import processes
from tests.stack import ROOT, Stack, new_stack

MODEL = "gpt-5.4-mini"
ROUNDS = 3
CONNECTIONS = 16
STREAMS = 50


@dataclass
class Series:
    """Measurements of one target: every round's calls per second, and every call's milliseconds."""

    per_second: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    failed: int = 0

    def at(self, share: float, values: list[float]) -> float:
        return statistics.quantiles(values, n=100)[round(share * 100) - 1] if len(values) > 1 else float("nan")


@dataclass(frozen=True)
class Target:
    name: str
    url: str
    key: str


async def call(session: aiohttp.ClientSession, target: Target, series: Series, *, stream: bool) -> None:
    body = {"model": MODEL, "stream": stream, "max_tokens": 64, "messages": [{"role": "user", "content": "Count."}]}
    began, first = time.perf_counter(), 0.0
    async with session.post(target.url, json=body, headers={"Authorization": f"Bearer {target.key}"}) as answer:
        async for _ in answer.content.iter_any():
            first = first or time.perf_counter()
        good = answer.status == 200
    if not good:
        series.failed += 1
        return
    series.total_ms.append((time.perf_counter() - began) * 1000)
    series.first_ms.append((first - began) * 1000)


async def closed_loop(target: Target, series: Series, *, seconds: float, connections: int, stream: bool) -> None:
    """As many calls as fit: each connection asks again as soon as it is answered."""
    deadline = time.perf_counter() + seconds

    async def client() -> int:
        count = 0
        while time.perf_counter() < deadline:
            await call(session, target, series, stream=stream)
            count += 1
        return count

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        done = sum(await asyncio.gather(*(client() for _ in range(connections))))
        series.per_second.append(done / (time.perf_counter() - began))


async def paired(targets: list[Target], *, seconds: float, connections: int, stream: bool) -> dict[str, Series]:
    found = {target.name: Series() for target in targets}
    for target in targets:  # connections, caches and imports are warm before anything counts
        await closed_loop(target, Series(), seconds=0.5, connections=connections, stream=stream)
    for turn in range(ROUNDS):
        for target in targets if turn % 2 == 0 else reversed(targets):
            await closed_loop(target, found[target.name], seconds=seconds, connections=connections, stream=stream)
    return found


@contextmanager
def provider() -> Iterator[str]:
    port = processes.free_port()
    argv = [sys.executable, "-m", "uvicorn", "bench.provider:application", "--port", str(port)]
    argv += [
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
        "--lifespan",
        "off",
    ]
    process = processes.start(argv, env={"PATH": "/usr/bin:/bin"}, cwd=ROOT)
    try:
        assert processes.wait_for(lambda: processes.port_is_taken("127.0.0.1", port), timeout_s=10)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        processes.kill(process)


def tell(title: str, found: dict[str, Series], *, first: bool) -> None:
    direct, ours = found["direct"], found["gateway"]
    print(f"\n{title}")
    for name, series in found.items():
        values = series.first_ms if first else series.total_ms
        rounds = ", ".join(f"{value:.0f}" for value in series.per_second)
        rate, p50, p99 = statistics.median(series.per_second), series.at(0.5, values), series.at(0.99, values)
        failed = f"   {series.failed} failed" if series.failed else ""
        print(f"  {name:<8} {rate:8.0f} /s [{rounds}]   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms{failed}")
    mine, theirs = (ours.first_ms, direct.first_ms) if first else (ours.total_ms, direct.total_ms)
    added = [ours.at(share, mine) - direct.at(share, theirs) for share in (0.5, 0.99)]
    ratio = statistics.median(d / o for d, o in zip(direct.per_second, ours.per_second, strict=True))
    what = "first byte" if first else "latency"
    print(f"  added {what}: p50 {added[0]:+.2f} ms, p99 {added[1]:+.2f} ms;  direct / gateway throughput: {ratio:.1f}")


def settles(stack: Stack, seconds: float) -> str:
    argv = [sys.executable, "-m", "bench.ledger", "1"]
    asked = json.dumps({"case": "hot", "size": 1, "seconds": seconds}) + "\n"
    done = subprocess.run(argv, cwd=ROOT, env=stack.env, input=asked, capture_output=True, text=True, check=True)
    return f"{float(done.stdout.splitlines()[1]):.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each of the three rounds (default 3)")
    seconds = parser.parse_args().seconds
    with provider() as upstream, new_stack() as stack:
        stack.manage(
            *("add_channel", "bench", "--protocol", "openai", "--base-url", upstream, "--api-key", "k"),
            *("--models", MODEL, "--priority", "100"),
        )
        person = stack.new_user("bench", credit="1000")
        targets = [
            Target("direct", f"{upstream}/chat/completions", "k"),
            Target("gateway", f"{stack.url}/v1/chat/completions", person.key),
        ]
        database = "PostgreSQL" if stack.env["DATABASE_URL"].startswith("postgres") else "SQLite"
        print(f"{database}, Python {sys.version.split()[0]}, {ROUNDS} rounds of {seconds:g} s, paired")
        one = asyncio.run(paired(targets, seconds=seconds, connections=1, stream=False))
        tell("One call after the other", one, first=False)
        many = asyncio.run(paired(targets, seconds=seconds, connections=CONNECTIONS, stream=False))
        tell(f"{CONNECTIONS} connections", many, first=False)
        streams = asyncio.run(paired(targets, seconds=seconds, connections=STREAMS, stream=True))
        tell(f"{STREAMS} streams of 20 pieces at 50 a second", streams, first=True)
        print(f"\nHold, settle and journal in one process: {settles(stack, seconds)} calls/s")
        stack.manage("ledger_audit")
        print("The books balance afterwards.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
