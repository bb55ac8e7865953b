"""Many calls in one transaction: each is decided as if it were alone, and a person's charges are one posting."""

from datetime import timedelta

import pytest

from accounts.models import User
from billing import charges, ledger, reservations
from billing.charges import Settlement, Tokens
from billing.ledger import InsufficientBalance
from billing.models import AccountKind, Hold, LedgerTxn, Price, Usage, UsageHour
from billing.reservations import AlreadyHeld, Ask
from tests.make import NOW, make_call, make_credit, make_hold, make_key, make_price

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)


def ask(call: charges.Call, amount: int, **given: object) -> Ask:
    return Ask(call.request_id, call.user_id, call.key_id, amount, NOW, LATER, {}, **given)  # type: ignore[arg-type] # only `smaller`


def ended(call: charges.Call, tokens: int = 1, **given: object) -> Settlement:
    """A call whose every output token costs 4,000 nano."""
    facts = {"source": Usage.Source.UPSTREAM, "status": Usage.Status.OK, "http_status": 200, **given}
    return Settlement(call=call, tokens=Tokens(output=tokens), price=Price.objects.first() or make_price(), **facts)  # type: ignore[arg-type] # as above


def test_who_comes_first_is_served_and_who_cannot_pay_does_not_disturb_the_others(ada: User, cleo: User) -> None:
    make_credit(ada, paid=10)
    make_credit(cleo, paid=5)
    ada_key, cleo_key = make_key(ada)[0], make_key(cleo)[0]
    calls = [make_call(key) for key in (ada_key, ada_key, cleo_key, ada_key)]
    answers = reservations.hold_many([ask(call, amount) for call, amount in zip(calls, (6, 7, 5, 4), strict=True)])
    assert [isinstance(answer, Hold) for answer in answers] == [True, False, True, True]
    refused = answers[1]
    assert isinstance(refused, InsufficientBalance)
    assert refused.spendable == 4
    assert ledger.balances(ada).spendable == ledger.balances(cleo).spendable == 0


def test_a_call_that_can_do_with_less_takes_what_is_left(ada: User) -> None:
    make_credit(ada, paid=10)
    key = make_key(ada)[0]
    seen: list[int] = []

    def smaller(spendable: int) -> int:
        seen.append(spendable)
        return spendable // 2 * 2

    answers = reservations.hold_many([ask(make_call(key), 3), ask(make_call(key), 100, smaller=smaller)])
    assert [answer.amount for answer in answers if isinstance(answer, Hold)] == [3, 6]
    assert seen == [7]


def test_a_call_that_cannot_do_with_less_is_refused(ada: User) -> None:
    make_credit(ada, paid=1)
    [answer] = reservations.hold_many([ask(make_call(make_key(ada)[0]), 100, smaller=lambda _spendable: 0)])
    assert isinstance(answer, InsufficientBalance)


def test_one_that_was_held_before_does_not_spoil_its_group(ada: User) -> None:
    make_credit(ada, paid=10)
    key = make_key(ada)[0]
    before, fresh = make_call(key), make_call(key)
    make_hold(before, 4)
    again, new, other = reservations.hold_many([ask(before, 4), ask(fresh, 1), ask(before, 5)])
    assert isinstance(again, Hold)
    assert isinstance(new, Hold)
    assert isinstance(other, AlreadyHeld)
    assert ledger.balances(ada).held == 5


def test_the_charges_of_one_person_are_one_posting(ada: User, cleo: User) -> None:
    make_credit(ada, promo=5_000, paid=100_000)
    make_credit(cleo, paid=100_000)
    ada_key, cleo_key = make_key(ada)[0], make_key(cleo)[0]
    calls = [make_call(key) for key in (ada_key, cleo_key, ada_key, ada_key)]
    for call in calls:
        make_hold(call, 8_000)
    failed = ended(calls[3], not_charged_because="failed_before_output", status=Usage.Status.FAILED)
    rows = charges.settle_many([ended(calls[0]), ended(calls[1]), ended(calls[2], tokens=2), failed], now=NOW)

    assert [row.charge_nano for row in rows] == [4_000, 4_000, 8_000, 0]
    assert rows[0].txn == rows[2].txn
    assert rows[1].txn not in {rows[0].txn, None}
    assert rows[3].txn is None
    assert LedgerTxn.objects.filter(kind="usage").count() == 2
    assert rows[0].parts == {AccountKind.USER_PROMO: 4_000}
    assert rows[2].parts == {AccountKind.USER_PAID: 8_000}  # what it had held itself, not what the first one left
    assert rows[0].txn is not None
    assert sorted(rows[0].txn.entries.values_list("debit__kind", "amount")) == [
        ("user.paid", 8_000),
        ("user.promo", 4_000),
    ]
    assert (ledger.balances(ada).held, ledger.balances(ada).spendable) == (0, 93_000)
    assert set(Hold.objects.values_list("state", flat=True)) == {"settled", "released"}


def test_a_group_settled_twice_is_charged_once(ada: User) -> None:
    make_credit(ada, paid=100_000)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(3)]
    for call in calls:
        make_hold(call, 8_000)
    first = charges.settle_many([ended(call) for call in calls[:2]], now=NOW)
    again = charges.settle_many([ended(call, tokens=2) for call in calls], now=NOW + timedelta(hours=1))
    assert [row.charge_nano for row in again] == [4_000, 4_000, 8_000]
    assert [row.pk for row in again[:2]] == [row.pk for row in first]
    assert ledger.balances(ada).paid == 84_000


def test_a_call_without_a_hold_that_was_settled_meanwhile_is_found(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    make_credit(ada, paid=100_000)
    call = make_call(make_key(ada)[0])
    first = charges.settle_many([ended(call)], now=NOW)[0]
    empty = Usage.objects.none()
    monkeypatch.setattr(Usage.objects, "filter", lambda **_: empty)  # as if the other one committed after our look
    assert charges.settle_many([ended(call)], now=NOW)[0].pk == first.pk
    monkeypatch.undo()
    assert ledger.balances(ada).paid == 96_000


def test_an_open_hold_lives_on_while_its_call_does(ada: User) -> None:
    make_credit(ada, paid=10)
    call, done = make_call(make_key(ada)[0]), make_call(make_key(ada)[0])
    make_hold(call, 4)
    make_hold(done, 4)
    reservations.release(request_id=done.request_id, now=NOW)
    assert reservations.extend([call.request_id, done.request_id], expires_at=LATER + timedelta(minutes=1)) == 1
    assert reservations.extend([call.request_id], expires_at=NOW) == 0
    assert reservations.sweep(now=LATER) == 0
    assert reservations.sweep(now=LATER + timedelta(minutes=1)) == 1


def test_the_sums_of_the_hour_follow_each_step(ada: User) -> None:
    make_credit(ada, paid=100_000)
    key = make_key(ada)[0]
    calls = [make_call(key) for _ in range(3)]
    for call in calls:
        make_hold(call, 8_000)
    rows = charges.settle_many([ended(calls[0]), ended(calls[1], tokens=2)], now=NOW)
    charges.refund(usage=rows[1], amount=3_000, n=1, actor=None, reason="It was slow", now=NOW)
    [hour] = UsageHour.objects.all()
    assert (hour.calls, hour.output_tokens, hour.charge_nano, hour.paid_nano, hour.refunded_nano) == (
        2,
        3,
        12_000,
        12_000,
        3_000,
    )

    reservations.sweep(now=LATER)
    assert UsageHour.objects.get(status="expired").calls == 1
    charges.settle_many([ended(calls[2])], now=LATER)  # late: it moves from one line to the other
    assert UsageHour.objects.get(status="expired").calls == 0
    assert UsageHour.objects.get(status="ok").charge_nano == 16_000
