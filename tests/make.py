"""Typed makers of test data. Three people have fixed meanings: Ada owns, Ben was brought by Ada, Cleo is a stranger."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from accounts import keys
from accounts.models import ApiKey, User
from billing import charges, ledger, prices, reservations
from billing.charges import Call, Tokens
from billing.ledger import Line
from billing.models import AccountKind, Price, Usage
from billing.money import NANO
from console import people

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
_numbers = count(1)


def make_user(name: str = "", *, staff: bool = False, verified: bool = True, referral_code: str = "") -> User:
    name = name or f"user{next(_numbers)}"
    return people.create_person(
        email=f"{name}@example.com",
        password=PASSWORD,
        now=NOW,
        staff=staff,
        verified=verified,
        referral_code=referral_code,
    )


def make_key(user: User, name: str = "test") -> tuple[ApiKey, str]:
    return keys.issue(user=user, name=name)


def make_credit(user: User, *, paid: int = 0, promo: int = 0, reward: int = 0) -> None:
    """Nano of each class, by real postings. `reward` has no reward row behind it: the referral audit says so."""
    if paid:
        ledger.grant(user=user, amount=paid, kind="paid", reason="A test needs it", actor=None, now=NOW)
    if promo:
        ledger.grant(user=user, amount=promo, kind="promo", reason="A test needs it", actor=None, now=NOW)
    if reward:
        pending, available = (
            ledger.account(AccountKind.REF_PENDING, user),
            ledger.account(AccountKind.REF_AVAILABLE, user),
        )
        steps = [
            ("reward.accrue", ledger.account(AccountKind.EXPENSE_REFERRAL), pending),
            ("reward.mature", pending, available),
            ("reward.convert", available, ledger.account(AccountKind.USER_REWARD, user)),
        ]
        number = next(_numbers)
        for kind, debit, credit in steps:
            line = Line(debit=debit, credit=credit, amount=reward)
            ledger.post(kind=kind, key=f"make:{kind}:{number}", lines=[line], actor=None, now=NOW)


def make_price(model: str = "gpt-5.4-mini", *, at: datetime = NOW - timedelta(days=30), **given: Any) -> Price:
    """1 and 4 dollars per million input and output tokens: a token costs 1,000 and 4,000 nano."""
    return prices.set_price(
        model=model, effective_from=at, **{"input_nano_per_mtok": NANO, "output_nano_per_mtok": 4 * NANO, **given}
    )


def make_call(key: ApiKey, **given: Any) -> Call:
    call = Call(
        request_id=f"req_{next(_numbers):026d}",
        user_id=key.user_id,
        key_id=key.pk,
        model="gpt-5.4-mini",
        endpoint="chat/completions",
        channel="demo",
        stream=False,
        client_request_id="",
        started_at=NOW,
    )
    return replace(call, **given)


def make_hold(call: Call, amount: int, *, lasts: timedelta = timedelta(minutes=5)) -> None:
    reservations.hold(
        request_id=call.request_id,
        user=User(pk=call.user_id),
        amount=amount,
        now=call.started_at,
        expires_at=call.started_at + lasts,
        key_id=call.key_id,
        context={"model": call.model, "endpoint": call.endpoint},
    )


def make_usage(
    key: ApiKey,
    *,
    held: int = 0,
    tokens: Tokens | None = None,
    price: Price | None = None,
    **given: Any,
) -> Usage:
    """A call from hold to row. `given` are fields of Call or further arguments of charges.settle."""
    fields = {name: given.pop(name) for name in list(given) if name in Call.__dataclass_fields__}
    call = make_call(key, **fields)
    tokens = tokens or Tokens(input=100, output=50)
    price = price or prices.in_force(call.model, NOW) or make_price(call.model)
    make_hold(call, held or prices.cost(price, tokens))
    settled: dict[str, Any] = {
        "source": Usage.Source.UPSTREAM,
        "status": Usage.Status.OK,
        "http_status": 200,
        "now": call.started_at + timedelta(seconds=1),
        "sent_ms": 20,
        "first_byte_ms": 120,
        "total_ms": 800,
        **given,
    }
    return charges.settle(call=call, tokens=tokens, price=price, **settled)
