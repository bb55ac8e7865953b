"""Rules of calls: hold, settle one or many, release, sweep, give a charge back, limits of a day."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule

from accounts.models import ApiKey
from billing import charges, limits, reservations
from billing.charges import Call, Settlement, Tokens
from billing.models import LedgerTxn, Price, Usage
from billing.money import PER_MTOK
from tests.make import make_call, make_key, make_price
from tests.stateful.machine.world import PEOPLE, World, amounts, both_refuse, people, same
from tests.stateful.states import DAY, Refused

RELATIVE = st.sampled_from(["some", "all", "one too many", "most"])
lasting = st.integers(1, 30)


class Calls(World):
    calls = Bundle("calls")

    def set_up(self) -> None:
        super().set_up()
        self.keys: dict[str, ApiKey] = {name: make_key(self.users[name])[0] for name in PEOPLE}
        self.price: Price = make_price(input_nano_per_mtok=PER_MTOK)  # one token is one nano
        self.facts: dict[str, Call] = {}

    # --- before ----------------------------------------------------------------------------------------------------
    @rule(target=calls, who=people, amount=st.one_of(st.just(0), amounts), relative=RELATIVE, lasts=lasting)
    def hold(self, who: str, amount: int, relative: str = "some", lasts: int = 10) -> object:
        ask = self._ask(who, amount, relative, lasts)
        made = self._hold([(ask, lasts)])
        return made[0] if made else multiple()

    @rule(target=calls, first=people, second=people, amount=amounts, relative=RELATIVE)
    def hold_together(self, first: str, second: str, amount: int, relative: str) -> object:
        """Three at once; what one of them takes is gone for the next."""
        asks = [(self._ask(who, amount, relative, 5), 5) for who in (first, second, first)]
        return multiple(*self._hold(asks))

    def _ask(self, who: str, amount: int, relative: str, lasts: int) -> reservations.Ask:
        spendable = self.oracle.spendable(who)
        most = max(0, min(spendable, self.oracle.within_limit(who)))
        amount = {"some": amount, "all": spendable, "one too many": spendable + 1, "most": most}[relative]
        call = make_call(self.keys[who], started_at=self.now)
        self.facts[call.request_id] = call
        return reservations.Ask(
            request_id=call.request_id,
            user_id=call.user_id,
            key_id=call.key_id,
            amount=amount,
            now=self.now,
            expires_at=self.now + timedelta(minutes=lasts),
            context={"model": call.model, "endpoint": call.endpoint},
        )

    def _hold(self, asks: Sequence[tuple[reservations.Ask, int]]) -> list[str]:
        """The request ids of those that got through."""
        names = {user.pk: name for name, user in self.users.items()}
        expected = []
        for ask, lasts in asks:
            try:
                self.oracle.hold(ask.request_id, names[ask.user_id], ask.amount, lasts)
                expected.append(True)
            except Refused:
                expected.append(False)
        plain = [ask for ask, _ in asks]
        answers = reservations.hold_many(plain)
        assert [not isinstance(answer, Exception) for answer in answers] == expected, answers
        held = [ask for ask, fine in zip(plain, expected, strict=True) if fine]
        if held:
            self.again.append(lambda: reservations.hold_many(held))
        return [ask.request_id for ask in held]

    # --- after -----------------------------------------------------------------------------------------------------
    @rule(request=calls, beyond=st.integers(-12, 12), free=st.booleans())
    def settle(self, request: str, beyond: int = 0, free: bool = False) -> None:  # noqa: FBT001, FBT002 drawn
        self._settle([request], beyond, free=free)

    @rule(first=calls, second=calls, third=calls, beyond=st.integers(-12, 12))
    def settle_together(self, first: str, second: str, third: str, beyond: int) -> None:
        """A group as the gateway makes them; the same call may be in it twice."""
        self._settle([first, second, third, first], beyond, free=False)

    @rule(request=calls)
    def upstream_fails(self, request: str) -> None:
        """Nothing was delivered: the hold is released, the row says why nothing is charged."""
        self._settle([request], 0, free=True, status=Usage.Status.FAILED)

    def _settle(self, requests: list[str], beyond: int, *, free: bool, status: Usage.Status = Usage.Status.OK) -> None:
        costs = {}
        for request in requests:
            call = self.oracle.calls[request]
            if call.state == "released" and call.settled is None:
                continue  # released for good: the gateway never settles such a call
            costs[request] = 0 if free else max(0, sum(call.parts.values()) + beyond)
        if not costs:
            return
        self.oracle.settle(costs)
        now = self.now

        def settle() -> list[Usage]:
            facts = {"source": Usage.Source.UPSTREAM, "status": status, "http_status": 200}
            return charges.settle_many(
                [
                    Settlement(call=self.facts[each], tokens=Tokens(input=costs[each]), price=self.price, **facts)  # type: ignore[arg-type] # a dict of facts
                    for each in requests
                    if each in costs
                ],
                now=now,
            )

        rows = settle()
        for row in rows:
            expected = self.oracle.calls[row.pk]
            assert row.charge_nano == expected.charge
            assert (row.uncollected_nano, row.late) == (expected.uncollected, expected.late)
            assert dict(row.parts) == expected.charged
        self.again.append(lambda: same(settle(), rows))

    @rule(request=calls)
    def release(self, request: str) -> None:
        assert reservations.release(request_id=request, now=self.now) == self.oracle.release(request)

    @rule(minutes=st.integers(1, 20))
    def time_passes(self, minutes: int) -> None:
        self.oracle.minute += minutes
        assert reservations.sweep(now=self.now) == self.oracle.sweep()

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.time_passes(days * DAY)

    @rule(request=calls, share=st.integers(1, 8))
    def refund(self, request: str, share: int) -> None:
        """All that is left of a charge, a part of it, or one more than is left."""
        call = self.oracle.calls[request]
        if call.settled is None:
            return
        left = {kind: part - call.returned[kind] for kind, part in call.charged.items()}
        total = sum(left.values())
        amount = {1: total, 8: total + 1}.get(share, max(1, total * share // 8))
        if not amount:
            return
        self.number += 1
        number, usage, now = self.number, Usage.objects.get(pk=request), self.now

        def refund() -> LedgerTxn:
            return charges.refund(usage=usage, amount=amount, n=number, actor=None, reason="x", now=now)

        with both_refuse(oracle_refused=amount > total):
            txn = refund()
            shares = dict(txn.entries.values_list("credit__kind", "amount"))
            assert sum(shares.values()) == amount
            for kind, part in left.items():
                assert abs(shares.get(kind, 0) - Fraction(amount * part, total)) < 1
            self.oracle.give_back(request, shares)
            self.again.append(lambda: same(refund(), txn))

    # --- limits ----------------------------------------------------------------------------------------------------
    @rule(who=people, amount=amounts)
    def limit_is_set(self, who: str, amount: int) -> None:
        self.oracle.limits[who] = amount
        user = self.users[who]
        limits.set_limit(user=user, key=None, window="day", amount=amount, actor=user, now=self.now)

    @rule(who=people)
    def limit_is_removed(self, who: str) -> None:
        self.oracle.limits.pop(who, None)
        for row in self.users[who].spend_limits.all():
            limits.remove_limit(limit=row, actor=self.users[who], now=self.now)
