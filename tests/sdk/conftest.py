"""A running server whose channels lead to the demo provider, and the official SDKs pointed at it by two lines."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests import gateway_world as world
from tests import live_gateway
from tests import provider as scripts
from tests.live_gateway import LiveGateway
from tests.provider import Provider


@pytest.fixture(scope="session")
def upstream() -> Iterator[Provider]:
    """A provider that fails as told, behind `scripted-gpt` and `scripted-claude`."""
    with scripts.running() as running:
        yield running


@pytest.fixture(scope="session")
def server(upstream: Provider) -> Iterator[LiveGateway]:
    with live_gateway.running() as running:
        running.call(world.load_catalogue)
        running.call(world.demo_channels, running.url)
        running.call(world.add_model, "scripted-gpt", "openai", ["chat/completions"])
        running.call(world.add_model, "scripted-claude", "claude", ["messages"])
        running.call(world.add_channel, "scripted-gpt", "openai", f"{upstream.url}/v1", ["scripted-gpt"])
        running.call(world.add_channel, "scripted-claude", "anthropic", upstream.url, ["scripted-claude"])
        running.call(world.add_channel, "down", "openai", f"http://127.0.0.1:{scripts.free_port()}/v1", ["gpt-5.2"], 9)
        yield running


@pytest.fixture
def ada(server: LiveGateway) -> dict[str, Any]:
    return server.call(world.new_person, "5.00")


@pytest.fixture
def gpt(server: LiveGateway, ada: dict[str, Any]) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=ada["key"], max_retries=0) as client:
        yield client


@pytest.fixture
def claude(server: LiveGateway, ada: dict[str, Any]) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key=ada["key"], max_retries=0) as client:
        yield client
