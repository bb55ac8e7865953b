"""Batches of codes: made together, limited per person, switched off together, and found again."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import User
from billing import attempts, code_reports, codes, ledger
from billing.models import PromoLot, RedeemCode, RedeemCodeBatch, Redemption
from billing.money import NANO
from console import books

pytestmark = pytest.mark.django_db


def batch(by: User | None = None, **given: Any) -> RedeemCodeBatch:
    plan = codes.Plan(**{"name": "B", "kind": "promo", "amount": NANO, "count": 3, **given})
    return codes.create_batch(plan=plan, by=by)


def texts(made: RedeemCodeBatch) -> list[str]:
    return list(made.codes.order_by("pk").values_list("code", flat=True))


def test_one_person_has_one_code_of_a_batch_unless_it_says_more(ada: User, cleo: User, now: datetime) -> None:
    first, second, third = texts(batch())
    codes.redeem(user=ada, code=first, now=now)
    with pytest.raises(codes.EnoughOfBatch) as refused:
        codes.redeem(user=ada, code=second, now=now)
    assert refused.value.limit == 1
    assert RedeemCode.objects.get(code=second).uses_left == 1
    codes.redeem(user=cleo, code=second, now=now)
    generous = texts(batch(per_person=2))
    for code in generous[:2]:
        codes.redeem(user=ada, code=code, now=now)
    with pytest.raises(codes.EnoughOfBatch):
        codes.redeem(user=ada, code=generous[2], now=now)
    assert ledger.balances(ada).promo == 3 * NANO
    assert third
    assert books.prove(now=now).findings == {}


def test_the_same_form_twice_is_one_batch(sam: User) -> None:
    form, plan = uuid4(), codes.Plan(name="B", kind="promo", amount=NANO, count=5)
    first = codes.create_batch(plan=plan, by=sam, client_id=form)
    assert codes.create_batch(plan=plan, by=sam, client_id=form) == first
    assert RedeemCode.objects.count() == 5


def test_a_batch_that_is_switched_off_gives_nothing_more_and_keeps_what_was(
    ada: User, cleo: User, sam: User, now: datetime
) -> None:
    made = batch()
    first, second, third = texts(made)
    codes.redeem(user=ada, code=first, now=now)
    one = RedeemCode.objects.get(code=second)
    assert codes.disable(code=one, by=sam, now=now)
    assert not codes.disable(code=one, by=sam, now=now)
    with pytest.raises(codes.UnknownCode):
        codes.redeem(user=cleo, code=second, now=now)
    assert codes.disable_batch(batch=made, by=sam, now=now)
    assert not codes.disable_batch(batch=made, by=sam, now=now)
    with pytest.raises(codes.UnknownCode):
        codes.redeem(user=cleo, code=third, now=now)
    assert ledger.balances(ada).promo == NANO
    assert set(made.codes.values_list("disabled_by", flat=True)) == {sam.pk}


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0},
        {"count": codes.MAX_COUNT + 1},
        {"per_person": 0},
        {"per_person": 4},
        {"credit_expires_after_days": 0},
        {"credit_expires_after_days": 99_999},
        {"kind": "paid", "credit_expires_after_days": 5},
    ],
)
def test_numbers_that_make_no_batch_make_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(codes.CannotCreate):
        batch(**wrong)
    assert not RedeemCodeBatch.objects.exists()


def test_codes_that_were_sold_make_no_lot(ada: User, now: datetime) -> None:
    codes.redeem(user=ada, code=texts(batch(kind="paid"))[0], now=now)
    assert not PromoLot.objects.exists()


def test_progress_and_what_is_open_are_reckoned_from_the_codes(ada: User, cleo: User, sam: User, now: datetime) -> None:
    made = batch(uses=2, amount=5 * NANO)
    first, second, _ = texts(made)
    codes.redeem(user=ada, code=first, now=now)
    codes.redeem(user=cleo, code=second, now=now)
    codes.disable(code=RedeemCode.objects.get(code=second), by=sam, now=now)
    [line], _page = code_reports.batches(q="", number=None, now=now)
    assert (line.redeemed, line.total, line.redeemed_nano, line.total_nano) == (2, 6, 10 * NANO, 30 * NANO)
    assert line.open_nano == 3 * 5 * NANO
    assert code_reports.totals(now=now) == code_reports.Totals(1, 10 * NANO, 15 * NANO)
    codes.disable_batch(batch=made, by=sam, now=now)
    assert code_reports.totals(now=now).open_nano == 0


def test_the_list_of_batches_costs_the_same_however_many(django_assert_num_queries: Any, now: datetime) -> None:
    for _ in range(5):
        batch()
    with django_assert_num_queries(4):
        code_reports.batches(q="", number=None, now=now)


def test_the_file_holds_every_code_as_it_is_printed(sam: User, now: datetime) -> None:
    made = batch(count=3, expires_at=now + timedelta(days=1))
    head, *lines = "".join(code_reports.csv_rows(made)).splitlines()
    assert head == code_reports.CSV_HEAD
    assert [line.split(",")[0] for line in lines] == [codes.shown(code) for code in texts(made)]
    assert lines[0].split(",")[1:6] == ["1.00", "USD", "promo", "1", "1"]


def test_a_redemption_belongs_to_the_batch_of_its_code(ada: User, now: datetime) -> None:
    made = batch()
    codes.redeem(user=ada, code=texts(made)[0], now=now)
    assert Redemption.objects.get().batch == made


def test_ten_tries_in_ten_minutes_then_a_pause_until_the_next_window(now: datetime) -> None:
    def wrong(who: int, address: str | None, at: datetime) -> None:
        with pytest.raises(codes.UnknownCode), attempts.counted(user_id=who, address=address, now=at):
            raise codes.UnknownCode

    for _ in range(attempts.PER_PERSON):
        wrong(1, None, now)
    with pytest.raises(attempts.TooManyAttempts) as paused, attempts.counted(user_id=1, address=None, now=now):
        pytest.fail("it was tried")
    assert now < paused.value.until <= now + attempts.WINDOW
    wrong(2, None, now)
    wrong(1, None, paused.value.until)


def test_good_codes_are_not_counted_and_many_accounts_share_an_address(now: datetime) -> None:
    for _ in range(3 * attempts.PER_PERSON):
        with attempts.counted(user_id=7, address="192.0.2.1", now=now):
            pass
    for who in range(100, 100 + attempts.PER_ADDRESS):
        with pytest.raises(codes.UnknownCode), attempts.counted(user_id=who, address="192.0.2.9", now=now):
            raise codes.UnknownCode
    with pytest.raises(attempts.TooManyAttempts), attempts.counted(user_id=999, address="192.0.2.9", now=now):
        pytest.fail("it was tried")
