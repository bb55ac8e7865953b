"""What is charged: the provider's numbers, else our count; never more than the hold for what broke off."""

from hypothesis import given
from hypothesis import strategies as st

from billing import prices
from billing.models import Price, Usage
from billing.prices import Tokens
from gateway import metering
from gateway.protocols.wire import Seen

PRICE = Price(
    model="m",
    input_nano_per_mtok=3_000_000_000,
    cached_input_nano_per_mtok=300_000_000,
    cache_write_nano_per_mtok=3_750_000_000,
    output_nano_per_mtok=15_000_000_000,
)
IMAGES = Price(model="i", image_nano={"1024x1024/high": 167_000_000})
prices_st = st.builds(
    Price,
    input_nano_per_mtok=st.integers(0, 10**12),
    cached_input_nano_per_mtok=st.none() | st.integers(0, 10**12),
    cache_write_nano_per_mtok=st.none() | st.integers(0, 10**12),
    output_nano_per_mtok=st.integers(0, 10**12),
    reasoning_nano_per_mtok=st.none() | st.integers(0, 10**12),
)


def test_the_providers_numbers_count() -> None:
    measured = metering.measure_complete(
        Seen(input=10, cached=5, output=7, reasoning=2), input_count=99, text_bytes=400
    )
    assert measured.tokens == Tokens(input=10, cached=5, output=7, reasoning=2)
    assert measured.source is Usage.Source.UPSTREAM


def test_without_them_we_count_four_bytes_a_token() -> None:
    measured = metering.measure_complete(Seen(), input_count=25, text_bytes=41)
    assert measured.tokens == Tokens(input=25, output=11)
    assert measured.source is Usage.Source.COUNTED


def test_an_explicit_zero_is_not_replaced_by_a_count() -> None:
    measured = metering.measure_complete(Seen(input=0, output=0), input_count=25, text_bytes=41)
    assert measured.tokens == Tokens()
    assert measured.source is Usage.Source.UPSTREAM


def test_an_empty_answer_is_free_whatever_was_read_for_it() -> None:
    for seen in (Seen(), Seen(input=900), Seen(input=900, output=0)):
        measured = metering.measure_complete(seen, input_count=25, text_bytes=0)
        assert (measured.tokens, measured.not_charged_because) == (Tokens(), "empty_answer")


def test_thoughts_without_a_word_are_charged() -> None:
    measured = metering.measure_complete(Seen(input=9, output=0, reasoning=50), input_count=25, text_bytes=0)
    assert (measured.tokens, measured.source) == (Tokens(input=9, reasoning=50), Usage.Source.UPSTREAM)


def test_pictures_are_charged_as_delivered() -> None:
    measured = metering.measure_complete(Seen(images=2, image_class="1024x1024/high"), input_count=9, text_bytes=0)
    assert prices.cost(IMAGES, measured.tokens) == 2 * 167_000_000


def test_before_the_first_content_nothing_is_charged() -> None:
    broken = metering.measure_broken(
        Seen(input=50), input_count=9, text_bytes=0, price=PRICE, held=10**9, because="failed_before_output"
    )
    assert (broken.tokens, broken.source, broken.not_charged_because) == (Tokens(), "none", "failed_before_output")


def test_a_broken_stream_takes_what_the_provider_said_of_the_input_and_counts_the_rest() -> None:
    broken = metering.measure_broken(
        Seen(input=50, cached=8), input_count=9, text_bytes=10, price=PRICE, held=10**9, because="x"
    )
    assert broken.tokens == Tokens(input=50, cached=8, output=3)
    assert (broken.source, broken.not_charged_because) == (Usage.Source.COUNTED, "")


@given(prices_st, st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 8), st.integers(0, 10**12))
def test_the_affordable_limit_is_the_largest_that_fits(
    price: Price, given_: int, most: int, n: int, spendable: int
) -> None:
    able = metering.affordable_output(price, input_tokens=given_, at_most=most, n=n, spendable=spendable)
    assert 0 <= able <= most
    if able:
        assert metering.worst_cost(price, input_tokens=given_, output_tokens=able * n) <= spendable
    if able < most:
        assert metering.worst_cost(price, input_tokens=given_, output_tokens=(able + 1) * n) > spendable


@given(prices_st, st.integers(0, 10**5), st.integers(0, 10**5), st.data())
def test_no_split_of_the_same_tokens_costs_more_than_the_worst(
    price: Price, given_: int, made: int, data: st.DataObject
) -> None:
    cached = data.draw(st.integers(0, given_))
    written = data.draw(st.integers(0, given_ - cached))
    reasoned = data.draw(st.integers(0, made))
    tokens = Tokens(given_ - cached - written, cached, written, made - reasoned, reasoned)
    assert prices.cost(price, tokens) <= metering.worst_cost(price, input_tokens=given_, output_tokens=made)


@given(prices_st, st.integers(0, 10**4), st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 10**10))
def test_fitting_leaves_out_no_more_than_it_must(
    price: Price, given_: int, made: int, reasoned: int, held: int
) -> None:
    tokens = Tokens(input=given_, output=made, reasoning=reasoned)
    fitted = metering.fit(price, tokens, held)
    total = fitted.input + fitted.output + fitted.reasoning
    assert prices.cost(price, fitted) <= held
    assert total <= given_ + made + reasoned
    if fitted.input < given_:
        assert fitted.output == fitted.reasoning == 0  # the input is what was surely used
    if total < given_ + made + reasoned:
        assert prices.cost(price, metering._first(tokens, total + 1)) > held
