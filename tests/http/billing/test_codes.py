"""The operator's pages of codes: preview before anything is made, progress, the file, switching off; and the pause."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import attempts, codes
from billing.models import RedeemCode, RedeemCodeBatch
from billing.money import NANO
from console import people
from tests.make import NOW, PASSWORD, make_user

pytestmark = pytest.mark.django_db
Page = Callable[..., Any]
NEW = {"name": "Booth", "kind": "promo", "amount": "5.00", "count": "3", "uses": "1", "per_person": "1"}


def operator(name: str) -> User:
    return people.create_person(
        email=f"{name}@example.com", password=PASSWORD, now=NOW, staff=True, superuser=True, verified=True
    )


def browser(user: User, *, fresh: bool = True) -> Client:
    client = Client()
    client.force_login(user)
    session = client.session
    session["signed_in_at"] = timezone.now().timestamp() - (0 if fresh else 3600)
    session.save()
    return client


@pytest.fixture
def olga(db: None) -> User:
    return operator("olga")


@pytest.fixture
def hers(olga: User) -> Client:
    return browser(olga)


@pytest.fixture
def made(olga: User) -> RedeemCodeBatch:
    plan = codes.Plan(name="Booth & <b>co</b>", kind="promo", amount=5 * NANO, count=3)
    return codes.create_batch(plan=plan, by=olga)


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def test_the_preview_says_what_it_may_cost_and_makes_nothing(hers: Client) -> None:
    form = {**NEW, "count": "200", "uses": "2", "client_id": str(uuid4())}
    answer = hers.post("/desk/codes/new/", form)
    assert answer.status_code == 200
    assert "$2000.00" in words(answer)
    assert "Make 200 codes" in words(answer)
    assert not RedeemCodeBatch.objects.exists()


def test_a_batch_is_made_once_however_often_the_form_is_sent(hers: Client, olga: User) -> None:
    form = {**NEW, "client_id": str(uuid4()), "make": "1", "expires_at": "2099-01-01"}
    assert hers.post("/desk/codes/new/", form).status_code == 400
    form["expires_at"] = f"{timezone.now():%Y-%m-%d}"
    first, again = (hers.post("/desk/codes/new/", form) for _ in range(2))
    batch = RedeemCodeBatch.objects.get()
    assert first["Location"] == again["Location"] == f"/desk/codes/{batch.public_id}/"
    assert (batch.created_by, RedeemCode.objects.count()) == (olga, 3)
    assert batch.expires_at is not None
    assert f"{batch.expires_at:%H:%M:%S}" == "00:00:00"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "\u202eexe"),
        ("kind", "cash"),
        ("amount", "0"),
        ("amount", "-5"),
        ("amount", "5,00"),
        ("amount", "1e9"),
        ("amount", "５"),
        ("amount", "0.0000000001"),
        ("count", "0"),
        ("count", "10001"),
        ("count", "9" * 40),
        ("uses", "x"),
        ("per_person", "4"),
        ("expires_at", "2020-01-01"),
        ("expires_at", "soon"),
        ("credit_expires_after_days", "-1"),
        ("client_id", "no"),
    ],
)
def test_bad_input_is_a_clear_400_and_makes_nothing(hers: Client, field: str, value: str) -> None:
    answer = hers.post("/desk/codes/new/", {**NEW, "client_id": str(uuid4()), "make": "1", field: value})
    assert answer.status_code == 400
    assert not RedeemCodeBatch.objects.exists()


def test_all_of_it_together_stays_within_what_the_ledger_holds(hers: Client) -> None:
    form = {**NEW, "amount": "999999999", "count": "10000", "uses": "1000000", "client_id": str(uuid4())}
    answer = hers.post("/desk/codes/new/", form)
    assert answer.status_code == 400
    assert "more than the ledger can hold" in words(answer)


def test_sold_credit_has_no_expiry(hers: Client) -> None:
    form = {**NEW, "kind": "paid", "credit_expires_after_days": "5", "client_id": str(uuid4()), "make": "1"}
    assert "Credit that was paid for never expires." in words(hers.post("/desk/codes/new/", form))


def test_the_batch_page_shows_codes_progress_and_who_redeemed(hers: Client, made: RedeemCodeBatch, ada: User) -> None:
    code = made.codes.earliest("pk")
    codes.redeem(user=ada, code=code.code, now=timezone.now())
    answer = hers.get(f"/desk/codes/{made.public_id}/")
    text = words(answer)
    assert codes.shown(code.code) in text
    assert "1 of 3" in text
    assert ada.email in text
    assert "Booth &amp; &lt;b&gt;co&lt;/b&gt;" in answer.content.decode()
    assert "1 of 3 $5.00" in words(hers.get("/desk/codes/"))


def test_a_code_that_is_read_out_leads_to_its_batch(hers: Client, made: RedeemCodeBatch) -> None:
    typed = codes.shown(made.codes.earliest("pk").code).lower()
    assert hers.get("/desk/codes/", {"q": typed})["Location"] == f"/desk/codes/{made.public_id}/"
    assert "Nothing found" in words(hers.get("/desk/codes/", {"q": "nowhere"}))


def test_the_file_is_streamed_and_needs_a_fresh_password(olga: User, hers: Client, made: RedeemCodeBatch) -> None:
    answer = hers.get(f"/desk/codes/{made.public_id}/codes.csv")
    assert answer.streaming
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("text/csv; charset=utf-8", "no-store")
    assert b"".join(answer).count(b"\r\n") == 4
    old = browser(olga, fresh=False).get(f"/desk/codes/{made.public_id}/codes.csv")
    assert (old.status_code, "/accounts/" in old["Location"]) == (302, True)


def test_making_codes_needs_a_fresh_password(olga: User) -> None:
    answer = browser(olga, fresh=False).post("/desk/codes/new/", {**NEW, "client_id": str(uuid4()), "make": "1"})
    assert (answer.status_code, RedeemCodeBatch.objects.count()) == (302, 0)


def test_one_code_or_all_are_switched_off(hers: Client, made: RedeemCodeBatch) -> None:
    path = f"/desk/codes/{made.public_id}/disable/"
    first = made.codes.earliest("pk")
    assert hers.post(path, {"code": first.code}).status_code == 302
    assert made.codes.filter(disabled_at=None).count() == 2
    assert hers.post(path, {"code": "NOSUCHCODE"}).status_code == 404
    hers.post(path)
    assert made.codes.filter(disabled_at=None).count() == 0
    assert "It was switched off before." in words(hers.post(path, follow=True))
    assert hers.get(path).status_code == 405


def test_to_everybody_else_these_pages_are_not_there(ada: User, cleo: User, sam: User, made: RedeemCodeBatch) -> None:
    paths = ["", "new/", f"{made.public_id}/", f"{made.public_id}/codes.csv", f"{made.public_id}/disable/"]
    for user in (ada, cleo, sam):
        client = browser(user)
        for path in paths:
            assert client.get(f"/desk/codes/{path}").status_code == 404
            assert client.post(f"/desk/codes/{path}", {**NEW, "make": "1"}).status_code == 404
    assert RedeemCodeBatch.objects.count() == 1
    assert made.codes.filter(disabled_at=None).count() == 3


@pytest.mark.parametrize("name", ["bat_nothing", "x" * 300, "bat_-1"])
def test_a_batch_that_is_none_is_404(hers: Client, name: str) -> None:
    assert hers.get(f"/desk/codes/{name}/").status_code == 404
    assert hers.post(f"/desk/codes/{name}/disable/").status_code == 404


# --- guessing --------------------------------------------------------------------------------------------------------


def test_who_tries_too_many_codes_waits_and_is_told_how_long(ada: User, client: Client) -> None:
    client.force_login(ada)
    for _ in range(attempts.PER_PERSON):
        assert client.post("/billing/redeem/", {"code": "WRONG"}).status_code == 400
    good = codes.create(kind="promo", amount=NANO, uses=1, expires_at=None, note="", by=None)
    answer = client.post("/billing/redeem/", {"code": good.code})
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= attempts.WINDOW.total_seconds() + 1
    assert re.search(r"Nothing was added\. Try again in \d+ minutes?, at \d\d:\d\d UTC\.", words(answer))
    good.refresh_from_db()
    assert good.uses_left == 1
    other = Client(REMOTE_ADDR="192.0.2.7")
    other.force_login(make_user())
    assert other.post("/billing/redeem/", {"code": good.code}).status_code == 302


def test_a_second_code_of_a_batch_is_refused_with_its_limit(ada: User, client: Client, made: RedeemCodeBatch) -> None:
    client.force_login(ada)
    first, second, _ = made.codes.order_by("pk")
    client.post("/billing/redeem/", {"code": first.code})
    answer = client.post("/billing/redeem/", {"code": second.code})
    assert answer.status_code == 400
    assert "One person can redeem only one code of this kind, and you have. Nothing was added." in words(answer)


def test_the_wallet_lists_each_lot_with_its_expiry_and_nobody_else_s(ada: User, cleo: User, client: Client) -> None:
    plan = codes.Plan(name="B", kind="promo", amount=5 * NANO, credit_expires_after_days=5)
    code = codes.create_batch(plan=plan, by=None).codes.get()
    codes.redeem(user=ada, code=code.code, now=timezone.now())
    client.force_login(ada)
    text = words(client.get("/billing/"))
    assert f"…{code.code[-4:]} $5.00" in text
    assert "expires soon" in text
    client.force_login(cleo)
    assert "expires soon" not in words(client.get("/billing/"))
