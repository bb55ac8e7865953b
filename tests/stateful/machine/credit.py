"""Rules of credit that people are given: grants, bonuses, codes, gifts that expire, corrections, adjustments."""

from datetime import timedelta
from typing import Any, Literal

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, rule

from billing import codes, ledger, lots, promos
from billing.models import LedgerTxn, RedeemCode
from tests.make import NOW
from tests.stateful.machine.world import PEOPLE, World, amounts, both_refuse, people, same, some
from tests.stateful.states import DAY, NEVER, Account, Lot

NO_WAYS: list[tuple[str, Account, Account]] = [
    ("wd.paid", ("own", "ref.pending"), ("", "cash.payout")),
    ("refund", ("own", "user.promo"), ("", "cash.stripe")),
    ("reward.convert", ("own", "ref.available"), ("other", "user.reward")),
]
SOURCES = {"paid": "cash.offline", "promo": "expense.promo"}
days = st.one_of(st.none(), st.integers(1, 4))


class Credit(World):
    codes = Bundle("codes")
    gifts = Bundle("gifts")

    def set_up(self) -> None:
        super().set_up()
        self.redeemed: set[tuple[str, str]] = set()
        self.reversed: set[int] = set()

    @rule(target=gifts, who=people, kind=st.sampled_from(["paid", "promo", "promo"]), amount=amounts, lasts=days)
    def grant(self, who: str, kind: Literal["paid", "promo"], amount: int, lasts: int | None = None) -> object:
        lot, now, key = None, self.now, self.fresh("grant")
        expires_at = now + timedelta(days=lasts) if lasts and kind == "promo" else None
        if kind == "promo":
            lot = self.oracle.gift(who, amount, self.oracle.minute + lasts * DAY if lasts else NEVER)
        else:
            self.oracle.post((("", "cash.offline"), (who, "user.paid"), amount))

        def grant() -> LedgerTxn:
            given: dict[str, Any] = {"user": self.users[who], "amount": amount, "kind": kind, "key": key}
            return ledger.grant(**given, reason="x", actor=None, now=now, expires_at=expires_at)

        first = grant()
        self.again.append(lambda: same(grant(), first))
        return first, who, lot

    @rule(target=gifts, who=people, amount=amounts, lasts=days)
    def top_up_bonus(self, who: str, amount: int, lasts: int | None = None) -> object:
        """There is no verb for it yet; whoever writes one has to post this and open a lot."""
        lot = self.oracle.gift(who, amount, self.oracle.minute + lasts * DAY if lasts else NEVER)
        line = ledger.Line(
            debit=self.account(("", "expense.promo")), credit=self.account((who, "user.promo")), amount=amount
        )
        key, now, user = self.fresh("bonus"), self.now, self.users[who]
        with transaction.atomic():
            posted = ledger.post(kind="topup.bonus", key=key, lines=[line], actor=None, now=now)
            expires_at = now + timedelta(days=lasts) if lasts else None
            lots.open_lot(txn=posted.txn, user=user, amount=amount, expires_at=expires_at, source="x", now=now)
        return posted.txn, who, lot

    @rule(gift=gifts)
    def is_corrected(self, gift: tuple[LedgerTxn, str, Lot | None]) -> None:
        """A mirror posting; refused when the credit is spent."""
        txn, who, lot = gift
        if txn.pk in self.reversed:
            return
        amount = txn.entries.get().amount

        def model() -> None:
            if lot is not None:
                self.oracle.undo_gift(who, lot)
            else:
                self.oracle.post(((who, "user.paid"), ("", "cash.offline"), amount))

        def real() -> LedgerTxn:
            return ledger.reverse(txn=txn, actor=self.staff["sam"], reason="x", now=now)

        now = self.now
        if self.both(model, real):
            self.reversed.add(txn.pk)
            first = LedgerTxn.objects.get(reverses=txn)
            self.again.append(lambda: same(real(), first))

    @rule()
    def what_is_due_expires(self) -> None:
        posted = sum(self.oracle.expire_gifts(who) for who in PEOPLE)
        assert promos.expire_due(now=self.now) == posted
        assert promos.expire_due(now=self.now) == 0

    @rule(who=people, kind=st.sampled_from(["user.paid", "user.promo", "user.reward", "ref.available"]), amount=amounts)
    def is_adjusted(self, who: str, kind: str, amount: int, *, up: bool = False) -> None:
        pair: tuple[Account, Account] = ((who, kind), ("", "equity.adjust"))
        debit, credit = pair[::-1] if up else pair
        self.event("adjust", (debit, credit, amount))

    @rule(who=people, kind=st.sampled_from(["user.paid", "ref.available"]), amount=amounts)
    def is_adjusted_up(self, who: str, kind: str, amount: int) -> None:
        self.is_adjusted(who, kind, amount, up=True)

    @rule(who=people, amount=amounts, more=some)
    def comes_in_and_goes_out(self, who: str, amount: int, more: int) -> None:
        """Raised before lowered, in whatever order the lines come: what comes in pays for what goes out."""
        self.event(
            "adjust",
            ((who, "ref.available"), ("", "equity.adjust"), amount),
            (("", "equity.adjust"), (who, "ref.available"), amount + more),
        )

    @rule(target=codes, kind=st.sampled_from(["paid", "promo"]), amount=amounts, uses=st.integers(1, 2), lasts=days)
    def make_code(self, kind: Literal["paid", "promo"], amount: int, uses: int, lasts: int | None = None) -> str:
        plan = codes.Plan(
            name="x", kind=kind, amount=amount, uses=uses, credit_expires_after_days=lasts if kind == "promo" else None
        )
        return str(codes.create_batch(plan=plan, by=None).codes.get().code)

    @rule(who=people, code=codes)
    def redeem(self, who: str, code: str) -> None:
        row, now = RedeemCode.objects.get(code=code), self.now
        uses = row.uses_left
        with both_refuse(oracle_refused=(who, code) in self.redeemed or not uses):
            codes.redeem(user=self.users[who], code=code, now=now)
            lasts = row.credit_expires_after_days
            if row.kind == "promo":
                self.oracle.gift(who, row.amount_nano, self.oracle.minute + lasts * DAY if lasts else NEVER)
            else:
                self.oracle.post((("", "cash.offline"), (who, "user.paid"), row.amount_nano))
            self.redeemed.add((who, code))
            self.again.append(lambda: codes.redeem(user=self.users[who], code=code, now=now))
            uses -= 1
        assert RedeemCode.objects.get(code=code).uses_left == uses

    @rule(who=people, amount=amounts, way=st.sampled_from(NO_WAYS))
    def a_way_that_does_not_exist(self, who: str, amount: int, way: tuple[str, Account, Account]) -> None:
        kind, debit, credit = way
        named = {"": "", "own": who, "other": "ben" if who == "ada" else "ada"}
        line = ledger.Line(
            debit=self.account((named[debit[0]], debit[1])),
            credit=self.account((named[credit[0]], credit[1])),
            amount=amount,
        )
        with pytest.raises(ledger.FlowNotAllowed):
            ledger.post(kind=kind, key=self.fresh("bad"), lines=[line], actor=None, now=NOW)
