"""The audit is silent on good books and finds each kind of damage: every invariant is broken once, on purpose."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from accounts.models import ApiKey, User
from billing import audit, charges, codes, grants, guards, ledger, limits, promos, reservations
from billing.models import (
    AccountKind,
    Grant,
    Hold,
    LedgerAccount,
    LedgerAudit,
    LedgerCheckpoint,
    LedgerEntry,
    LedgerTxn,
    PromoLot,
    RedeemCode,
    Redemption,
    SpendLimit,
    Usage,
)
from billing.money import NANO
from console import books, tasks
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(ada: User, sam: User) -> None:
    """A bit of everything that money does."""
    make_credit(ada, paid=NANO, promo=100_000)
    key = make_key(ada)[0]
    limits.set_limit(user=ada, key=key, window="month", amount=NANO, actor=ada, now=NOW)
    usage = make_usage(key)
    charges.refund(usage=usage, amount=1000, n=1, actor=sam, reason="x", now=NOW)
    make_usage(key, status=Usage.Status.FAILED, not_charged_because="upstream_error")
    make_hold(make_call(key), 500)
    overdue = make_call(key)
    make_hold(overdue, 500, lasts=timedelta(seconds=1))
    reservations.sweep(now=NOW + timedelta(seconds=2))
    released = make_call(key)
    make_hold(released, 500)
    reservations.release(request_id=released.request_id, now=NOW)
    code = codes.create(kind="promo", amount=5, uses=2, expires_at=None, note="", by=None)
    codes.redeem(user=ada, code=code.code, now=NOW)
    wrong = ledger.grant(user=ada, amount=7, kind="paid", reason="x", actor=sam, now=NOW)
    ledger.reverse(txn=wrong, actor=sam, reason="x", now=NOW)
    soon = NOW + timedelta(seconds=5)
    order = grants.Order(client_id=uuid4(), kind="promo", amount=9_000, reason="A free week", credit_expires_at=soon)
    grants.ask(user=ada, order=order, by=sam, now=NOW)
    promos.expire_due(now=NOW + timedelta(days=1))


def sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in statements:
            cursor.execute(statement)


def drop_trigger(name: str) -> None:
    sql(f"DROP TRIGGER {name}{f' ON {guards.table_of(name)}' if connection.vendor == 'postgresql' else ''}")


def paid() -> LedgerAccount:
    return LedgerAccount.objects.get(kind=AccountKind.USER_PAID, owner__email="ada@example.com")


def txn(kind: str, **given: object) -> LedgerTxn:
    fields = {"kind": kind, "idempotency_key": f"damage:{kind}", "request_hash": "", "effective_at": NOW, **given}
    return LedgerTxn.objects.create(**fields)


def below_zero() -> None:
    if connection.vendor == "postgresql":
        sql("ALTER TABLE billing_ledgeraccount DROP CONSTRAINT ledger_account_never_negative")
    else:
        sql("PRAGMA ignore_check_constraints = ON")
    LedgerAccount.objects.filter(pk=paid().pk).update(debits=F("credits") + 1)
    if connection.vendor == "sqlite":
        sql("PRAGMA ignore_check_constraints = OFF")


def two_currencies() -> None:
    drop_trigger("ledger_entry_same_asset")
    euro = LedgerAccount.objects.create(
        kind="expense.loss", owner=None, asset="EUR", sign=-1, guarded=False, live=False
    )
    dollar = ledger.account(AccountKind.EQUITY_ADJUST)
    LedgerEntry.objects.create(txn=txn("adjust"), debit=euro, credit=dollar, amount=5)


def forbidden_flow() -> None:
    drop_trigger("ledger_entry_flow")
    LedgerEntry.objects.create(
        txn=txn("wd.paid"), debit=paid(), credit=ledger.account(AccountKind.CASH_PAYOUT), amount=1
    )


def crooked_mirror() -> None:
    granted = LedgerTxn.objects.filter(kind="grant", reversed_by=None).earliest("pk")
    line = {"debit": paid(), "credit": ledger.account(AccountKind.CASH_OFFLINE), "amount": 1}
    LedgerEntry.objects.create(txn=txn("reversal", reverses=granted), **line)


def reopened() -> None:
    Hold.objects.filter(state=Hold.State.SETTLED).update(state=Hold.State.OPEN, closed_at=None)


def to_another_class() -> None:
    usage = Usage.objects.get(charge_nano__gt=0)
    line = ledger.Line(
        debit=ledger.account(AccountKind.REVENUE_API),
        credit=ledger.account(AccountKind.USER_REWARD, usage.user),
        amount=9,
    )
    ledger.post(
        kind="usage.refund", key="damage", lines=[line], actor=None, now=NOW, source_type="usage", source_id=usage.pk
    )


def unsettled_refund() -> None:
    Usage.objects.filter(charge_nano__gt=0).update(refunded_nano=F("refunded_nano") + 1)


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

DAMAGE: dict[str, Callable[[], object]] = {
    "I1 live balances equal the journal": lambda: LedgerAccount.objects.filter(pk=paid().pk).update(
        credits=F("credits") + 1
    ),
    "I2 nothing guarded is below zero": below_zero,
    "I3 held equals open holds": lambda: LedgerAccount.objects.filter(pk=paid().pk).update(held=F("held") + 1),
    "I5 every charge is explained to the nano": lambda: Usage.objects.filter(charge_nano__gt=0).update(
        charge_nano=F("charge_nano") + 1, paid_nano=F("paid_nano") + 1
    ),
    "I12 no transaction is without entries": lambda: txn("grant"),
    "I13 debits equal credits": two_currencies,
    "a system account keeps no balance of its own": lambda: LedgerAccount.objects.filter(owner=None).update(credits=1),
    "every entry follows the rules of the ledger": forbidden_flow,
    "a reversal mirrors what it reverses": crooked_mirror,
    "a hold and its call end alike": reopened,
    "a charge was posted once": lambda: Usage.objects.filter(charge_nano__gt=0).update(txn=txn("grant")),
    "refunds stay within the charge": unsettled_refund,
    "a refund goes back to the class it came from": to_another_class,
    "the sums of the house equal the journal before them": lambda: LedgerCheckpoint.objects.create(
        account=ledger.account(AccountKind.REVENUE_API), txn_kind="usage", debits=0, credits=1, until=LONG_AGO
    ),
    "a redemption has exactly one posting": lambda: Redemption.objects.all().delete(),
    "a code's uses add up": lambda: RedeemCode.objects.update(uses_left=F("uses_left") - 1),
    "nobody has more of a batch than one person may": lambda: Redemption.objects.update(nth=2),
    "lots of promotional credit add up": lambda: PromoLot.objects.filter(remaining_nano__gt=0).update(
        remaining_nano=F("remaining_nano") - 1
    ),
    "every gift of promotional credit is one lot": lambda: PromoLot.objects.filter(txn__kind="grant").delete(),
    "what expired of a lot was posted": lambda: PromoLot.objects.filter(expired_nano__gt=0).update(expired_nano=1),
    "a grant is what was posted for it": lambda: Grant.objects.update(amount_nano=F("amount_nano") + 1),
    "a spend limit counts what was charged in its period": lambda: SpendLimit.objects.update(spent_nano=1),
    "a spend limit of a key is its owner's": lambda: ApiKey.objects.update(user=User.objects.get(is_staff=True)),
}


def test_good_books_are_clean(scene: None, now: datetime) -> None:
    proof = books.prove(now=now)
    assert proof.findings == {}
    assert LedgerAudit.objects.get() == proof
    assert (proof.is_clean, proof.finished_at) == (True, now)


@pytest.mark.parametrize("name", list(audit.INVARIANTS))
def test_each_invariant_finds_its_damage(scene: None, name: str, now: datetime) -> None:
    DAMAGE[name]()
    proof = audit.run({name: audit.INVARIANTS[name]}, now=now)
    assert not proof.is_clean
    assert len(proof.findings[name]) >= 1


def test_a_lost_guard_is_a_finding(scene: None, now: datetime) -> None:
    drop_trigger("ledger_entry_balances")
    assert audit.run(audit.INVARIANTS, now=now).findings == {audit.GUARDS: ["ledger_entry_balances"]}


def test_the_command_says_so_with_its_exit_code(scene: None) -> None:
    out = StringIO()
    call_command("ledger_audit", stdout=out)
    assert out.getvalue().startswith("The books balance to the last unit")
    out = StringIO()
    call_command("ledger_audit", json=True, stdout=out)
    assert json.loads(out.getvalue()) == {"clean": True, "checked": len(books.INVARIANTS) + 1, "findings": {}}
    LedgerAccount.objects.filter(pk=paid().pk).update(held=F("held") + 1)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("ledger_audit", stdout=out)
    assert ended.value.code == 1
    assert out.getvalue().splitlines() == [f"NOT TRUE: I3 held equals open holds: {paid().pk}"]
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("ledger_audit", json=True, stdout=out)
    assert json.loads(out.getvalue())["findings"] == {"I3 held equals open holds": [str(paid().pk)]}


def test_the_task_keeps_what_it_found(scene: None) -> None:
    tasks.audit_ledger()
    assert LedgerAudit.objects.get().is_clean
