"""The strict reader of bodies."""

import msgspec
import pytest

from gateway.errors import BadRequest
from gateway.protocols import body

BAD = {
    "empty": b"",
    "white space": b" \n\t ",
    "not json": b"model=gpt",
    "cut": b'{"model": "x"',
    "trailing": b'{"model": "x"} {}',
    "list": b"[1]",
    "text": b'"x"',
    "null": b"null",
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": Infinity}',
    "huge float": b'{"a": 1e400}',
    "huge integer": b'{"a": ' + b"9" * 5000 + b"}",
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep list": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone low surrogate": b'{"a": "\\udc00 x"}',
    "not utf-8": b'{"a": "\xff\xfe"}',
    "surrogate bytes": b'{"a": "\xed\xa0\x80"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "bom": b'\xef\xbb\xbf{"a": 1}',
    "raw control": b'{"a": "\x01"}',
    "escaped nul": b'{"a": "\\u0000"}',
    "nul in a name": b'{"b": {"\\u0000": 1}}',
    "single quotes": b"{'a': 1}",
    "a million values": b'{"a": [' + b"1," * 1_000_000 + b"1]}",
}


@pytest.mark.parametrize("name", BAD)
def test_it_refuses(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        body.read(BAD[name])
    assert refused.value.http_status == 400
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("name", sorted(body.UPSTREAM_FIELDS))
def test_fields_that_choose_the_upstream_are_refused(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        body.read(msgspec.json.encode({"model": "x", name: "http://127.0.0.1:9"}))
    assert refused.value.param == name


def test_an_escaped_backslash_before_u0000_is_only_text() -> None:
    assert body.read(b'{"a": "\\\\u0000"}').value == {"a": "\\u0000"}


def test_nested_bytes_travel_as_they_came() -> None:
    sent = b'{ "model" : "a", "x": {"n": 1.0e2,  "u": "\\u00e9", "deep": [ 1 ,2 ] } }'
    encoded = body.read(sent).encode({"model": "b"})
    assert encoded == b'{"model":"b","x":{"n": 1.0e2,  "u": "\\u00e9", "deep": [ 1 ,2 ] }}'


def test_a_second_model_key_cannot_say_something_else_upstream() -> None:
    read = body.read(b'{"model": "dear", "model": "cheap"}')
    assert read.value["model"] == "cheap"
    assert read.encode({}) == b'{"model":"cheap"}'


def test_numbers_beyond_64_bits_stay_exact() -> None:
    assert body.read(b'{"seed": 99999999999999999999999}').encode({}) == b'{"seed":99999999999999999999999}'


def test_text_counts_by_its_bytes_and_files_by_themselves() -> None:
    plain = body.read(msgspec.json.encode({"messages": [{"content": "x" * 4000}]}))
    assert 4000 <= plain.input_bound < 4100
    assert 1000 <= plain.input_count < 1030
    url = "data:image/png;base64," + "A" * 1_000_000
    inline = body.read(msgspec.json.encode({"messages": [{"content": [{"image_url": {"url": url}}]}]}))
    assert inline.text_bytes < 100
    assert inline.inline_tokens == len(url) // body.INLINE_BYTES_PER_TOKEN
    native = body.read(
        msgspec.json.encode({"source": {"type": "base64", "media_type": "image/png", "data": "A" * 1000}})
    )
    assert native.inline_tokens == body.INLINE_TOKENS


def test_checks_name_the_field_and_the_rule() -> None:
    with pytest.raises(BadRequest) as refused:
        body.require({"n": True}, {"n": body.integer(1, 8)})
    assert (refused.value.param, refused.value.message) == ("n", "`n` must be a whole number from 1 to 8.")
    body.require({"n": None}, {"n": body.integer(1, 8)})
    with pytest.raises(BadRequest, match="missing"):
        body.require({"n": None}, {}, ("n",))
