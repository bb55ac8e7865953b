"""One call explained: what was used, at which prices, what was held, charged, posted and given back."""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from billing import prices
from billing.ledger import SPEND_ORDER
from billing.models import AccountKind, Hold, LedgerEntry, Usage
from billing.money import NANO, PER_MTOK, SYMBOL, format_amount
from billing.prices import Component, Tokens

MOST_FOUND = 20
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
SOURCES = {
    Usage.Source.UPSTREAM: gettext_lazy("The provider itself reported these numbers."),
    Usage.Source.COUNTED: gettext_lazy(
        "The provider reported no numbers, or not all of them. We counted what was delivered: one token for four bytes."
    ),
    Usage.Source.NONE: gettext_lazy("Nothing was delivered, so there is nothing to count."),
}


# What went wrong, by the code of the error that the caller got.
FAILURES = {
    "upstream_refused": gettext_lazy("The provider refused the request as it was."),
    "upstream_rate_limited": gettext_lazy("The provider was at its rate limit."),
    "upstream_failed": gettext_lazy("The provider failed, broke off or could not be understood."),
    "upstream_overloaded": gettext_lazy("The provider was overloaded."),
    "upstream_timeout": gettext_lazy("The provider took too long."),
    "invalid_api_key": gettext_lazy("The key was revoked while the call ran."),
    "draining": gettext_lazy("Our server was restarted."),
    "internal_error": gettext_lazy("Something broke on our side."),
    "interrupted": gettext_lazy("Our server stopped in the middle."),
}


@dataclass(frozen=True)
class ReceiptLine:
    """One class of tokens, or images: `units` x `price_nano` / `per` = `exact`."""

    code: str
    units: int
    price_nano: int
    per: int  # 1,000,000 tokens, or 1 image
    exact: str  # an exact decimal amount, up to 15 decimals

    @property
    def name(self) -> str:
        return str(CLASS_NAMES.get(self.code, self.code))

    @property
    def shown(self) -> str:
        return f"{SYMBOL}{self.exact}"


@dataclass(frozen=True)
class ClassOfCredit:
    """What happened in one class of credit. All in nano."""

    kind: AccountKind
    held: int
    charged: int
    from_hold: int  # of what was charged

    @property
    def released(self) -> int:
        return self.held - self.from_hold

    @property
    def beyond(self) -> int:
        """Charged, though it was not held."""
        return self.charged - self.from_hold


@dataclass(frozen=True)
class Phase:
    """A part of the time that a call took. `start` and `width` are thousandths of the whole."""

    code: str
    name: str
    ms: int
    start: int
    width: int


@dataclass(frozen=True)
class Receipt:
    """One call explained: units x price = lines, rounded once = cost; what was held, posted and given back."""

    call: Usage
    lines: list[ReceiptLine]
    exact: str  # the sum before the one rounding
    hold: Hold | None
    classes: list[ClassOfCredit]
    together: int  # other calls in the same posting
    refunds: list[LedgerEntry]

    @property
    def cost(self) -> int:
        """Nano that the call came to, collected or not."""
        return self.call.charge_nano + self.call.uncollected_nano

    @property
    def is_whole(self) -> bool:
        """The exact sum is a whole number of nano: nothing was rounded."""
        return self.exact == format_amount(self.cost)

    @property
    def shown(self) -> str:
        return f"{SYMBOL}{self.exact}"

    @property
    def released(self) -> int:
        return sum(each.released for each in self.classes)

    @property
    def beyond(self) -> int:
        return sum(each.beyond for each in self.classes)

    @property
    def reason(self) -> str:
        """Why nothing was charged; "" when something was."""
        code = self.call.not_charged_because
        return str(REASONS.get(code, code))

    @property
    def failure(self) -> str:
        """What went wrong; "" for a code of which we have nothing to say."""
        return str(FAILURES.get(self.call.error_code, ""))

    @property
    def source(self) -> str:
        if self.call.images:
            return _("Charged by the image that was delivered.")
        return str(SOURCES[Usage.Source(self.call.source)])

    @property
    def phases(self) -> list[Phase]:
        return _phases(self.call)

    @property
    def words(self) -> list[str]:
        """The same as a few sentences for somebody who never saw a token."""
        sentences = [_what_happened(self.call), _what_it_cost(self), *_what_is_odd(self)]
        return [sentence for sentence in sentences if sentence]


def receipt(*, user: User, request_id: str) -> Receipt:
    """Four queries. Raises Usage.DoesNotExist, also for somebody else's call."""
    call = Usage.objects.select_related("key", "price", "txn").get(user=user, request_id=request_id)
    components = prices.components(call.price, tokens_of(call)) if call.price else []
    hold = Hold.objects.filter(pk=call.pk).first()
    together = Usage.objects.filter(txn=call.txn).exclude(pk=call.pk).count() if call.txn_id else 0
    refunds = LedgerEntry.objects.filter(
        txn__kind="usage.refund", txn__source_type="usage", txn__source_id=call.request_id
    )
    return Receipt(
        call=call,
        lines=[_line(component) for component in components],
        exact=_exact(sum(whole * PER_MTOK + rest for whole, rest in (part.cost_nano for part in components))),
        hold=hold,
        classes=_classes(call, hold),
        together=together,
        refunds=list(refunds.select_related("txn", "debit", "credit").order_by("pk")),
    )


def find(*, user: User, text: str) -> list[Usage]:
    """The calls of one person with this id, ours or the one that their program gave, newest first."""
    mine: QuerySet[Usage] = Usage.objects.filter(user=user)
    if not text or "\x00" in text:
        return []
    if found := mine.filter(request_id=text).first():
        return [found]
    named = mine.exclude(client_request_id="").filter(client_request_id=text)
    return list(named.order_by("-started_at", "-request_id")[:MOST_FOUND])


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


def _classes(call: Usage, hold: Hold | None) -> list[ClassOfCredit]:
    """A hold that had run out paid for nothing: the charge came afterwards."""
    held, charged = hold.parts if hold is not None else {}, call.parts
    paying = {} if call.late else held
    return [
        ClassOfCredit(kind, held.get(kind, 0), charged.get(kind, 0), min(paying.get(kind, 0), charged.get(kind, 0)))
        for kind in SPEND_ORDER
        if kind in held or kind in charged
    ]


def _line(component: Component) -> ReceiptLine:
    whole, rest = component.cost_nano
    exact = _exact(whole * PER_MTOK + rest)
    return ReceiptLine(component.name, component.units, component.price_nano, component.per, exact)


def _exact(millionths: int) -> str:
    """Millionths of a nano as a decimal amount: nothing is rounded."""
    whole, rest = divmod(millionths, NANO * PER_MTOK)
    return f"{whole}.{f'{rest:015d}'.rstrip('0').ljust(2, '0')}"


def _phases(call: Usage) -> list[Phase]:
    """Three parts that add up to the whole; where a moment is not known, its part is in the next one."""
    total = max(call.total_ms, 1)
    sent = min(call.sent_ms or 0, total)
    first = min(max(call.first_byte_ms if call.first_byte_ms is not None else total, sent), total)
    last = _("Answer") if call.stream else _("Handed over")
    named = (("before", _("Checked and held"), 0, sent), ("wait", _("Until the first byte"), sent, first))
    parts = (*named, ("answer", last, first, total if call.total_ms else first))
    return [
        Phase(code, name, end - begin, 1000 * begin // total, 1000 * end // total - 1000 * begin // total)
        for code, name, begin, end in parts
        if end > begin
    ]


# --- in words ---------------------------------------------------------------------------------------------------------
def _what_happened(call: Usage) -> str:
    facts = {"model": call.model, "time": _seconds(call.total_ms)}
    if call.not_charged_because:
        return {
            "empty_answer": _("%(model)s answered, but with nothing in it."),
            "client_left_before_output": _("Your program hung up before %(model)s had answered."),
            "failed_before_output": _("The call to %(model)s failed before anything was delivered."),
            "interrupted": _("Our server stopped in the middle of this call to %(model)s."),
        }.get(call.not_charged_because, _("This call to %(model)s was not charged.")) % facts
    if call.status == Usage.Status.STOPPED:
        return (
            _("Your program hung up while %(model)s was answering. What had arrived by then counts, nothing else.")
            % facts
        )
    if call.status != Usage.Status.OK:
        return _("The answer of %(model)s broke off. What had arrived by then counts, nothing else.") % facts
    if call.images:
        facts["images"] = ngettext("%(n)s image", "%(n)s images", call.images) % {"n": call.images}
        return _("%(model)s made %(images)s in %(time)s.") % facts
    facts |= {
        "read": _tokens(call.input_tokens + call.cached_tokens + call.cache_write_tokens),
        "wrote": _tokens(call.output_tokens + call.reasoning_tokens),
    }
    return _("%(model)s read %(read)s and wrote %(wrote)s in %(time)s.") % facts


def _what_it_cost(receipt: Receipt) -> str:
    call, facts = receipt.call, {"cost": _money(receipt.cost), "held": _money(receipt.call.held_nano)}
    facts |= {"released": _money(receipt.released), "charge": _money(call.charge_nano)}
    if not receipt.cost:
        if not call.held_nano:
            return _("Nothing was charged.")
        return (
            _("Nothing was charged. The %(held)s that we had set aside before the call was free again at its end.")
            % facts
        )
    if call.late or not call.held_nano:
        return _("That cost %(cost)s.") % facts
    if receipt.cost > call.held_nano:
        return (
            _(
                "That cost %(cost)s: more than the %(held)s that we had set aside before the call, because the "
                "provider made more than it was asked for."
            )
            % facts
        )
    if receipt.released:
        return (
            _(
                "That cost %(cost)s. Before the call we had set aside %(held)s, the most it could cost; the other "
                "%(released)s was free again at its end."
            )
            % facts
        )
    return _("That cost %(cost)s. Before the call we had set aside %(held)s, the most it could cost.") % facts


def _what_is_odd(receipt: Receipt) -> list[str]:
    call, odd = receipt.call, []
    if call.source == Usage.Source.COUNTED:
        odd.append(_("The provider did not report every number, so we counted what was delivered."))
    if call.late:
        odd.append(_("What we had set aside was free again before the call ended; the charge was taken afterwards."))
    if call.uncollected_nano:
        odd.append(
            _("Your credit did not cover %(amount)s of it. You do not owe that: a balance never falls below zero.")
            % {"amount": _money(call.uncollected_nano)}
        )
    if call.refunded_nano:
        odd.append(_("%(amount)s was given back later.") % {"amount": _money(call.refunded_nano)})
    return odd


def _tokens(count: int) -> str:
    return ngettext("%(n)s token", "%(n)s tokens", count) % {"n": f"{count:,}"}


def _seconds(ms: int) -> str:
    tenths = (ms + 50) // 100
    if not tenths:
        return _("%(n)s milliseconds") % {"n": ms}
    return _("%(n)s seconds") % {"n": f"{tenths // 10}.{tenths % 10}"}


def _money(nano: int) -> str:
    return f"{SYMBOL}{format_amount(nano)}"
