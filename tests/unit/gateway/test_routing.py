"""Which model, which channel, in which order."""

from datetime import UTC, datetime

import pytest

from gateway.errors import BadRequest, ModelNotFound, NoChannel
from gateway.routing import Card, Picture, Way, listed, listed_natively

NOW = datetime(2026, 5, 15, 12, 0, tzinfo=UTC)


def card(name: str, *endpoints: str) -> Card:
    return Card(name, "openai", endpoints or ("chat/completions", "responses"), "openai", 1000, 100, 50, "", NOW)


def way(channel: str, *, priority: int = 0, weight: int = 1, protocol: str = "openai") -> Way:
    return Way(channel, protocol, "http://127.0.0.1", "m", priority, weight, "sk-secret")


def picture(*ways: Way) -> Picture:
    return Picture({"m": card("m"), "claude": card("claude", "messages")}, {"m": list(ways)})


def test_an_unknown_model_points_to_the_list() -> None:
    with pytest.raises(ModelNotFound, match=r"no model `nope`. GET /v1/models") as refused:
        picture().card("nope", "responses")
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (404, "model_not_found", "model")


def test_a_model_name_cannot_draw_in_our_answer() -> None:
    with pytest.raises(ModelNotFound) as refused:
        picture().card("a\r\nb\x1b[31m" + "x" * 500, "responses")
    assert "\n" not in refused.value.message
    assert "\x1b" not in refused.value.message
    assert len(refused.value.message) < 250


def test_a_model_on_the_wrong_endpoint_says_which_are_right() -> None:
    with pytest.raises(
        BadRequest, match=r"not served on /v1/messages. Call it on POST /v1/chat/completions and POST /v1/res"
    ):
        picture().card("m", "messages")


def test_higher_priority_first() -> None:
    found = picture(way("low"), way("high", priority=5), way("middle", priority=1)).candidates(
        "m", "openai", lambda: 0.5
    )
    assert [each.channel for each in found] == ["high", "middle", "low"]


def test_weight_decides_among_equals() -> None:
    light, heavy = way("light", weight=1), way("heavy", weight=9)
    draws = [index / 1000 for index in range(1, 1000)]
    first = [
        picture(light, heavy).candidates("m", "openai", iter([a, b]).__next__)[0].channel
        for a in draws[::37]
        for b in draws[::37]
    ]
    assert 0.85 < first.count("heavy") / len(first) < 0.95


def test_only_channels_that_speak_the_protocol() -> None:
    with pytest.raises(NoChannel) as refused:
        picture(way("a", protocol="anthropic")).candidates("m", "openai", lambda: 0.5)
    assert refused.value.headers() == [(b"retry-after", b"30")]


def test_only_models_that_somebody_serves_are_listed() -> None:
    assert picture().callable_models() == []
    assert [found.name for found in picture(way("a")).callable_models()] == ["m"]
    assert picture(way("a", protocol="anthropic")).callable_models() == []


def test_both_shapes_of_a_listed_model() -> None:
    assert listed(card("m"))["object"] == "model"
    assert listed_natively(card("m"))["created_at"] == "2026-05-15T12:00:00Z"


def test_a_way_never_prints_its_key() -> None:
    assert "sk-secret" not in repr(way("a"))
