"""Spend limits against an oracle that keeps every charge with its moment: whatever is held, settled, given back or let
go, however far the clock moves, no hold passes a limit, and each line is told once.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from accounts.models import ApiKey, User
from billing import audit, charges, limits, reservations
from billing.charges import Settlement, Tokens
from billing.limits import SpendLimitReached
from billing.models import Hold, Notice, SpendLimit, Usage
from billing.money import NANO, PER_MTOK
from billing.reservations import Ask
from tests.make import make_call, make_credit, make_key, make_price, make_user

START = datetime(2026, 10, 23, 20, 0, tzinfo=UTC)  # clocks change on the 25th in Berlin, on the 1st in New York
ZONES = ["UTC", "Asia/Shanghai", "Asia/Kathmandu", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"]
WINDOWS = ["day", "week", "month"]
OURS = [name for name in audit.INVARIANTS if "spend limit" in name or name.startswith("I3")]
amounts = st.integers(1, 12)
whose = st.sampled_from([None, 0, 1])  # the account, or one of two keys
asks = st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 12), st.booleans()), min_size=1, max_size=4)


@dataclass
class Charge:
    key: int
    settled: datetime
    left: int  # what of it was not given back


@dataclass
class Rule:
    """A limit as its owner thinks of it."""

    key: int | None
    window: str
    amount: int
    period: tuple[int, ...]
    told: int = 0
    most: int = 0  # what spent and held may come to: the amount, or what it was when it was set


@dataclass
class Book:
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    charges: list[Charge] = field(default_factory=list)
    held: dict[str, tuple[int, int]] = field(default_factory=dict)  # key, amount
    rules: dict[tuple[int | None, str], Rule] = field(default_factory=dict)
    told: set[tuple[object, ...]] = field(default_factory=set)

    def period(self, window: str, moment: datetime) -> tuple[int, ...]:
        day: date = moment.astimezone(self.zone).date()
        if window == "day":
            return (day.year, day.month, day.day)
        return day.isocalendar()[:2] if window == "week" else (day.year, day.month)

    def spent(self, limit: Rule, now: datetime) -> int:
        period = self.period(limit.window, now)
        mine = [each for each in self.charges if limit.key in (None, each.key)]
        return sum(each.left for each in mine if self.period(limit.window, each.settled) == period)

    def holding(self, limit: Rule) -> int:
        return sum(amount for key, amount in self.held.values() if limit.key in (None, key))

    def left(self, key: int, now: datetime) -> int | None:
        """What the tightest limit leaves; None without any."""
        mine = [limit for limit in self.rules.values() if limit.key in (None, key)]
        lefts = [max(0, limit.amount - self.spent(limit, now) - self.holding(limit)) for limit in mine]
        return min(lefts, default=None)

    def passed(self, limit: Rule, now: datetime) -> int:
        spent = self.spent(limit, now)
        return max((percent for percent in (50, 80, 100) if spent * 100 >= limit.amount * percent), default=0)

    def roll(self, now: datetime) -> None:
        for limit in self.rules.values():
            if (period := self.period(limit.window, now)) != limit.period:
                limit.period, limit.told = period, 0

    def tell(self, limit: Rule, percent: int) -> None:
        if percent > limit.told:
            limit.told = percent
            self.told.add((limit.key, limit.window, limit.period, limit.amount, percent))


class Limits(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example._from_testcase = True  # type: ignore[attr-defined] # as in test_ledger_machine.py
        self.example.__enter__()
        self.ada = make_user("ada")
        make_credit(self.ada, paid=NANO)
        self.keys = [make_key(self.ada)[0], make_key(self.ada)[0]]
        self.price = make_price(at=START - timedelta(days=1), input_nano_per_mtok=PER_MTOK)  # one token is one nano
        self.now, self.book = START, Book()
        self.calls: dict[str, charges.Call] = {}
        self.rows: list[tuple[Usage, Charge]] = []
        self.refunds = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @initialize(zone=st.sampled_from(ZONES))
    def lives_in(self, zone: str) -> None:
        User.objects.filter(pk=self.ada.pk).update(time_zone=zone)
        self.book.zone = ZoneInfo(zone)
        self.sets(key=None, window="week", amount=20)

    @rule(key=whose, window=st.sampled_from(WINDOWS), amount=st.one_of(st.integers(6, 16), st.integers(1, 60)))
    def sets(self, key: int | None, window: str, amount: int) -> None:
        own = None if key is None else self.keys[key]
        limits.set_limit(user=self.ada, key=own, window=window, amount=amount, actor=self.ada, now=self.now)
        before = self.book.rules.get((key, window))
        limit = before or Rule(key, window, 0, self.book.period(window, self.now))
        if limit.amount != amount:
            limit.amount = amount
            limit.told = self.book.passed(limit, self.now)
        limit.most = max(amount, self.book.spent(limit, self.now) + self.book.holding(limit))
        self.book.rules[key, window] = limit

    @precondition(lambda self: len(self.book.rules) > 1)
    @rule(data=st.data())
    def removes(self, data: st.DataObject) -> None:
        key, window = data.draw(st.sampled_from(sorted(self.book.rules, key=str)))
        own = None if key is None else self.keys[key]
        limits.remove_limit(limit=SpendLimit.objects.get(key=own, window=window), actor=self.ada, now=self.now)
        del self.book.rules[key, window]
        # A limit of that key and window that is set later is another one, and tells anew.
        self.book.told = {("gone", *told) if told[:2] == (key, window) else told for told in self.book.told}

    @rule(group=asks)
    def holds(self, group: list[tuple[int, int, bool]]) -> None:
        """Several at once; some can do with less."""
        self.hold(group)

    def hold(self, group: list[tuple[int, int, bool]]) -> None:
        wanted = []
        for key, amount, shrinks in group:
            call = make_call(self.keys[key], started_at=self.now)
            self.calls[call.request_id] = call
            ask = Ask(call.request_id, self.ada.pk, call.key_id, amount, self.now, self.now + timedelta(days=99), {})
            wanted.append((key, replace(ask, smaller=lambda left: left) if shrinks else ask))
        answers = reservations.hold_many([ask for _, ask in wanted])
        refused = []
        for (key, ask), answer in zip(wanted, answers, strict=True):
            left = self.book.left(key, self.now)
            fits = ask.amount if left is None or ask.amount <= left else (left if ask.smaller else 0)
            if fits or not ask.amount:
                assert isinstance(answer, Hold)
                assert answer.amount == fits
                self.book.held[ask.request_id] = (key, fits)
            else:
                assert isinstance(answer, SpendLimitReached)
                assert answer.left == left
                refused.append(self.book.rules[_index(self.keys, answer.limit.key_id), answer.window])
        for limit in refused:
            if self.book.spent(limit, self.now) * 100 >= 80 * limit.amount:
                self.book.tell(limit, 100)

    @rule(key=st.sampled_from([0, 1]), calls=st.lists(st.integers(1, 12), min_size=1, max_size=6))
    def spends(self, key: int, calls: list[int]) -> None:
        """Call after call, each for all that was held."""
        for amount in calls:
            before = set(self.book.held)
            self.hold([(key, amount, False)])
            self.settle(dict.fromkeys(self.book.held.keys() - before, 100))

    @precondition(lambda self: self.book.held)
    @rule(data=st.data(), parts=st.lists(st.integers(0, 100), min_size=3, max_size=3))
    def settles(self, data: st.DataObject, parts: list[int]) -> None:
        """Together, each for a part of what was held."""
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.book.held)), min_size=1, max_size=3, unique=True))
        self.settle(dict(zip(chosen, parts, strict=False)))

    def settle(self, parts: dict[str, int]) -> None:
        ended = []
        for name, part in parts.items():
            key, held = self.book.held.pop(name)
            cost = held * part // 100
            tokens = Tokens(input=cost)
            call = self.calls[name]
            call = replace(call, started_at=max(call.started_at, self.now - limits.LONGEST_CALL))
            ended.append(Settlement(call, tokens, self.price, Usage.Source.UPSTREAM, Usage.Status.OK, 200))
            self.book.charges.append(Charge(key, self.now, cost))
        if not ended:
            return
        rows = charges.settle_many(ended, now=self.now)
        self.rows += zip(rows, self.book.charges[-len(rows) :], strict=True)
        touched = {charge.key for charge in self.book.charges[-len(rows) :] if charge.left}
        for limit in self.book.rules.values():
            if touched and limit.key in {None, *touched}:
                self.book.tell(limit, self.book.passed(limit, self.now))

    @precondition(lambda self: self.book.held)
    @rule(data=st.data())
    def lets_go(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.book.held)))
        assert reservations.release(request_id=name, now=self.now)
        del self.book.held[name]

    @precondition(lambda self: any(charge.left for _, charge in self.rows))
    @rule(data=st.data(), part=st.integers(1, 100))
    def gives_back(self, data: st.DataObject, part: int) -> None:
        usage, charge = data.draw(st.sampled_from([pair for pair in self.rows if pair[1].left]))
        amount = max(1, charge.left * part // 100)
        self.refunds += 1
        charges.refund(usage=usage, amount=amount, n=self.refunds, actor=None, reason="x", now=self.now)
        charge.left -= amount

    @rule(minutes=st.one_of(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60 * 24 * 12)))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.book.roll(self.now)

    @rule(before=st.sampled_from([timedelta(0), timedelta(microseconds=1)]))
    def it_is_midnight(self, before: timedelta) -> None:
        """Or the last moment before it."""
        day = self.now.astimezone(self.book.zone).date() + timedelta(days=1)
        midnight = datetime.combine(day, time(), self.book.zone).astimezone(UTC)
        self.now = max(self.now, midnight - before)
        self.book.roll(self.now)

    @invariant()
    def the_standings_are_those_of_the_oracle(self) -> None:
        found = {
            (_index(self.keys, each.key_id), each.window): (each.spent_nano, each.held_nano, each.left_nano)
            for each in limits.standings(self.ada, self.now)
        }
        expected = {}
        for name, limit in self.book.rules.items():
            spent, held = self.book.spent(limit, self.now), self.book.holding(limit)
            expected[name] = (spent, held, max(0, limit.amount - spent - held))
            assert spent + held <= limit.most
        assert found == expected

    @invariant()
    def each_line_is_told_once(self) -> None:
        assert Notice.objects.filter(user=self.ada).count() == len(self.book.told)

    @invariant()
    def the_books_agree(self) -> None:
        for name in OURS:
            assert audit._offenders(audit.INVARIANTS[name]) == [], name


def _index(keys: list[ApiKey], key_id: int | None) -> int | None:
    return next((number for number, key in enumerate(keys) if key.pk == key_id), None)


@pytest.mark.django_db
def test_limits_agree_with_the_oracle_whatever_happens() -> None:
    quick = settings(
        max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    run(Limits, settings=quick)
