"""Twenty at once, really: own connections, in threads and in processes, on SQLite as on PostgreSQL."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from accounts.models import User
from billing import charges, codes, grants, ledger, promos, reservations
from billing.charges import Tokens
from billing.models import AccountKind, Hold, LedgerTxn, Price, PromoLot, RedeemCode, Redemption, Usage
from billing.money import NANO
from console import books
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price, make_usage, make_user
from tests.stateful.parallel import WAYS

pytestmark = pytest.mark.django_db(transaction=True)
Together = Callable[[int, Callable[[int], object]], list[object]]
TIMES = 20


@pytest.fixture(params=WAYS, ids=["threads", "processes"])
def together(request: pytest.FixtureRequest) -> Together:
    way: Together = request.param
    return way


@pytest.fixture(autouse=True)
def books_balance(ada: User) -> object:
    """Whatever happened: nothing below zero, every nano explained."""
    yield
    assert books.prove(now=NOW).findings == {}


def settle(call: charges.Call, tokens: Tokens) -> int:
    facts = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200}
    return charges.settle(call=call, tokens=tokens, price=Price.objects.get(), now=NOW, **facts).charge_nano


def refused(answers: list[object], name: str) -> int:
    return sum(
        1 for answer in answers if name in (type(answer).__name__ if isinstance(answer, Exception) else str(answer))
    )


def test_twenty_spenders_share_money_for_ten(ada: User, together: Together) -> None:
    make_price()
    make_credit(ada, promo=250_000, paid=750_000)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(TIMES)]

    def spend(number: int) -> object:
        make_hold(calls[number], 100_000)
        return settle(calls[number], Tokens(input=100))

    answers = together(TIMES, spend)
    assert sorted(answer for answer in answers if isinstance(answer, int)) == [100_000] * 10
    assert refused(answers, "InsufficientBalance") == 10
    got = ledger.balances(ada)
    assert (got.spendable, got.held, got.paid, got.promo) == (0, 0, 0, 0)


def test_calls_that_cost_more_than_held_never_take_an_account_below_zero(ada: User, together: Together) -> None:
    make_price()
    make_credit(ada, promo=300_000, paid=700_000)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(TIMES)]
    for call in calls:
        make_hold(call, 10_000)
    answers = together(TIMES, lambda number: settle(calls[number], Tokens(input=100)))
    assert all(isinstance(answer, int) and answer >= 10_000 for answer in answers)
    rows = list(Usage.objects.all())
    assert sum(row.charge_nano for row in rows) == 1_000_000
    assert all(row.charge_nano + row.uncollected_nano == 100_000 for row in rows)
    assert ledger.balances(ada).spendable == 0


def test_one_call_settled_twenty_times_is_charged_once(ada: User, together: Together) -> None:
    make_price()
    make_credit(ada, paid=NANO)
    call = make_call(make_key(ada)[0])
    make_hold(call, 100_000)
    assert together(TIMES, lambda _: settle(call, Tokens(input=100))) == [100_000] * TIMES
    assert LedgerTxn.objects.filter(kind="usage").count() == 1
    assert ledger.balances(ada).paid == NANO - 100_000


def test_one_call_without_a_hold_settled_twenty_times_is_charged_once(ada: User, together: Together) -> None:
    make_price()
    make_credit(ada, paid=NANO)
    call = make_call(make_key(ada)[0])
    assert together(TIMES, lambda _: settle(call, Tokens(input=100))) == [100_000] * TIMES
    assert ledger.balances(ada).paid == NANO - 100_000


def test_one_hold_made_twenty_times_is_one_hold(ada: User, together: Together) -> None:
    make_credit(ada, paid=NANO)
    call = make_call(make_key(ada)[0])
    assert together(TIMES, lambda _: make_hold(call, NANO)) == [None] * TIMES
    assert Hold.objects.count() == 1
    assert ledger.balances(ada).held == NANO
    reservations.release(request_id=call.request_id, now=NOW)


def test_settling_and_sweeping_the_same_hold_end_it_once(ada: User, together: Together) -> None:
    make_price()
    make_credit(ada, paid=NANO)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(TIMES // 2)]
    for call in calls:
        make_hold(call, 100_000, lasts=timedelta(seconds=1))

    def either(number: int) -> object:
        if number % 2:
            return reservations.sweep(now=NOW + timedelta(minutes=1)) and None
        return settle(calls[number // 2], Tokens(input=100))

    answers = together(TIMES, either)
    assert not [answer for answer in answers if answer not in {None, 0, 100_000}]
    assert not Hold.objects.filter(state=Hold.State.OPEN).exists()
    assert ledger.balances(ada).paid == NANO - len(calls) * 100_000
    assert ledger.balances(ada).held == 0


def test_one_grant_made_twenty_times_is_one_grant(ada: User, together: Together) -> None:
    def grant(_: int) -> object:
        return ledger.grant(user=ada, amount=NANO, kind="paid", reason="x", actor=None, now=NOW, key="same").pk

    assert len(set(together(TIMES, grant))) == 1
    assert ledger.balances(ada).paid == NANO


def test_a_code_of_five_uses_is_redeemed_five_times(ada: User, together: Together) -> None:
    code = codes.create(kind="promo", amount=NANO, uses=5, expires_at=None, note="", by=None)
    people = [make_user() for _ in range(TIMES)]
    answers = together(TIMES, lambda number: codes.redeem(user=people[number], code=code.code, now=NOW).pk)
    assert sum(isinstance(answer, int) for answer in answers) == 5
    assert refused(answers, "CodeUsedUp") == 15
    assert RedeemCode.objects.get().uses_left == 0
    assert Redemption.objects.count() == 5


def test_one_person_redeems_a_code_once_however_often(ada: User, together: Together) -> None:
    code = codes.create(kind="promo", amount=NANO, uses=TIMES, expires_at=None, note="", by=None)
    answers = together(TIMES, lambda _: codes.redeem(user=ada, code=code.code, now=NOW).pk)
    assert sum(isinstance(answer, int) for answer in answers) == 1
    assert refused(answers, "AlreadyRedeemed") == 19
    assert RedeemCode.objects.get().uses_left == TIMES - 1
    assert ledger.balances(ada).promo == NANO


def test_twenty_refunds_give_back_no_more_than_the_charge(ada: User, together: Together) -> None:
    make_credit(ada, promo=70_000, paid=NANO)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=100))

    def give_back(number: int) -> object:
        return charges.refund(usage=usage, amount=10_001, n=number, actor=None, reason="x", now=NOW).pk

    answers = together(TIMES, give_back)
    assert sum(isinstance(answer, int) for answer in answers) == 9
    assert refused(answers, "RefundTooLarge") == 11
    usage.refresh_from_db()
    assert usage.refunded_nano == 9 * 10_001


def test_one_refund_asked_for_twenty_times_is_given_once(ada: User, together: Together) -> None:
    make_credit(ada, paid=NANO)
    usage = make_usage(make_key(ada)[0], tokens=Tokens(input=100))

    def give_back(_: int) -> object:
        return charges.refund(usage=usage, amount=60_000, n=1, actor=None, reason="x", now=NOW).pk

    assert len(set(together(TIMES, give_back))) == 1
    assert ledger.balances(ada).paid == NANO - 40_000


def test_transfers_in_both_directions_do_not_wait_for_each_other(ada: User, together: Together) -> None:
    """Half convert to promotional credit, half take it back: opposite order of the same accounts, no deadlock."""
    make_credit(ada, promo=1000)
    promo, debt = ledger.account(AccountKind.USER_PROMO, ada), ledger.account(AccountKind.USER_DEBT, ada)
    equity = ledger.account(AccountKind.EQUITY_ADJUST)

    def move(number: int) -> object:
        there = [ledger.Line(debit=promo, credit=equity, amount=5), ledger.Line(debit=debt, credit=equity, amount=5)]
        back = [ledger.Line(debit=equity, credit=promo, amount=5), ledger.Line(debit=debt, credit=equity, amount=1)]
        lines = there if number % 2 else back[::-1]
        return ledger.post(kind="adjust", key=f"adj:{number}", lines=lines, actor=None, now=NOW).created

    assert together(TIMES, move) == [True] * TIMES
    assert ledger.balances(ada).promo == 1000
    assert ledger.balances(ada).user_debt == 60


def test_twenty_codes_of_a_batch_at_once_give_one_person_as_many_as_one_may_have(ada: User, together: Together) -> None:
    plan = codes.Plan(name="B", kind="promo", amount=NANO, count=TIMES, per_person=3)
    theirs = list(codes.create_batch(plan=plan, by=None).codes.order_by("pk").values_list("code", flat=True))
    answers = together(TIMES, lambda number: codes.redeem(user=ada, code=theirs[number], now=NOW).pk)
    assert sum(isinstance(answer, int) for answer in answers) == 3
    assert refused(answers, "EnoughOfBatch") == TIMES - 3
    assert sorted(Redemption.objects.values_list("nth", flat=True)) == [1, 2, 3]
    assert RedeemCode.objects.filter(uses_left=0).count() == 3
    assert ledger.balances(ada).promo == 3 * NANO


def test_a_batch_switched_off_while_it_is_redeemed_gives_what_was_taken_before(ada: User, together: Together) -> None:
    people = [make_user() for _ in range(TIMES)]
    batch = codes.create_batch(plan=codes.Plan(name="B", kind="promo", amount=NANO, count=1, uses=TIMES), by=None)
    code = batch.codes.get().code

    def either(number: int) -> object:
        if number == TIMES // 2:
            return codes.disable_batch(batch=batch, by=ada, now=NOW) and None
        return codes.redeem(user=people[number], code=code, now=NOW).pk

    answers = together(TIMES, either)
    had = sum(isinstance(answer, int) for answer in answers)
    assert had + refused(answers, "UnknownCode") == TIMES - 1
    assert RedeemCode.objects.get().uses_left == TIMES - had


def test_one_grant_sent_and_approved_twenty_times_is_one_posting(ada: User, together: Together) -> None:
    asker, second = make_user("asker", staff=True), make_user("second", staff=True)
    order = grants.Order(client_id=uuid4(), kind="promo", amount=NANO, reason="Sent too often")
    answers = together(TIMES, lambda _: grants.ask(user=ada, order=order, by=asker, now=NOW).pk)
    assert len(set(answers)) == 1
    large = grants.Order(client_id=uuid4(), kind="paid", amount=grants.limit() + 1, reason="Sent too often")
    waiting = grants.ask(user=ada, order=large, by=asker, now=NOW)
    answers = together(TIMES, lambda _: grants.approve(grant=waiting, by=second, words="", now=NOW).pk)
    assert refused(answers, "AlreadyDecided") == TIMES - 1
    assert LedgerTxn.objects.filter(kind="grant").count() == 2


def test_credit_expires_once_while_it_is_held_and_spent(ada: User, together: Together) -> None:
    make_price()
    at = NOW + timedelta(minutes=1)
    ledger.grant(user=ada, amount=NANO, kind="promo", reason="x", actor=None, now=NOW, expires_at=at)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(TIMES // 2)]
    for call in calls:
        make_hold(call, 1_000_000)

    def either(number: int) -> object:
        if number % 2:
            return promos.expire_due(now=at) and None
        return settle(calls[number // 2], Tokens(input=100))

    answers = together(TIMES, either)
    assert not [answer for answer in answers if answer not in {None, 0, 100_000}]
    promos.expire_due(now=at)
    spent = sum(Usage.objects.values_list("charge_nano", flat=True))
    lot = PromoLot.objects.get()
    assert (ledger.balances(ada).promo, lot.remaining_nano, lot.expired_nano) == (0, 0, NANO - spent)
