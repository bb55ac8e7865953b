"""The two touches of money: hold the worst case before a call, settle after it. Short, each its own transaction."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings

from accounts.models import User
from billing import charges, prices, reservations
from billing.charges import Call
from billing.ledger import InsufficientBalance
from billing.models import Price, Usage
from billing.money import CURRENCY, format_amount
from billing.prices import Tokens
from gateway.errors import InsufficientCredit, NoChannel
from gateway.metering import Measured, affordable_output, worst_cost
from gateway.protocols.wire import Ask
from gateway.routing import Card

TRIES = 3  # the balance may shrink between asking what it can hold and holding it
log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Reservation:
    price: Price
    held: int  # nano
    cap: int | None = None  # output tokens to ask the provider for, where the balance covers less than the default


def reserve(call: Call, card: Card, ask: Ask, *, input_bound: int, limits_output: bool) -> Reservation:
    """Hold the most this call may cost. Raises InsufficientCredit, or NoChannel for a model without a price."""
    price = prices.in_force(call.model, call.started_at)
    if price is None:
        raise NoChannel(
            f"`{call.model}` has no price yet, so it cannot be called. Please tell the operator.", code="no_price"
        )
    input_tokens = min(input_bound, card.context_tokens)
    if not limits_output:
        return _reserve_images(call, ask, price, input_tokens)
    output, cap = ask.max_output or card.default_output_tokens, None
    for _ in range(TRIES):
        amount = worst_cost(price, input_tokens=input_tokens, output_tokens=output * ask.n)
        try:
            _hold(call, price, amount)
        except InsufficientBalance as short:
            able = affordable_output(
                price, input_tokens=input_tokens, at_most=output, n=ask.n, spendable=short.spendable
            )
            if ask.max_output is not None or able < 1:
                raise _cannot_pay(short.spendable, ask, able) from None
            output = cap = able
        else:
            return Reservation(price, amount, cap)
    raise _cannot_pay(0, ask, 0)


def settle(call: Call, reservation: Reservation, measured: Measured, *, status: Usage.Status, **facts: object) -> Usage:
    """Close the hold, write the row. Safe to call again: the first one counts."""
    usage = charges.settle(
        call=call,
        tokens=measured.tokens,
        price=reservation.price,
        source=measured.source,
        status=status,
        not_charged_because=measured.not_charged_because,
        **facts,  # type: ignore[arg-type]  # the relay names them
    )
    log.info(
        "gateway.request.settled",
        request=call.request_id,
        key=call.key_id,
        model=call.model,
        endpoint=call.endpoint,
        channel=call.channel,
        status=status.value,
        source=measured.source.value,
        charge_nano=usage.charge_nano,
        total_ms=usage.total_ms,
    )
    return usage


def _reserve_images(call: Call, ask: Ask, price: Price, input_tokens: int) -> Reservation:
    tokens = Tokens(input=input_tokens, images=ask.n, image_class=ask.image_class)
    amount = prices.cost(price, tokens)
    try:
        _hold(call, price, amount)
    except InsufficientBalance as short:
        one = prices.cost(price, Tokens(images=1, image_class=ask.image_class))
        able = short.spendable // one if one else 0
        raise InsufficientCredit(
            f"Your balance of {_shown(short.spendable)} is not enough: this call needs {_shown(amount)}. It covers "
            f"{able} of these images. Ask for fewer with `n`, or add credit at /billing/.",
            param="n",
        ) from None
    return Reservation(price, amount)


def _hold(call: Call, price: Price, amount: int) -> None:
    lasts = timedelta(seconds=settings.GATEWAY_TOTAL_TIMEOUT_S + settings.HOLD_GRACE_S)
    context = {
        "key_id": call.key_id,
        "model": call.model,
        "endpoint": call.endpoint,
        "channel": call.channel,
        "stream": call.stream,
        "price_id": price.pk,
        "client_request_id": call.client_request_id,
        "started_at": call.started_at.isoformat(),
    }
    reservations.hold(
        request_id=call.request_id,
        user=User(pk=call.user_id),
        amount=amount,
        now=call.started_at,
        expires_at=call.started_at + lasts,
        context=context,
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
