"""Settings of a person: language for pages and mail, and the end of sessions elsewhere."""

import pytest
from django.test import Client

from accounts import keys
from accounts.models import User
from billing import notices
from billing.models import BalanceWatch
from billing.money import NANO
from tests.make import PASSWORD, make_key

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client


def test_the_language_is_kept_for_pages_and_for_mail(ada: User) -> None:
    hers = signed_in(ada)
    answer = hers.post("/settings/", {"language": "zh-hans"})
    assert answer["Location"] == "/settings/"
    assert hers.cookies["language"].value == "zh-hans"
    ada.refresh_from_db()
    assert ada.language == "zh-hans"
    assert 'lang="zh-hans"' in hers.get("/settings/").content.decode().lower()


def test_the_switch_on_every_page_reaches_the_person_too(ada: User) -> None:
    hers = signed_in(ada)
    answer = hers.post("/language/", {"language": "zh-hans", "next": "/keys/"})
    assert answer["Location"] == "/keys/"
    ada.refresh_from_db()
    assert ada.language == "zh-hans"


def test_the_switch_works_for_a_visitor_and_never_leads_away(client: Client) -> None:
    answer = client.post("/language/", {"language": "zh-hans", "next": "https://evil.example/"})
    assert answer["Location"] == "/"
    assert client.cookies["language"].value == "zh-hans"


@pytest.mark.parametrize("language", ["", "xx", "en\0", "x" * 5000, "zh-hans,en"])
def test_a_language_that_we_do_not_speak_is_refused(ada: User, language: str) -> None:
    hers = signed_in(ada)
    answer = hers.post("/settings/", {"language": language})
    assert answer.status_code == 400
    assert b"error" in answer.content
    assert hers.post("/language/", {"language": language}).status_code == 302
    ada.refresh_from_db()
    assert ada.language == ""


def test_the_time_zone_is_chosen_here_and_never_changes_by_itself(ada: User) -> None:
    hers = signed_in(ada)
    assert ada.time_zone == "UTC"
    page = hers.get("/settings/").content.decode()
    assert '<option value="Asia/Shanghai">Asia/Shanghai (UTC+08:00)</option>' in page
    hers.post("/settings/", {"language": "en", "time_zone": "Asia/Shanghai"})
    ada.refresh_from_db()
    assert ada.time_zone == "Asia/Shanghai"
    hers.post("/settings/", {"language": "zh-hans"})
    ada.refresh_from_db()
    assert ada.time_zone == "Asia/Shanghai"
    assert '<option value="Asia/Shanghai" selected>' in hers.get("/settings/").content.decode()


@pytest.mark.parametrize("zone", ["Mars/Phobos", "../etc/passwd", "UTC\0", "x" * 5000, "+08:00", "posix/"])
def test_a_time_zone_that_is_none_is_refused(ada: User, zone: str) -> None:
    hers = signed_in(ada)
    assert hers.post("/settings/", {"language": "en", "time_zone": zone}).status_code == 400
    ada.refresh_from_db()
    assert ada.time_zone == "UTC"


def test_a_zone_that_this_machine_does_not_know_counts_as_utc(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(time_zone="Mars/Phobos")
    hers = signed_in(ada)
    for path in ("/settings/", "/usage/", "/dashboard/"):
        assert hers.get(path).status_code == 200, path
    assert hers.post("/settings/", {"language": "en"}).status_code == 302
    assert hers.post("/settings/", {"language": "en", "time_zone": "Mars/Phobos"}).status_code == 400


def test_signing_out_elsewhere_keeps_this_browser_and_the_keys(ada: User, cleo: User) -> None:
    here, there, other = signed_in(ada), signed_in(ada), signed_in(cleo)
    _, plain = make_key(ada)
    assert here.post("/settings/sessions/end/")["Location"] == "/settings/"
    assert here.get("/settings/").status_code == 200
    assert there.get("/settings/").status_code == 302
    assert other.get("/settings/").status_code == 200
    assert keys.authenticate(plain)


def test_changes_take_a_post(ada: User) -> None:
    hers = signed_in(ada)
    assert hers.get("/settings/sessions/end/").status_code == 405
    assert hers.get("/language/").status_code == 405


def test_cleo_s_settings_show_nothing_of_ada(ada: User, cleo: User) -> None:
    page = signed_in(cleo).get("/settings/").content.decode()
    assert cleo.email in page
    assert ada.email not in page


# --- notices ---------------------------------------------------------------------------------------------------------


def test_notices_are_chosen_and_the_threshold_is_kept(ada: User, cleo: User) -> None:
    hers = signed_in(ada)
    assert hers.post("/settings/notices/", {"threshold": "$5.00", "topup_receipt": "on"})["Location"] == "/settings/"
    assert notices.unwanted(ada) == {"limit_reached", "promo_expiring"}
    assert BalanceWatch.objects.get().threshold_nano == 5 * NANO
    assert 'value="5.00"' in hers.get("/settings/").content.decode()
    hers.post("/settings/notices/", {"limit_reached": "on", "promo_expiring": "on"})
    assert notices.unwanted(ada) == {"topup_receipt"}
    assert not BalanceWatch.objects.exists()
    assert notices.unwanted(cleo) == set()


@pytest.mark.parametrize("threshold", ["abc", "-1", "0", "1e5", "５", "1000001", "0.0000000001", "x" * 500])
def test_a_threshold_that_is_none_is_refused_and_nothing_is_saved(ada: User, threshold: str) -> None:
    answer = signed_in(ada).post("/settings/notices/", {"threshold": threshold})
    assert answer.status_code == 400
    assert notices.unwanted(ada) == set()
    assert not BalanceWatch.objects.exists()


def test_notices_take_a_post_and_an_account(ada: User, client: Client) -> None:
    assert signed_in(ada).get("/settings/notices/").status_code == 405
    assert "/accounts/" in client.post("/settings/notices/")["Location"]
