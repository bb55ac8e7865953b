"""What the ledger should say, in plain Python: no Django, no SQL, nothing shared with the code it judges but names.

Amounts are nano. An account is `(owner, kind)`; owner "" is the house. A balance is what the account stands at on
its own side, so everything that is guarded is never below zero here either.
"""

from collections import defaultdict
from dataclasses import dataclass, field

SPEND_ORDER = ("user.promo", "user.reward", "user.paid")
OUR_SIDE = ("cash.", "expense.", "user.debt", "ref.debt")  # grow by debits
Account = tuple[str, str]


class Refused(Exception):
    """The real ledger must refuse this too, and change as little."""


@dataclass
class CallState:
    owner: str
    parts: dict[str, int]  # what is held of each class
    deadline: int  # minute
    state: str = "open"
    charged: dict[str, int] = field(default_factory=dict)
    uncollected: int = 0
    late: bool = False
    settled: bool = False
    returned: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def charge(self) -> int:
        return sum(self.charged.values())


@dataclass
class Oracle:
    balance: dict[Account, int] = field(default_factory=lambda: defaultdict(int))
    calls: dict[str, CallState] = field(default_factory=dict)
    postings: int = 0
    minute: int = 0

    # --- questions -------------------------------------------------------------------------------------------------
    def held(self, owner: str, kind: str) -> int:
        return sum(
            call.parts.get(kind, 0) for call in self.calls.values() if call.owner == owner and call.state == "open"
        )

    def free(self, owner: str, kind: str) -> int:
        return self.balance[owner, kind] - self.held(owner, kind)

    def spendable(self, owner: str) -> int:
        return sum(self.free(owner, kind) for kind in SPEND_ORDER)

    # --- events ----------------------------------------------------------------------------------------------------
    def post(self, *transfers: tuple[Account, Account, int]) -> None:
        """All of them or none. Refused when somebody's account would end below zero."""
        after = defaultdict(int, self.balance)
        for debit, credit, amount in transfers:
            after[debit] += amount if debit[1].startswith(OUR_SIDE) else -amount
            after[credit] -= amount if credit[1].startswith(OUR_SIDE) else -amount
        for owner, kind in after:
            if owner and after[owner, kind] < self.held(owner, kind):
                raise Refused(kind)
        self.balance = after
        self.postings += 1

    def hold(self, request: str, owner: str, amount: int, lasts: int) -> None:
        if self.spendable(owner) < amount:
            raise Refused("hold")
        parts = self._in_order(amount, {kind: self.free(owner, kind) for kind in SPEND_ORDER})
        self.calls[request] = CallState(owner, parts, self.minute + lasts)

    def settle(self, request: str, cost: int) -> None:
        call = self.calls[request]
        if call.settled:
            return
        held = dict(call.parts) if call.state == "open" else {}
        call.late = call.state == "expired"
        if call.state == "open":
            call.state = "settled" if cost else "released"
        charged = self._in_order(cost, held)
        rest = {kind: self.free(call.owner, kind) - charged.get(kind, 0) for kind in SPEND_ORDER}
        for kind, more in self._in_order(cost - sum(charged.values()), rest).items():
            charged[kind] = charged.get(kind, 0) + more
        call.charged, call.uncollected, call.settled = charged, cost - sum(charged.values()), True
        if charged:
            self.post(*(((call.owner, kind), ("", "revenue.api"), part) for kind, part in charged.items()))

    def release(self, request: str) -> bool:
        call = self.calls[request]
        if call.state != "open":
            return False
        call.state = "released"
        return True

    def sweep(self) -> int:
        overdue = [call for call in self.calls.values() if call.state == "open" and call.deadline <= self.minute]
        for call in overdue:
            call.state = "expired"
        return len(overdue)

    def give_back(self, request: str, shares: dict[str, int]) -> None:
        call = self.calls[request]
        for kind, share in shares.items():
            call.returned[kind] += share
            if call.returned[kind] > call.charged[kind]:
                raise AssertionError(f"{kind}: more given back than was taken")
        self.post(*((("", "revenue.api"), (call.owner, kind), share) for kind, share in shares.items()))

    @staticmethod
    def _in_order(amount: int, available: dict[str, int]) -> dict[str, int]:
        taken: dict[str, int] = {}
        for kind in SPEND_ORDER:
            part = min(amount, available.get(kind, 0))
            if part > 0:
                taken[kind] = part
                amount -= part
        return taken
