"""The growing answer: numbering, merging, and pictures that live readers do not get as base64."""

from hypothesis import given
from hypothesis import strategies as st

from playground.answers import MAX_FRAME_CHARS, Answer, Frame, LiveText, live_text, merged

PICTURE = "![dot](data:image/png;base64,AAAABBBB==)"


def test_many_tokens_travel_as_one_frame() -> None:
    answer = Answer()
    for word in ("a", "b", "c"):
        answer.add("text", word)
    assert answer.take() == [Frame(1, "delta", {"kind": "text", "text": "abc"})]
    assert answer.take() == []


def test_numbers_have_no_gap() -> None:
    answer = Answer()
    answer.add("text", "a")
    first = answer.take()
    notice = answer.event("notice", code="x")
    answer.add("text", "b")
    assert [frame.seq for frame in [*first, notice, *answer.take()]] == [1, 2, 3]


def test_thinking_and_saying_are_kept_apart() -> None:
    answer = Answer()
    answer.add("reasoning", "hm")
    answer.add("text", "yes")
    assert [frame.data["kind"] for frame in answer.take()] == ["reasoning", "text"]
    assert (answer.reasoning, answer.text) == ("hm", "yes")


def test_a_large_piece_is_cut_into_frames() -> None:
    answer = Answer()
    answer.add("text", "x" * (MAX_FRAME_CHARS * 2 + 1))
    frames = answer.take()
    assert [len(frame.data["text"]) for frame in frames] == [MAX_FRAME_CHARS, MAX_FRAME_CHARS, 1]


def test_the_whole_of_it_holds_what_was_not_sent_yet() -> None:
    answer = Answer()
    answer.add("text", "a")
    answer.take()
    answer.add("text", "b")
    assert answer.whole() == Frame(2, "reset", {"text": "ab", "reasoning": ""})
    assert answer.take() == []


def test_live_readers_see_a_sign_instead_of_a_picture() -> None:
    answer = Answer()
    answer.add("text", f"Look: {PICTURE} nice")
    assert answer.take()[0].data["text"] == "Look: ![dot](🖼) nice"
    assert answer.text == f"Look: {PICTURE} nice"


@given(st.lists(st.sampled_from(["](", "data:", "image/", "png;", "base64,AA", ")", "!", "[x", "y", "](data:image/"])))
def test_live_text_does_not_depend_on_how_it_was_cut(parts: list[str]) -> None:
    live = LiveText()
    fed = "".join(live.feed(part) for part in parts) + live.flush()
    assert fed == live_text("".join(parts), whole=True)


@given(st.text(alphabet="](dat:imge/x", max_size=40), st.integers(0, 40))
def test_a_reset_in_the_middle_and_the_rest_give_the_whole(text: str, cut: int) -> None:
    """What the row shows up to a number, and the deltas after it, never overlap and never miss a character."""
    live = LiveText()
    live.feed(text[:cut])
    rest = live.feed(text[cut:]) + live.flush()
    assert live_text(text[:cut], whole=False) + rest == live_text(text, whole=True)


def test_catching_up_merges_neighbours_only() -> None:
    frames = [
        Frame(1, "delta", {"kind": "text", "text": "a"}),
        Frame(2, "delta", {"kind": "text", "text": "b"}),
        Frame(3, "notice", {"code": "x"}),
        Frame(4, "delta", {"kind": "reasoning", "text": "c"}),
        Frame(5, "delta", {"kind": "text", "text": "d"}),
    ]
    assert [(frame.seq, frame.data.get("text")) for frame in merged(frames)] == [
        (2, "ab"),
        (3, None),
        (4, "c"),
        (5, "d"),
    ]
    assert len(merged(frames[:2], limit=1)) == 2
