"""What the ledger should say, in plain Python: no Django, no SQL, nothing shared with the code it judges but names.

An account is `(owner, kind)`; owner "" is the house. A balance is what the account stands at on its own side, so
everything that is guarded is never below zero here either.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.stateful.states import (
    CLOSED,
    DAY,
    FROM,
    NEVER,
    OPEN,
    OUR_SIDE,
    SPEND_ORDER,
    Account,
    CallState,
    Lot,
    Lots,
    Payment,
    Refused,
    Reward,
    Rules,
    Transfer,
    Withdrawal,
    day_of,
)


@dataclass
class Oracle:
    rules: Rules
    referrer: dict[str, str]  # by referee
    balance: dict[Account, int] = field(default_factory=lambda: defaultdict(int))
    calls: dict[str, CallState] = field(default_factory=dict)
    lots: dict[str, Lots] = field(default_factory=lambda: defaultdict(Lots))
    limits: dict[str, int] = field(default_factory=dict)  # a day, by owner
    payments: dict[str, Payment] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    rewards: dict[str, list[Reward]] = field(default_factory=lambda: defaultdict(list))  # by referee
    withdrawals: dict[str, Withdrawal] = field(default_factory=dict)
    postings: int = 0
    minute: int = 0

    # --- questions -------------------------------------------------------------------------------------------------
    @property
    def day(self) -> int:
        return day_of(self.minute)

    def held(self, owner: str, kind: str) -> int:
        calls = sum(
            call.parts.get(kind, 0) for call in self.calls.values() if call.owner == owner and call.state == "open"
        )
        if kind != "user.paid":
            return calls
        return calls + sum(sum(each.reserved.values()) for each in self.payments.values() if each.owner == owner)

    def free(self, owner: str, kind: str) -> int:
        return self.balance[owner, kind] - self.held(owner, kind)

    def spendable(self, owner: str) -> int:
        return sum(self.free(owner, kind) for kind in SPEND_ORDER)

    def within_limit(self, owner: str) -> int:
        """What may still be held today."""
        if owner not in self.limits:
            return NEVER * NEVER
        theirs = [call for call in self.calls.values() if call.owner == owner]
        spent = sum(call.left for call in theirs if call.settled is not None and day_of(call.settled) == self.day)
        held = sum(sum(call.parts.values()) for call in theirs if call.state == "open")
        return max(0, self.limits[owner] - spent - held)

    # --- postings --------------------------------------------------------------------------------------------------
    def post(self, *transfers: Transfer) -> None:
        """All of them or none. Refused when somebody's account would end below zero."""
        transfers = tuple(each for each in transfers if each[2])
        after = defaultdict(int, self.balance)
        for debit, credit, amount in transfers:
            after[debit] += amount if debit[1].startswith(OUR_SIDE) else -amount
            after[credit] -= amount if credit[1].startswith(OUR_SIDE) else -amount
        for owner, kind in after:
            if owner and after[owner, kind] < self.held(owner, kind):
                raise Refused(kind)
        for owner in {owner for pair in transfers for owner, kind in pair[:2] if kind == "user.promo"}:
            self.lots[owner].moved += after[owner, "user.promo"] - self.balance[owner, "user.promo"]
        self.balance = after
        self.postings += 1

    def gift(self, owner: str, amount: int, expires: int) -> Lot:
        """Promotional credit that comes in as a lot of its own."""
        self.post((("", "expense.promo"), (owner, "user.promo"), amount))
        lots = self.lots[owner]
        lots.moved -= amount
        lots.look(self.minute)
        lots.lots.append(Lot(expires, amount, amount))
        return lots.lots[-1]

    def undo_gift(self, owner: str, lot: Lot) -> None:
        self.post(((owner, "user.promo"), ("", "expense.promo"), lot.amount))
        lots = self.lots[owner]
        lots.moved += lot.amount
        lots.look(self.minute)
        lots.take([lot, *(each for each in lots.in_order() if each is not lot)], lot.amount)
        lot.is_closed = not lot.remaining

    def expire_gifts(self, owner: str) -> int:
        """How many postings that took. What is held stays, the first to expire first."""
        lots, held, posted = self.lots[owner], self.held(owner, "user.promo"), 0
        if not any(lot.expires <= self.minute for lot in lots.in_order()):
            return 0
        lots.look(self.minute)
        for lot in lots.in_order():
            if lot.expires > self.minute:
                break
            kept = min(held, lot.remaining)
            held, part = held - kept, lot.remaining - kept
            if part:
                self.post(((owner, "user.promo"), ("", "expense.promo"), part))
                lots.moved += part
                posted += 1
            lot.remaining -= part
            lot.expired += part
            lot.is_closed = not lot.remaining
        return posted

    # --- calls -----------------------------------------------------------------------------------------------------
    def hold(self, request: str, owner: str, amount: int, lasts: int) -> None:
        if owner in self.frozen or amount > min(self.spendable(owner), self.within_limit(owner)):
            raise Refused("hold")
        parts = self._in_order(amount, {kind: self.free(owner, kind) for kind in SPEND_ORDER})
        self.calls[request] = CallState(owner, parts, self.minute + lasts)

    def settle(self, costs: dict[str, int]) -> None:
        """Together: one posting for each person that is charged."""
        before, charged = self.postings, set()
        for request, cost in costs.items():
            if self.calls[request].settled is None:
                self._settle(self.calls[request], cost)
                if self.calls[request].charge:
                    charged.add(self.calls[request].owner)
        self.postings = before + len(charged)

    def _settle(self, call: CallState, cost: int) -> None:
        held = dict(call.parts) if call.state == "open" else {}
        call.late = call.state == "expired"
        if call.state == "open":
            call.state = "settled" if cost else "released"
        charged = self._in_order(cost, held)
        rest = {kind: self.free(call.owner, kind) - charged.get(kind, 0) for kind in SPEND_ORDER}
        for kind, more in self._in_order(cost - sum(charged.values()), rest).items():
            charged[kind] = charged.get(kind, 0) + more
        call.charged, call.uncollected, call.settled = charged, cost - sum(charged.values()), self.minute
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

    # --- payments --------------------------------------------------------------------------------------------------
    def paid(self, name: str, owner: str, amount: int) -> None:
        self.payments[name] = Payment(owner, amount)
        self.post((("", "cash.stripe"), (owner, "user.paid"), amount))
        self.review(owner)

    def fee_known(self, name: str, fee: int) -> None:
        payment = self.payments[name]
        if not payment.has_fee:
            payment.has_fee = True
            self.post((("", "expense.payment_fee"), ("", "cash.stripe"), fee))

    def reserve_refund(self, name: str, refund: str, amount: int) -> None:
        payment = self.payments[name]
        is_disputed = any(state != "won" for _, state in payment.disputes.values())
        left = payment.amount - payment.returned - sum(payment.reserved.values())
        if is_disputed or amount > left or amount > self.free(payment.owner, "user.paid"):
            raise Refused("refund")
        payment.reserved[refund] = amount

    def refunded(self, name: str, amount: int, refund: str = "") -> None:
        """The money has left; what had been set aside for it is taken."""
        payment = self.payments[name]
        payment.reserved.pop(refund, None)
        payment.returned += amount
        self._take_back(payment.owner, amount)
        self.review(payment.owner)

    def refund_came_back(self, name: str, amount: int) -> None:
        payment = self.payments[name]
        payment.returned -= amount
        self._bring_home(payment.owner, amount)
        self.review(payment.owner)

    def disputed(self, name: str, dispute: str, amount: int, fee: int) -> None:
        payment = self.payments[name]
        self._take_back(payment.owner, amount)
        payment.disputes[dispute] = (amount, "open")
        self.post((("", "expense.loss"), ("", "cash.stripe"), fee))
        self.review(payment.owner)

    def dispute_closed(self, name: str, dispute: str, state: str, returns_fee: int) -> None:
        payment = self.payments[name]
        amount, before = payment.disputes[dispute]
        if before in {"won", state}:
            return
        payment.disputes[dispute] = (amount, state)
        if state == "won":
            self._bring_home(payment.owner, amount)
            if returns_fee:
                self.post((("", "cash.stripe"), ("", "expense.loss"), returns_fee))
        self.review(payment.owner)

    def review(self, owner: str) -> None:
        """Whoever owes repays what they can, and is frozen while they owe or a payment is disputed."""
        amount = min(self.free(owner, "user.paid"), self.balance[owner, "user.debt"])
        if amount > 0:
            self.post(((owner, "user.paid"), (owner, "user.debt"), amount))
        theirs = [each for each in self.payments.values() if each.owner == owner]
        is_disputed = any(state == "open" for each in theirs for _, state in each.disputes.values())
        if is_disputed or self.balance[owner, "user.debt"] > 0:
            self.frozen.add(owner)
        else:
            self.frozen.discard(owner)

    def _take_back(self, owner: str, amount: int) -> None:
        covered = min(amount, self.free(owner, "user.paid"))
        cash = ("", "cash.stripe")
        self.post(((owner, "user.paid"), cash, covered), ((owner, "user.debt"), cash, amount - covered))

    def _bring_home(self, owner: str, amount: int) -> None:
        owed = min(amount, self.balance[owner, "user.debt"])
        cash = ("", "cash.stripe")
        self.post((cash, (owner, "user.debt"), owed), (cash, (owner, "user.paid"), amount - owed))

    # --- rewards ---------------------------------------------------------------------------------------------------
    def accrue(self) -> None:
        for referee, referrer in self.referrer.items():
            for day in range(self.day):
                spent = self._paid_spend(referee, day)
                parts = [each for each in self.rewards[referee] if each.day == day]
                counted = sum(each.base - each.base_reversed for each in parts)
                if spent > counted:
                    self._earn(referee, referrer, day, spent - counted)
                for part in parts[::-1]:
                    share = min(counted - spent, part.base - part.base_reversed)
                    if share > 0:
                        counted -= share
                        self._claw_back(referrer, part, share)

    def _paid_spend(self, owner: str, day: int) -> int:
        return sum(
            call.charged.get("user.paid", 0) - call.returned["user.paid"]
            for call in self.calls.values()
            if call.owner == owner and call.settled is not None and day_of(call.settled) == day
        )

    def _earn(self, referee: str, referrer: str, day: int, base: int) -> None:
        room = max(0, self.rules.cap_per_referee - sum(each.amount for each in self.rewards[referee]))
        amount = min(base * self.rules.rate_bp // 10_000, room)
        if amount:
            matures = (day + 1 + self.rules.holding_days) * DAY - DAY // 2  # midnight; minute 0 is a noon
            self.rewards[referee].append(Reward(day, base, amount, room, matures))
            self.post((("", "expense.referral"), (referrer, "ref.pending"), amount))

    def _claw_back(self, owner: str, reward: Reward, base: int) -> None:
        reward.base_reversed += base
        earned = (reward.base - reward.base_reversed) * self.rules.rate_bp // 10_000
        still = min(reward.amount, earned if reward.room is None else min(earned, reward.room))
        taken, was_pending = reward.left - still, reward.state == "pending"
        reward.reversed = reward.amount - still
        if not still:
            reward.state = "reversed"
        expense = ("", "expense.referral")
        if taken and was_pending:
            self.post(((owner, "ref.pending"), expense, taken))
        elif taken:
            there = min(self.balance[owner, "ref.available"], taken)
            self.post(((owner, "ref.available"), expense, there), ((owner, "ref.debt"), expense, taken - there))

    def mature(self) -> None:
        for referee, referrer in self.referrer.items():
            for reward in sorted(self.rewards[referee], key=lambda each: each.matures):
                if reward.state == "pending" and reward.matures <= self.minute:
                    reward.state = "available"
                    self.post(((referrer, "ref.pending"), (referrer, "ref.available"), reward.left))
                    self._net(referrer, reward.left)

    def _net(self, owner: str, upto: int) -> None:
        amount = min(self.balance[owner, "ref.debt"], upto)
        if amount:
            self.post(((owner, "ref.available"), (owner, "ref.debt"), amount))

    # --- withdrawals -------------------------------------------------------------------------------------------------
    def ask_to_be_paid(self, owner: str, amount: int) -> None:
        rules, before = self.rules, self.withdrawals.get(owner)
        least = max(rules.threshold, rules.fee + 1)
        if (
            (before and before.state in OPEN)
            or amount % rules.cent
            or amount < least
            or self.balance[owner, "ref.debt"]
        ):
            raise Refused("withdrawal")
        self.post(((owner, "ref.available"), (owner, "ref.reserved"), amount))
        self.withdrawals[owner] = Withdrawal(amount, rules.fee, self.minute)

    def approve(self, owner: str, amount: int) -> None:
        request = self._step(owner, "approve")
        debt = self.balance[owner, "ref.debt"]
        if not self.rules.fee < amount <= request.amount - debt or amount % self.rules.cent:
            raise Refused("approve")
        request.approved, request.state, request.touched = amount, "approved", self.minute
        if amount < request.amount:
            self._give_back(owner, request.amount - amount)

    def close(self, owner: str, step: str) -> None:
        """Cancelled, rejected or revoked: nothing is paid."""
        request = self._step(owner, step)
        request.state = CLOSED[step]
        self._give_back(owner, request.gross)

    def expire_withdrawals(self) -> int:
        count = 0
        for owner, request in self.withdrawals.items():
            old = request.touched + self.rules.expire_after_days * DAY <= self.minute
            if request.state in {"requested", "on_hold"} and old:
                request.state = "expired"
                self._give_back(owner, request.gross)
                count += 1
        return count

    def start_paying(self, owner: str) -> None:
        request = self._step(owner, "start_paying")
        if self.balance[owner, "ref.debt"]:
            raise Refused("in debt")
        request.state = "paying"

    def pay_out(self, owner: str) -> None:
        request = self._step(owner, "pay_out")
        request.state = "paid"
        reserved = (owner, "ref.reserved")
        net = (reserved, ("", "cash.payout"), request.gross - request.fee)
        self.post(net, (reserved, ("", "revenue.payout_fee"), request.fee))

    def come_back(self, owner: str) -> None:
        request = self._step(owner, "come_back")
        request.state = "returned"
        net = request.gross - request.fee
        self.post((("", "cash.payout"), (owner, "ref.available"), net))
        self._net(owner, net)

    def _give_back(self, owner: str, amount: int) -> None:
        self.post(((owner, "ref.reserved"), (owner, "ref.available"), amount))
        self._net(owner, amount)

    def move_on(self, owner: str, step: str, state: str) -> None:
        """A step that moves no money."""
        request = self._step(owner, step)
        request.state, request.touched = state, self.minute

    def _step(self, owner: str, step: str) -> Withdrawal:
        request = self.withdrawals.get(owner)
        if request is None or request.state not in FROM[step]:
            raise Refused(step)
        return request

    @staticmethod
    def _in_order(amount: int, available: dict[str, int]) -> dict[str, int]:
        taken: dict[str, int] = {}
        for kind in SPEND_ORDER:
            part = min(amount, available.get(kind, 0))
            if part > 0:
                taken[kind] = part
                amount -= part
        return taken
