"""Every error in both shapes."""

import json

import pytest

from gateway import errors
from gateway.errors import GatewayError, InsufficientCredit, Shape, UpstreamRefused, WrongMethod


def every(kind: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    return [found for child in kind.__subclasses__() for found in [child, *every(child)]]


def make(kind: type[GatewayError]) -> GatewayError:
    if kind is WrongMethod:
        return WrongMethod("It takes GET.", allow="GET")
    if kind is UpstreamRefused:
        return UpstreamRefused("The provider refused.", status=422)
    return kind("It did not work.")


@pytest.mark.parametrize("kind", every(), ids=lambda kind: kind.__name__)
def test_each_is_drawn_in_both_shapes_and_is_in_the_drawing_of_the_tree(kind: type[GatewayError]) -> None:
    error = make(kind)
    openai = json.loads(errors.body(error, Shape.OPENAI, "req_1"))["error"]
    assert set(openai) == {"message", "type", "param", "code", "request_id"}
    assert openai["message"].endswith("Nothing was charged.")
    assert openai["code"]
    native = json.loads(errors.body(error, Shape.ANTHROPIC, "req_1"))
    assert native["error"]["message"] == openai["message"]
    assert native["request_id"] == "req_1"
    assert kind.__name__ in (errors.__doc__ or "")


def test_the_types_are_those_of_the_protocols() -> None:
    error = InsufficientCredit("Too little.")
    assert errors.openai_object(error, "r")["type"] == "insufficient_quota"
    assert errors.anthropic_object(error, "r")["error"]["type"] == "billing_error"
    assert errors.anthropic_object(errors.UpstreamLimited("x"), "r")["error"]["type"] == "rate_limit_error"
    assert errors.anthropic_object(errors.UpstreamFailed("x"), "r")["error"]["type"] == "api_error"
