"""The operator's pages of prices: what is in force, what a new price would mean, and that the past keeps its own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import prices
from billing.models import Price
from billing.money import NANO
from billing.prices import Tokens
from tests.make import make_credit, make_key, make_price, make_usage, make_user

pytestmark = pytest.mark.django_db
MODEL = "gpt-5.4-mini"
CHANGE = f"/desk/prices/{MODEL}/change/"


@pytest.fixture
def olga(db: None) -> User:
    """The operator."""
    user = make_user("olga", staff=True)
    user.is_superuser = True
    user.save()
    return user


@pytest.fixture
def desk(client: Client, olga: User, sign_in: Callable[[Client, User], None]) -> Client:
    sign_in(client, olga)
    return client


@pytest.fixture
def sign_in() -> Callable[[Client, User], None]:
    """With a password typed just now."""

    def signed_in(client: Client, user: User) -> None:
        client.force_login(user)
        session = client.session
        session["signed_in_at"] = timezone.now().timestamp()
        session.save()

    return signed_in


def typed(**changes: str) -> dict[str, str]:
    latest = Price.objects.filter(model=MODEL).latest("effective_from")
    return {
        "input_nano_per_mtok": "1.00",
        "output_nano_per_mtok": "8",
        "images": "",
        "starts": "now",
        "seen": str(latest.pk),
        **changes,
    }


def set_it(desk: Client, **changes: str) -> Any:
    """Both steps: what it means, then set it."""
    shown = desk.post(CHANGE, typed(**changes)).context["form"]["shown"].value()
    return desk.post(CHANGE, typed(**changes, set="1", shown=shown))


def test_support_and_everybody_else_find_no_such_page(client: Client, ada: User, sam: User) -> None:
    make_price(MODEL)
    for path in ("/desk/prices/", f"/desk/prices/{MODEL}/", CHANGE):
        assert client.get(path).status_code == 302
        for person in (ada, sam):
            client.force_login(person)
            assert client.get(path).status_code == 404
            assert client.post(path, {}).status_code == 404
        client.logout()


def test_the_list_says_what_is_in_force_and_what_comes_next(desk: Client, django_assert_max_num_queries: Any) -> None:
    make_price(MODEL)
    make_price("another", input_nano_per_mtok=7 * NANO)
    make_price(MODEL, at=timezone.now() + timedelta(days=3))
    with django_assert_max_num_queries(6):
        html = desk.get("/desk/prices/").content.decode()
    assert "$7.00" in html
    assert "from 2" in html


def test_without_prices_the_page_says_how_to_get_them(desk: Client) -> None:
    assert "load_catalogue" in desk.get("/desk/prices/").content.decode()
    assert desk.get(f"/desk/prices/{MODEL}/").status_code == 404
    assert desk.get(CHANGE).status_code == 404


def test_the_preview_prices_the_last_month_and_sets_nothing(desk: Client, ada: User) -> None:
    make_price(MODEL)  # 1 and 4 dollars
    make_credit(ada, paid=NANO)
    now = timezone.now()
    for days in (1, 40):
        moment = now - timedelta(days=days)
        make_usage(make_key(ada)[0], tokens=Tokens(input=1000, output=500), started_at=moment, now=moment)
    answer = desk.post(CHANGE, typed())
    impact = answer.context["impact"]
    assert (impact.calls, impact.people) == (1, 1)
    assert (impact.charged, impact.would) == (3_000_000, 5_000_000)
    assert impact.change_bp == 6667
    assert "+66.67 %" in answer.content.decode()
    assert Price.objects.count() == 1


def test_images_are_priced_by_size_and_quality(desk: Client, ada: User) -> None:
    make_price(MODEL, input_nano_per_mtok=0, output_nano_per_mtok=0, image_nano={"1024x1024/high": 200, "*": 100})
    make_credit(ada, paid=NANO)
    key = make_key(ada)[0]
    moment = timezone.now() - timedelta(days=1)
    for image_class in ("1024x1024/high", "1024x1024/low"):
        make_usage(key, tokens=Tokens(images=2, image_class=image_class), started_at=moment, now=moment)
    images = "1024x1024/high 0.0000005\n* 0.0000001"
    impact = desk.post(CHANGE, typed(images=images, input_nano_per_mtok="", output_nano_per_mtok="")).context["impact"]
    assert (impact.charged, impact.would) == (600, 1200)


def test_a_price_that_is_set_holds_from_then_on_and_the_past_keeps_its_own(desk: Client, olga: User) -> None:
    old = make_price(MODEL)
    before = timezone.now()
    answer = set_it(desk, cached_input_nano_per_mtok="0.1", reasoning_nano_per_mtok="9")
    assert answer.status_code == 302
    new = prices.in_force(MODEL, timezone.now())
    assert new is not None
    assert (new.output_nano_per_mtok, new.cached_input_nano_per_mtok, new.reasoning_nano_per_mtok) == (
        8 * NANO,
        NANO // 10,
        9 * NANO,
    )
    assert new.created_by == olga
    assert prices.in_force(MODEL, before) == old
    html = desk.get(f"/desk/prices/{MODEL}/").content.decode()
    assert "+100.00 %" in html
    assert "olga@example.com" in html
    assert "<polyline" in html


def test_a_price_may_begin_later(desk: Client) -> None:
    old = make_price(MODEL)
    at = timezone.now().replace(second=0, microsecond=0) + timedelta(days=2)
    assert set_it(desk, starts="at", at=at.strftime("%Y-%m-%dT%H:%M")).status_code == 302
    assert prices.in_force(MODEL, timezone.now()) == old
    assert Price.objects.latest("effective_from").effective_from == at
    assert f"begin on {at:%Y-%m-%d %H:%M} UTC" in desk.get(CHANGE).content.decode()
    again = set_it(desk, starts="at", at=at.strftime("%Y-%m-%dT%H:%M"))
    assert again.status_code == 409
    assert "from this very moment" in again.content.decode()


def test_two_operators_do_not_overwrite_each_other(desk: Client) -> None:
    make_price(MODEL)
    form = typed(set="1")
    make_price(MODEL, at=timezone.now())
    answer = desk.post(CHANGE, form)
    assert answer.status_code == 409
    assert "since you opened this page" in answer.content.decode()
    assert Price.objects.count() == 2
    assert set_it(desk, seen=answer.context["form"]["seen"].value()).status_code == 302


def test_only_what_was_shown_is_set(desk: Client) -> None:
    make_price(MODEL)
    shown = desk.post(CHANGE, typed()).context["form"]["shown"].value()
    at = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    changes: list[dict[str, str]] = [
        {"output_nano_per_mtok": "80"},
        {"cached_input_nano_per_mtok": "1"},
        {"images": "* 1"},
        {"starts": "at", "at": at},
        {"shown": ""},
        {"shown": "x"},
    ]
    for change in changes:
        answer = desk.post(CHANGE, typed(**{"shown": shown, **change}, set="1"))
        assert answer.status_code == 200
        assert "nothing is set yet" in answer.content.decode()
    assert Price.objects.count() == 1


def test_a_name_with_a_slash_has_its_pages_too(desk: Client) -> None:
    make_price("vendor/model")
    html = desk.get("/desk/prices/").content.decode()
    assert "/desk/prices/vendor/model/" in html
    assert desk.get("/desk/prices/vendor/model/").status_code == 200
    assert desk.get("/desk/prices/vendor/model/change/").status_code == 200
    for path in ("/desk/prices/%00/", "/desk/prices/%00/change/", "/desk/prices/none/change/"):
        assert desk.get(path).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input_nano_per_mtok", "-1"),
        ("input_nano_per_mtok", "1e3"),
        ("input_nano_per_mtok", "1.0000000001"),
        ("input_nano_per_mtok", "10001"),
        ("input_nano_per_mtok", "９"),
        ("input_nano_per_mtok", "NaN"),
        ("input_nano_per_mtok", "1" * 300),
        ("images", "1024x1024/high"),
        ("images", "1024x1024/high 1 2"),
        ("images", "<b> 1"),
        ("images", "1024x1024/high 1\n1024x1024/high 2"),
        ("images", "\n".join(f"{n}x{n}/high 1" for n in range(1000, 1041))),
        ("images", "1024x1024/high -1"),
        ("starts", "yesterday"),
        ("starts", ""),
        ("seen", "x"),
    ],
)
def test_what_is_no_price_is_said_beside_its_field(desk: Client, field: str, value: str) -> None:
    make_price(MODEL)
    answer = desk.post(CHANGE, typed(set="1", **{field: value}))
    assert answer.status_code == 400
    assert field in answer.context["form"].errors
    assert Price.objects.count() == 1


@pytest.mark.parametrize("at", ["", "2020-01-01T00:00", "2999-01-01T00:00", "tomorrow"])
def test_the_past_and_the_far_future_have_no_new_price(desk: Client, at: str) -> None:
    make_price(MODEL)
    answer = desk.post(CHANGE, typed(set="1", starts="at", at=at))
    assert answer.status_code == 400
    assert "at" in answer.context["form"].errors


def test_a_price_of_nothing_is_refused(desk: Client) -> None:
    make_price(MODEL)
    assert desk.post(CHANGE, typed(set="1", input_nano_per_mtok="0", output_nano_per_mtok="")).status_code == 400


def test_setting_asks_for_the_password_when_it_was_typed_long_ago(client: Client, olga: User) -> None:
    make_price(MODEL)
    client.force_login(olga)
    assert "reauthenticate" in client.post(CHANGE, typed(set="1")).headers["location"]
    assert Price.objects.count() == 1
