"""Credit that operators give: once per form, with a reason, with a second person above the limit, never to oneself."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import checks as django_checks

from accounts.models import User
from billing import checks, grants, ledger
from billing.models import AccountKind, Grant, LedgerTxn, PromoLot
from billing.money import NANO
from console import books
from tests.make import NOW, make_user

pytestmark = pytest.mark.django_db
WHY = "The outage of 12 November"


@pytest.fixture
def olga(db: None) -> User:
    return make_user("olga", staff=True)


@pytest.fixture
def otto(db: None) -> User:
    return make_user("otto", staff=True)


def order(amount: int = NANO, **given: Any) -> grants.Order:
    return grants.Order(**{"client_id": uuid4(), "kind": "promo", "amount": amount, "reason": WHY, **given})


def test_a_grant_is_posted_with_its_actor_and_reason(ada: User, olga: User, now: datetime) -> None:
    grant = grants.ask(user=ada, order=order(credit_expires_at=now + timedelta(days=9)), by=olga, now=now)
    assert (grant.state, grant.requested_by, grant.decided_by) == ("posted", olga, olga)
    txn = LedgerTxn.objects.get()
    assert (txn, txn.actor, txn.reason) == (grant.txn, olga, WHY)
    assert PromoLot.objects.get().expires_at == now + timedelta(days=9)
    assert ledger.balances(ada).promo == NANO


def test_the_same_form_twice_is_one_grant_and_another_in_it_is_refused(ada: User, olga: User, now: datetime) -> None:
    same = order()
    first = grants.ask(user=ada, order=same, by=olga, now=now)
    assert grants.ask(user=ada, order=same, by=olga, now=now) == first
    with pytest.raises(grants.AnotherGrant):
        grants.ask(user=ada, order=order(2 * NANO, client_id=same.client_id), by=olga, now=now)
    assert ledger.balances(ada).promo == NANO


def test_above_the_limit_nothing_is_credited_until_somebody_else_agrees(
    ada: User, olga: User, otto: User, now: datetime
) -> None:
    grant = grants.ask(user=ada, order=order(grants.limit() + 1, kind="paid"), by=olga, now=now)
    assert (grant.state, ledger.balances(ada).paid) == ("pending", 0)
    with pytest.raises(grants.NotYours):
        grants.approve(grant=grant, by=olga, words="", now=now)
    done = grants.approve(grant=grant, by=otto, words="Seen the transfer", now=now)
    assert (done.state, done.decided_by, ledger.balances(ada).paid) == ("posted", otto, grants.limit() + 1)
    with pytest.raises(grants.AlreadyDecided):
        grants.approve(grant=grant, by=otto, words="", now=now)
    with pytest.raises(grants.AlreadyDecided):
        grants.refuse(grant=grant, by=otto, words="", now=now)
    assert LedgerTxn.objects.count() == 1
    assert books.prove(now=now).findings == {}


def test_the_limit_cannot_be_passed_in_slices(ada: User, cleo: User, olga: User, otto: User, now: datetime) -> None:
    half = grants.limit() // 2
    states = [grants.ask(user=ada, order=order(half), by=olga, now=now).state for _ in range(3)]
    assert states == ["posted", "posted", "pending"]
    assert grants.ask(user=cleo, order=order(half), by=olga, now=now).state == "posted"
    assert grants.ask(user=ada, order=order(half), by=otto, now=now).state == "posted"
    later = now + grants.WINDOW
    assert grants.ask(user=ada, order=order(half), by=olga, now=later).state == "posted"


def test_nobody_grants_to_themselves_alone(olga: User, otto: User, now: datetime) -> None:
    grant = grants.ask(user=olga, order=order(1), by=olga, now=now)
    assert grant.state == "pending"
    with pytest.raises(grants.NotYours):
        grants.approve(grant=grant, by=olga, words="", now=now)
    asked_by_otto = grants.ask(user=olga, order=order(grants.limit() + 1), by=otto, now=now)
    with pytest.raises(grants.NotYours):
        grants.approve(grant=asked_by_otto, by=olga, words="", now=now)
    assert ledger.balances(olga).promo == 0


def test_a_refused_grant_credits_nothing(ada: User, olga: User, otto: User, now: datetime) -> None:
    grant = grants.ask(user=ada, order=order(grants.limit() + 1), by=olga, now=now)
    refused = grants.refuse(grant=grant, by=otto, words="No such transfer", now=now)
    assert (refused.state, refused.decision, ledger.balances(ada).promo) == ("refused", "No such transfer", 0)
    with pytest.raises(grants.CannotCorrect):
        grants.correct(grant=refused, by=otto, reason=WHY, now=now)


def test_credit_that_would_have_expired_before_it_is_approved_is_not_granted(
    ada: User, olga: User, otto: User, now: datetime
) -> None:
    soon = order(grants.limit() + 1, credit_expires_at=now + timedelta(hours=1))
    grant = grants.ask(user=ada, order=soon, by=olga, now=now)
    with pytest.raises(grants.NotAGrant):
        grants.approve(grant=grant, by=otto, words="", now=now + timedelta(hours=2))
    assert Grant.objects.get().state == "pending"


def test_a_correction_is_the_mirror_once_and_only_while_the_credit_is_there(
    ada: User, olga: User, otto: User, now: datetime
) -> None:
    grant = grants.ask(user=ada, order=order(), by=olga, now=now)
    with pytest.raises(grants.NotAGrant):
        grants.correct(grant=grant, by=otto, reason="short", now=now)
    txn = grants.correct(grant=grant, by=otto, reason="Wrong person, sorry", now=now)
    assert (txn.reverses, txn.actor, ledger.balances(ada).promo) == (grant.txn, otto, 0)
    with pytest.raises(grants.CannotCorrect):
        grants.correct(grant=grant, by=otto, reason="Wrong person, sorry", now=now)
    spent = grants.ask(user=ada, order=order(), by=olga, now=now)
    promo, equity = ledger.account(AccountKind.USER_PROMO, ada), ledger.account(AccountKind.EQUITY_ADJUST)
    ledger.post(kind="adjust", key="x", lines=[ledger.Line(promo, equity, 1)], actor=None, now=now)
    with pytest.raises(grants.CannotCorrect) as refused:
        grants.correct(grant=spent, by=otto, reason="Wrong person, sorry", now=now)
    assert refused.value.spendable == NANO - 1
    assert books.prove(now=now).findings == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": -1},
        {"reason": "x" * 9},
        {"reason": " " * 50},
        {"reason": "x" * 501},
        {"credit_expires_at": NOW},
        {"kind": "paid", "credit_expires_at": NOW + timedelta(days=1)},
    ],
)
def test_what_is_no_grant_credits_nothing(ada: User, olga: User, wrong: dict[str, Any], now: datetime) -> None:
    with pytest.raises(grants.NotAGrant):
        grants.ask(user=ada, order=order(**{"amount": NANO, **wrong}), by=olga, now=now)
    assert not Grant.objects.exists()
    assert not LedgerTxn.objects.exists()


@pytest.mark.parametrize("text", ["", "abc", "-5", "1e3", "１００"])
def test_a_limit_that_cannot_be_read_stops_the_start(settings: Any, text: str) -> None:
    settings.GRANT_SECOND_PERSON_ABOVE = text
    [error] = checks.amounts_are_amounts()
    assert isinstance(error, django_checks.Error)
    settings.GRANT_SECOND_PERSON_ABOVE = "100.00"
    assert checks.amounts_are_amounts() == []
