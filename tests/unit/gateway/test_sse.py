"""Framing: whole events, whatever the line ends and wherever the network cuts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols import sse
from gateway.protocols.sse import EventTooLarge, Framer

STREAMS = {
    "lf": b'data: {"a":1}\n\nevent: x\ndata: two\ndata: lines\n\n: comment\n\ndata: [DONE]\n\n',
    "crlf": b"event: x\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n",
    "cr": b"event: x\rdata: 1\r\rdata: 2\r\r",
    "mixed": b"data: 1\n\r\ndata: 2\r\n\ndata: 3\r\rdata: 4\n\r\n",
    "odd": b"\xef\xbb\xbfdata:1\n\ndata\n\nid: 7\nretry: 9\n\ndata:  two spaces\n\n\n\ndata: end\n\n",
}


def facts(events: list[sse.Event]) -> list[tuple[bytes, bytes]]:
    return [(event.name, event.data) for event in events if event.data is not None]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_at_every_byte_gives_the_same_events(name: str) -> None:
    stream = STREAMS[name]
    whole = Framer()
    expected = facts(whole.feed(stream))
    assert len(expected) >= 2
    assert whole.is_between_events
    for cut in range(1, len(stream)):
        framer = Framer()
        events = framer.feed(stream[:cut]) + framer.feed(stream[cut:])
        assert facts(events) == expected, cut
    one_by_one = Framer()
    events = [event for index in range(len(stream)) for event in one_by_one.feed(stream[index : index + 1])]
    assert facts(events) == expected


@given(
    st.lists(st.sampled_from([b"data: 1", b"data: 2", b"event: x", b"", b": c", b"\n", b"\r", b"\r\n"]), max_size=40),
    st.data(),
)
def test_no_byte_is_lost_or_made_up(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    framer, raw = Framer(), b""
    rest = stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        raw += b"".join(event.raw for event in framer.feed(rest[:size]))
        rest = rest[size:]
    assert stream.startswith(raw)
    assert raw + bytes(framer._buffer) == stream


def test_a_frame_carries_its_name_and_joined_data() -> None:
    event = Framer().feed(b"event: message_start\ndata: {\ndata: }\n\n")[0]
    assert (event.name, event.data) == (b"message_start", b"{\n}")


def test_a_comment_carries_nothing() -> None:
    assert Framer().feed(sse.KEEP_ALIVE)[0].data is None


def test_an_event_without_end_is_refused_at_the_limit() -> None:
    framer = Framer(limit=100)
    framer.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLarge):
        framer.feed(b"x" * 10)


def test_a_cut_event_is_noticed() -> None:
    framer = Framer()
    framer.feed(b'data: {"a":1}\n\ndata: {"b"')
    assert not framer.is_between_events


def test_what_we_write_is_what_we_read() -> None:
    assert facts(Framer().feed(sse.event(b'{"x":1}', "error"))) == [(b"error", b'{"x":1}')]
