"""What a call cost, in its answer: one field more, nothing else touched."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.cost import event_with_cost, with_cost
from gateway.protocols.sse import parse

USAGE = ("usage",)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(texts, values, max_size=5)


def test_one_field_is_added_and_every_other_byte_below_stays() -> None:
    data = b'{"id":"x","usage":{"total_tokens":3,"details":{"a": 1.0, "b":"\\u00e9"}},"new":[1e5, "\\ud83d\\ude00"]}'
    assert with_cost(data, USAGE, "0.00056") == (
        b'{"id":"x","usage":{"total_tokens":3,"details":{"a": 1.0, "b":"\\u00e9"},"cost":"0.00056"},'
        b'"new":[1e5, "\\ud83d\\ude00"]}'
    )


@given(objects, objects, objects)
def test_it_is_the_same_answer_in_the_same_order(before: Any, usage: Any, after: Any) -> None:
    answer = {**before, "usage": usage, **{name: value for name, value in after.items() if name != "usage"}}
    changed = json.loads(with_cost(json.dumps(answer).encode(), USAGE, "0.01"))
    assert changed["usage"].pop("cost") == "0.01"
    assert list(changed) == list(answer)
    usage.pop("cost", None)
    assert changed == answer


def test_a_providers_own_cost_is_replaced_and_where_ours_is_unknown_removed() -> None:
    data = b'{"usage":{"cost":0.0123,"total_tokens":3}}'
    assert with_cost(data, USAGE, "0.02") == b'{"usage":{"cost":"0.02","total_tokens":3}}'
    assert with_cost(data, USAGE, None) == b'{"usage":{"total_tokens":3}}'


@pytest.mark.parametrize(
    "data", [b"{}", b'{"usage":null}', b'{"usage":[1]}', b'{"usage":3}', b"[]", b"nonsense", b'{"usage":{"a":', b""]
)
def test_where_the_provider_says_nothing_of_usage_nothing_is_invented(data: bytes) -> None:
    assert with_cost(data, USAGE, "0.02") is data


def test_a_deeper_usage_is_found() -> None:
    data = b'{"type":"response.completed","response":{"id":"r","usage":{"output_tokens":1}}}'
    expected = b'{"type":"response.completed","response":{"id":"r","usage":{"output_tokens":1,"cost":"1.00"}}}'
    assert with_cost(data, ("response", "usage"), "1.00") == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'data: {"usage":{"a":1}}\n\n', b'data: {"usage":{"a":1,"cost":"0.5"}}\n\n'),
        (
            b'event: x\r\nid: 7\r\ndata: {"usage":{}}\r\n\r\n',
            b'event: x\r\nid: 7\r\ndata: {"usage":{"cost":"0.5"}}\r\n\r\n',
        ),
        (b'event: x\ndata: {"usage":\ndata: {"a":1}}\n\n', b'event: x\ndata: {"usage":{"a":1,"cost":"0.5"}}\n\n'),
        (b"data: [DONE]\n\n", b"data: [DONE]\n\n"),
        (b": a comment\n\n", b": a comment\n\n"),
        (b"event: message_stop\ndata: {}\n\n", b"event: message_stop\ndata: {}\n\n"),
    ],
)
def test_an_event_keeps_its_frame(raw: bytes, expected: bytes) -> None:
    assert event_with_cost(parse(raw), USAGE, "0.5") == expected


def test_a_large_answer_is_joined_not_encoded_anew() -> None:
    picture = '"' + "A" * 2_000_000 + '"'
    data = f'{{"data":[{{"b64_json": {picture}, "x": 1.50}}],"usage":{{"total_tokens":1}}}}'.encode()
    changed = with_cost(data, USAGE, "0.042")
    assert changed == data[:-2] + b',"cost":"0.042"}}'
    assert msgspec.json.decode(changed)["data"][0]["x"] == 1.5
