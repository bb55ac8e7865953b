"""Makers of a referral world: people, paid spend on a day, rewards that are ready to use."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, Literal

from django.db import connection

from accounts.models import ApiKey, User
from billing import audit as ledger_audit
from billing import charges, ledger
from billing.models import AccountKind, Price, Usage
from billing.money import NANO, PER_MTOK
from referrals import audit, links, rewards, withdrawals
from referrals.models import Referral, Reward, Withdrawal
from tests.make import NOW, make_key, make_user

PAYEE = {"name": "Ada Lovelace", "account": "ada@alipay.example"}
TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)
LONG_AGO = TODAY - timedelta(days=40)
_numbers = count(1)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def bring(referrer: User, name: str = "", *, joined: datetime | None = None) -> Referral:
    """A new person brought by `referrer`, by default long enough ago that all spend of these tests counts."""
    person = make_user(name, referral_code=links.link_of(user=referrer).code)
    referral = Referral.objects.get(referee=person)
    Referral.objects.filter(pk=referral.pk).update(joined_at=joined or noon(LONG_AGO - timedelta(days=1)))
    referral.refresh_from_db()
    return referral


def spend(person: User, amount: int, day: date = YESTERDAY, *, credit: AccountKind = AccountKind.USER_PAID) -> Usage:
    """One charged call at noon of `day`, from credit that is granted for it."""
    return spend_at(person, amount, noon(day), credit=credit)


def spend_at(person: User, amount: int, at: datetime, *, credit: AccountKind = AccountKind.USER_PAID) -> Usage:
    number = next(_numbers)
    kind: Literal["paid", "promo"] = "paid" if credit == AccountKind.USER_PAID else "promo"
    ledger.grant(user=person, amount=amount, kind=kind, reason="test", actor=None, now=at)
    # One token at a price that makes the amount.
    price = Price.objects.create(model=f"model-{number}", effective_from=at, input_nano_per_mtok=amount * PER_MTOK)
    key = ApiKey.objects.filter(user=person).first() or make_key(person)[0]
    return charges.settle(
        call=charges.Call(
            f"req_test{number}", person.pk, key.pk, price.model, "chat.completions", "demo", False, "", at
        ),
        tokens=charges.Tokens(input=1),
        price=price,
        source=Usage.Source.UPSTREAM,
        status=Usage.Status.OK,
        http_status=200,
        now=at,
    )


def give_back(usage: Usage, amount: int, at: datetime = NOW) -> None:
    """Refund a part of a paid call."""
    charges.refund(usage=usage, amount=amount, n=next(_numbers), actor=None, reason="test", now=at)


def available(person: User, amount: int, *, rewards_of: int = 10 * NANO) -> list[Reward]:
    """`amount` nano of matured rewards, earned on one day by people who really spent; and what else that day earned."""
    day = LONG_AGO
    left = amount
    while left > 0:
        share = min(left, rewards_of)
        spend(bring(person).referee, share * 10, day)
        left -= share
    rewards.accrue(now=NOW, day=day)
    rewards.mature(now=NOW)
    assert ledger.balances(person).available >= amount
    return list(Reward.objects.filter(referrer=person).order_by("pk"))


def ask(person: User, amount: int, *, client_id: str = "form-1", now: datetime = NOW, **changes: Any) -> Withdrawal:
    wish = {"method": "alipay", "payee": PAYEE, **changes}
    return withdrawals.request(user=person, amount=amount, client_id=client_id, now=now, **wish)


def assert_books_are_clean() -> None:
    """Every invariant of the ledger and of the rewards."""
    with connection.cursor() as cursor:
        for name, query in {**ledger_audit.INVARIANTS, **audit.INVARIANTS}.items():
            cursor.execute(query)
            assert cursor.fetchall() == [], name


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run at the same moment, each on a connection of its own; results or the exceptions raised, in order."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            results[number] = work()
        except Exception as error:  # noqa: BLE001 it is the result
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
