"""grant_credit and create_codes: what scripts rely on."""

import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from billing import codes, ledger
from billing.models import LedgerTxn, PromoLot, RedeemCode, RedeemCodeBatch
from billing.money import NANO

pytestmark = pytest.mark.django_db


def run(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_credit_is_granted_by_kind_with_its_reason(ada: User) -> None:
    said = run("grant_credit", " ADA@example.com ", "2.50", "--kind", "paid", "--reason", "Invoice 7")
    assert said.startswith("ada@example.com can spend 2.50 USD now")
    run("grant_credit", ada.email, "1", "--reason", "Welcome")
    assert (ledger.balances(ada).paid, ledger.balances(ada).promo) == (2_500_000_000, NANO)
    assert set(LedgerTxn.objects.values_list("reason", flat=True)) == {"Invoice 7", "Welcome"}


def test_a_key_makes_a_grant_safe_to_repeat(ada: User) -> None:
    first, again = (
        json.loads(run("grant_credit", ada.email, "1", "--reason", "x", "--key", "k", "--json")) for _ in range(2)
    )
    assert first == again
    assert first["spendable"] == "1.00"
    with pytest.raises(CommandError, match="used for another grant"):
        run("grant_credit", ada.email, "2", "--reason", "x", "--key", "k")


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "１", "1,5", "", "9999999999", "NaN"])
def test_what_is_no_amount_credits_nothing(ada: User, amount: str) -> None:
    with pytest.raises(CommandError, match="Nothing was credited"):
        run("grant_credit", ada.email, "--reason", "x", "--", amount)
    assert not LedgerTxn.objects.exists()


def test_nobody_and_no_reason_credit_nothing(ada: User) -> None:
    with pytest.raises(CommandError, match="Nobody has the address"):
        run("grant_credit", "nobody@example.com", "1", "--reason", "x")
    with pytest.raises(CommandError, match="--reason"):
        run("grant_credit", ada.email, "1", "--reason", "  ")
    assert not LedgerTxn.objects.exists()


def test_codes_are_printed_one_per_line_and_work(ada: User) -> None:
    lines = run("create_codes", "5.00", "--count", "3", "--kind", "paid", "--expires-days", "2").split()
    assert len(set(lines)) == 3
    assert all(re.fullmatch(r"([2-9A-HJKMNP-TV-Z]{4}-){3}[2-9A-HJKMNP-TV-Z]{4}", line) for line in lines)
    codes.redeem(user=ada, code=lines[0], now=timezone.now())
    assert ledger.balances(ada).paid == 5 * NANO
    with pytest.raises(codes.CodeExpired):
        codes.redeem(user=ada, code=lines[1], now=timezone.now() + timedelta(days=3))


def test_codes_as_json(db: None) -> None:
    [made] = json.loads(run("create_codes", "0.01", "--uses", "7", "--json"))
    assert made == {"code": made["code"], "kind": "promo", "amount": "0.01", "uses": 7, "expires_at": None}
    assert codes.normalised(made["code"]) == RedeemCode.objects.get().code


@pytest.mark.parametrize(
    "wrong", [["0"], ["x"], ["1", "--uses", "0"], ["1", "--count", "0"], ["1", "--expires-days", "0"]]
)
def test_a_code_that_makes_no_sense_is_not_made(wrong: list[str]) -> None:
    with pytest.raises(CommandError, match="No code was made"):
        run("create_codes", *wrong)
    assert not RedeemCode.objects.exists()


def test_a_gift_may_expire_and_what_was_paid_for_may_not(ada: User) -> None:
    run("grant_credit", ada.email, "1", "--reason", "Welcome", "--expires-days", "30")
    assert PromoLot.objects.get().expires_at is not None
    for wrong in (["--kind", "paid", "--expires-days", "30"], ["--expires-days", "0"], ["--expires-days", "99999"]):
        with pytest.raises(CommandError, match="Nothing was credited"):
            run("grant_credit", ada.email, "1", "--reason", "x", *wrong)
    assert LedgerTxn.objects.count() == 1


def test_codes_of_one_command_are_one_batch_with_its_name(ada: User) -> None:
    run("create_codes", "5.00", "--count", "3", "--per-person", "2", "--credit-days", "90", "--batch", "Booth")
    batch = RedeemCodeBatch.objects.get()
    assert (batch.name, batch.count, batch.per_person, batch.credit_expires_after_days) == ("Booth", 3, 2, 90)
    for wrong in (["--per-person", "2"], ["--credit-days", "0"], ["--kind", "paid", "--credit-days", "9"]):
        with pytest.raises(CommandError, match="No code was made"):
            run("create_codes", "5.00", *wrong)
    assert RedeemCodeBatch.objects.count() == 1
