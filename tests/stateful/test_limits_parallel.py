"""Spend limits with twenty at once, really: own connections, in threads and in processes, on both databases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.models import ApiKey, User
from billing import charges, limits, reservations
from billing.charges import Tokens
from billing.ledger import LedgerError
from billing.models import Notice, Price, SpendLimit, Usage
from billing.money import NANO
from console import books
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price
from tests.stateful.parallel import WAYS

pytestmark = pytest.mark.django_db(transaction=True)
Together = Callable[[int, Callable[[int], object]], list[object]]
TIMES = 20


@pytest.fixture(params=WAYS, ids=["threads", "processes"])
def together(request: pytest.FixtureRequest) -> Together:
    way: Together = request.param
    return way


@pytest.fixture
def key(ada: User) -> ApiKey:
    make_price()
    make_credit(ada, paid=NANO)
    return make_key(ada)[0]


@pytest.fixture(autouse=True)
def books_balance(ada: User) -> object:
    yield
    assert books.prove(now=NOW).findings == {}


def limit(user: User, amount: int, key: ApiKey | None = None, window: str = "day") -> SpendLimit:
    return limits.set_limit(user=user, key=key, window=window, amount=amount, actor=user, now=NOW)


def spend(call: charges.Call) -> int | None:
    """100,000 nano, held and charged; None where a limit refused it."""
    try:
        make_hold(call, 100_000)
    except limits.SpendLimitReached:
        return None
    facts = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200}
    return charges.settle(call=call, tokens=Tokens(input=100), price=Price.objects.get(), now=NOW, **facts).charge_nano


def test_twenty_calls_share_a_limit_for_ten(ada: User, key: ApiKey, together: Together) -> None:
    limit(ada, 1_000_000)
    calls = [make_call(key) for _ in range(TIMES)]
    answers = together(TIMES, lambda number: spend(calls[number]))
    assert sorted(answer for answer in answers if isinstance(answer, int)) == [100_000] * 10
    assert answers.count(None) == 10
    assert SpendLimit.objects.get().spent_nano == 1_000_000
    told = sorted(notice.data["percent"] for notice in Notice.objects.all())
    assert told == [50, 80, 100]


def test_two_keys_share_the_account_s_limit_and_each_has_its_own(ada: User, key: ApiKey, together: Together) -> None:
    keys = [key, make_key(ada)[0]]
    limit(ada, 1_200_000, window="month")
    for each in keys:
        limit(ada, 700_000, each)
    calls = [make_call(keys[number % 2]) for number in range(TIMES)]
    answers = together(TIMES, lambda number: spend(calls[number]))
    assert sum(answer is not None for answer in answers) == 12
    by_key = {row.key_id: row.spent_nano for row in SpendLimit.objects.all()}
    assert by_key[None] == 1_200_000
    assert all(by_key[each.pk] <= 700_000 for each in keys)


def test_holds_alone_never_pass_a_limit(ada: User, key: ApiKey, together: Together) -> None:
    limit(ada, 1_050_000, key)
    calls = [make_call(key) for _ in range(TIMES)]

    def hold(number: int) -> object:
        try:
            make_hold(calls[number], 100_000)
        except LedgerError as error:
            return type(error).__name__
        return None

    answers = together(TIMES, hold)
    assert answers.count(None) == 10
    assert answers.count("SpendLimitReached") == 10
    for call in calls:
        reservations.release(request_id=call.request_id, now=NOW)


def test_a_limit_that_is_set_while_calls_end_counts_each_of_them_once(
    ada: User, key: ApiKey, together: Together
) -> None:
    calls = [make_call(key) for _ in range(TIMES)]

    def either(number: int) -> object:
        if number == 0:
            return limit(ada, NANO).pk and None
        return spend(calls[number])

    answers = together(TIMES, either)
    charged = sum(answer for answer in answers if isinstance(answer, int))
    assert SpendLimit.objects.get().spent_nano == charged == 19 * 100_000


def test_one_limit_set_twenty_times_is_one_limit(ada: User, key: ApiKey, together: Together) -> None:
    answers = together(TIMES, lambda number: limit(ada, 1000 + number).pk)
    assert len(set(answers)) == 1
    assert SpendLimit.objects.get().amount_nano in range(1000, 1000 + TIMES)


def test_refunds_and_charges_at_once_leave_the_exact_sum(ada: User, key: ApiKey, together: Together) -> None:
    before = [make_call(key) for _ in range(TIMES // 2)]
    for call in before:
        spend(call)
    limit(ada, NANO, key)
    calls = [make_call(key) for _ in range(TIMES)]

    def either(number: int) -> object:
        if number % 2:
            return spend(calls[number])
        row = Usage.objects.get(pk=before[number // 2].request_id)
        later = NOW + timedelta(seconds=1)
        return charges.refund(usage=row, amount=40_000, n=1, actor=None, reason="x", now=later).pk and None

    together(TIMES, either)
    assert SpendLimit.objects.get().spent_nano == 10 * 100_000 + 10 * 60_000
