"""Rules of payments: bought, refunded from either side, disputed; Stripe's events in any order, and twice."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule

from billing import payment_events, payment_refunds, payments, standing
from billing.models import Payment, PaymentRefund
from billing.money import CENT
from tests.stateful.machine.world import PEOPLE, World, cents, people
from tests.stripe_stand_in import DISPUTE_FEE, FEE, Object, StandIn

orders = st.permutations([0, 1, 2])


class Payments(World):
    bought = Bundle("bought")
    shop: ClassVar[StandIn]

    def set_up(self) -> None:
        super().set_up()
        self.refunds: dict[str, list[tuple[str, int]]] = {}  # that went through, at Stripe, by payment

    def told(self, events: Sequence[Object], order: Sequence[int] = (0, 1, 2)) -> None:
        """Stripe's events arrive in some order, and each of them again at any later time."""
        now = self.now
        for place in [each for each in order if each < len(events)]:
            payment_events.receive(events[place], now=now)
        for each in events:
            self.again.append(partial(payment_events.receive, each, now=now))

    def row(self, name: str) -> Payment:
        return Payment.objects.select_related("user").get(public_id=name)

    @rule(target=bought, who=people, dollars=st.sampled_from([1, 2, 10]), order=orders)
    def buy(self, who: str, dollars: int = 1, order: Sequence[int] = (0, 1, 2)) -> str:
        form = uuid4()
        given: dict[str, Any] = {"user": self.users[who], "amount": dollars * 100 * CENT, "form_id": form}
        payment = payments.start(**given, saves_card=False, language="en", now=self.now)
        self.oracle.paid(payment.public_id, who, payment.amount_nano)
        self.told(self.shop.pay(payment.session_id or ""), order)
        return str(payment.public_id)

    @rule(name=bought)
    def we_look_at_stripe(self, name: str) -> None:
        """Which is how the fee becomes known; nothing else is news."""
        self.oracle.fee_known(name, FEE * CENT)
        payments.look(payment=self.row(name), now=self.now)
        self.again.append(lambda: payments.look(payment=self.row(name), now=self.now))

    @rule(name=bought, amount=cents, order=orders)
    def refunded_at_stripe(self, name: str, amount: int = 100, order: Sequence[int] = (0, 1, 2)) -> None:
        """In its dashboard: the money is gone, what was spent of it is owed."""
        row = self.row(name)
        amount = min(amount * CENT, payment_refunds.left_of(row))
        if amount:
            events = self.shop.refund(row.intent_id or "", amount // CENT)
            self.oracle.refunded(name, amount)
            self.told(events, order)
            self.refunds.setdefault(name, []).append((events[0]["data"]["object"]["id"], amount))

    @rule(name=bought)
    def the_refund_comes_back(self, name: str) -> None:
        if self.refunds.get(name):
            refund, amount = self.refunds[name].pop()
            self.oracle.refund_came_back(name, amount)
            self.told(self.shop.fail_refund(refund))

    @rule(name=bought, amount=cents, answers=st.booleans())
    def we_refund(self, name: str, amount: int = 1, answers: bool = True) -> None:  # noqa: FBT001, FBT002 drawn
        """Set aside, then sent; while Stripe does not answer it stays set aside."""
        form, row, now = uuid4(), self.row(name), self.now

        def reserve() -> PaymentRefund:
            given: dict[str, Any] = {"payment": row, "amount": amount * CENT, "by": self.staff["sam"], "reason": "x"}
            return payment_refunds.reserve(**given, client_id=form, now=now)

        if not self.both(lambda: self.oracle.reserve_refund(name, str(form), amount * CENT), reserve):
            return
        self.again.append(reserve)
        self.shop.is_down = not answers
        refund = payment_refunds.send(refund=reserve(), now=now)
        self.shop.is_down = False
        if answers:
            self._sent(name, refund, str(form), amount * CENT)

    @rule(name=bought)
    def what_was_set_aside_is_sent(self, name: str) -> None:
        for refund in PaymentRefund.objects.filter(payment__public_id=name, state="reserved").order_by("pk"):
            self._sent(
                name, payment_refunds.send(refund=refund, now=self.now), str(refund.client_id), refund.amount_nano
            )

    def _sent(self, name: str, refund: PaymentRefund, form: str, amount: int) -> None:
        assert refund.state == PaymentRefund.State.DONE
        self.oracle.refunded(name, amount, form)
        self.refunds.setdefault(name, []).append((refund.stripe_id or "", amount))
        self.again.append(lambda: payment_refunds.send(refund=refund, now=self.now))

    @rule(target=bought, name=bought, amount=cents, order=orders)
    def dispute_opens(self, name: str, amount: int = 100, order: Sequence[int] = (0, 1, 2)) -> object:
        row = self.row(name)
        events = self.shop.dispute(row.intent_id or "", amount)
        dispute = events[0]["data"]["object"]["id"]
        self.oracle.disputed(name, dispute, amount * CENT, DISPUTE_FEE * CENT)
        self.told(events, order)
        return multiple()

    @rule(name=bought, won=st.booleans(), order=orders, returns_fee=st.sampled_from([0, 500]))
    def dispute_closes(
        self,
        name: str,
        won: bool = True,  # noqa: FBT001, FBT002 drawn
        order: Sequence[int] = (0, 1, 2),
        returns_fee: int = 0,
    ) -> None:
        """Lost may still be won, on appeal."""
        unfinished = [each for each, (_, state) in self.oracle.payments[name].disputes.items() if state != "won"]
        if unfinished:
            state = "won" if won else "lost"
            events = self.shop.close_dispute(unfinished[-1], state, returns_fee=returns_fee if won else 0)
            self.oracle.dispute_closed(name, unfinished[-1], state, returns_fee * CENT)
            self.told(events, order)

    @rule()
    def who_owes_repays(self) -> None:
        """The sweep: credit that became free since."""
        for who in PEOPLE:
            if who in self.oracle.frozen:
                self.oracle.review(who)
        standing.sweep(now=self.now)
