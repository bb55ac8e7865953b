"""Statements that were sealed: they add up, they follow each other, and nothing can be changed behind them."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from billing import charges, codes, guards, ledger, seals, statement_check
from billing.models import SealedStatement
from billing.money import NANO
from tests.make import make_key, make_price, make_usage

pytestmark = pytest.mark.django_db
SEPTEMBER, OCTOBER, NOVEMBER = (datetime(2026, month, 15, 12, tzinfo=UTC) for month in (9, 10, 11))
SEALED_UP_TO_OCTOBER = datetime(2026, 11, 2, 0, tzinfo=UTC)


@pytest.fixture
def history(ada: User) -> None:
    """September: 10 paid and a gift, three calls, one given back in part. October: nothing. November: one call."""
    make_price(at=SEPTEMBER - timedelta(days=1))
    key = make_key(ada)[0]
    ledger.grant(user=ada, amount=10 * NANO, kind="paid", reason="=SUM(A1)", actor=None, now=SEPTEMBER)
    code = codes.create(kind="promo", amount=1_000, uses=1, expires_at=None, note="", by=None)
    codes.redeem(user=ada, code=code.code, now=SEPTEMBER)
    for day in (0, 0, 1):
        moment = SEPTEMBER + timedelta(days=day)
        last = make_usage(key, started_at=moment, now=moment)
    charges.refund(usage=last, amount=7, n=1, actor=None, reason="It was slow", now=SEPTEMBER + timedelta(days=2))
    make_usage(key, started_at=NOVEMBER, now=NOVEMBER)


def test_a_month_opens_moves_and_closes_by_class(ada: User, history: None) -> None:
    month = seals.month_of(user=ada, first=date(2026, 9, 1))
    assert month.opening == {"paid": 0, "promo": 0, "reward": 0}
    assert [(each.day.day, each.kind, each.calls, each.total) for each in month.movements] == [
        (15, "grant", 0, 10 * NANO),
        (15, "redeem", 0, 1_000),
        (15, "usage", 2, -600_000),
        (16, "usage", 1, -300_000),
        (17, "usage.refund", 0, 7),
    ]
    assert month.closing == {"paid": 10 * NANO - 900_000 + 1_000 + 7, "promo": 0, "reward": 0}
    october = seals.month_of(user=ada, first=date(2026, 10, 1))
    assert (october.opening, october.movements, october.closing) == (month.closing, [], month.closing)
    now = ledger.balances(ada)
    assert seals.month_of(user=ada, first=date(2026, 11, 1)).closing["paid"] == now.paid


def test_a_month_is_sealed_a_day_after_its_end_and_once(ada: User, cleo: User, history: None) -> None:
    assert seals.seal_due(now=datetime(2026, 10, 1, 23, 59, tzinfo=UTC)) == 0
    assert seals.seal_due(now=datetime(2026, 10, 2, tzinfo=UTC)) == 1
    assert seals.seal_due(now=SEALED_UP_TO_OCTOBER) == 1  # October too, though nothing moved
    assert seals.seal_due(now=SEALED_UP_TO_OCTOBER) == 0
    first, second = seals.chain(ada)
    assert (first.previous_hash, second.previous_hash) == (statement_check.START, first.hash)
    assert not seals.chain(cleo).exists()
    assert seals.verify(user=ada) == (2, [])
    assert seals.verify_all() == {}


def test_missed_months_are_caught_up_in_order(ada: User, history: None) -> None:
    assert seals.seal_due(now=datetime(2027, 2, 3, tzinfo=UTC)) == 5
    assert [row.month.month for row in seals.chain(ada)] == [9, 10, 11, 12, 1]
    assert seals.verify(user=ada) == (5, [])


def test_the_journal_is_the_witness(ada: User, history: None) -> None:
    seals.seal_due(now=SEALED_UP_TO_OCTOBER)
    ledger.grant(user=ada, amount=5, kind="paid", reason="Dated back", actor=None, now=SEPTEMBER)
    count, wrong = seals.verify(user=ada)
    assert count == 2
    assert wrong == [f"statement of 2026-{month} is not what the journal says" for month in ("09", "10")]
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_statements", json=True, stdout=out)
    assert ended.value.code == 1
    assert json.loads(out.getvalue())["faults"] == {ada.public_id: wrong}


def test_the_command_finds_nothing_in_good_books(ada: User, history: None) -> None:
    seals.seal_due(now=SEALED_UP_TO_OCTOBER)
    out = StringIO()
    call_command("verify_statements", email="ADA@example.com", stdout=out)
    assert out.getvalue() == "2 statements, nothing is wrong.\n"


def changed(line: str, **changes: Any) -> str:
    return json.dumps({**json.loads(line), **changes})


def redone(line: str, change: Any) -> str:
    """The document changed and its hash made anew, as a forger would."""
    sealed = json.loads(line)
    document = json.loads(sealed["document"])
    change(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return json.dumps({**sealed, "document": text, "hash": statement_check.seal(sealed["previous"], text)})


FORGERIES = {
    "a figure": lambda a, b: [changed(a, document=json.loads(a)["document"].replace("10000000000", "20000000000")), b],
    "a hash": lambda a, b: [changed(a, hash="f" * 64), b],
    "the hash before": lambda a, b: [a, changed(b, previous="0" * 64)],
    "a month gone": lambda a, b: [b],
    "the order": lambda a, b: [b, a],
    "a month twice": lambda a, b: [a, b, b],
    "a sum, sealed anew": lambda a, b: [redone(a, lambda each: each["closing"].update(paid="1")), b],
    "an opening, sealed anew": lambda a, b: [a, redone(b, lambda each: each["opening"].update(paid="1"))],
    "the month, sealed anew": lambda a, b: [a, redone(b, lambda each: each.update(month="2026-12"))],
    "no JSON": lambda a, b: [a, "{"],
    "no document": lambda a, b: [a, "{}"],
    "a number for a text": lambda a, b: [a, "7"],
}


@pytest.mark.parametrize("name", FORGERIES)
def test_whoever_has_the_file_sees_that_it_was_changed(ada: User, history: None, tmp_path: Path, name: str) -> None:
    seals.seal_due(now=SEALED_UP_TO_OCTOBER)
    good = [line.strip() for line in seals.lines(ada)]
    assert statement_check.faults(good) == (2, [])
    forged = FORGERIES[name](*good)
    assert statement_check.faults(forged)[1]
    file = tmp_path / "statements.jsonl"
    for lines, code in ((good, 0), (forged, 1)):
        file.write_text("\n".join(lines) + "\n")
        done = subprocess.run(
            [sys.executable, "-I", statement_check.__file__, str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout
    assert "WRONG" in done.stdout


def test_a_forged_row_is_found_by_ourselves(ada: User, history: None) -> None:
    seals.seal_due(now=SEALED_UP_TO_OCTOBER)
    row = seals.chain(ada)[0]
    with guards.unlocked(connection):
        SealedStatement.objects.filter(pk=row.pk).update(document=row.document.replace("10000000000", "20000000000"))
    assert seals.verify(user=ada)[1]
