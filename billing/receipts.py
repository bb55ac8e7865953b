"""One call explained: what was used, at which prices, what was held, charged, posted and given back."""

from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing import prices
from billing.models import AccountKind, LedgerEntry, LedgerTxn, Usage
from billing.prices import Component, Tokens

CLASS_NAMES = {
    "input": gettext_lazy("Input tokens"),
    "cached": gettext_lazy("Cached tokens"),
    "cache_write": gettext_lazy("Cache-write tokens"),
    "output": gettext_lazy("Output tokens"),
    "reasoning": gettext_lazy("Reasoning tokens"),
    "images": gettext_lazy("Images"),
}
# Why a call cost nothing, by the code on its row.
REASONS = {
    "empty_answer": gettext_lazy("The provider answered with nothing."),
    "client_left_before_output": gettext_lazy("The client hung up before anything was delivered."),
    "failed_before_output": gettext_lazy("The call failed before anything was delivered."),
    "interrupted": gettext_lazy("The server stopped before the call ended. What was held was released."),
}


@dataclass(frozen=True)
class ReceiptLine:
    name: str
    units: int
    price_nano: int
    per: int
    whole: int  # nano
    rest: str  # digits behind the nano, "" when there are none


@dataclass(frozen=True)
class Receipt:
    """One call explained: units x price = lines, rounded once = charge; what was held, posted and given back."""

    call: Usage
    lines: list[ReceiptLine]
    exact: str  # the sum before the one rounding, in nano
    cost: int  # nano; charge + uncollected
    parts: dict[AccountKind, int]  # nano by class of credit
    released: int  # nano
    entries: list[LedgerEntry]

    @property
    def reason(self) -> str:
        """Why nothing was charged; "" when something was."""
        code = self.call.not_charged_because
        return str(REASONS.get(code, code))


def receipt(*, user: User, request_id: str) -> Receipt:
    """Raises Usage.DoesNotExist, also for somebody else's call."""
    call = Usage.objects.select_related("key", "price", "txn").get(user=user, request_id=request_id)
    components = prices.components(call.price, tokens_of(call)) if call.price else []
    whole = sum(part.cost_nano[0] for part in components)
    rest = sum(part.cost_nano[1] for part in components)
    refunds = LedgerTxn.objects.filter(kind="usage.refund", source_type="usage", source_id=call.request_id)
    entries = (
        LedgerEntry.objects.filter(Q(txn=call.txn) | Q(txn__in=refunds)) if call.txn else LedgerEntry.objects.none()
    )
    return Receipt(
        call=call,
        lines=[_line(component) for component in components],
        exact=_decimal(whole + rest // 1_000_000, rest % 1_000_000),
        cost=call.charge_nano + call.uncollected_nano,
        parts=call.parts,
        released=max(call.held_nano - call.charge_nano, 0),
        entries=list(entries.select_related("txn", "debit", "credit").order_by("pk")),
    )


def tokens_of(call: Usage) -> Tokens:
    return Tokens(
        input=call.input_tokens,
        cached=call.cached_tokens,
        cache_write=call.cache_write_tokens,
        output=call.output_tokens,
        reasoning=call.reasoning_tokens,
        images=call.images,
        image_class=call.image_class,
    )


def _line(component: Component) -> ReceiptLine:
    whole, rest = component.cost_nano
    return ReceiptLine(
        name=str(CLASS_NAMES.get(component.name, component.name)),
        units=component.units,
        price_nano=component.price_nano,
        per=component.per,
        whole=whole,
        rest=f"{rest:06d}".rstrip("0"),
    )


def _decimal(whole: int, rest: int) -> str:
    digits = f"{rest:06d}".rstrip("0")
    return f"{whole:,}.{digits}" if digits else f"{whole:,}"
