"""Every step of a withdrawal: who may take it, from which state, what it posts, and that it happens once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from billing import ledger
from billing.models import LedgerTxn
from billing.money import CENT, NANO
from referrals import policies, refusals, rewards, withdrawals
from referrals.models import HoldReason, Policy, RewardAllocation, Withdrawal, WithdrawalEvent
from tests.make import make_user
from tests.unit.referrals.make import (
    LONG_AGO,
    PAYEE,
    ask,
    assert_books_are_clean,
    available,
    bring,
    give_back,
    spend,
    together,
)

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tess(db: None) -> User:
    """Support as well: the second person."""
    return make_user("tess", staff=True)


@pytest.fixture
def asked(ada: User) -> Withdrawal:
    """Ada asks for 60 of 100."""
    available(ada, 100 * NANO)
    return ask(ada, 60 * NANO)


@pytest.fixture
def approved(asked: Withdrawal, sam: User, now: datetime) -> Withdrawal:
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    return withdrawals.approve(withdrawal=asked, by=sam, now=now)


@pytest.fixture
def paid(approved: Withdrawal, sam: User, now: datetime) -> Withdrawal:
    return withdrawals.mark_paid(withdrawal=approved, by=sam, reference="ALI-1", now=now)


def pools(person: User) -> tuple[int, int, int]:
    """Available, in withdrawal, debt: in whole units."""
    got = ledger.balances(person)
    return got.available // NANO, got.reserved // NANO, got.ref_debt // NANO


def posted(withdrawal: Withdrawal) -> list[str]:
    rows = LedgerTxn.objects.filter(source_type="withdrawal", source_id=withdrawal.public_id).order_by("pk")
    return list(rows.values_list("kind", flat=True))


# --- asking ---------------------------------------------------------------------------------------------------------


def test_a_request_sets_the_amount_aside_and_remembers_the_rules(ada: User, asked: Withdrawal, now: datetime) -> None:
    assert (asked.state, asked.amount, asked.requested_at) == ("requested", 60 * NANO, now)
    assert (asked.policy_id, asked.threshold, asked.fee, asked.second_person_above) == (1, 50 * NANO, 0, 200 * NANO)
    assert pools(ada) == (40, 60, 0)
    assert LedgerTxn.objects.get(idempotency_key=f"wd:{asked.public_id}:reserve").kind == "wd.reserve"
    assert [event.action for event in asked.events.all()] == ["request"]
    assert sum(asked.allocations.values_list("amount", flat=True)) == 60 * NANO
    assert_books_are_clean()


def test_the_payee_is_unreadable_at_rest(asked: Withdrawal) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM referrals_withdrawal")
        stored = repr(cursor.fetchall())
    assert PAYEE["account"] not in stored
    assert PAYEE["name"] not in stored
    assert asked.payee_hint == "…mple"


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (50 * NANO - CENT, refusals.BelowThreshold),
        (60 * NANO + 1, refusals.NotWholeCents),
        (100 * NANO + CENT, refusals.NotEnough),
        (0, refusals.NotWholeCents),
        (-60 * NANO, refusals.NotWholeCents),
    ],
)
def test_an_amount_that_the_rules_refuse_moves_nothing(ada: User, amount: int, refusal: type[refusals.Refused]) -> None:
    available(ada, 100 * NANO)
    with pytest.raises(refusal):
        ask(ada, amount)
    assert pools(ada) == (100, 0, 0)
    assert not Withdrawal.objects.exists()


def test_exactly_the_threshold_and_exactly_all_of_it_are_accepted(ada: User, cleo: User) -> None:
    available(ada, 50 * NANO)
    assert ask(ada, 50 * NANO).state == "requested"
    available(cleo, 120 * NANO)
    assert ask(cleo, 120 * NANO).state == "requested"


def test_the_part_of_a_cent_stays(ada: User) -> None:
    available(ada, 60 * NANO + 1)
    ask(ada, 60 * NANO)
    assert ledger.balances(ada).available == 1


def test_an_unverified_address_is_refused(ada: User) -> None:
    available(ada, 100 * NANO)
    EmailAddress.objects.filter(user=ada).update(verified=False)
    with pytest.raises(refusals.MailNotVerified):
        ask(ada, 60 * NANO)


def test_a_closed_account_is_refused(ada: User) -> None:
    available(ada, 100 * NANO)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(refusals.AccountClosed):
        ask(ada, 60 * NANO)


def test_a_paused_programme_is_refused(ada: User) -> None:
    available(ada, 100 * NANO)
    Policy.objects.update(enabled=False)
    with pytest.raises(refusals.ProgrammeOff):
        ask(ada, 60 * NANO)


def test_a_method_that_is_not_offered_is_refused(ada: User) -> None:
    available(ada, 100 * NANO)
    with pytest.raises(refusals.UnknownMethod):
        ask(ada, 60 * NANO, method="cash")


def test_a_second_open_request_is_refused_and_names_the_first(ada: User, asked: Withdrawal) -> None:
    with pytest.raises(refusals.OpenRequestExists, match=asked.public_id):
        ask(ada, 50 * NANO, client_id="form-2")


def test_a_debt_refuses_new_withdrawals(ada: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 300 * NANO, LONG_AGO)
    available(ada, 70 * NANO, rewards_of=70 * NANO)
    rewards.convert(user=ada, amount=100 * NANO, client_id="c", now=now)
    give_back(call, 300 * NANO)
    rewards.accrue(now=now)
    assert pools(ada) == (0, 0, 30)
    with pytest.raises(refusals.InDebt):
        ask(ada, 60 * NANO)


def test_same_client_id_same_request_other_content_refused(ada: User, asked: Withdrawal) -> None:
    assert ask(ada, 60 * NANO) == asked
    with pytest.raises(refusals.OtherContent):
        ask(ada, 70 * NANO)
    with pytest.raises(refusals.OtherContent):
        ask(ada, 60 * NANO, payee={**PAYEE, "account": "mallory@alipay.example"})
    assert pools(ada) == (40, 60, 0)


def test_the_form_of_an_old_request_sent_again_answers_the_old_request(
    ada: User, asked: Withdrawal, now: datetime
) -> None:
    withdrawals.cancel(withdrawal=asked, by=ada, now=now)
    assert ask(ada, 60 * NANO).state == "cancelled"
    assert pools(ada) == (100, 0, 0)


@committing
def test_the_withdraw_button_double_clicked_in_parallel_is_one_request() -> None:
    ada = make_user()
    available(ada, 100 * NANO, rewards_of=50 * NANO)
    results = together(*[lambda: ask(ada, 100 * NANO)] * 8)
    assert len({each.public_id for each in results}) == 1
    assert pools(ada) == (0, 100, 0)
    assert_books_are_clean()


@committing
def test_two_tabs_each_asking_60_of_100_in_parallel() -> None:
    ada = make_user()
    available(ada, 100 * NANO, rewards_of=50 * NANO)
    results = together(*[lambda n=n: ask(ada, 60 * NANO, client_id=f"tab-{n}") for n in range(2)])
    assert sorted(type(each).__name__ for each in results) == ["OpenRequestExists", "Withdrawal"]
    assert pools(ada) == (40, 60, 0)
    assert_books_are_clean()


@committing
def test_twenty_parallel_withdrawals_mixed_with_conversions_stay_within_the_balance(now: datetime) -> None:
    ada = make_user()
    available(ada, 100 * NANO, rewards_of=50 * NANO)

    def convert(number: int) -> Any:
        return rewards.convert(user=ada, amount=15 * NANO, client_id=f"c{number}", now=now)

    together(
        *[lambda n=n: ask(ada, 60 * NANO, client_id=f"w{n}") for n in range(10)],
        *[lambda n=n: convert(n) for n in range(10)],
    )
    got = ledger.balances(ada)
    assert got.available + got.reserved + got.reward == 100 * NANO
    assert Withdrawal.objects.count() <= 1
    assert_books_are_clean()


# --- the person changes their mind --------------------------------------------------------------------------------


def test_cancel_gives_everything_back(ada: User, asked: Withdrawal, now: datetime) -> None:
    withdrawals.cancel(withdrawal=asked, by=ada, now=now)
    assert pools(ada) == (100, 0, 0)
    assert not RewardAllocation.objects.exists()
    with pytest.raises(refusals.NotPossible):
        withdrawals.cancel(withdrawal=asked, by=ada, now=now)
    assert posted(asked) == ["wd.reserve", "wd.release"]
    assert_books_are_clean()


def test_a_request_under_review_can_still_be_cancelled(ada: User, sam: User, asked: Withdrawal, now: datetime) -> None:
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    assert withdrawals.cancel(withdrawal=asked, by=ada, now=now).state == "cancelled"


def test_an_approved_request_cannot_be_cancelled(ada: User, approved: Withdrawal, now: datetime) -> None:
    with pytest.raises(refusals.NotPossible) as refused:
        withdrawals.cancel(withdrawal=approved, by=ada, now=now)
    assert "sam@" not in refused.value.message  # who decided is not the person's business


def test_cleo_cannot_cancel_what_ada_asked(cleo: User, asked: Withdrawal, now: datetime) -> None:
    with pytest.raises(refusals.NotPossible):
        withdrawals.cancel(withdrawal=asked, by=cleo, now=now)


# --- support decides -----------------------------------------------------------------------------------------------


def test_a_claim_keeps_colleagues_off_until_it_ends(asked: Withdrawal, sam: User, tess: User, now: datetime) -> None:
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    with pytest.raises(refusals.ClaimedByOther, match=r"sam@example\.com"):
        withdrawals.claim(withdrawal=asked, by=tess, now=now + timedelta(minutes=29))
    with pytest.raises(refusals.ClaimedByOther):
        withdrawals.approve(withdrawal=asked, by=tess, now=now)
    later = now + timedelta(minutes=30)
    assert withdrawals.claim(withdrawal=asked, by=tess, now=later).claimed_by == tess


def test_a_claim_can_be_given_back(asked: Withdrawal, sam: User, tess: User, now: datetime) -> None:
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    assert withdrawals.release_claim(withdrawal=asked, by=sam, now=now).claimed_by is None
    assert withdrawals.claim(withdrawal=asked, by=tess, now=now).claimed_by == tess


def test_a_request_must_be_claimed_before_it_is_approved(asked: Withdrawal, sam: User, now: datetime) -> None:
    with pytest.raises(refusals.NotPossible):
        withdrawals.approve(withdrawal=asked, by=sam, now=now)


def test_support_approves_own_withdrawal_refused(sam: User, tess: User, now: datetime) -> None:
    available(sam, 100 * NANO)
    own = ask(sam, 60 * NANO)
    for step in (
        lambda: withdrawals.claim(withdrawal=own, by=sam, now=now),
        lambda: withdrawals.reject(withdrawal=own, by=sam, reason="x", now=now),
        lambda: withdrawals.reveal(withdrawal=own, by=sam, reason="x", now=now),
    ):
        with pytest.raises(refusals.OwnRequest):
            step()
    withdrawals.claim(withdrawal=own, by=tess, now=now)
    with pytest.raises(refusals.OwnRequest):
        withdrawals.approve(withdrawal=own, by=sam, now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Withdrawal.objects.filter(pk=own.pk).update(approved_by=sam)


def test_who_is_not_support_decides_nothing(cleo: User, asked: Withdrawal, now: datetime) -> None:
    with pytest.raises(refusals.OwnRequest):
        withdrawals.claim(withdrawal=asked, by=cleo, now=now)


def test_approving_posts_nothing(ada: User, approved: Withdrawal, sam: User) -> None:
    assert (approved.state, approved.approved_by, approved.approved_amount) == ("approved", sam, 60 * NANO)
    assert posted(approved) == ["wd.reserve"]
    assert pools(ada) == (40, 60, 0)


def test_approving_for_less_gives_the_difference_back_with_a_reason(
    ada: User, asked: Withdrawal, sam: User, now: datetime
) -> None:
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    with pytest.raises(refusals.ReasonNeeded):
        withdrawals.approve(withdrawal=asked, by=sam, now=now, amount=50 * NANO)
    for wrong in (0, 61 * NANO, 50 * NANO + 1, -NANO):
        with pytest.raises(refusals.AmountNotAllowed):
            withdrawals.approve(withdrawal=asked, by=sam, now=now, amount=wrong, reason="x")
    done = withdrawals.approve(withdrawal=asked, by=sam, now=now, amount=50 * NANO, reason="One friend is you.")
    assert (done.reason, done.gross) == ("One friend is you.", 50 * NANO)
    assert pools(ada) == (50, 50, 0)
    assert sum(done.allocations.values_list("amount", flat=True)) == 50 * NANO
    assert posted(done) == ["wd.reserve", "wd.partial"]
    assert_books_are_clean()


@committing
def test_two_support_people_click_approve_together(now: datetime) -> None:
    ada, sam, tess = make_user(), make_user(staff=True), make_user(staff=True)
    available(ada, 100 * NANO, rewards_of=50 * NANO)
    asked = ask(ada, 60 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    later = now + timedelta(hours=1)  # the claim is over: nothing but the state keeps them apart
    mail.outbox.clear()
    results = together(
        lambda: withdrawals.approve(withdrawal=asked, by=sam, now=later),
        lambda: withdrawals.approve(withdrawal=asked, by=tess, now=later),
    )
    refused = [each for each in results if isinstance(each, refusals.NotPossible)]
    assert len(refused) == 1
    winner = Withdrawal.objects.get().approved_by
    assert winner is not None
    assert winner.email in refused[0].message
    assert "13:00" in refused[0].message
    assert WithdrawalEvent.objects.filter(action="approve").count() == 1
    assert len(mail.outbox) == 1
    assert_books_are_clean()


def test_on_hold_says_neutral_words_and_can_be_taken_up_again(
    ada: User, asked: Withdrawal, sam: User, now: datetime
) -> None:
    held = withdrawals.hold(withdrawal=asked, by=sam, reason=HoldReason.DETAILS, note="Name differs", now=now)
    assert (held.state, held.reason_text) == ("on_hold", "We need to check the payment details.")
    assert pools(ada) == (40, 60, 0)
    assert withdrawals.claim(withdrawal=asked, by=sam, now=now).reason == ""


def test_rejecting_needs_a_reason_and_gives_everything_back(
    ada: User, asked: Withdrawal, sam: User, now: datetime
) -> None:
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    with pytest.raises(refusals.ReasonNeeded):
        withdrawals.reject(withdrawal=asked, by=sam, reason="  ", now=now)
    done = withdrawals.reject(withdrawal=asked, by=sam, reason="The account name is not yours.", now=now)
    assert (done.state, done.reason) == ("rejected", "The account name is not yours.")
    assert pools(ada) == (100, 0, 0)
    assert ask(ada, 60 * NANO, client_id="form-2").state == "requested"
    assert_books_are_clean()


def test_an_approval_is_revoked_by_somebody_else_only(
    ada: User, approved: Withdrawal, sam: User, tess: User, now: datetime
) -> None:
    with pytest.raises(refusals.SecondPersonNeeded):
        withdrawals.revoke(withdrawal=approved, by=sam, reason="x", now=now)
    assert withdrawals.revoke(withdrawal=approved, by=tess, reason="New evidence.", now=now).state == "revoked"
    assert pools(ada) == (100, 0, 0)
    assert_books_are_clean()


def test_what_is_being_paid_cannot_be_revoked(approved: Withdrawal, sam: User, tess: User, now: datetime) -> None:
    withdrawals.start_paying(withdrawal=approved, by=sam, now=now)
    with pytest.raises(refusals.NotPossible):
        withdrawals.revoke(withdrawal=approved, by=tess, reason="x", now=now)


def test_rewards_taken_back_during_review_lower_what_may_be_approved(ada: User, sam: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 100 * NANO, LONG_AGO)
    available(ada, 50 * NANO, rewards_of=50 * NANO)
    asked = ask(ada, 60 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    give_back(call, 100 * NANO)
    rewards.accrue(now=now)
    assert pools(ada) == (0, 60, 10)
    with pytest.raises(refusals.AmountNotAllowed, match=r"50\.00"):
        withdrawals.approve(withdrawal=asked, by=sam, now=now)
    withdrawals.approve(withdrawal=asked, by=sam, now=now, amount=50 * NANO, reason="10 were refunded.")
    assert pools(ada) == (0, 50, 0)
    assert_books_are_clean()


def test_a_debt_stops_paying_but_not_the_record_of_what_was_sent(ada: User, sam: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 100 * NANO, LONG_AGO)
    available(ada, 50 * NANO, rewards_of=50 * NANO)
    asked = ask(ada, 60 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    withdrawals.approve(withdrawal=asked, by=sam, now=now)
    give_back(call, 100 * NANO)
    rewards.accrue(now=now)
    with pytest.raises(refusals.InDebt):
        withdrawals.start_paying(withdrawal=asked, by=sam, now=now)
    withdrawals.mark_paid(withdrawal=asked, by=sam, reference="ALI-1", now=now)
    assert pools(ada) == (0, 0, 10)
    assert_books_are_clean()


def test_a_rejection_repays_a_debt_first(ada: User, sam: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 100 * NANO, LONG_AGO)
    available(ada, 50 * NANO, rewards_of=50 * NANO)
    asked = ask(ada, 60 * NANO)
    give_back(call, 100 * NANO)
    rewards.accrue(now=now)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    withdrawals.reject(withdrawal=asked, by=sam, reason="Refunded.", now=now)
    assert pools(ada) == (50, 0, 0)
    assert_books_are_clean()


# --- paying --------------------------------------------------------------------------------------------------------


def test_paid_moves_the_money_out_with_its_reference(ada: User, paid: Withdrawal, sam: User) -> None:
    assert (paid.state, paid.paid_by, paid.payment_reference) == ("paid", sam, "ALI-1")
    assert pools(ada) == (40, 0, 0)
    entry = LedgerTxn.objects.get(kind="wd.paid").entries.get()
    assert (entry.credit.kind, entry.amount) == ("cash.payout", 60 * NANO)
    assert_books_are_clean()


def test_a_fee_goes_to_revenue_and_stays_when_the_money_comes_back(ada: User, sam: User, now: datetime) -> None:
    Policy.objects.update(fee_nano=2 * NANO)
    available(ada, 100 * NANO)
    asked = ask(ada, 60 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    withdrawals.approve(withdrawal=asked, by=sam, now=now)
    done = withdrawals.mark_paid(withdrawal=asked, by=sam, reference="ALI-1", now=now)
    entries = LedgerTxn.objects.get(kind="wd.paid").entries.order_by("-amount").values_list("credit__kind", "amount")
    assert list(entries) == [("cash.payout", 58 * NANO), ("revenue.payout_fee", 2 * NANO)]
    assert_books_are_clean()
    withdrawals.mark_returned(withdrawal=done, by=sam, evidence="Account closed, bank letter 7.", now=now)
    assert pools(ada) == (98, 0, 0)
    assert_books_are_clean()


def test_mark_paid_clicked_twice_is_one_payment(ada: User, paid: Withdrawal, sam: User, now: datetime) -> None:
    again = withdrawals.mark_paid(withdrawal=paid, by=sam, reference=" ALI-1 ", now=now + timedelta(minutes=1))
    assert (again.paid_at, again.events.filter(action="mark_paid").count()) == (now, 1)
    with pytest.raises(refusals.NotPossible):
        withdrawals.mark_paid(withdrawal=paid, by=sam, reference="ALI-2", now=now)
    assert posted(paid) == ["wd.reserve", "wd.paid"]


def test_the_same_bank_reference_on_two_requests_is_refused(paid: Withdrawal, sam: User, now: datetime) -> None:
    dora = make_user()
    available(dora, 60 * NANO)
    other = ask(dora, 60 * NANO)
    withdrawals.claim(withdrawal=other, by=sam, now=now)
    withdrawals.approve(withdrawal=other, by=sam, now=now)
    with pytest.raises(refusals.ReferenceTaken):
        withdrawals.mark_paid(withdrawal=other, by=sam, reference="ALI-1", now=now)
    other.refresh_from_db()
    assert other.state == "approved"
    assert pools(dora) == (0, 60, 0)
    assert_books_are_clean()


@committing
def test_mark_paid_twice_in_parallel_and_a_foreign_reference_in_parallel(now: datetime) -> None:
    sam = make_user(staff=True)
    asked = []
    for _ in range(2):
        person = make_user()
        available(person, 60 * NANO, rewards_of=60 * NANO)
        one = ask(person, 60 * NANO)
        withdrawals.claim(withdrawal=one, by=sam, now=now)
        withdrawals.approve(withdrawal=one, by=sam, now=now)
        asked.append(one)

    def pay(which: Withdrawal) -> Any:
        return withdrawals.mark_paid(withdrawal=which, by=sam, reference="SAME", now=now)

    results = together(*[lambda which=which: pay(which) for which in asked * 3])
    refused = [each for each in results if isinstance(each, refusals.ReferenceTaken)]
    assert len(refused) == 3
    assert Withdrawal.objects.filter(state="paid").count() == 1
    assert LedgerTxn.objects.filter(kind="wd.paid").count() == 1
    assert WithdrawalEvent.objects.filter(action="mark_paid").count() == 1
    assert_books_are_clean()


@pytest.mark.parametrize("reference", ["", "   ", "x" * 81])
def test_a_payment_needs_a_reference(approved: Withdrawal, sam: User, now: datetime, reference: str) -> None:
    with pytest.raises(refusals.NotPossible):
        withdrawals.mark_paid(withdrawal=approved, by=sam, reference=reference, now=now)


def test_above_the_limit_one_person_cannot_approve_and_pay(sam: User, tess: User, now: datetime) -> None:
    dora = make_user()
    available(dora, 210 * NANO, rewards_of=70 * NANO)
    asked = ask(dora, 210 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    withdrawals.approve(withdrawal=asked, by=sam, now=now)
    with pytest.raises(refusals.SecondPersonNeeded):
        withdrawals.mark_paid(withdrawal=asked, by=sam, reference="B-1", now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Withdrawal.objects.filter(pk=asked.pk).update(paid_by=sam)
    assert withdrawals.mark_paid(withdrawal=asked, by=tess, reference="B-1", now=now).paid_by == tess
    assert_books_are_clean()


def test_exactly_the_limit_needs_one_person_only(sam: User, now: datetime) -> None:
    dora = make_user()
    available(dora, 200 * NANO, rewards_of=100 * NANO)
    asked = ask(dora, 200 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    withdrawals.approve(withdrawal=asked, by=sam, now=now)
    assert withdrawals.mark_paid(withdrawal=asked, by=sam, reference="B-1", now=now).state == "paid"


def test_a_failed_payment_stays_set_aside_and_can_be_tried_again(
    ada: User, approved: Withdrawal, sam: User, now: datetime
) -> None:
    withdrawals.start_paying(withdrawal=approved, by=sam, now=now)
    withdrawals.mark_failed(withdrawal=approved, by=sam, reason="Account unknown", now=now)
    assert pools(ada) == (40, 60, 0)
    assert withdrawals.mark_paid(withdrawal=approved, by=sam, reference="ALI-2", now=now).state == "paid"
    assert_books_are_clean()


def test_returned_by_the_bank_is_available_again_once(ada: User, paid: Withdrawal, sam: User, now: datetime) -> None:
    with pytest.raises(refusals.ReasonNeeded):
        withdrawals.mark_returned(withdrawal=paid, by=sam, evidence="", now=now)
    withdrawals.mark_returned(withdrawal=paid, by=sam, evidence="Bank letter 7", now=now)
    assert pools(ada) == (100, 0, 0)
    with pytest.raises(refusals.NotPossible):
        withdrawals.mark_returned(withdrawal=paid, by=sam, evidence="Bank letter 8", now=now)
    assert not RewardAllocation.objects.exists()
    assert_books_are_clean()


def test_refund_after_paid_is_a_debt(ada: User, sam: User, now: datetime) -> None:
    call = spend(bring(ada).referee, 600 * NANO, LONG_AGO)
    rewards.accrue(now=now, day=LONG_AGO)
    rewards.mature(now=now)
    asked = ask(ada, 60 * NANO)
    withdrawals.claim(withdrawal=asked, by=sam, now=now)
    withdrawals.approve(withdrawal=asked, by=sam, now=now)
    withdrawals.mark_paid(withdrawal=asked, by=sam, reference="ALI-1", now=now)
    give_back(call, 600 * NANO)
    rewards.accrue(now=now)
    assert pools(ada) == (0, 0, 60)
    with pytest.raises(refusals.InDebt):
        ask(ada, 60 * NANO, client_id="form-2")
    assert_books_are_clean()


# --- time, history, mail --------------------------------------------------------------------------------------------


def test_a_request_that_nobody_touches_expires(ada: User, asked: Withdrawal, now: datetime) -> None:
    assert withdrawals.expire(now=now + timedelta(days=30) - timedelta(seconds=1)) == 0
    assert withdrawals.expire(now=now + timedelta(days=30)) == 1
    assert withdrawals.expire(now=now + timedelta(days=31)) == 0
    assert Withdrawal.objects.get().state == "expired"
    assert pools(ada) == (100, 0, 0)
    assert_books_are_clean()


def test_a_touch_keeps_a_request_alive_but_looking_does_not(asked: Withdrawal, sam: User, now: datetime) -> None:
    later = now + timedelta(days=20)
    withdrawals.hold(withdrawal=asked, by=sam, reason=HoldReason.REVIEW, now=later)
    withdrawals.reveal(withdrawal=asked, by=sam, reason="check", now=now + timedelta(days=40))
    assert withdrawals.expire(now=now + timedelta(days=31)) == 0
    assert withdrawals.expire(now=later + timedelta(days=30)) == 1


def test_an_approved_request_never_expires(approved: Withdrawal, now: datetime) -> None:
    assert withdrawals.expire(now=now + timedelta(days=400)) == 0


@committing
def test_a_cancel_and_an_expiry_at_once_give_back_once(now: datetime) -> None:
    ada = make_user()
    available(ada, 60 * NANO, rewards_of=60 * NANO)
    asked = ask(ada, 60 * NANO)
    later = now + timedelta(days=31)
    together(
        lambda: withdrawals.cancel(withdrawal=asked, by=ada, now=later),
        lambda: withdrawals.expire(now=later),
        lambda: withdrawals.expire(now=later),
    )
    assert pools(ada) == (60, 0, 0)
    assert posted(asked) == ["wd.reserve", "wd.release"]
    assert_books_are_clean()


def test_each_look_at_the_payee_is_in_the_history_with_its_reason(asked: Withdrawal, sam: User, now: datetime) -> None:
    with pytest.raises(refusals.ReasonNeeded):
        withdrawals.reveal(withdrawal=asked, by=sam, reason="", now=now)
    assert withdrawals.reveal(withdrawal=asked, by=sam, reason="To pay it", now=now, ip="203.0.113.9") == PAYEE
    event = asked.events.get(action="reveal")
    assert (event.actor, event.note, event.ip, event.new_state) == (sam, "To pay it", "203.0.113.9", "requested")


def test_the_history_cannot_be_changed_or_deleted(asked: Withdrawal) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        WithdrawalEvent.objects.update(note="nothing happened")
    with pytest.raises(IntegrityError), transaction.atomic():
        WithdrawalEvent.objects.all().delete()


def test_the_person_gets_a_mail_at_every_step_that_concerns_them(
    ada: User, sam: User, now: datetime, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    available(ada, 100 * NANO)
    with django_capture_on_commit_callbacks(execute=True):
        asked = ask(ada, 60 * NANO)
        withdrawals.claim(withdrawal=asked, by=sam, now=now)
        withdrawals.approve(withdrawal=asked, by=sam, now=now)
        withdrawals.mark_paid(withdrawal=asked, by=sam, reference="ALI-1", now=now)
        withdrawals.mark_returned(withdrawal=asked, by=sam, evidence="Bank letter 7", now=now)
    subjects = [message.subject for message in mail.outbox]
    assert subjects == [
        f"Withdrawal {asked.public_id} requested",
        f"Withdrawal {asked.public_id} approved",
        f"Withdrawal {asked.public_id} paid",
        f"Withdrawal {asked.public_id} came back",
    ]
    assert {tuple(message.to) for message in mail.outbox} == {("ada@example.com",)}
    assert "$60.00" in mail.outbox[0].body
    assert f"/referrals/withdrawals/{asked.public_id}/" in mail.outbox[0].body
    assert all(PAYEE["account"] not in message.body for message in mail.outbox)


def test_a_mail_server_that_is_down_undoes_nothing(
    ada: User, settings: Any, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    settings.EMAIL_BACKEND = "nowhere.Backend"
    available(ada, 100 * NANO)
    with django_capture_on_commit_callbacks(execute=True):
        ask(ada, 60 * NANO)
    assert pools(ada) == (40, 60, 0)


def test_the_rules_of_a_request_are_those_of_its_day(ada: User, asked: Withdrawal, now: datetime) -> None:
    first = policies.in_force(now)
    Policy.objects.create(
        version=2,
        effective_from=now + timedelta(hours=1),
        rate_bp=500,
        earning_days=365,
        holding_days=3,
        threshold_nano=90 * NANO,
        fee_nano=5 * NANO,
        second_person_above_nano=first.second_person_above_nano,
        payout_methods=["bank"],
    )
    asked.refresh_from_db()
    assert (asked.fee, asked.net, asked.threshold) == (0, 60 * NANO, 50 * NANO)
