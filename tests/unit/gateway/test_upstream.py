"""What of a provider's words may be seen."""

import pytest

from gateway.routing import Way
from gateway.upstream import mask

WAY = Way("main", "openai", "https://api.provider.example/v1", "m", 0, 1, "sk-upstream-secret-1234")


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-upstream-secret-1234",
        "key sk-proj-abcdefghijk and org-abcdefgh123 are wrong",
        "see https://internal.provider.example/docs?x=1",
        "connect to api.provider.example failed",
        "upstream 10.1.2.3:8080 refused",
        "Authorization: Bearer abcdef.ghijkl",
        "AIzaSyA1234567890abcdef",
    ],
)
def test_keys_addresses_and_hosts_are_masked(text: str) -> None:
    masked = mask(text, WAY)
    for secret in ("secret", "sk-", "abcdef", "provider.example", "10.1.2.3", "AIza"):
        assert secret not in masked
    assert "[…]" in masked


def test_a_text_becomes_one_short_line() -> None:
    masked = mask("one\r\ntwo\x1b[31m\u2028three " + "x" * 5000, WAY)
    assert len(masked) <= 500
    assert masked.isprintable()
    assert masked.startswith("one two")


def test_what_helps_the_caller_stays() -> None:
    assert mask("tools[0].function.name must match ^[a-z]+$", WAY) == "tools[0].function.name must match ^[a-z]+$"
