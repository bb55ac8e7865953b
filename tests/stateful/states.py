"""The things that the oracle (tests/stateful/oracle.py) knows, and their rules: plain values, no Django.

Amounts are nano. Time is minutes after noon of a day 0.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

SPEND_ORDER = ("user.promo", "user.reward", "user.paid")
OUR_SIDE = ("cash.", "expense.", "user.debt", "ref.debt")  # grow by debits
NEVER = 10**9  # minutes
DAY = 24 * 60
Account = tuple[str, str]
Transfer = tuple[Account, Account, int]


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
    settled: int | None = None  # minute
    returned: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def charge(self) -> int:
        return sum(self.charged.values())

    @property
    def left(self) -> int:
        return self.charge - sum(self.returned.values())


@dataclass
class Lot:
    expires: int
    amount: int
    remaining: int
    expired: int = 0
    is_closed: bool = False
    was_given_back: bool = False


@dataclass
class Lots:
    """One person's promotional credit. Spending moves the account only; lots follow when they are looked at."""

    lots: list[Lot] = field(default_factory=list)
    moved: int = 0

    def in_order(self) -> list[Lot]:
        return sorted((lot for lot in self.lots if not lot.is_closed), key=lambda lot: lot.expires)

    def look(self, minute: int, moved: int | None = None) -> None:
        if moved is None:
            moved, self.moved = self.moved, 0
        if moved < 0:
            self.take(self.in_order(), -moved)
            return
        stay = [lot for lot in self.in_order() if lot.expires == NEVER]
        leave = [lot for lot in self.in_order() if lot.expires != NEVER]
        for lot in [*stay, *leave[::-1]]:
            if lot.expires > minute:
                part = min(lot.amount - lot.remaining - lot.expired, moved)
                lot.remaining += part
                moved -= part
        if moved:
            home = next((lot for lot in self.in_order() if lot.was_given_back), None)
            if home is None:
                home = Lot(NEVER, 0, 0, was_given_back=True)
                self.lots.append(home)
            home.amount += moved
            home.remaining += moved

    @staticmethod
    def take(lots: Iterable[Lot], amount: int) -> None:
        for lot in lots:
            part = min(lot.remaining, amount)
            lot.remaining -= part
            amount -= part
        if amount:
            raise AssertionError(f"{amount} more were spent than there were")


@dataclass
class Payment:
    owner: str
    amount: int
    fee: int = 0
    has_fee: bool = False
    returned: int = 0
    reserved: dict[str, int] = field(default_factory=dict)  # refunds that are set aside, by name
    disputes: dict[str, tuple[int, str]] = field(default_factory=dict)  # amount and state, by name


@dataclass
class Reward:
    day: int
    base: int
    amount: int
    room: int | None
    matures: int  # minute
    base_reversed: int = 0
    reversed: int = 0
    state: str = "pending"

    @property
    def left(self) -> int:
        return self.amount - self.reversed


@dataclass
class Withdrawal:
    amount: int
    fee: int
    touched: int  # minute
    state: str = "requested"
    approved: int | None = None

    @property
    def gross(self) -> int:
        return self.approved or self.amount


@dataclass(frozen=True)
class Rules:
    """Of rewards and withdrawals."""

    rate_bp: int
    holding_days: int
    cap_per_referee: int
    threshold: int
    fee: int
    expire_after_days: int
    cent: int


OPEN = {"requested", "in_review", "on_hold", "approved", "paying"}
FROM = {
    "claim": {"requested", "in_review", "on_hold"},
    "hold": {"requested", "in_review"},
    "approve": {"in_review"},
    "reject": {"in_review", "on_hold"},
    "revoke": {"approved"},
    "cancel": {"requested", "in_review"},
    "start_paying": {"approved"},
    "pay_out": {"approved", "paying"},
    "fail": {"approved", "paying"},
    "come_back": {"paid"},
}
CLOSED = {"reject": "rejected", "revoke": "revoked", "cancel": "cancelled"}


def day_of(minute: int) -> int:
    """Days after the first; minute 0 is a noon."""
    return (minute + DAY // 2) // DAY
