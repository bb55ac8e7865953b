"""The page of spend limits: where each stands, set, change, remove; and the meter on the page of keys."""

import re

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, User
from billing import limits
from billing.models import SpendLimit
from billing.money import NANO
from tests.make import make_call, make_credit, make_hold, make_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(ada: User) -> ApiKey:
    make_credit(ada, paid=100 * NANO)
    return make_key(ada, "laptop")[0]


def words(client: Client, user: User, path: str = "/limits/") -> str:
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def limit(user: User, amount: int, window: str = "day", key: ApiKey | None = None, spent: int = 0) -> SpendLimit:
    row = limits.set_limit(user=user, key=key, window=window, amount=amount, actor=user, now=timezone.now())
    SpendLimit.objects.filter(pk=row.pk).update(spent_nano=spent)
    return row


def post(client: Client, user: User, **fields: str) -> tuple[int, str]:
    client.force_login(user)
    given = {"scope": "account", "window": "day", "amount": "25.00", **fields}
    answer = client.post("/limits/", given, follow=True)
    return answer.status_code, re.sub(r"\s+", " ", answer.content.decode())


def test_a_stranger_is_sent_to_sign_in(client: Client) -> None:
    assert client.get("/limits/")["Location"] == "/accounts/login/?next=/limits/"
    assert client.post("/limits/", {})["Location"].startswith("/accounts/login/")
    assert client.post("/limits/lim_x/remove/")["Location"].startswith("/accounts/login/")


def test_without_limits_the_page_says_what_holds(client: Client, ada: User, key: ApiKey) -> None:
    text = words(client, ada)
    assert "No limit: your keys may spend all of your balance." in text
    assert "Keys without a limit of their own" in text
    assert key.hint in text


def test_each_limit_says_what_is_spent_held_and_left_and_when_it_resets(client: Client, ada: User, key: ApiKey) -> None:
    User.objects.filter(pk=ada.pk).update(time_zone="Asia/Shanghai")
    limit(ada, 10 * NANO, "month", spent=3 * NANO)
    limit(ada, 5 * NANO, "day", key, spent=4 * NANO + 1)
    call = make_call(key, started_at=timezone.now())
    make_hold(call, NANO // 2)
    text = words(client, ada)
    assert "$3.00 of $10.00" in text
    assert "30 % spent · $6.50 left · $0.50 held for running calls" in text
    assert "$4.000000001 of $5.00" in text
    assert "80 % spent · $0.499999999 left" in text
    assert re.search(
        r"Resets in \d+ (hours?|minutes?|days?), [A-Z][a-z]{2} \d+ [A-Z][a-z]{2} 00:00 \(Asia/Shanghai\)", text
    )
    assert "Keys without a limit of their own" not in text


def test_a_used_up_limit_says_so(client: Client, ada: User, key: ApiKey) -> None:
    limit(ada, NANO, spent=2 * NANO)
    assert "200 % spent · nothing left: calls are refused" in words(client, ada)


def test_limits_are_set_changed_and_removed(client: Client, ada: User, key: ApiKey) -> None:
    status, page = post(client, ada)
    assert status == 200
    assert "Your account may spend $25.00 a day." in page
    status, page = post(client, ada, scope=key.public_id, window="month", amount="7.5")
    assert "“laptop” may spend $7.50 a month." in page
    status, page = post(client, ada, amount="30")
    assert "Your account may spend $30.00 a day." in page
    rows = {(row.key_id, row.window): row.amount_nano for row in SpendLimit.objects.all()}
    assert rows == {(None, "day"): 30 * NANO, (key.pk, "month"): 7_500_000_000}
    row = SpendLimit.objects.get(key=key)
    page = client.post(f"/limits/{row.public_id}/remove/", follow=True).content.decode()
    assert "“laptop” has no monthly limit any more." in page
    assert SpendLimit.objects.get().key is None


def test_the_link_to_change_fills_the_form_in(client: Client, ada: User, key: ApiKey) -> None:
    limit(ada, 5 * NANO, "week", key)
    client.force_login(ada)
    page = client.get("/limits/").content.decode()
    [link] = re.findall(r'href="(/limits/\?scope=[^"]*)#set">Change', page)
    form = client.get(link.replace("&amp;", "&")).content.decode()
    assert f'<option value="{key.public_id}" selected>' in form
    assert '<option value="week" selected>' in form
    assert 'value="5.00"' in form


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": ""},
        {"amount": "0"},
        {"amount": "0.00"},
        {"amount": "-5"},
        {"amount": "1e3"},
        {"amount": "5,00"},
        {"amount": "5.001"},
        {"amount": "1000000.01"},
        {"amount": "9" * 400},
        {"amount": "１２"},
        {"amount": "12\x00"},
        {"window": "year"},
        {"window": ""},
        {"scope": "nobody"},
        {"scope": ""},
    ],
)
def test_bad_input_is_told_and_changes_nothing(client: Client, ada: User, key: ApiKey, wrong: dict[str, str]) -> None:
    status, page = post(client, ada, **wrong)
    assert status == 400
    assert 'aria-invalid="true"' in page
    assert not SpendLimit.objects.exists()


def test_odd_addresses_show_the_page(client: Client, ada: User) -> None:
    client.force_login(ada)
    for query in ("?scope=x&window=y&amount=z", "?amount=" + "9" * 500, "?scope=%00", "?window=<b>"):
        answer = client.get(f"/limits/{query}")
        assert answer.status_code == 200
        assert b"<b>" not in answer.content


def test_a_revoked_key_is_not_there_any_more(client: Client, ada: User, key: ApiKey) -> None:
    limit(ada, NANO, "day", key)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now(), revoked_by=ada)
    assert key.hint not in words(client, ada)
    status, _ = post(client, ada, scope=key.public_id)
    assert status == 400


def test_cleo_neither_sees_nor_touches_ada_s_limits(client: Client, ada: User, cleo: User, key: ApiKey) -> None:
    row = limit(ada, 123 * NANO, "day", key)
    text = words(client, cleo)
    assert "123.00" not in text
    assert key.hint not in text
    assert client.post(f"/limits/{row.public_id}/remove/").status_code == 404
    assert post(client, cleo, scope=key.public_id)[0] == 400
    assert SpendLimit.objects.get() == row


def test_only_a_post_removes(client: Client, ada: User) -> None:
    row = limit(ada, NANO)
    client.force_login(ada)
    assert client.get(f"/limits/{row.public_id}/remove/").status_code == 405
    assert SpendLimit.objects.exists()


def test_the_page_of_keys_shows_the_tightest_limit_of_each(client: Client, ada: User, key: ApiKey) -> None:
    limit(ada, 10 * NANO, "month", key, spent=NANO)
    limit(ada, 2 * NANO, "day", key, spent=NANO)
    limit(ada, NANO, "day", spent=NANO)  # of the account: not here
    make_key(ada, "other")
    text = words(client, ada, "/keys/")
    assert "Daily $1.00 left" in text
    assert "Monthly" not in text
    assert text.count("Set a limit") == 1


def test_however_many_keys_the_pages_take_the_same_queries(
    client: Client, ada: User, key: ApiKey, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        limit(ada, NANO, "day", make_key(ada, f"k{number}")[0])
    client.force_login(ada)
    for path in ("/limits/", "/keys/"):
        with django_assert_max_num_queries(10):
            client.get(path)


def test_the_words_are_chinese_for_those_who_read_it(client: Client, ada: User, key: ApiKey) -> None:
    limit(ada, 10 * NANO, "week", key, spent=NANO)
    client.force_login(ada)
    client.cookies["language"] = "zh-hans"
    page = client.get("/limits/").content.decode()
    assert 'lang="zh-hans"' in page
