"""What an operator sees of prices: history with changes, the way of a price, what a new one would have meant."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from billing import price_reports, prices
from billing.models import Price, Usage
from billing.money import NANO
from billing.prices import Tokens
from tests.make import make_credit, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db


def at(now: datetime, days: int, **given: Any) -> Price:
    return make_price("m", at=now + timedelta(days=days), **given)


def test_each_version_stands_beside_the_one_before(now: datetime) -> None:
    rows = [at(now, -9), at(now, -2, output_nano_per_mtok=3 * NANO), at(now, 5, input_nano_per_mtok=0)]
    versions = price_reports.history("m", now=now)
    assert [version.price for version in versions] == rows[::-1]
    assert [version.state for version in versions] == ["coming", "current", "past"]
    coming, current, past = ({part.label: part.change_bp for part in version.parts} for version in versions)
    assert past == dict.fromkeys(("Input", "Cached input", "Cache write", "Output", "Reasoning"))
    assert (current["Input"], current["Output"], current["Reasoning"]) == (0, -2500, -2500)
    assert (coming["Input"], coming["Cached input"], coming["Output"]) == (-10_000, -10_000, 3333)


def test_images_that_come_and_go_are_told(now: datetime) -> None:
    at(now, -9, output_nano_per_mtok=0, input_nano_per_mtok=0, image_nano={"1024x1024/low": 100, "1024x1024/high": 200})
    at(now, -2, output_nano_per_mtok=0, input_nano_per_mtok=0, image_nano={"1024x1024/high": 250, "*": 300})
    current = price_reports.history("m", now=now)[0]
    assert [(part.label, part.nano, part.before) for part in current.parts] == [
        ("*", 300, None),
        ("1024x1024/high", 250, 200),
        ("1024x1024/low", None, 100),
    ]


def test_the_list_knows_what_is_in_force_and_what_comes_next(now: datetime, django_assert_num_queries: Any) -> None:
    old, new = at(now, -1), at(now, 3)
    at(now, 9)
    make_price("later", at=now + timedelta(days=1))
    with django_assert_num_queries(1):
        later, model = price_reports.models(now=now)
    assert (model.current, model.following) == (old, new)
    assert (later.current, later.per_mtok) == (None, {})


def test_the_way_of_a_price_is_drawn_in_steps(now: datetime) -> None:
    at(now, -10)
    assert price_reports.trend(price_reports.history("m", now=now), now=now) is None
    at(now, -5, output_nano_per_mtok=2 * NANO)
    at(now, 10, output_nano_per_mtok=NANO)
    trend = price_reports.trend(price_reports.history("m", now=now), now=now)
    assert trend is not None
    assert trend.points == "0,0 150,0 150,40 600,40 600,60 600,60"
    assert (trend.least, trend.most, trend.now, trend.by_image) == (NANO, 4 * NANO, 300, False)


def test_the_impact_counts_every_class_once_and_only_this_model_and_time(
    ada: User, cleo: User, now: datetime, django_assert_max_num_queries: Any
) -> None:
    price = at(now, -60, cached_input_nano_per_mtok=NANO // 2, reasoning_nano_per_mtok=8 * NANO)
    for user, days, model in ((ada, 1, "m"), (ada, 29, "m"), (cleo, 2, "m"), (cleo, 31, "m"), (ada, 1, "other")):
        moment = now - timedelta(days=days)
        make_credit(user, paid=NANO)
        used = Tokens(1000, 200, 300, 50, 7)
        make_usage(make_key(user)[0], tokens=used, price=price, model=model, started_at=moment, now=moment)
    new = Price(model="m", effective_from=now, input_nano_per_mtok=2 * NANO, output_nano_per_mtok=4 * NANO)
    with django_assert_max_num_queries(2):
        impact = price_reports.impact(new, now=now)
    one_was = 1000 * 1000 + 200 * 500 + 300 * 1000 + 50 * 4000 + 7 * 8000
    one_would = (1000 + 200 + 300) * 2000 + (50 + 7) * 4000
    assert (impact.calls, impact.people) == (3, 2)
    assert (impact.charged, impact.would) == (3 * one_was, 3 * one_would)
    assert [line.units for line in impact.lines] == [3000, 600, 900, 150, 21]
    assert sum(line.was for line in impact.lines) == impact.charged
    assert impact.difference == 3 * (one_would - one_was)


def test_what_was_not_charged_would_not_have_been(ada: User, now: datetime) -> None:
    price = at(now, -60, image_nano={"1024x1024/high": 100})
    key = make_key(ada)[0]
    make_credit(ada, paid=NANO)
    moment = now - timedelta(days=1)
    for because in ("", "broken_picture"):
        make_usage(
            key,
            tokens=Tokens(images=0 if because else 3, image_class="1024x1024/high"),
            price=price,
            model="m",
            held=300,
            started_at=moment,
            now=moment,
            status=Usage.Status.FAILED if because else Usage.Status.OK,
            not_charged_because=because,
        )
    new = Price(model="m", effective_from=now, image_nano={"1024x1024/high": 40})
    impact = price_reports.impact(new, now=now)
    assert (impact.calls, impact.charged, impact.would, impact.change_bp) == (2, 300, 120, -6000)


def test_nobody_called_it(now: datetime) -> None:
    at(now, -60)
    impact = price_reports.impact(Price(model="m", effective_from=now), now=now)
    assert (impact.calls, impact.lines, impact.change_bp) == (0, [], None)


def test_the_price_of_tomorrow_is_latest_but_not_in_force(now: datetime) -> None:
    today, tomorrow = at(now, -1), at(now, 1)
    assert prices.latest("m") == tomorrow
    assert prices.in_force("m", now) == today
    assert price_reports.following("m", now=now) == [tomorrow]
    assert prices.latest("none") is None
