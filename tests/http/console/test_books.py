"""The operator's page of the books: at a glance, from the journal, checked when somebody asks."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import charges, checkpoints, ledger
from billing.models import AccountKind, LedgerAccount, LedgerAudit, LedgerCheckpoint, LedgerEntry, LedgerTxn
from billing.money import NANO
from console import books, tasks
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_usage, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("live_redis")]


@pytest.fixture
def olga(db: None) -> User:
    """The operator."""
    user = make_user("olga", staff=True)
    user.is_superuser = True
    user.save()
    return user


@pytest.fixture
def desk(client: Client, olga: User) -> Client:
    client.force_login(olga)
    return client


def words(client: Client) -> str:
    return " ".join(client.get("/desk/books/").content.decode().split())


def test_nobody_else_finds_the_page(client: Client, ada: User, sam: User) -> None:
    for person in (ada, sam):
        client.force_login(person)
        assert client.get("/desk/books/").status_code == 404
        assert client.post("/desk/books/check/").status_code == 404


def test_before_the_first_check_it_says_so(desk: Client) -> None:
    assert "have not been checked yet" in words(desk)


def test_good_books_are_said_to_balance_and_every_source_tells_the_same(desk: Client, ada: User) -> None:
    make_credit(ada, paid=NANO, promo=5_000)
    key = make_key(ada)[0]
    row = make_usage(key)
    charges.refund(usage=row, amount=7, n=1, actor=None, reason="It was slow", now=NOW)
    make_hold(make_call(key), 500)
    tasks.audit_ledger()
    page = desk.get("/desk/books/").context["books"]
    assert page.latest.is_clean
    assert [(each.one, each.difference) for each in page.comparisons] == [
        (row.charge_nano, 0),
        (7, 0),
        (0, 0),
        (500, 0),
    ]
    assert (page.debits, page.holds, page.held) == (page.credits, 1, 500)
    text = words(desk)
    assert "The books balance to the last unit" in text
    assert f"{len(books.INVARIANTS) + 1} questions" in text


def test_what_is_wrong_stands_first_with_its_offenders(desk: Client, ada: User) -> None:
    make_credit(ada, paid=NANO)
    account = ledger.account(AccountKind.USER_PAID, ada)
    LedgerAccount.objects.filter(pk=account.pk).update(held=5)
    books.prove(now=timezone.now())
    text = words(desk)
    assert "1 rule is broken" in text
    assert text.index("I3 held equals open holds") < text.index("I1 live balances")
    assert "docs/operate.md" in text
    assert "$0.000000005" in text  # set aside: holds say 0, accounts 5 nano


def test_the_page_takes_the_same_queries_however_many_calls_there_are(
    desk: Client, ada: User, django_assert_max_num_queries: Any
) -> None:
    make_credit(ada, paid=NANO)
    for _ in range(5):
        make_usage(make_key(ada)[0])
    with django_assert_max_num_queries(24):
        desk.get("/desk/books/")


def test_a_check_is_asked_for_once_and_shows_that_it_runs(
    desk: Client, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(tasks.check_books, "delay", lambda *, user_id: asked.append(user_id))
    for _ in range(2):
        assert desk.post("/desk/books/check/").status_code == 302
    assert asked == [olga.pk]
    assert 'http-equiv="refresh"' in words(desk)
    tasks.check_books(user_id=olga.pk)
    run = LedgerAudit.objects.get()
    assert (run.asked, run.by, run.checked) == ("page", olga, len(books.INVARIANTS) + 1)
    assert 'http-equiv="refresh"' not in words(desk)
    assert "olga@example.com" in words(desk)


def test_a_queue_that_does_not_answer_is_said(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(**_: Any) -> None:
        raise tasks.check_books.OperationalError

    monkeypatch.setattr(tasks.check_books, "delay", down)
    answer = desk.post("/desk/books/check/", follow=True)
    assert "nothing was checked" in answer.content.decode()
    assert not cache.get("books.under_way")


def test_the_schedule_proves_the_books_once_a_day(db: None) -> None:
    assert books.is_due(now=NOW)
    books.prove(now=NOW)
    assert not books.is_due(now=NOW + timedelta(hours=5))
    quiet = NOW.replace(hour=3) + timedelta(days=1)
    assert books.is_due(now=quiet)
    assert books.is_due(now=NOW + timedelta(days=1))


@pytest.mark.django_db(transaction=True)  # each posting has its own moment
def test_checkpoints_hold_what_the_journal_says_and_nothing_is_counted_twice(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_credit(ada, paid=NANO)
    key = make_key(ada)[0]
    monkeypatch.setattr(checkpoints, "_horizon", timezone.now)
    for _ in range(3):
        make_usage(key)
        time.sleep(0.005)  # SQLite's clock has milliseconds
        before = checkpoints.house()
        reached = checkpoints.advance()
        assert LedgerCheckpoint.objects.exclude(until=reached).count() == 0
        assert checkpoints.house() == before
        assert checkpoints.between(reached, checkpoints.END) == []
        time.sleep(0.005)
    revenue = sum(LedgerEntry.objects.filter(credit__kind="revenue.api").values_list("amount", flat=True))
    assert checkpoints.credits_of(checkpoints.house().values(), AccountKind.REVENUE_API, "usage") == revenue
    assert books.prove(now=NOW).is_clean


def test_what_is_young_waits_for_those_who_are_still_writing(ada: User) -> None:
    make_credit(ada, paid=NANO)
    checkpoints.advance()
    assert not LedgerCheckpoint.objects.filter(credits__gt=0).exists()
    assert LedgerTxn.objects.exists()
