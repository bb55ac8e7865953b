"""What the pages about payments show, as frozen data."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from billing import ledger, payment_refunds
from billing.models import AccountKind, Dispute, LedgerEntry, Payment, PaymentEvent, PaymentRefund
from billing.payment_books import SOURCE

TONES = {
    Payment.State.NEW: "neutral",
    Payment.State.OPEN: "info",
    Payment.State.PROCESSING: "info",
    Payment.State.ACTION: "warning",
    Payment.State.EXPIRED: "neutral",
    Payment.State.FAILED: "danger",
    Payment.State.PAID: "success",
}
BRANDS = {"amex": "American Express", "unionpay": "UnionPay", "jcb": "JCB", "diners": "Diners Club"}
METHODS = {"card": "Card", "alipay": "Alipay", "wechat_pay": "WeChat Pay"}


@dataclass(frozen=True)
class Row:
    """A payment in a list: one word says where it stands, refunds and disputes included."""

    payment: Payment
    label: str
    tone: str
    method: str


@dataclass(frozen=True)
class Seller:
    name: str
    address: list[str]
    tax_id: str


@dataclass(frozen=True)
class PaymentPage:
    """One payment as its buyer sees it."""

    row: Row
    payment: Payment
    refunds: list[PaymentRefund]
    disputes: list[Dispute]
    seller: Seller
    left: int  # nano that were paid and did not go back


@dataclass(frozen=True)
class DeskPage:
    """One payment as an operator sees it."""

    page: PaymentPage
    events: list[PaymentEvent]
    entries: list[LedgerEntry]
    refundable: int  # nano of the payment
    spendable: int  # nano of paid credit that are left
    is_refundable: bool
    frozen: str


def rows(payments: Iterable[Payment]) -> list[Row]:
    """`is_disputed` was annotated by `listed`."""
    return [row(payment, is_disputed=getattr(payment, "is_disputed", False)) for payment in payments]


def row(payment: Payment, *, is_disputed: bool) -> Row:
    label, tone = payment.get_state_display(), TONES[Payment.State(payment.state)]
    if is_disputed:
        label, tone = _("Disputed"), "danger"
    elif payment.is_paid and payment.is_fully_refunded:
        label, tone = _("Refunded"), "neutral"
    elif payment.refunded_nano:
        label, tone = _("Refunded in part"), "neutral"
    return Row(payment, label, tone, method_name(payment))


def listed(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    disputes = Dispute.objects.filter(payment=OuterRef("pk")).exclude(state=Dispute.State.WON)
    return payments.annotate(is_disputed=Exists(disputes))


def found(*, q: str, state: str) -> QuerySet[Payment]:
    """For the desk, newest first: by receipt number, e-mail address or any id, ours or Stripe's."""
    payments = Payment.objects.select_related("user").order_by("-created_at", "-pk")
    if state == "alarm":
        payments = payments.exclude(alarm="")
    elif state in Payment.State.values:
        payments = payments.filter(state=state)
    if q:
        exact = Q(public_id=q) | Q(intent_id=q) | Q(session_id=q) | Q(user__email=q.lower()) | Q(disputes__stripe_id=q)
        number = q.upper().removeprefix("R-")
        if number.isascii() and number.isdigit() and len(number) < 18:  # noqa: PLR2004 fits the column
            exact |= Q(receipt_number=int(number))
        payments = payments.filter(exact | Q(refunds__stripe_id=q) | Q(refunds__public_id=q)).distinct()
    return listed(payments)


def page(payment: Payment) -> PaymentPage:
    disputes = list(payment.disputes.order_by("pk"))
    taken = sum(each.amount_nano for each in disputes if each.state != Dispute.State.WON)
    went = [PaymentRefund.State.DONE, PaymentRefund.State.FAILED, PaymentRefund.State.RESERVED]
    return PaymentPage(
        row=row(payment, is_disputed=any(each.state != Dispute.State.WON for each in disputes)),
        payment=payment,
        refunds=list(payment.refunds.filter(state__in=went).order_by("pk")),
        disputes=disputes,
        seller=seller(),
        left=max(payment.amount_nano - payment.refunded_nano - taken, 0),
    )


def desk_page(payment: Payment, *, frozen: str) -> DeskPage:
    entries = LedgerEntry.objects.filter(txn__source_type=SOURCE, txn__source_id=payment.public_id)
    paid = ledger.account(AccountKind.USER_PAID, payment.user)
    shown = page(payment)
    is_clear = all(each.state == Dispute.State.WON for each in shown.disputes)
    left = payment_refunds.left_of(payment) if payment.is_paid else 0
    return DeskPage(
        page=shown,
        events=list(payment.events.order_by("pk")),
        entries=list(entries.select_related("txn", "debit", "credit").order_by("pk")),
        refundable=left,
        spendable=max(paid.spendable, 0),
        is_refundable=payment.is_paid and is_clear and left > 0,
        frozen=frozen,
    )


def alarms() -> int:
    """Payments that need somebody's eyes."""
    return Payment.objects.exclude(alarm="").count()


def seller() -> Seller:
    lines = [line.strip() for line in settings.SELLER_ADDRESS.split("|") if line.strip()]
    return Seller(settings.SELLER_NAME, lines, settings.SELLER_TAX_ID)


def method_name(payment: Payment) -> str:
    """`Visa •••• 4242`, or `Alipay`."""
    if payment.method == "card" and payment.method_hint:
        return card_name(payment.method_hint)
    names = {**METHODS, "card": _("Card")}
    return names.get(payment.method, payment.method)


def card_name(hint: str) -> str:
    """`visa 4242` as people read it."""
    brand, _space, digits = hint.rpartition(" ")
    return f"{BRANDS.get(brand, brand.title())} •••• {digits}".strip()


def offered_methods() -> list[str]:
    names = {**METHODS, "card": _("Card")}
    return [names[each] for each in settings.STRIPE_METHODS if each in names]


def history(user: User) -> QuerySet[Payment]:
    """What somebody bought or tried to; attempts of which nothing came stay out after a day's look."""
    return listed(Payment.objects.of(user))
