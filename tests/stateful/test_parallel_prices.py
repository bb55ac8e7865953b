"""Operators who change a price at the same moment: nobody overrules what they have not seen."""

from datetime import timedelta

import pytest

from accounts.models import User
from billing import prices
from billing.models import Price
from tests.make import NOW, make_price
from tests.stateful.parallel import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 8


@pytest.mark.parametrize("apart_s", [0, 1])
def test_of_operators_who_have_seen_the_same_price_one_sets_the_next(ada: User, apart_s: int) -> None:
    seen = make_price(at=NOW).pk

    def set_it(number: int) -> object:
        at = NOW + timedelta(seconds=1 + number * apart_s)
        return prices.set_price(model="gpt-5.4-mini", effective_from=at, by=ada, seen=seen).pk

    answers = in_threads(TIMES, set_it)
    assert sum(isinstance(answer, prices.PriceTaken) for answer in answers) == TIMES - 1, answers
    assert Price.objects.count() == 2
