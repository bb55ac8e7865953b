"""What a call used, what of it is charged, and the most it may cost. Pure arithmetic on what others counted.

The provider's own numbers count. Where it sent none, or the call broke off, we count: one token for four bytes of text,
rounded up, and the row says so. What was never delivered is free.
"""

from dataclasses import dataclass, replace

from billing import prices
from billing.models import Price, Usage
from billing.prices import Tokens
from gateway.protocols.wire import Seen

BYTES_PER_TOKEN = 4
_KEPT = ("cached", "cache_write", "input", "output", "reasoning")  # the order in which they fill a hold


@dataclass(frozen=True, slots=True)
class Measured:
    tokens: Tokens
    source: Usage.Source
    not_charged_because: str = ""


def measure_complete(seen: Seen, *, input_count: int, text_bytes: int) -> Measured:
    """An answer that ended as it should."""
    if seen.images:
        return Measured(Tokens(images=seen.images, image_class=seen.image_class), Usage.Source.UPSTREAM)
    if not text_bytes and not seen.output and not seen.reasoning:  # the input alone is worth nothing to anybody
        return Measured(Tokens(), Usage.Source.NONE, "empty_answer")
    return _measure(seen, input_count, text_bytes)


def measure_broken(seen: Seen, *, input_count: int, text_bytes: int, price: Price, held: int, because: str) -> Measured:
    """A stream that broke off: nothing before the first content, else input and what was delivered, within the hold."""
    if not text_bytes:
        return Measured(Tokens(), Usage.Source.NONE, because)
    measured = _measure(seen, input_count, text_bytes)
    return replace(measured, tokens=fit(price, measured.tokens, held))


def worst_cost(price: Price, *, input_tokens: int, output_tokens: int) -> int:
    """Nano that no split into cached, written, reasoned and plain tokens can exceed."""
    sent = (Tokens(input=input_tokens), Tokens(cached=input_tokens), Tokens(cache_write=input_tokens))
    ways = [(replace(each, output=output_tokens), replace(each, reasoning=output_tokens)) for each in sent]
    return max(prices.cost(price, tokens) for pair in ways for tokens in pair)


def affordable_output(price: Price, *, input_tokens: int, at_most: int, n: int, spendable: int) -> int:
    """The most output tokens per choice that `spendable` nano can hold, 0 when not even one."""
    low, high = 0, at_most
    while low < high:
        middle = (low + high + 1) // 2
        if worst_cost(price, input_tokens=input_tokens, output_tokens=middle * n) <= spendable:
            low = middle
        else:
            high = middle - 1
    return low


def fit(price: Price, tokens: Tokens, held: int) -> Tokens:
    """`tokens` with so many left out, output first, that the rest costs no more than `held`."""
    low, high = 0, sum(getattr(tokens, name) for name in _KEPT)
    if prices.cost(price, tokens) <= held:
        return tokens
    while low < high:
        middle = (low + high + 1) // 2
        if prices.cost(price, _first(tokens, middle)) <= held:
            low = middle
        else:
            high = middle - 1
    return _first(tokens, low)


def _first(tokens: Tokens, total: int) -> Tokens:
    kept = {}
    for name in _KEPT:
        kept[name] = min(getattr(tokens, name), total)
        total -= kept[name]
    return replace(tokens, **kept)


def _measure(seen: Seen, input_count: int, text_bytes: int) -> Measured:
    complete = seen.input is not None and seen.output is not None
    tokens = Tokens(
        input=seen.input if seen.input is not None else input_count,
        cached=seen.cached,
        cache_write=seen.cache_write,
        output=seen.output if seen.output is not None else -(-text_bytes // BYTES_PER_TOKEN),
        reasoning=seen.reasoning if seen.output is not None else 0,
    )
    return Measured(tokens, Usage.Source.UPSTREAM if complete else Usage.Source.COUNTED)
