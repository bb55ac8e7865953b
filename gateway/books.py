"""The two touches of money: hold the worst case before a call, settle after it. Many calls at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from billing import charges, limits, prices, reservations, standing
from billing.charges import Call, Settlement
from billing.ledger import InsufficientBalance, LedgerError
from billing.limits import SpendLimitReached
from billing.models import Hold, Price, Usage
from billing.money import CURRENCY, format_amount
from billing.prices import Tokens
from billing.reservations import AccountFrozen
from gateway.errors import InsufficientCredit, NoChannel
from gateway.metering import affordable_output, worst_cost
from gateway.protocols.wire import Ask
from gateway.routing import Card

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Reservation:
    price: Price
    held: int  # nano
    cap: int | None = None  # output tokens to ask the provider for, where the balance covers less than the default


@dataclass(slots=True)
class Want:
    """A call that is about to begin, and what its worst case comes to."""

    call: Call
    card: Card
    ask: Ask
    input_bound: int
    limits_output: bool  # the most that it makes is counted in tokens, not in images
    now: datetime
    price: Price = field(init=False)
    cap: int | None = None

    @property
    def input_tokens(self) -> int:
        return min(self.input_bound, self.card.context_tokens)

    def cost(self, output_tokens: int) -> int:
        """Nano that the call costs at most, with so many output tokens for each choice."""
        if self.limits_output:
            return worst_cost(self.price, input_tokens=self.input_tokens, output_tokens=output_tokens * self.ask.n)
        made = Tokens(input=self.input_tokens, images=self.ask.n, image_class=self.ask.image_class)
        return prices.cost(self.price, made)

    @property
    def output_tokens(self) -> int:
        return self.ask.max_output or self.card.default_output_tokens

    def affordable(self, spendable: int) -> int:
        """Output tokens for each choice that `spendable` nano can hold."""
        return affordable_output(
            self.price,
            input_tokens=self.input_tokens,
            at_most=self.output_tokens,
            n=self.ask.n,
            spendable=spendable,
        )

    def smaller(self, spendable: int) -> int:
        """A caller who named no limit gets the largest one that the balance covers. 0: not even one token."""
        able = self.affordable(spendable)
        self.cap = able or None
        return self.cost(able) if able else 0

    def held(self) -> reservations.Ask:
        call = self.call
        can_shrink = self.limits_output and self.ask.max_output is None
        return reservations.Ask(
            request_id=call.request_id,
            user_id=call.user_id,
            key_id=call.key_id,
            amount=self.cost(self.output_tokens),
            now=self.now,
            expires_at=self.now + timedelta(seconds=settings.HOLD_LEASE_S),
            context={
                "model": call.model,
                "endpoint": call.endpoint,
                "channel": call.channel,
                "stream": call.stream,
                "price_id": self.price.pk,
                "client_request_id": call.client_request_id,
                "started_at": call.started_at.isoformat(),
            },
            smaller=self.smaller if can_shrink else None,
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has ended, and when."""

    settlement: Settlement
    now: datetime


def reserve_many(wants: Sequence[Want]) -> list[Reservation | Exception]:
    """The most each call may cost is held. Answers may be refusals: InsufficientCredit, NoChannel without a price."""
    answers: dict[str, Reservation | Exception] = {}
    found = prices.in_force_many((want.call.model, want.call.started_at) for want in wants)
    asked = []
    for want, price in zip(wants, found, strict=True):
        if price is None:
            answers[want.call.request_id] = NoChannel(
                f"`{want.call.model}` has no price yet, so it cannot be called. Please tell the operator.",
                code="no_price",
            )
        else:
            want.price = price
            asked.append(want)
    for want, made in zip(asked, reservations.hold_many([want.held() for want in asked]) if asked else [], strict=True):
        answers[want.call.request_id] = (
            Reservation(want.price, made.amount, want.cap) if isinstance(made, Hold) else _refusal(want, made)
        )
    return [answers[want.call.request_id] for want in wants]


def settle_many(ended: Sequence[Ended]) -> list[Usage | Exception]:
    """Close the holds, write the rows. Safe to call again: the first one counts."""
    rows = charges.settle_many([each.settlement for each in ended], now=max(each.now for each in ended))
    for usage in rows:
        log.info(
            "gateway.request.settled",
            request=usage.pk,
            key=usage.key_id,
            model=usage.model,
            endpoint=usage.endpoint,
            channel=usage.channel,
            status=str(usage.status),
            source=str(usage.source),
            charge_nano=usage.charge_nano,
            total_ms=usage.total_ms,
        )
    return list(rows)


def _refusal(want: Want, refused: LedgerError) -> Exception:
    if isinstance(refused, SpendLimitReached):
        return InsufficientCredit(limits.explain(refused), code="spend_limit_reached")
    if isinstance(refused, AccountFrozen):
        return InsufficientCredit(standing.words(refused.reason), code="account_frozen")
    if not isinstance(refused, InsufficientBalance):
        return refused
    if want.limits_output:
        return _cannot_pay(refused.spendable, want.ask, want.affordable(refused.spendable))
    one = prices.cost(want.price, Tokens(images=1, image_class=want.ask.image_class))
    able = refused.spendable // one if one else 0
    return InsufficientCredit(
        f"Your balance of {_shown(refused.spendable)} is not enough: this call needs {_shown(want.cost(0))}. It covers "
        f"{able} of these images. Ask for fewer with `n`, or add credit at /billing/.",
        param="n",
    )


def _cannot_pay(spendable: int, ask: Ask, able: int) -> InsufficientCredit:
    have = f"Your balance of {_shown(spendable)} does not cover this call"
    if able:
        return InsufficientCredit(
            f"{have} with up to {ask.max_output:,} output tokens; it covers {able:,}. Lower the limit to {able} or "
            f"less, or add credit at /billing/.",
            param=ask.limit_name,
        )
    return InsufficientCredit(f"{have}. Shorten the input, or add credit at /billing/.")


def _shown(nano: int) -> str:
    return f"{CURRENCY} {format_amount(max(nano, 0))}"
