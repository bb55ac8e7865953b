"""Redeem codes: every use is worth its amount once."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from billing import codes, ledger
from billing.models import LedgerTxn, RedeemCode
from billing.money import NANO

pytestmark = pytest.mark.django_db


def make_code(**given: object) -> RedeemCode:
    fields = {"kind": "promo", "amount": NANO, "uses": 1, "expires_at": None, "note": "", "by": None, **given}
    return codes.create(**fields)  # type: ignore[arg-type] # the test names them


def test_a_code_has_sixteen_unambiguous_characters_and_is_shown_in_fours() -> None:
    code = make_code().code
    assert len(code) == 16
    assert not set(code) & set("0O1ILU")
    assert codes.shown("ABCDEFGHJKMNPQRS") == "ABCD-EFGH-JKMN-PQRS"


def test_a_gift_is_promotional_credit_and_a_sold_code_is_paid_credit(ada: User, now: datetime) -> None:
    gift = codes.redeem(user=ada, code=make_code().code, now=now)
    sold = codes.redeem(user=ada, code=make_code(kind="paid", amount=3 * NANO).code, now=now)
    assert (ledger.balances(ada).promo, ledger.balances(ada).paid) == (NANO, 3 * NANO)
    assert gift.txn.entries.get().debit.kind == "expense.promo"
    assert sold.txn.entries.get().debit.kind == "cash.offline"


def test_case_dashes_and_spaces_do_not_matter(ada: User, now: datetime) -> None:
    code = make_code().code
    typed = f"  {codes.shown(code).lower().replace('-', ' - ')}\t"
    assert codes.redeem(user=ada, code=typed, now=now).code.code == code


def test_one_person_redeems_a_code_once(ada: User, now: datetime) -> None:
    code = make_code(uses=5)
    first = codes.redeem(user=ada, code=code.code, now=now)
    with pytest.raises(codes.AlreadyRedeemed) as refused:
        codes.redeem(user=ada, code=code.code, now=now)
    assert refused.value.redemption == first
    code.refresh_from_db()
    assert code.uses_left == 4
    assert ledger.balances(ada).promo == NANO


def test_a_code_of_one_use_is_for_the_first(ada: User, cleo: User, now: datetime) -> None:
    code = make_code().code
    codes.redeem(user=ada, code=code, now=now)
    with pytest.raises(codes.CodeUsedUp):
        codes.redeem(user=cleo, code=code, now=now)
    with pytest.raises(codes.AlreadyRedeemed):
        codes.redeem(user=ada, code=code, now=now)
    assert ledger.balances(cleo).promo == 0


def test_an_expired_a_disabled_and_an_invented_code_give_nothing(ada: User, now: datetime) -> None:
    expired = make_code(expires_at=now)
    off = make_code()
    RedeemCode.objects.filter(pk=off.pk).update(disabled_at=now)
    with pytest.raises(codes.CodeExpired):
        codes.redeem(user=ada, code=expired.code, now=now)
    for unknown in (off.code, "ABCD-EFGH-JKMN-PQRS", "", "\x00", "密码" * 500):
        with pytest.raises(codes.UnknownCode):
            codes.redeem(user=ada, code=unknown, now=now)
    assert not LedgerTxn.objects.exists()


def test_until_its_last_moment_a_code_is_good(ada: User, now: datetime) -> None:
    assert codes.redeem(user=ada, code=make_code(expires_at=now + timedelta(seconds=1)).code, now=now)


@pytest.mark.parametrize("wrong", [{"amount": 0}, {"amount": -1}, {"uses": 0}, {"uses": codes.MAX_USES + 1}])
def test_a_code_must_be_worth_something_for_somebody(wrong: dict[str, int]) -> None:
    with pytest.raises(codes.CannotCreate):
        make_code(**wrong)
