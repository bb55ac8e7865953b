"""A test of the tests: each guard of the database is taken away in turn, and its probe must then succeed.

A probe is what the guard exists for. With the guard it fails and names the guard; without it, it goes through. So no
guard is for nothing, and none can be lost without a red test.
"""

from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F

from accounts.models import User
from billing import checks, codes, grants, guards, ledger, limits, notices, seals, watches
from billing.models import (
    AccountKind,
    BalanceWatch,
    Grant,
    Hold,
    LedgerAccount,
    LedgerCheckpoint,
    LedgerEntry,
    LedgerFlow,
    LedgerScale,
    LedgerTxn,
    Notice,
    NoticeOff,
    Price,
    PromoBook,
    PromoLot,
    RedeemCode,
    RedeemCodeBatch,
    Redemption,
    SealedStatement,
    SpendLimit,
    Usage,
    UsageDay,
    UsageHour,
)
from billing.money import MAX_NANO, NANO
from tests.guarded import (
    APPS,
    Probe,
    change,
    declared,
    drop_trigger,
    named,
    only_this_constraint_refuses,
    only_this_trigger_refuses,
    schema_changes,
    triggers,
    twice,
    twice_but,
)
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price, make_usage
from tests.unit.billing import payment_probes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("scene")]
TOO_MUCH = MAX_NANO + 1


@pytest.fixture
def scene(ada: User, cleo: User) -> None:
    """One of everything, so that each probe has something to damage."""
    make_credit(ada, paid=NANO, promo=1000)
    make_credit(cleo, paid=NANO)
    key = make_key(ada)[0]
    make_price(at=NOW - timedelta(days=1))
    make_usage(key)
    make_hold(make_call(key), 500)
    code = codes.create(kind="promo", amount=5, uses=2, expires_at=None, note="", by=None)
    codes.redeem(user=ada, code=code.code, now=NOW)
    order = grants.Order(client_id=uuid4(), kind="promo", amount=5, reason="A probe needs it")
    grants.ask(user=ada, order=order, by=cleo, now=NOW)
    watches.watch(user=ada, threshold=NANO)
    for limited, window in ((key, "day"), (None, "month")):
        limits.set_limit(user=ada, key=limited, window=window, amount=NANO, actor=ada, now=NOW)
    notices.write(user=ada, kind="refund", key="probe", data={}, now=NOW)
    notices.choose(user=ada, wanted=[])
    payment_probes.scene(ada)
    LedgerCheckpoint.objects.create(
        account=system(AccountKind.REVENUE_API), txn_kind="usage", debits=0, credits=1, until=NOW
    )
    seals.seal_due(now=NOW + timedelta(days=40))


def owned(kind: AccountKind, email: str = "ada@example.com") -> LedgerAccount:
    return LedgerAccount.objects.get(kind=kind, owner__email=email)


def system(kind: AccountKind) -> LedgerAccount:
    return LedgerAccount.objects.get(kind=kind, owner=None)


def entry(kind: str, debit: LedgerAccount, credit: LedgerAccount, **given: object) -> LedgerEntry:
    """Past our own code, straight into the table."""
    txn = LedgerTxn.objects.create(kind=kind, idempotency_key="probe", request_hash="", effective_at=NOW)
    return LedgerEntry.objects.create(**{"txn": txn, "debit": debit, "credit": credit, "amount": 1, **given})


def credit_entry(**given: object) -> LedgerEntry:
    return entry("grant", system(AccountKind.EXPENSE_PROMO), owned(AccountKind.USER_PROMO), **given)


def follows_entries() -> None:
    """The guard acts instead of refusing: the balance must have moved."""
    before = ledger.balances(User.objects.get(email="ada@example.com")).promo
    credit_entry()
    if ledger.balances(User.objects.get(email="ada@example.com")).promo == before + 1:
        raise IntegrityError("constraint failed: ledger_entry_balances")


def truncate(table: str) -> None:
    """And only this table where nothing points to it; entries go before their transactions."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if table == guards.TXN:
            cursor.execute(f"DROP TRIGGER {guards.ENTRY}_no_truncate ON {guards.ENTRY}")
        cursor.execute(f"TRUNCATE {table} CASCADE")


def another_of_the_batch() -> None:
    """Another code of the same batch, again as this person's first."""
    first = RedeemCode.objects.all()[0]
    first.code = "ANOTHER"
    twice(first)
    twice_but(Redemption, code=RedeemCode.objects.get(code="ANOTHER"))


PENDING = {"state": "pending", "decided_by": None, "decided_at": None}
TABLES: dict[str, type[models.Model]] = {
    guards.TXN: LedgerTxn,
    guards.ENTRY: LedgerEntry,
    guards.FLOW: LedgerFlow,
    guards.SCALE: LedgerScale,
    guards.PRICE: Price,
    guards.SEALED: SealedStatement,
}
A_CHANGE: dict[type[models.Model], dict[str, object]] = {
    LedgerTxn: {"reason": "It never happened"},
    LedgerEntry: {"amount": 7},
    LedgerFlow: {"credit_kind": "cash.payout"},
    LedgerScale: {"units_per_currency_unit": 1},
    Price: {"input_nano_per_mtok": 1},
    SealedStatement: {"document": "{}"},
}


def erase(model: type[models.Model]) -> None:
    """A row that nothing points to, so that only the guard stands in the way."""
    with connection.cursor() as cursor:
        if model is LedgerTxn:
            lone = LedgerTxn.objects.create(kind="grant", idempotency_key="lone", request_hash="", effective_at=NOW)
            cursor.execute(f"DELETE FROM {guards.TXN} WHERE id = {lone.pk}")
        elif model is Price:
            cursor.execute(f"DELETE FROM {guards.PRICE} WHERE id = {make_price('unused').pk}")
        elif model is LedgerScale:
            cursor.execute(f"DELETE FROM {guards.SCALE}")
        else:
            cursor.execute(
                f"DELETE FROM {model._meta.db_table} WHERE id = (SELECT min(id) FROM {model._meta.db_table})"
            )


TRIGGERS = [
    Probe("ledger_entry_balances", follows_entries),
    Probe(
        "ledger_entry_flow", lambda: entry("wd.paid", owned(AccountKind.USER_PROMO), system(AccountKind.CASH_PAYOUT))
    ),
    Probe("ledger_entry_same_asset", lambda: credit_entry(asset="EUR")),
    Probe(
        "ledger_entry_one_owner",
        lambda: entry("reward.convert", _with_rewards(), owned(AccountKind.USER_REWARD, "cleo@example.com")),
    ),
    Probe("ledger_account_fixed", lambda: change(LedgerAccount, kind="user.gift")),
    *(Probe(f"{table}_no_update", partial(change, model, **A_CHANGE[model])) for table, model in TABLES.items()),
    *(Probe(f"{table}_no_delete", partial(erase, model)) for table, model in TABLES.items()),
    *(Probe(f"{table}_no_truncate", partial(truncate, table)) for table in TABLES if connection.vendor == "postgresql"),
]


def _with_rewards() -> LedgerAccount:
    """Ada's available rewards; the entry would give them to Cleo."""
    ada = User.objects.get(email="ada@example.com")
    pending, available = owned(AccountKind.REF_PENDING), owned(AccountKind.REF_AVAILABLE)
    first = ledger.Line(debit=system(AccountKind.EXPENSE_REFERRAL), credit=pending, amount=5)
    ledger.post(kind="reward.accrue", key="a", lines=[first], actor=None, now=NOW)
    ledger.post(
        kind="reward.mature",
        key="b",
        lines=[ledger.Line(debit=pending, credit=available, amount=5)],
        actor=None,
        now=NOW,
    )
    assert available.owner == ada
    return available


def take_from(kind: AccountKind, amount: int) -> None:
    LedgerAccount.objects.filter(pk=owned(kind).pk).update(debits=models.F("credits") + amount)


def system_account(**given: object) -> LedgerAccount:
    fields = {"kind": "tax.other", "owner": None, "sign": 1, "guarded": False, "live": False, **given}
    return LedgerAccount.objects.create(**fields)


CONSTRAINTS = [
    Probe("ledger_account_unique_owned", lambda: twice(owned(AccountKind.USER_PAID))),
    Probe("ledger_account_unique_system", lambda: twice(system(AccountKind.REVENUE_API))),
    Probe("ledger_account_sign", lambda: system_account(sign=0)),
    Probe("ledger_account_bounds", lambda: system_account(credits=TOO_MUCH)),
    Probe("ledger_account_never_negative", lambda: take_from(AccountKind.USER_PAID, 1)),
    Probe("ledger_account_owned_is_live_and_guarded", lambda: system_account(guarded=True)),
    Probe("LedgerTxn.idempotency_key", lambda: twice(LedgerTxn.objects.all()[0])),
    Probe("LedgerTxn.reverses", lambda: reverse_twice(LedgerTxn.objects.all()[0])),
    Probe(
        "ledger_entry_amount",
        lambda: entry("adjust", system(AccountKind.EXPENSE_LOSS), system(AccountKind.EQUITY_ADJUST), amount=0),
    ),
    Probe("ledger_entry_two_accounts", lambda: onto_itself(AccountKind.EXPENSE_LOSS)),
    Probe("ledger_flow_unique", lambda: twice(LedgerFlow.objects.all()[0])),
    Probe("hold_amount", lambda: change(Hold, amount=TOO_MUCH, paid_nano=TOO_MUCH, promo_nano=0)),
    Probe("hold_is_the_sum_of_its_parts", lambda: change(Hold, amount=models.F("amount") + 1)),
    Probe("hold_open_or_closed", lambda: change(Hold, state="open", closed_at=NOW)),
    Probe("price_one_per_moment", lambda: twice(Price.objects.all()[0])),
    Probe("price_bounds", lambda: Price.objects.create(model="m", effective_from=NOW, input_nano_per_mtok=-1)),
    Probe(
        "price_narrow_bounds",
        lambda: Price.objects.create(model="m", effective_from=NOW, cached_input_nano_per_mtok=-1),
    ),
    Probe("usage_bounds", lambda: change(Usage, uncollected_nano=-1)),
    Probe("usage_units", lambda: change(Usage, cached_tokens=-1)),
    Probe("usage_refund_within_charge", lambda: change(Usage, refunded_nano=models.F("charge_nano") + 1)),
    Probe("usage_charge_is_the_sum_of_its_parts", lambda: change(Usage, paid_nano=models.F("paid_nano") + 1)),
    Probe("usage_charge_is_posted", lambda: change(Usage, txn=None)),
    Probe("ledger_checkpoint_unique", lambda: twice(LedgerCheckpoint.objects.all()[0])),
    Probe("ledger_checkpoint_bounds", lambda: change(LedgerCheckpoint, debits=-1)),
    Probe("sealed_statement_one_per_month", lambda: sealed_again(previous_hash="f" * 64)),
    Probe("sealed_statement_no_fork", lambda: sealed_again(month="2020-01-01")),
    Probe("usage_hour_unique", lambda: twice(UsageHour.objects.all()[0])),
    Probe("usage_hour_bounds", lambda: change(UsageHour, refunded_nano=-1)),
    Probe("usage_hour_charge_is_the_sum_of_its_parts", lambda: change(UsageHour, paid_nano=models.F("paid_nano") + 1)),
    Probe("usage_day_unique", lambda: twice(UsageDay.objects.all()[0])),
    Probe("usage_day_bounds", lambda: change(UsageDay, refunded_nano=-1)),
    Probe("usage_day_charge_is_the_sum_of_its_parts", lambda: change(UsageDay, paid_nano=models.F("paid_nano") + 1)),
    Probe("RedeemCode.code", lambda: twice(RedeemCode.objects.all()[0])),
    Probe("redeem_code_amount", lambda: change(RedeemCode, amount_nano=0)),
    Probe("redeem_code_uses_left", lambda: change(RedeemCode, uses_left=-1)),
    Probe("redemption_once_per_person", lambda: twice_but(Redemption, nth=2)),
    Probe("redeem_code_uses", lambda: change(RedeemCode, uses_left=3)),
    Probe("redemption_nth_of_person", another_of_the_batch),
    Probe("code_batch_public_id", lambda: twice_but(RedeemCodeBatch, client_id=uuid4())),
    Probe("code_batch_once_per_form", lambda: twice_but(RedeemCodeBatch, public_id="another")),
    Probe("code_batch_amount", lambda: change(RedeemCodeBatch, amount_nano=0)),
    Probe("code_batch_counts", lambda: change(RedeemCodeBatch, per_person=0)),
    Probe("code_batch_only_gifts_expire", lambda: change(RedeemCodeBatch, kind="paid", credit_expires_after_days=3)),
    Probe("promo_lot_once_per_posting", lambda: twice(PromoLot.objects.exclude(txn=None)[0])),
    Probe("promo_lot_bounds", lambda: change(PromoLot, remaining_nano=-1)),
    Probe("promo_lot_amount", lambda: change(PromoLot, amount_nano=0, remaining_nano=0)),
    Probe("promo_lot_within_amount", lambda: change(PromoLot, expired_nano=F("amount_nano") + 1)),
    Probe("promo_lot_closed_is_empty", lambda: change(PromoLot, closed_at=NOW, remaining_nano=1)),
    Probe("promo_lot_given_back_stays", lambda: change(PromoLot, txn=None, expires_at=NOW)),
    Probe("promo_lot_one_given_back", lambda: PromoLot.objects.filter(user__email="ada@example.com").update(txn=None)),
    Probe("promo_book_bounds", lambda: change(PromoBook, debits=-1)),
    Probe("promo_book_never_negative", lambda: change(PromoBook, debits=F("credits") + 1)),
    Probe("balance_watch_bounds", lambda: change(BalanceWatch, threshold_nano=0)),
    Probe("balance_watch_rearms_above_its_threshold", lambda: change(BalanceWatch, rearm_nano=F("threshold_nano"))),
    Probe("grant_public_id", lambda: twice_but(Grant, client_id=uuid4(), txn=None, **PENDING)),
    Probe("grant_once_per_form", lambda: twice_but(Grant, public_id="another", txn=None, **PENDING)),
    Probe("grant_once_per_posting", lambda: twice_but(Grant, public_id="another", client_id=uuid4())),
    Probe("grant_amount", lambda: change(Grant, amount_nano=0)),
    Probe("grant_has_a_reason", lambda: change(Grant, reason="")),
    Probe("grant_posted_has_a_posting", lambda: change(Grant, txn=None)),
    Probe("grant_decided_by_somebody", lambda: change(Grant, decided_at=None)),
    Probe("grant_by_two_people", lambda: change(Grant, two_people=True)),
    Probe("spend_limit_public_id", lambda: twice_but(SpendLimit, window="week")),
    Probe("spend_limit_one_per_key", lambda: twice_but(SpendLimit, public_id="another")),
    Probe("spend_limit_one_per_account", lambda: change(SpendLimit, key=None, window="month")),
    Probe("spend_limit_amount", lambda: change(SpendLimit, amount_nano=0)),
    Probe("spend_limit_spent", lambda: change(SpendLimit, spent_nano=-1)),
    Probe("spend_limit_window", lambda: change(SpendLimit, window="year")),
    Probe("spend_limit_noticed_percent", lambda: change(SpendLimit, noticed_percent=90)),
    Probe("notice_once", lambda: twice(Notice.objects.all()[0])),
    Probe("notice_one_end", lambda: change(Notice, sent_at=NOW, dropped_because="failed")),
    Probe("notice_off_once", lambda: twice(NoticeOff.objects.all()[0])),
    *(Probe(name, attempt) for name, attempt in payment_probes.PROBES),
]


def sealed_again(**given: object) -> SealedStatement:
    row = SealedStatement.objects.all()[0]
    fields = {
        "user": row.user,
        "month": row.month,
        "document": "{}",
        "previous_hash": row.previous_hash,
        "hash": "0" * 64,
    }
    return SealedStatement.objects.create(**{**fields, "sealed_at": NOW, **given})


def reverse_twice(txn: LedgerTxn) -> None:
    for key in ("first", "second"):
        LedgerTxn.objects.create(kind="reversal", idempotency_key=key, request_hash="", effective_at=NOW, reverses=txn)


def onto_itself(kind: AccountKind) -> None:
    LedgerFlow.objects.create(txn_kind="grant", debit_kind=kind, credit_kind=kind)
    entry("grant", system(kind), system(kind))


@pytest.mark.parametrize("probe", named(TRIGGERS))
def test_each_trigger_refuses_what_it_is_for_and_only_it_does(probe: Probe) -> None:
    only_this_trigger_refuses(probe)


def test_every_trigger_has_a_probe_and_is_watched_over() -> None:
    assert {probe.name for probe in TRIGGERS} == triggers("billing") == guards.names(connection.vendor)
    assert guards.missing(connection) == []


@pytest.mark.parametrize("name", sorted(guards.names(connection.vendor)))
def test_a_lost_trigger_is_missed(name: str) -> None:
    with transaction.atomic():
        drop_trigger(name)
        assert guards.missing(connection) == [name]
        transaction.set_rollback(True)


@schema_changes
@pytest.mark.parametrize("probe", named(CONSTRAINTS))
def test_each_constraint_refuses_what_it_is_for_and_only_it_does(probe: Probe) -> None:
    only_this_constraint_refuses(probe)


def test_every_constraint_of_billing_has_a_probe() -> None:
    assert {probe.name for probe in CONSTRAINTS} == declared("billing")


def test_money_is_kept_where_probes_are_asked_for() -> None:
    """An app that begins to keep amounts in its tables has to be named in tests/guarded.py."""
    for app in apps.get_app_configs():
        for model in app.get_models():
            names = [field.name for field in model._meta.local_fields]
            amounts = [name for name in names if {"nano", "amount"} & set(name.split("_"))]
            assert not amounts or app.label in APPS, (model, amounts)


def test_a_missing_trigger_stops_the_database_check() -> None:
    name = "ledger_entry_flow"
    with transaction.atomic():
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"DROP TRIGGER {name}{f' ON {guards.ENTRY}' if connection.vendor == 'postgresql' else ''}")
        assert [error.id for error in checks.ledger_is_guarded(databases=["default"])] == ["billing.E001"]
        transaction.set_rollback(True)
    assert checks.ledger_is_guarded(databases=["default"]) == []


@pytest.mark.only("sqlite")  # the switch of PostgreSQL ends with the session
def test_an_open_switch_stops_the_database_check() -> None:
    with guards.unlocked(connection):
        assert [error.id for error in checks.ledger_is_guarded(databases=["default"])] == ["billing.E002"]


@pytest.mark.only("postgresql")  # SQLite has no session settings
def test_outside_of_a_test_database_the_switch_opens_nothing() -> None:
    """The function asks for the name of the database; here it is made to ask for another one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'ledger_append_only'")
        body = cursor.fetchone()[0]
        assert "current_database() LIKE 'test\\_%'" in body
        elsewhere = body.replace("'test\\_%'", "'production'")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "CREATE OR REPLACE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $f$"
            + elsewhere
            + "$f$"
        )
    with guards.unlocked(connection), pytest.raises(IntegrityError), transaction.atomic():
        LedgerEntry.objects.all().delete()
