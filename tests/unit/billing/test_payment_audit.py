"""The audit of payments is silent on good books and finds each kind of damage."""

from collections.abc import Callable

import pytest
from django.db.models import F

from accounts.models import User
from billing import audit, ledger, payment_audit
from billing.models import AccountKind, Dispute, Freeze, Payment, PaymentRefund
from console import books as proof
from tests.make import NOW, make_credit
from tests.unit.billing import payment_probes

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(ada: User, cleo: User) -> None:
    make_credit(cleo, paid=5)
    payment_probes.scene(ada)
    payment_probes.paid(ada)


def stray_money() -> None:
    """A top-up that no payment stands behind."""
    ada = User.objects.get(email="ada@example.com")
    line = ledger.Line(
        debit=ledger.account(AccountKind.CASH_STRIPE), credit=ledger.account(AccountKind.USER_PAID, ada), amount=9
    )
    ledger.post(kind="topup", key="stray", lines=[line], actor=None, now=NOW)


DAMAGE: dict[str, Callable[[], object]] = {
    "I11 a payment is credited exactly once": lambda: Payment.objects.update(
        user=User.objects.get(email="cleo@example.com")
    ),
    "money at Stripe is what the rows of each payment say": lambda: Payment.objects.filter(fee_nano=None).update(
        fee_nano=1
    ),
    "money at Stripe came with a payment": stray_money,
    "refunds of a payment add up": lambda: Payment.objects.filter(refunded_nano__gt=0).update(refunded_nano=1),
    "what went back was posted to the nano": lambda: PaymentRefund.objects.update(amount_nano=F("amount_nano") + 1),
    "receipts are numbered without gaps": lambda: Payment.objects.filter(receipt_number=2).update(receipt_number=3),
    "who owes or is disputed makes no calls": lambda: Freeze.objects.all().delete(),
}


def test_good_books_are_clean(scene: None) -> None:
    assert proof.prove(now=NOW).findings == {}


@pytest.mark.parametrize("name", list(payment_audit.INVARIANTS))
def test_each_invariant_finds_its_damage(scene: None, name: str) -> None:
    DAMAGE[name]()
    assert audit.run({name: payment_audit.INVARIANTS[name]}, now=NOW).findings[name]


def test_each_half_of_an_invariant_finds_its_own(scene: None, cleo: User) -> None:
    posted = "what went back was posted to the nano"
    Dispute.objects.filter(state="won").update(amount_nano=F("amount_nano") + 1)
    assert audit.run({posted: payment_audit.INVARIANTS[posted]}, now=NOW).findings[posted] == ["dp_won"]
    frozen = "who owes or is disputed makes no calls"
    Freeze.objects.create(user=cleo, reason="debt", since=NOW)
    assert audit.run({frozen: payment_audit.INVARIANTS[frozen]}, now=NOW).findings[frozen] == [str(cleo.pk)]


def test_all_of_it_is_part_of_the_nightly_proof() -> None:
    assert payment_audit.INVARIANTS.items() <= proof.INVARIANTS.items()
