"""What each public shape accepts, and what it makes of an answer."""

from typing import Any

import pytest

from gateway.errors import BadRequest, Shape, UpstreamFailed
from gateway.protocols.anthropic_messages import Messages
from gateway.protocols.openai_chat import IMAGE_TOKENS, Chat
from gateway.protocols.openai_images import Images
from gateway.protocols.openai_responses import Responses
from gateway.protocols.sse import Framer
from gateway.protocols.wire import BadAnswer, Wire

HELLO = [{"role": "user", "content": "Hello"}]
GOOD: dict[str, tuple[Wire, dict[str, Any]]] = {
    "chat": (Chat(), {"model": "m", "messages": HELLO}),
    "responses": (Responses(), {"model": "m", "input": "Hello"}),
    "messages": (Messages(), {"model": "m", "max_tokens": 10, "messages": HELLO}),
    "images": (Images(), {"model": "m", "prompt": "A fox"}),
}
BAD: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"model": None}, {"model": 5}, {"model": ""}, {"model": " "}, {"model": "x" * 201}, {"model": ["m"]},
        {"messages": None}, {"messages": []}, {"messages": "Hello"}, {"messages": {}}, {"messages": ["Hello"]},
        {"messages": [{}]}, {"messages": [{"role": 1, "content": "x"}]}, {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": ["x"]}]},
        {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
        {"messages": [{"role": "user", "parts": [{"text": "x"}]}]},
        {"stream": "true"}, {"stream": 1}, {"stream_options": True}, {"stream_options": {"include_usage": "yes"}},
        {"max_tokens": 0}, {"max_tokens": -1}, {"max_tokens": "10"}, {"max_tokens": 1.5}, {"max_tokens": True},
        {"max_tokens": 10**12}, {"max_completion_tokens": 0}, {"n": 0}, {"n": 1000}, {"n": 1.0},
        {"temperature": 3}, {"temperature": "hot"}, {"top_p": -1}, {"stop": 5}, {"tools": {}}, {"logit_bias": []},
        {"response_format": "json"}, {"metadata": "x"}, {"user": ""}, {"user": 7},
    ],
    "responses": [
        {"model": None}, {"model": 1}, {"input": None}, {"input": ""}, {"input": " "}, {"input": []}, {"input": 5},
        {"input": ["Hello"]}, {"stream": "no"}, {"max_output_tokens": 0}, {"max_output_tokens": "1"},
        {"background": True},
        {"temperature": 9}, {"tools": "x"}, {"instructions": 5}, {"reasoning": "high"}, {"text": "x"},
    ],
    "messages": [
        {"model": None}, {"max_tokens": None}, {"max_tokens": 0}, {"max_tokens": "10"}, {"max_tokens": 10.0},
        {"messages": []}, {"messages": None}, {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "user"}]}, {"messages": [{"role": "user", "content": None}]}, {"messages": ["x"]},
        {"system": 5}, {"stream": 1}, {"temperature": 2}, {"stop_sequences": "x"}, {"thinking": True}, {"tools": {}},
    ],
    "images": [
        {"model": None}, {"prompt": None}, {"prompt": ""}, {"prompt": 5}, {"prompt": "x" * 32_001}, {"n": 0}, {"n": 11},
        {"n": "1"}, {"n": True}, {"size": "huge"}, {"size": "1x1"}, {"size": 1024}, {"quality": "best"},
        {"response_format": "url"}, {"response_format": 5}, {"stream": True}, {"output_format": "gif"},
        {"background": "red"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_the_smallest_body_is_accepted(name: str) -> None:
    wire, body = GOOD[name]
    assert wire.read(body).model == "m"


@pytest.mark.parametrize(("name", "wrong"), [(name, wrong) for name, wrongs in BAD.items() for wrong in wrongs])
def test_a_wrong_field_is_refused(name: str, wrong: dict[str, Any]) -> None:
    wire, body = GOOD[name]
    with pytest.raises(BadRequest) as refused:
        wire.read(body | wrong)
    assert refused.value.param is not None
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("name", GOOD)
def test_unknown_fields_pass(name: str) -> None:
    wire, body = GOOD[name]
    wire.read(body | {"new_feature": {"x": [1]}, "seed": None})


@pytest.mark.parametrize("name", GOOD)
def test_a_google_body_is_told_what_to_send(name: str) -> None:
    wire, _ = GOOD[name]
    with pytest.raises(BadRequest, match=r"POST /v1/chat/completions") as refused:
        wire.read({"contents": [{"parts": [{"text": "Hello"}]}], "generationConfig": {}})
    assert refused.value.code == "google_native_body"


def test_chat_messages_in_the_responses_shape_are_told_the_other_field() -> None:
    with pytest.raises(BadRequest, match="`input`, not `messages`"):
        Responses().read({"model": "m", "messages": HELLO})


def test_the_larger_of_two_limits_counts() -> None:
    assert Chat().read(GOOD["chat"][1] | {"max_tokens": 5, "max_completion_tokens": 50}).max_output == 50


def test_usage_is_asked_for_only_where_the_caller_did_not() -> None:
    chat, body = GOOD["chat"][0], GOOD["chat"][1] | {"stream": True, "stream_options": {"include_obfuscation": False}}
    assert chat.changes(chat.read(body), body) == {
        "stream_options": {"include_obfuscation": False, "include_usage": True}
    }
    body["stream_options"] = {"include_usage": True}
    assert chat.changes(chat.read(body), body) == {}
    assert chat.changes(chat.read(GOOD["chat"][1]), GOOD["chat"][1]) == {}


@pytest.mark.parametrize(
    ("given", "image_class"),
    [
        ({}, "1024x1024/medium"),
        ({"size": "auto", "quality": "auto"}, "1024x1024/medium"),
        ({"size": "1536x1024", "quality": "high"}, "1536x1024/high"),
    ],
)
def test_what_is_held_for_is_what_is_asked_of_the_provider(given: dict[str, Any], image_class: str) -> None:
    images, body = Images(), GOOD["images"][1] | given
    ask = images.read(body)
    assert ask.image_class == image_class
    sent = body | images.changes(ask, body)
    assert f"{sent['size']}/{sent['quality']}" == image_class


# --- answers ---------------------------------------------------------------------------------------------------------
def test_chat_usage_is_split_into_classes_that_do_not_overlap() -> None:
    seen, delivered = Chat().answer(
        {
            "choices": [{"message": {"content": "four"}}],
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 60},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
        }
    )
    assert (seen.input, seen.cached, seen.output, seen.reasoning, delivered) == (40, 60, 30, 20, 4)


def test_responses_usage_likewise() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    seen, delivered = Responses().answer({"output": [{"content": [{"text": "abc"}]}], "usage": usage})
    assert (seen.input, seen.cached, seen.output, seen.reasoning, delivered) == (6, 4, 6, 3, 3)


def test_messages_usage_leaves_the_cache_out_already() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50}
    seen, _ = Messages().answer({"content": [{"type": "text", "text": "x"}], "usage": usage})
    assert (seen.input, seen.cached, seen.cache_write, seen.output) == (10, 100, 50, 5)


def test_zero_is_a_number_and_null_is_not() -> None:
    choices = [{"message": {"content": "x"}}]
    assert Chat().answer({"choices": choices, "usage": {"prompt_tokens": 0, "completion_tokens": 0}})[0].output == 0
    assert Chat().answer({"choices": choices, "usage": {"prompt_tokens": None}})[0].output is None
    assert Chat().answer({"choices": choices})[0].input is None


@pytest.mark.parametrize("nonsense", [-1, 1.5, "7", True, 10**15, None, [], {}])
def test_a_provider_that_reports_nonsense_is_not_believed(nonsense: object) -> None:
    seen, _ = Chat().answer(
        {"choices": [{"message": {}}], "usage": {"prompt_tokens": nonsense, "completion_tokens": nonsense}}
    )
    assert (seen.input, seen.output) == (None, None)


def test_more_cached_than_sent_is_cut_to_what_was_sent() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 50}}
    seen, _ = Chat().answer({"choices": [{"message": {}}], "usage": usage})
    assert (seen.input, seen.cached) == (0, 5)


def test_pictures_in_a_chat_answer_count() -> None:
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    _, delivered = Chat().answer({"choices": [{"message": {"content": "ab", "images": [url]}}]})
    assert delivered == 2 + IMAGE_TOKENS * 4
    _, delivered = Chat().answer({"choices": [{"message": {"content": "![x](data:image/png;base64,AAAA)"}}]})
    assert delivered == len("![x]()") + IMAGE_TOKENS * 4


def test_images_count_what_was_delivered() -> None:
    seen, _ = Images().answer(
        {"data": [{"b64_json": "AAAA"}, {"b64_json": "AAAA"}, {"b64_json": ""}, {"revised_prompt": "x"}]}
    )
    assert seen.images == 2


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    "answer", [None, [], "text", {}, {"error": {"message": "overloaded"}}, {"error": "x"}, {"data": []}]
)
def test_a_200_that_is_no_answer_is_not_passed_off_as_one(name: str, answer: Any) -> None:
    with pytest.raises(BadAnswer):
        GOOD[name][0].answer(answer)


# --- errors in a stream ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "event"), [("chat", b""), ("responses", b"error"), ("messages", b"error")])
def test_an_error_in_a_stream_takes_the_shape_of_its_protocol(name: str, event: bytes) -> None:
    wire = GOOD[name][0]
    frames = Framer().feed(wire.error_event(UpstreamFailed("It broke."), "req_1"))
    assert len(frames) == 1
    assert frames[0].name == event
    assert b"It broke." in (frames[0].data or b"")
    assert b"req_1" in (frames[0].data or b"")
    assert wire.shape is (Shape.ANTHROPIC if name == "messages" else Shape.OPENAI)
