"""A gateway on a real socket, new for every test that asks for it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.playground.fake_gateway import FakeGateway, serving


@pytest.fixture
def fake_gateway(settings: Any) -> Iterator[FakeGateway]:
    with serving() as gateway:
        settings.GATEWAY_URL = gateway.url
        yield gateway
