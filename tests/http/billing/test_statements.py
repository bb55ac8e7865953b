"""Statements by the month: as a page, as CSV, as a chain, for their owner alone."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import User
from billing import ledger, seals, statement_check
from billing.money import NANO, parse_amount
from tests.make import make_key, make_price, make_usage

pytestmark = pytest.mark.django_db
OCTOBER = datetime(2026, 10, 15, 12, tzinfo=UTC)
PATHS = ("", "2026-10/", "2026-10/statement.csv", "statements.jsonl", "verify_statements.py")


@pytest.fixture
def history(ada: User) -> None:
    make_price(at=OCTOBER - timedelta(days=1))
    ledger.grant(user=ada, amount=10 * NANO, kind="paid", reason='=HYPERLINK("x")', actor=None, now=OCTOBER)
    make_usage(make_key(ada)[0], started_at=OCTOBER, now=OCTOBER)
    seals.seal_due(now=datetime(2026, 11, 2, tzinfo=UTC))


@pytest.fixture
def hers(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def test_the_list_tells_what_is_sealed_and_how_to_verify_it(hers: Client, ada: User, history: None) -> None:
    html = hers.get("/billing/statements/").content.decode()
    assert "Sealed" in html
    assert "Running" in html
    assert "python3" in html.partition("Verify them yourself")[2]


def test_without_a_movement_there_is_none(hers: Client) -> None:
    assert "No statement yet" in hers.get("/billing/statements/").content.decode()
    assert hers.get("/billing/statements/2026-10/").status_code == 404


def test_a_month_shows_each_class_and_its_seal(hers: Client, ada: User, history: None) -> None:
    text = " ".join(hers.get("/billing/statements/2026-10/").content.decode().split())
    assert "$10.00" in text
    assert "$9.9997" in text
    assert "=HYPERLINK(&quot;x&quot;)" in text
    assert seals.chain(ada)[0].hash in text


def test_the_csv_adds_up_and_runs_nothing(hers: Client, history: None) -> None:
    answer = hers.get("/billing/statements/2026-10/statement.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="statement-2026-10.csv"'
    head, opening, *movements, closing = csv.reader(io.StringIO(answer.content.decode()))
    assert head[-1] == "total USD"
    assert (opening[1], closing[1]) == ("opening", "closing")

    def nano(text: str) -> int:
        return -parse_amount(text[1:]) if text.startswith("-") else parse_amount(text)

    for column in range(4, 8):
        moved = sum(nano(row[column]) for row in movements)
        assert nano(opening[column]) + moved == nano(closing[column])
    assert any(row[2] == '\'=HYPERLINK("x")' for row in movements)


def test_the_chain_and_its_checker_come_from_the_page(hers: Client, history: None) -> None:
    lines = hers.get("/billing/statements/statements.jsonl").content.decode().splitlines()
    assert statement_check.faults(lines) == (1, [])
    script = hers.get("/billing/statements/verify_statements.py")
    assert b"def faults(" in script.content
    assert script.headers["content-type"].startswith("text/x-python")


def test_the_api_gives_the_very_text_that_was_sealed(hers: Client, ada: User, history: None) -> None:
    listed = hers.get("/api/v1/statements/").json()["results"]
    assert (listed[-1]["month"], listed[-1]["sealed"], listed[0]["sealed"]) == ("2026-10", True, False)
    found = hers.get("/api/v1/statements/2026-10/").json()
    row = seals.chain(ada)[0]
    assert (found["text"], found["hash"]) == (row.document, row.hash)
    assert found["document"]["closing"]["paid"] == "9999700000"
    assert statement_check.seal(found["previous_hash"], found["text"]) == found["hash"]
    assert hers.get(f"/api/v1/statements/{listed[0]['month']}/").json()["hash"] is None
    assert hers.get("/api/v1/statements/2026-13/").status_code == 404


@pytest.mark.parametrize(
    "month", ["2026-09", "2999-01", "2026-13", "26-10", "２０２６-10", "2026-10-01", "x", "2026-00", "%00"]
)
def test_what_is_no_month_of_mine_is_404(hers: Client, history: None, month: str) -> None:
    assert hers.get(f"/billing/statements/{month}/").status_code == 404
    assert hers.get(f"/billing/statements/{month}/statement.csv").status_code == 404


def test_cleo_sees_nothing_of_ada(client: Client, ada: User, cleo: User, history: None) -> None:
    for path in PATHS:
        assert client.get(f"/billing/statements/{path}").status_code == 302
    client.force_login(cleo)
    assert client.get("/billing/statements/2026-10/").status_code == 404
    assert client.get("/billing/statements/statements.jsonl").content == b""
    assert "2026-10" not in client.get("/billing/statements/").content.decode()
