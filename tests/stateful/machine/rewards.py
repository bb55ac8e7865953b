"""Rules of rewards: earned by what Ben pays for, matured, taken back, converted, paid out, forfeited."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from billing.models import LedgerTxn
from billing.money import CENT
from referrals import rewards, withdrawals
from referrals.models import HoldReason, Withdrawal
from tests.stateful.machine.world import World, amounts, same
from tests.unit.referrals.make import PAYEE

ADA = "ada"
wishes = st.sampled_from(["some", "all", "one too many", "cents"])


class Rewards(World):
    @rule()
    def days_are_accrued(self) -> None:
        """Also takes back what was refunded since."""
        self.oracle.accrue()
        rewards.accrue(now=self.now)
        assert rewards.accrue(now=self.now).amount == 0

    @rule()
    def rewards_mature(self) -> None:
        self.oracle.mature()
        rewards.mature(now=self.now)
        assert rewards.mature(now=self.now).rewards == 0

    def _wish(self, wish: str, amount: int) -> int:
        available = self.oracle.balance[ADA, "ref.available"]
        whole = max(available - available % CENT, CENT)
        return {"some": amount, "all": max(available, 1), "one too many": available + 1, "cents": whole}[wish]

    @rule(wish=wishes, amount=amounts)
    def convert(self, wish: str = "all", amount: int = 1) -> None:
        amount, client_id, now = self._wish(wish, amount), self.fresh("form"), self.now

        def real() -> LedgerTxn:
            return rewards.convert(user=self.users[ADA], amount=amount, client_id=client_id, now=now)

        transfer = ((ADA, "ref.available"), (ADA, "user.reward"), amount)
        if self.both(lambda: self.oracle.post(transfer), real):
            first = LedgerTxn.objects.latest("pk")
            self.again.append(lambda: same(real(), first))

    @rule(amount=amounts)
    def is_forfeited(self, amount: int) -> None:
        """There is no verb for it yet; what is pending has a reward behind it, so a verb must close that, too."""
        self.event("reward.forfeit", ((ADA, "ref.available"), ("", "expense.referral"), amount))

    # --- withdrawals -----------------------------------------------------------------------------------------------
    @property
    def request(self) -> Withdrawal | None:
        return Withdrawal.objects.filter(user=self.users[ADA]).order_by("pk").last()

    def _by(self, who: str) -> dict[str, Any]:
        return {"by": self.staff[who], "now": self.now}

    @rule(wish=wishes, amount=st.integers(1, 8).map(lambda count: count * CENT))
    def withdrawal_is_asked_for(self, wish: str = "cents", amount: int = 1) -> None:
        amount, client_id, now = self._wish(wish, amount), self.fresh("form"), self.now

        def real() -> Withdrawal:
            given: dict[str, Any] = {"amount": amount, "method": "alipay", "payee": PAYEE, "client_id": client_id}
            return withdrawals.request(user=self.users[ADA], **given, now=now)

        if self.both(lambda: self.oracle.ask_to_be_paid(ADA, amount), real):
            first = self.request
            self.again.append(lambda: same(real(), first))

    @rule(less=st.sampled_from([0, 0, 1, 2]))
    def withdrawal_is_approved(self, less: int = 0) -> None:
        request = self.request
        if request is not None:
            amount = request.amount - less * CENT
            self.both(
                lambda: self.oracle.approve(ADA, amount),
                lambda: withdrawals.approve(
                    withdrawal=request, by=self.staff["sam"], now=self.now, amount=amount, reason="x"
                ),
            )

    @rule(step=st.sampled_from(["claim", "claim", "claim", "hold", "fail"]))
    def withdrawal_moves_on(self, step: str) -> None:
        """Steps that move no money."""
        request, by = self.request, self._by("sam")
        if request is None:
            return
        steps: dict[str, tuple[str, Callable[[], Withdrawal]]] = {
            "claim": ("in_review", lambda: withdrawals.claim(withdrawal=request, **by)),
            "hold": ("on_hold", lambda: withdrawals.hold(withdrawal=request, reason=HoldReason.REVIEW, **by)),
            "fail": ("approved", lambda: withdrawals.mark_failed(withdrawal=request, reason="x", **by)),
        }
        state, real = steps[step]
        self.both(lambda: self.oracle.move_on(ADA, step, state), real)

    @rule(step=st.sampled_from(["start", "pay", "pay", "come back"]))
    def withdrawal_is_paid(self, step: str = "pay") -> None:
        request, by = self.request, self._by("tess")
        if request is None:
            return
        reference = self.fresh("reference")
        steps: dict[str, tuple[Callable[[str], None], Callable[[], Withdrawal]]] = {
            "start": (self.oracle.start_paying, lambda: withdrawals.start_paying(withdrawal=request, **by)),
            "pay": (self.oracle.pay_out, lambda: withdrawals.mark_paid(withdrawal=request, reference=reference, **by)),
            "come back": (
                self.oracle.come_back,
                lambda: withdrawals.mark_returned(withdrawal=request, evidence="x", **by),
            ),
        }
        model, real = steps[step]
        if self.both(lambda: model(ADA), real):
            self.again.append(real)

    @rule(step=st.sampled_from(["cancel", "reject", "revoke"]))
    def withdrawal_is_closed(self, step: str) -> None:
        request, now = self.request, self.now
        if request is None:
            return
        steps: dict[str, Callable[[], Withdrawal]] = {
            "cancel": lambda: withdrawals.cancel(withdrawal=request, by=self.users[ADA], now=now),
            "reject": lambda: withdrawals.reject(withdrawal=request, by=self.staff["sam"], reason="x", now=now),
            "revoke": lambda: withdrawals.revoke(withdrawal=request, by=self.staff["tess"], reason="x", now=now),
        }
        if self.both(lambda: self.oracle.close(ADA, step), steps[step]):
            self.again.append(steps[step])

    @rule()
    def old_withdrawals_expire(self) -> None:
        assert withdrawals.expire(now=self.now) == self.oracle.expire_withdrawals()
