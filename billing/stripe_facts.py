"""What is read of Stripe's objects, and nothing else of them: no names, no addresses. The same from event and poll.

Nothing is taken on trust: a field of another type than expected counts as absent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from billing.stripe_gate import OUR_PAYMENT, OUR_REFUND

LONGEST = 200  # of an id; Stripe promises 255 at most and uses fewer than 100
NO_AMOUNT = -1


@dataclass(frozen=True)
class Fee:
    """One movement of the Stripe balance and what Stripe kept of it: cents of `currency`."""

    id: str
    fee: int
    currency: str


@dataclass(frozen=True)
class Seen:
    """One object as Stripe described it at some moment. Amounts are cents, NO_AMOUNT where there is none."""

    what: str = ""  # checkout.session, payment_intent, charge, refund, dispute
    id: str = ""
    intent: str = ""
    amount: int = NO_AMOUNT
    received: int = NO_AMOUNT
    refunded: int = NO_AMOUNT
    currency: str = ""
    status: str = ""
    payment_status: str = ""
    mode: str = ""
    customer: str = ""
    card: str = ""
    method: str = ""
    method_hint: str = ""
    reason: str = ""
    code: str = ""
    our_payment: str = ""
    our_refund: str = ""
    action_url: str = ""
    is_disputed: bool = False
    fees: tuple[Fee, ...] = ()
    charge: "Seen | None" = field(default=None)

    @property
    def body(self) -> dict[str, Any]:
        """For the row of an event."""
        return {name: value for name, value in asdict(self).items() if value not in ("", NO_AMOUNT, None, ())}


def seen(thing: Mapping[str, Any]) -> Seen:
    """Of an object in an event or an answer."""
    what, own = _text(thing, "object"), _text(thing, "id")
    details, error = _dict(thing, "payment_method_details"), _dict(thing, "last_payment_error")
    metadata = _dict(thing, "metadata")
    charge = thing.get("latest_charge")
    movements = thing.get("balance_transactions") or [thing.get("balance_transaction")]
    return Seen(
        what=what,
        id=own,
        intent=own if what == "payment_intent" else _id(thing, "payment_intent"),
        amount=_cents(thing, "amount_total" if what == "checkout.session" else "amount"),
        received=_cents(thing, "amount_received"),
        refunded=_cents(thing, "amount_refunded"),
        currency=_text(thing, "currency").lower(),
        status=_text(thing, "status"),
        payment_status=_text(thing, "payment_status"),
        mode=_text(thing, "mode"),
        customer=_id(thing, "customer"),
        card=_id(thing, "payment_method"),
        method=_text(details, "type")[:24],
        method_hint=_hint(details),
        reason=_text(thing, "reason")[:64],
        code=(_text(error, "decline_code") or _text(error, "code") or _text(thing, "failure_reason"))[:64],
        our_payment=_text(metadata, OUR_PAYMENT),
        our_refund=_text(metadata, OUR_REFUND),
        action_url=_address(thing),
        is_disputed=thing.get("disputed") is True,
        fees=_fees(movements if isinstance(movements, list) else []),
        charge=seen(charge) if isinstance(charge, dict) else None,
    )


def restored(body: Mapping[str, Any]) -> Seen:
    """From the row of an event."""
    known = {each.name for each in fields(Seen)}
    given = {name: value for name, value in body.items() if name in known and name not in {"fees", "charge"}}
    fees = tuple(Fee(**each) for each in body.get("fees", ()))
    charge = body.get("charge")
    return Seen(**given, fees=fees, charge=restored(charge) if charge else None)


def _text(thing: Mapping[str, Any], name: str) -> str:
    value = thing.get(name)
    return value if isinstance(value, str) and len(value) <= LONGEST and "\0" not in value else ""


def _dict(thing: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = thing.get(name)
    return value if isinstance(value, dict) else {}


def _id(thing: Mapping[str, Any], name: str) -> str:
    """Of an object that may be written out or only named."""
    return _text(_dict(thing, name), "id") or _text(thing, name)


def _cents(thing: Mapping[str, Any], name: str) -> int:
    value = thing.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else NO_AMOUNT


def _hint(details: Mapping[str, Any]) -> str:
    card = _dict(details, "card")
    return f"{_text(card, 'brand')} {_text(card, 'last4')}".strip()[:40]


def _address(thing: Mapping[str, Any]) -> str:
    """Where the bank asks the owner of a card."""
    value = _dict(_dict(thing, "next_action"), "redirect_to_url").get("url")
    return value if isinstance(value, str) and value.startswith(("https://", "http://127.0.0.1")) else ""


def _fees(movements: Iterable[Any]) -> tuple[Fee, ...]:
    return tuple(
        Fee(_text(each, "id"), each["fee"], _text(each, "currency").lower())
        for each in movements
        if isinstance(each, dict) and _text(each, "id") and type(each.get("fee")) is int
    )
