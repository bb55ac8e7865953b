"""Two gateways settle overlapping groups of the same people at the same moment: some serial order, each call once."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from accounts.models import User
from billing import charges, ledger, reservations
from billing.charges import Settlement, Tokens
from billing.models import Hold, LedgerTxn, Price, Usage
from billing.money import NANO, PER_MTOK
from console import books
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price, make_user
from tests.stateful.parallel import WAYS

pytestmark = pytest.mark.django_db(transaction=True)
Together = Callable[[int, Callable[[int], object]], list[object]]
GATEWAYS = 8
GROUP = 9
COST = 100


@pytest.fixture(params=WAYS, ids=["threads", "processes"])
def together(request: pytest.FixtureRequest) -> Together:
    way: Together = request.param
    return way


@pytest.fixture(autouse=True)
def books_balance(ada: User) -> object:
    make_price(input_nano_per_mtok=PER_MTOK)  # one token is one nano
    yield
    assert books.prove(now=NOW).findings == {}


def settled(calls: list[charges.Call], cost: int = COST) -> list[int]:
    price = Price.objects.get()
    group = [Settlement(call, Tokens(input=cost), price, Usage.Source.UPSTREAM, Usage.Status.OK, 200) for call in calls]
    return [row.charge_nano for row in charges.settle_many(group, now=NOW)]


def asked(call: charges.Call, amount: int) -> reservations.Ask:
    later = NOW + timedelta(minutes=5)
    return reservations.Ask(call.request_id, call.user_id, call.key_id, amount, NOW, later, {})


@pytest.mark.parametrize("with_holds", [True, False], ids=["held", "without a hold"])
def test_overlapping_groups_charge_each_call_once(ada: User, cleo: User, together: Together, with_holds: bool) -> None:  # noqa: FBT001 a parameter
    people = [ada, cleo, make_user()]
    for user in people:
        make_credit(user, promo=150, paid=NANO)
    calls = [make_call(make_key(user)[0]) for user in people for _ in range(6)]
    for call in calls if with_holds else []:
        make_hold(call, COST)
    groups = [Random(number).sample(calls, GROUP) for number in range(GATEWAYS)]
    wanted = {call.request_id for group in groups for call in group}

    answers = together(GATEWAYS, lambda number: settled(groups[number]))

    assert answers == [[COST] * GROUP] * GATEWAYS
    assert set(Usage.objects.values_list("pk", flat=True)) == wanted
    spent = Counter(call.user_id for call in calls if call.request_id in wanted)
    for user in people:
        got = ledger.balances(user)
        assert got.promo + got.paid == 150 + NANO - COST * spent[user.pk]
        assert got.promo == 0, "promotional credit first"
    posted = LedgerTxn.objects.filter(kind="usage").values_list("entries__amount", flat=True)
    assert sum(posted) == COST * len(wanted)
    assert Hold.objects.filter(state="open").count() == (len(calls) - len(wanted) if with_holds else 0)


def test_overlapping_groups_never_take_more_than_there_is(ada: User, together: Together) -> None:
    """Every call costs ten times its hold: whoever comes first gets it, the rest is uncollected."""
    make_credit(ada, promo=90, paid=910)
    calls = [make_call(make_key(ada)[0]) for _ in range(20)]
    for call in calls:
        make_hold(call, COST // 10)
    groups = [Random(number).sample(calls, GROUP) for number in range(GATEWAYS)]
    together(GATEWAYS, lambda number: settled(groups[number]))
    rows = list(Usage.objects.all())
    assert {row.pk for row in rows} == {call.request_id for group in groups for call in group}
    assert all(row.charge_nano + row.uncollected_nano == COST for row in rows)
    assert all(row.charge_nano >= COST // 10 for row in rows), "a hold is never taken by another call"
    left = ledger.balances(ada)
    assert left.paid + left.promo == 1000 - sum(row.charge_nano for row in rows)
    assert left.spendable >= 0


def test_groups_of_holds_share_what_there_is(ada: User, together: Together) -> None:
    make_credit(ada, promo=500, paid=1500)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(GATEWAYS * 5)]

    def hold(number: int) -> list[bool]:
        group = calls[number * 5 : number * 5 + 5]
        return [isinstance(made, Hold) for made in reservations.hold_many([asked(call, COST) for call in group])]

    answers = together(GATEWAYS, hold)
    assert sum(sum(each) for each in answers if isinstance(each, list)) == 20
    assert ledger.balances(ada).held == 2000
    assert ledger.balances(ada).spendable == 0


def test_groups_that_are_settled_while_others_are_swept_end_once(ada: User, together: Together) -> None:
    make_credit(ada, paid=NANO)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(16)]
    for call in calls:
        make_hold(call, COST, lasts=timedelta(seconds=1))

    def either(number: int) -> object:
        if number % 2:
            return reservations.sweep(now=NOW + timedelta(minutes=1)) and None
        return settled(calls[number : number + 10])

    together(GATEWAYS, either)
    assert not Hold.objects.filter(state=Hold.State.OPEN).exists()
    assert ledger.balances(ada).held == 0
    charged = Usage.objects.filter(charge_nano=COST).count()
    assert charged == len(calls)
    assert ledger.balances(ada).paid == NANO - COST * charged
