"""Promotional credit that expires: only what is left, only what is free, once, and said a week before."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from billing import charges, codes, ledger, lots, promos, reservations, tasks
from billing.charges import Tokens
from billing.models import LedgerTxn, Notice, Price, PromoLot, Usage
from billing.money import NANO, PER_MTOK
from console import books
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def price() -> Price:
    """One token is one nano."""
    return make_price(input_nano_per_mtok=PER_MTOK)


def gift(user: User, amount: int, days: int | None, now: datetime = NOW) -> PromoLot:
    at = now + days * DAY if days else None
    txn = ledger.grant(user=user, amount=amount, kind="promo", reason="Welcome", actor=None, now=now, expires_at=at)
    return PromoLot.objects.get(txn=txn)


def spend(user: User, amount: int, price: Price, now: datetime = NOW) -> None:
    make_usage(make_key(user)[0], tokens=Tokens(input=amount), price=price, started_at=now)


def seen(user: User, now: datetime = NOW) -> list[tuple[int | None, int]]:
    """(days until it expires, what is left) of each lot."""
    found = lots.as_they_are(user=user, now=now)
    return [((lot.expires_at - NOW).days if lot.expires_at else None, lot.remaining_nano) for lot in found]


def test_what_expires_first_is_spent_first(ada: User, price: Price) -> None:
    for days in (None, 30, 10):
        gift(ada, 100, days)
    assert seen(ada) == [(10, 100), (30, 100), (None, 100)]
    spend(ada, 150, price)
    assert seen(ada) == [(30, 50), (None, 100)]


def test_only_the_unused_part_expires_and_once(ada: User, price: Price, now: datetime) -> None:
    lot = gift(ada, 100, 10)
    gift(ada, 50, None)
    spend(ada, 30, price)
    assert promos.expire_due(now=now + 10 * DAY - timedelta(seconds=1)) == 0
    assert [promos.expire_due(now=now + 10 * DAY) for _ in range(3)] == [1, 0, 0]
    assert ledger.balances(ada).promo == 50
    txn = LedgerTxn.objects.get(kind="promo.expire")
    assert (txn.idempotency_key, txn.entries.get().amount, txn.reason) == (f"expire:{lot.pk}", 70, "Welcome")
    assert txn.entries.get().credit.kind == "expense.promo"
    lot.refresh_from_db()
    assert (lot.remaining_nano, lot.expired_nano, lot.closed_at) == (0, 70, now + 10 * DAY)
    assert books.prove(now=now).findings == {}


def test_a_lot_that_was_used_up_ends_without_a_posting(ada: User, price: Price, now: datetime) -> None:
    lot = gift(ada, 100, 10)
    spend(ada, 100, price)
    assert promos.expire_due(now=now + 10 * DAY) == 0
    lot.refresh_from_db()
    assert lot.closed_at is not None
    assert not LedgerTxn.objects.filter(kind="promo.expire").exists()


def test_held_credit_is_waited_for_and_what_the_call_leaves_expires_then(
    ada: User, price: Price, now: datetime
) -> None:
    lot = gift(ada, 100, 1)
    call = make_call(make_key(ada)[0])
    make_hold(call, 30, lasts=9 * DAY)
    after = now + DAY
    assert promos.expire_due(now=after) == 1
    assert (ledger.balances(ada).promo, ledger.balances(ada).spendable) == (30, 0)
    assert promos.expire_due(now=after) == 0
    facts = {"source": "upstream", "status": "ok", "http_status": 200}
    charges.settle(call=call, tokens=Tokens(input=12), price=price, now=after, **facts)
    assert promos.expire_due(now=after) == 1
    assert ledger.balances(ada).promo == 0
    lot.refresh_from_db()
    assert (lot.expired_nano, lot.remaining_nano) == (88, 0)
    keys = LedgerTxn.objects.filter(kind="promo.expire").order_by("pk").values_list("idempotency_key", flat=True)
    assert list(keys) == [f"expire:{lot.pk}", f"expire:{lot.pk}:70"]
    assert books.prove(now=now).findings == {}


def test_a_hold_that_is_released_lets_the_rest_expire(ada: User, now: datetime) -> None:
    gift(ada, 100, 1)
    call = make_call(make_key(ada)[0])
    make_hold(call, 100, lasts=9 * DAY)
    assert promos.expire_due(now=now + DAY) == 0
    reservations.release(request_id=call.request_id, now=now + DAY)
    assert promos.expire_due(now=now + DAY) == 1
    assert ledger.balances(ada).promo == 0


def test_other_classes_of_credit_never_expire(ada: User, now: datetime) -> None:
    make_credit(ada, paid=100, reward=100)
    gift(ada, 100, 1)
    promos.expire_due(now=now + 365 * DAY)
    assert ledger.balances(ada).spendable == 200
    with pytest.raises(ledger.NotATransfer):
        ledger.grant(user=ada, amount=1, kind="paid", reason="x", actor=None, now=now, expires_at=now + DAY)
    with pytest.raises(ledger.NotATransfer):
        ledger.grant(user=ada, amount=1, kind="promo", reason="x", actor=None, now=now, expires_at=now)


def test_a_refund_goes_to_the_lot_that_lasts_longest_and_has_room(ada: User, price: Price, now: datetime) -> None:
    gift(ada, 100, 10)
    gift(ada, 100, 20)
    spend(ada, 150, price)
    gift(ada, 100, 30)
    usage = Usage.objects.get()
    charges.refund(usage=usage, amount=70, n=1, actor=None, reason="x", now=now)
    assert seen(ada) == [(10, 20), (20, 100), (30, 100)]


def test_a_refund_after_all_lots_ended_never_expires(ada: User, price: Price, now: datetime) -> None:
    gift(ada, 100, 10)
    spend(ada, 60, price)
    promos.expire_due(now=now + 10 * DAY)
    usage = Usage.objects.get()
    for n in (1, 2):
        charges.refund(usage=usage, amount=20, n=n, actor=None, reason="x", now=now + 11 * DAY)
        assert seen(ada, now + 11 * DAY) == [(None, 20 * n)]
        gift(ada, 5, 1, now + 11 * DAY)
        promos.expire_due(now=now + 12 * DAY)
    promos.expire_due(now=now + 999 * DAY)
    assert ledger.balances(ada).promo == 40
    assert books.prove(now=now).findings == {}


def test_a_reversed_gift_takes_its_own_lot(ada: User, price: Price, sam: User, now: datetime) -> None:
    gift(ada, 100, 10)
    wrong = gift(ada, 100, 20)
    assert wrong.txn is not None
    ledger.reverse(txn=wrong.txn, actor=sam, reason="Given twice", now=now)
    assert seen(ada) == [(10, 100)]
    assert books.prove(now=now).findings == {}


def test_a_redeemed_code_gives_credit_with_its_own_expiry(ada: User, now: datetime) -> None:
    plan = codes.Plan(name="Launch", kind="promo", amount=NANO, credit_expires_after_days=30)
    code = codes.create_batch(plan=plan, by=None).codes.get()
    codes.redeem(user=ada, code=code.code, now=now)
    lot = PromoLot.objects.get()
    assert (lot.expires_at, lot.source) == (now + 30 * DAY, f"…{code.code[-4:]}")


def test_it_is_said_a_week_before_and_once(ada: User, now: datetime) -> None:
    lot = gift(ada, 100, 30)
    assert promos.warn_due(now=now + 23 * DAY - timedelta(seconds=1)) == 0
    assert [promos.warn_due(now=now + 23 * DAY) for _ in range(2)] == [1, 0]
    notice = Notice.objects.get()
    assert (notice.kind, notice.key, notice.data["amount_nano"]) == ("promo_expiring", f"promo_expiring:{lot.pk}", 100)


def test_short_credit_is_spoken_of_half_way_and_spent_credit_not_at_all(
    ada: User, cleo: User, price: Price, now: datetime
) -> None:
    gift(ada, 100, 4)
    gift(cleo, 100, 4)
    spend(cleo, 100, price)
    assert promos.warn_due(now=now + DAY) == 0
    assert promos.warn_due(now=now + 2 * DAY) == 1
    assert Notice.objects.get().user == ada


def test_nobody_is_told_of_what_has_expired_already(ada: User, now: datetime) -> None:
    gift(ada, 100, 30)
    assert promos.warn_due(now=now + 31 * DAY) == 0
    assert not Notice.objects.exists()


def test_the_task_does_both(ada: User) -> None:
    before = timezone.now() - 25 * DAY
    gift(ada, 100, 30, before)
    gift(ada, 70, 5, before)
    tasks.expire_promos()
    assert ledger.balances(ada).promo == 100
    assert Notice.objects.get().kind == "promo_expiring"
