"""Ten million calls in a few minutes: rows made here, copied in by the hour, with their postings, summed by SQL.

The same rows each time (a seeded generator), up to ids and the present hour. One hot account has four of five calls.
The books are whole afterwards: every charge is posted, every posting explained, every hour the sum of its calls.
"""

import random
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Field

from accounts import keys
from accounts.models import User
from billing import ledger, prices, rollups
from billing.ledger import account
from billing.models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn, Price, Usage
from billing.money import NANO
from console import people

DAYS = 120
HOT, OTHERS = 0.8, 9
SHARES = [HOT, *((1 - HOT) * 2 * (OTHERS - n) / (OTHERS * (OTHERS + 1)) for n in range(OTHERS))]
# How busy an hour of the day is; nobody sleeps everywhere.
DAYTIME = [3, 2, 2, 2, 2, 3, 4, 6, 8, 9, 9, 9, 8, 9, 9, 9, 8, 7, 7, 6, 6, 5, 4, 4]
RARE_MODEL, RARE_STATUS = "gpt-4-vintage", Usage.Status.EXPIRED
_CHAT = ("gpt-5.4-mini", "gpt-5.5", "gpt-5.4", "gemini-2.5-flash", "gemini-2.5-pro", "deepseek-v4", "qwen-4")
MODELS = {
    **dict.fromkeys((*_CHAT, RARE_MODEL), "chat/completions"),
    **dict.fromkeys(("gpt-5.5-pro", "gpt-5.4-nano"), "responses"),
    **dict.fromkeys(("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-5"), "messages"),
    **dict.fromkeys(("gpt-image-2", "gpt-image-1"), "images/generations"),
}
ENDED = [(Usage.Status.OK, 0.965), (Usage.Status.FAILED, 0.02), (Usage.Status.STOPPED, 0.015)]
POOL = 20_000  # kinds of calls of one person
NULL = r"\N"
RARE_PER_ACCOUNT = 60  # calls of the rare model, and as many that ended in the rare way


@dataclass
class Person:
    user: User
    share: float
    wishes: list[tuple[int, str]]  # key and model, as often as they come together
    weights: list[float]
    paid: LedgerAccount


@dataclass
class World:
    people: list[Person]
    prices: dict[str, Price]
    first_hour: datetime
    end: datetime
    rows: int = 0

    @property
    def hot(self) -> User:
        return self.people[0].user


def seed(rows: int, *, now: datetime, say: Callable[[str], None]) -> World:
    chance = random.Random(20261123)
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    world = _world(chance, end)
    say(f"{rows:,} calls of {len(world.people)} accounts over {DAYS} days")
    without = _WithoutIndexes()
    without.drop()
    for done, batch in enumerate(_days(world, rows, chance), start=1):
        batch.write()
        world.rows += len(batch.calls)
        if done % 20 == 0:
            say(f"  {world.rows:,} calls")
    without.restore()
    say("  indexes")
    _sum_up()
    say("  sums of each hour and day")
    _tidy()
    return world


def _world(chance: random.Random, end: datetime) -> World:
    start = end - timedelta(days=DAYS)
    found = []
    priced = {
        model: prices.set_price(
            model=model,
            effective_from=start - timedelta(days=1),
            input_nano_per_mtok=chance.randrange(1, 50) * NANO // 10,
            cached_input_nano_per_mtok=chance.randrange(1, 50) * NANO // 100,
            output_nano_per_mtok=chance.randrange(10, 300) * NANO // 10,
            image_nano={"1024x1024/*": 40_000_000} if endpoint.startswith("images") else {},
        )
        for model, endpoint in MODELS.items()
    }
    common = [model for model in MODELS if model != RARE_MODEL]
    for number, share in enumerate(SHARES):
        name = f"bench{number}@example.com"
        user = people.create_person(email=name, password="correct horse battery staple", now=start, verified=True)
        ledger.grant(user=user, amount=2_000_000_000 * NANO // 1000, kind="paid", reason="bench", actor=None, now=start)
        own = [keys.issue(user=user, name=f"service {n}")[0].pk for n in range(3 if number else 12)]
        wishes, weights = [], []
        for place, key in enumerate(own):
            for rank, model in enumerate(chance.sample(common, 3 if number else 5)):
                wishes.append((key, model))
                weights.append(1 / (place + 1) / (rank + 1))
        found.append(Person(user, share, wishes, list(accumulate(weights)), account(AccountKind.USER_PAID, user)))
    return World(found, priced, start, end)


@dataclass(frozen=True, slots=True)
class Kind:
    """A call but for its id, its moments and its posting: what most calls have in common with thousands of others."""

    took: timedelta
    charge: int
    values: tuple[Any, ...]
    text: str  # the same for COPY


@dataclass(slots=True)
class _Batch:
    """The calls of one day with their postings: one per person and hour."""

    next_txn: int
    calls: list[tuple[str, datetime, int | None, Kind]] = field(default_factory=list)
    txns: list[LedgerTxn] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)

    def add(self, person: Person, hour: datetime, kinds: list[Kind], chance: random.Random, revenue: Any) -> None:
        charged = sum(kind.charge for kind in kinds)
        if charged:
            key, moment = f"bench:{person.user.pk}:{hour.isoformat()}", hour + timedelta(hours=1)
            named = {"kind": "usage", "idempotency_key": key, "source_type": "usage"}
            txn = LedgerTxn(pk=self.next_txn, effective_at=moment, **named)
            self.txns.append(txn)
            self.entries.append(LedgerEntry(txn=txn, debit=person.paid, credit=revenue, amount=charged))
        for kind, micros in zip(kinds, sorted(chance.choices(range(3_600_000_000), k=len(kinds))), strict=True):
            began, name = hour + timedelta(microseconds=micros), f"req_{chance.getrandbits(104):026x}"
            self.calls.append((name, began, self.next_txn if kind.charge else None, kind))
        self.next_txn += 1 if charged else 0

    def write(self) -> None:
        with transaction.atomic():
            LedgerTxn.objects.bulk_create(self.txns, batch_size=500)
            LedgerEntry.objects.bulk_create(self.entries, batch_size=500)
            if connection.vendor == "postgresql":
                _copy(self)
            else:
                _insert_many(self)


def _days(world: World, rows: int, chance: random.Random) -> Iterator[_Batch]:
    revenue = account(AccountKind.REVENUE_API)
    per_weight = rows / (sum(DAYTIME) * DAYS)
    newest = LedgerTxn.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    batch, rare = _Batch(newest + 1), _rare(world, chance)
    pools = [[_kind(person, world, chance) for _ in range(POOL)] for person in world.people]
    for number in range(DAYS * 24):
        hour = world.first_hour + timedelta(hours=number)
        if number and number % 24 == 0:
            yield batch
            batch = _Batch(batch.next_txn)
        for person, pool in zip(world.people, pools, strict=True):
            kinds = chance.choices(pool, k=round(per_weight * DAYTIME[hour.hour] * person.share))
            if person is world.people[0]:
                kinds += rare.get(number, [])
            batch.add(person, hour, kinds, chance, revenue)
    yield batch


def _rare(world: World, chance: random.Random) -> dict[int, list[Kind]]:
    found: dict[int, list[Kind]] = {}
    for model, status in [(RARE_MODEL, ""), ("", str(RARE_STATUS))] * RARE_PER_ACCOUNT:
        kind = _kind(world.people[0], world, chance, model=model, status=status)
        found.setdefault(chance.randrange(DAYS * 24), []).append(kind)
    return found


def _kind(person: Person, world: World, chance: random.Random, *, model: str = "", status: str = "") -> Kind:
    key, usual = person.wishes[bisect(person.weights, chance.random() * person.weights[-1])]
    model = model or usual
    endpoint, price = MODELS[model], world.prices[model]
    status = status or _ending(chance.random())
    delivered = status in {"ok", "stopped"}
    took = chance.randrange(200, 20_000)
    tokens = _tokens(endpoint, chance) if delivered else prices.Tokens()
    charge = prices.cost(price, tokens)
    given: dict[str, Any] = {
        "user_id": person.user.pk,
        "key_id": key,
        "model": model,
        "endpoint": endpoint,
        "channel": "bench",
        "stream": chance.random() < 0.7,
        "status": status,
        "http_status": 200 if delivered else 502,
        "source": "upstream" if delivered else "none",
        "not_charged_because": "" if delivered else "failed_before_output",
        "price_id": price.pk,
        "held_nano": 50_000_000,
        "total_ms": took,
        "first_byte_ms": min(took, chance.randrange(80, 900)),
        "input_tokens": tokens.input,
        "cached_tokens": tokens.cached,
        "output_tokens": tokens.output,
        "reasoning_tokens": tokens.reasoning,
        "images": tokens.images,
        "image_class": tokens.image_class,
        "charge_nano": charge,
        "paid_nano": charge,
    }
    values = tuple(given.get(name, default) for name, default in _columns().items())
    text = "\t".join(r"\N" if value is None else str(value) for value in values)
    return Kind(timedelta(milliseconds=took), charge, values, text)


def _tokens(endpoint: str, chance: random.Random) -> prices.Tokens:
    if endpoint.startswith("images"):
        return prices.Tokens(images=1, image_class="1024x1024/high")
    size = int(chance.expovariate(1 / 900)) + 5
    cached = size // 2 if chance.random() < 0.4 else 0
    thought = int(chance.expovariate(1 / 300)) if chance.random() < 0.3 else 0
    answer = int(chance.expovariate(1 / 250)) + 1
    return prices.Tokens(input=size - cached, cached=cached, output=answer, reasoning=thought)


def _ending(number: float) -> str:
    for status, share in ENDED:
        number -= share
        if number < 0:
            return str(status)
    return str(Usage.Status.OK)


# --- into the table ---------------------------------------------------------------------------------------------------

OF_EACH = ("request_id", "started_at", "settled_at", "txn_id")


@cache
def _columns() -> dict[str, Any]:
    """Every other column of a call, and what stands there when nothing is said."""
    found = {}
    for each in Usage._meta.concrete_fields:  # noqa: SLF001 Django documents it
        assert isinstance(each, Field)
        found[str(each.column)] = each.get_default()
    return {name: default for name, default in found.items() if name not in OF_EACH}


def _insert_many(batch: _Batch) -> None:
    names = (*OF_EACH, *_columns())
    query = f"INSERT INTO billing_usage ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
    adapt = connection.ops.adapt_datetimefield_value
    rows = ((name, adapt(began), adapt(began + kind.took), txn, *kind.values) for name, began, txn, kind in batch.calls)
    with connection.cursor() as cursor:
        cursor.executemany(query, list(rows))


def _copy(batch: _Batch) -> None:
    """COPY as text: nothing in these rows needs a backslash. Foreign keys are right by construction, not looked up."""
    names = ", ".join((*OF_EACH, *_columns()))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        with cursor.copy(f"COPY billing_usage ({names}) FROM STDIN") as into:
            for start in range(0, len(batch.calls), 2000):
                into.write(
                    "".join(
                        f"{name}\t{began}\t{began + kind.took}\t{txn or NULL}\t{kind.text}\n"
                        for name, began, txn, kind in batch.calls[start : start + 2000]
                    )
                )
        cursor.execute("SET LOCAL session_replication_role = origin")  # the ledger's triggers are back


class _WithoutIndexes:
    """An index that is built at the end is cheaper than one that grows with every row."""

    def __init__(self) -> None:
        self._statements: list[str] = []

    def drop(self) -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'billing_usage' AND indexname <> %s",
                    ["billing_usage_pkey"],
                )
                found = dict(cursor.fetchall())
                cursor.execute("ALTER TABLE billing_usage DROP CONSTRAINT billing_usage_pkey CASCADE")
                self._statements.append("ALTER TABLE billing_usage ADD PRIMARY KEY (request_id)")
            else:
                cursor.execute(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'billing_usage' "
                    "AND sql IS NOT NULL"
                )
                found = dict(cursor.fetchall())
            for name, statement in found.items():
                if name.endswith("_like"):
                    continue
                cursor.execute(f'DROP INDEX IF EXISTS "{name}"')
                self._statements.append(statement)

    def restore(self) -> None:
        with connection.cursor() as cursor:
            for statement in self._statements:
                cursor.execute(statement)


def _sum_up() -> None:
    """Hours out of calls, days out of hours."""
    names, sums = ", ".join(rollups.NAMES), ", ".join(rollups.SUMS)
    of_calls = ", ".join("COUNT(*)" if name == "calls" else f"SUM({name})" for name in rollups.SUMS)
    of_hours = ", ".join(f"SUM({name})" for name in rollups.SUMS)
    hour, day = "date_trunc('hour', started_at)", "CAST(hour AS date)"
    if connection.vendor == "sqlite":
        hour, day = "substr(started_at, 1, 13) || ':00:00'", "substr(hour, 1, 10)"
    with connection.cursor() as cursor:
        for into, column, begin, asked, source in (
            ("billing_usagehour", "hour", hour, of_calls, "billing_usage"),
            ("billing_usageday", "day", day, of_hours, "billing_usagehour"),
        ):
            cursor.execute(
                f"INSERT INTO {into} ({column}, {names}, {sums}) SELECT {begin}, {names}, {asked} FROM {source} "
                f"GROUP BY 1, {names} ORDER BY 1, {names}"
            )


def _tidy() -> None:
    """What a database that has run for months has done by itself."""
    tables = [apps.get_model("billing", name) for name in ("LedgerTxn", "LedgerEntry")]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables):
            cursor.execute(statement)
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
