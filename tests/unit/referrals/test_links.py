"""Codes, clicks, the cookie, and who is bound to whom."""

from datetime import datetime

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from accounts.models import User
from billing import ledger
from referrals import links
from referrals.models import Link, Referral, Reward
from tests.make import make_user
from tests.unit.referrals.make import together

BROWSER = {"User-Agent": "Mozilla/5.0"}


@pytest.mark.django_db
def test_a_person_has_one_link_with_a_code_that_can_be_read_aloud(ada: User) -> None:
    first = links.link_of(user=ada)
    assert links.link_of(user=ada) == first
    assert len(first.code) == 8
    assert set(first.code) <= set(links.ALPHABET)
    assert not set("0O1IL") & set(links.ALPHABET)


@pytest.mark.django_db
def test_a_code_that_is_taken_is_drawn_again(ada: User, cleo: User, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = links.link_of(user=ada).code
    drawn = iter([taken, taken, "FRESH234"])
    monkeypatch.setattr(links, "_new_code", lambda: next(drawn))
    assert links.link_of(user=cleo).code == "FRESH234"


@pytest.mark.django_db(transaction=True)
def test_ten_first_visits_at_once_make_one_link() -> None:
    person = make_user()
    found = together(*[lambda: links.link_of(user=person)] * 10)
    assert {link.pk for link in found} == {Link.objects.get(user=person).pk}


@pytest.mark.django_db
def test_sign_up_with_a_code_binds_once_and_pays_nothing(ada: User, ben: User, cleo: User, now: datetime) -> None:
    referral = Referral.objects.get(referee=ben)
    assert referral.referrer == ada
    assert not links.attribute(referee=ben, code=links.link_of(user=cleo).code, now=now)
    assert Referral.objects.get(referee=ben) == referral
    assert not Reward.objects.exists()
    assert ledger.balances(ada).pending == 0


@pytest.mark.django_db
def test_a_typed_code_may_be_in_lower_case_and_have_spaces(ada: User, cleo: User, now: datetime) -> None:
    assert links.attribute(referee=cleo, code=f" {links.link_of(user=ada).code.lower()} ", now=now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "code", ["", "UNKNOWN9", "a" * 10_000, "<script>", "'; --", "ＡＢＣＤ", "\x00\x00\x00\x00", "...."]
)
def test_a_code_that_is_none_binds_nothing(cleo: User, now: datetime, code: str) -> None:
    assert not links.attribute(referee=cleo, code=code, now=now)
    assert not Referral.objects.exists()


@pytest.mark.django_db
def test_nobody_refers_themselves(ada: User, now: datetime) -> None:
    assert not links.attribute(referee=ada, code=links.link_of(user=ada).code, now=now)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["ada+1", "ADA+x", "аda"])
def test_nobody_refers_another_spelling_of_themselves_but_the_sign_up_works(ada: User, name: str) -> None:
    other = make_user(name, referral_code=links.link_of(user=ada).code)
    assert User.objects.filter(pk=other.pk, is_active=True).exists()
    assert not Referral.objects.exists()


@pytest.mark.django_db
def test_a_disabled_link_binds_nobody(ada: User, cleo: User, now: datetime) -> None:
    code = links.link_of(user=ada).code
    Link.objects.update(disabled_at=now)
    assert not links.attribute(referee=cleo, code=code, now=now)


@pytest.mark.django_db
def test_the_link_of_a_closed_account_binds_nobody(ada: User, cleo: User, now: datetime) -> None:
    code = links.link_of(user=ada).code
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert not links.attribute(referee=cleo, code=code, now=now)


@pytest.mark.django_db
def test_a_circle_is_refused(ada: User, ben: User, now: datetime) -> None:
    dora = make_user("dora", referral_code=links.link_of(user=ben).code)
    assert not links.attribute(referee=ada, code=links.link_of(user=ben).code, now=now)
    assert not links.attribute(referee=ada, code=links.link_of(user=dora).code, now=now)
    assert not Referral.objects.filter(referee=ada).exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_bring_each_other_at_once_make_no_circle(now: datetime) -> None:
    one, two = make_user(), make_user()
    codes = [links.link_of(user=one).code, links.link_of(user=two).code]
    bound = together(
        lambda: links.attribute(referee=one, code=codes[1], now=now),
        lambda: links.attribute(referee=two, code=codes[0], now=now),
    )
    assert sorted(bound) == [False, True]


@pytest.mark.django_db
def test_the_first_good_code_that_a_browser_met_binds(ada: User, cleo: User, now: datetime) -> None:
    dora = make_user("dora")
    met = f"WRONG234.{links.link_of(user=ada).code}.{links.link_of(user=dora).code}"
    assert links.attribute(referee=cleo, code=met, now=now)
    assert Referral.objects.get(referee=cleo).referrer == ada


def test_the_cookie_keeps_the_order_in_which_codes_were_met(rf: RequestFactory) -> None:
    request = rf.get("/")
    for code in ("FIRST234", "SECOND23", "FIRST234", "THIRD234", "FOURTH23"):
        response = HttpResponse()
        links.remember(request, response, code)
        for name, morsel in response.cookies.items():
            request.COOKIES[name] = morsel.value
    assert links.remembered(request) == "FIRST234.SECOND23.THIRD234"


def test_the_cookie_is_for_us_alone_and_lives_sixty_days(rf: RequestFactory, settings: object) -> None:
    settings.SECURE = True  # type: ignore[attr-defined] # pytest-django's settings
    response = HttpResponse()
    links.remember(rf.get("/"), response, "abcd2345")
    morsel = response.cookies["ref"]
    assert (morsel.value, morsel["max-age"]) == ("ABCD2345", 60 * 24 * 3600)
    assert (morsel["httponly"], morsel["samesite"], morsel["secure"]) == (True, "Lax", True)


def test_a_code_typed_at_sign_up_comes_before_the_cookie(rf: RequestFactory) -> None:
    request = rf.post("/", {"referral_code": "typed234"})
    request.COOKIES["ref"] = "COOKIE23"
    assert links.remembered(request) == "TYPED234.COOKIE23"


def test_a_forged_cookie_is_cut_down(rf: RequestFactory) -> None:
    request = rf.get("/")
    request.COOKIES["ref"] = ".".join(["<b>", "GOOD2345", "x" * 500, "ALSO2345"])
    assert links.remembered(request) == "GOOD2345"


@pytest.mark.django_db
def test_a_click_counts_once_per_browser_and_not_for_robots(ada: User, rf: RequestFactory) -> None:
    code = links.link_of(user=ada).code
    links.count_click(rf.get("/", headers={"User-Agent": "Googlebot/2.1"}), code)
    request = rf.get("/", headers=BROWSER)
    links.count_click(request, code)
    request.COOKIES["ref"] = code
    links.count_click(request, code)
    assert links.link_of(user=ada).clicks == 1
