"""One running server and one scripted provider for the whole folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests import gateway_world as world
from tests import live_gateway, provider
from tests.live_gateway import LiveGateway
from tests.provider import Provider

LIMITS = {
    "GATEWAY_MAX_BODY_BYTES": "3000000",
    "GATEWAY_BODY_TIMEOUT_S": "1.5",
    "GATEWAY_CONNECT_TIMEOUT_S": "1",
    "GATEWAY_FIRST_BYTE_TIMEOUT_S": "3",
    "GATEWAY_IDLE_TIMEOUT_S": "2",
    "GATEWAY_KEEP_ALIVE_S": "0.6",
    "GATEWAY_TOTAL_TIMEOUT_S": "8",
}


@dataclass
class Person:
    """Ada, with a key and credit, and a client that uses them."""

    live: LiveGateway
    user: int
    key: str
    key_id: int
    client: httpx.Client

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, **more)

    @property
    def money(self) -> dict[str, int]:
        return self.live.call(world.money_of, self.user)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.live.call(world.usage_of, self.user)


@pytest.fixture(scope="session")
def upstream() -> Iterator[Provider]:
    with provider.running() as running:
        yield running


@pytest.fixture(scope="session")
def backup() -> Iterator[Provider]:
    """The second provider; it serves gpt-5.5 under another name, after `upstream`."""
    with provider.running() as running:
        yield running


@pytest.fixture(scope="session")
def live(upstream: Provider, backup: Provider) -> Iterator[LiveGateway]:
    with live_gateway.running(**LIMITS) as running:
        running.call(world.load_catalogue)
        served = [
            "gpt-5.4-mini",
            "gpt-5.5",
            "gpt-5.4=their-gpt",
            "claude-sonnet-4-5",
            "gpt-image-2",
            "gemini-3.1-flash-image",
        ]
        served += ["gpt-5.2", "gemini-3-flash", "gemini-2.5-flash-lite"]
        running.call(world.add_channel, "main", "openai", f"{upstream.url}/v1", served, 5)
        running.call(world.add_channel, "claude", "anthropic", upstream.url, ["claude-sonnet-4-5"])
        running.call(world.add_channel, "backup", "openai", f"{backup.url}/v1", ["gpt-5.5=their-backup"])
        dead = f"http://127.0.0.1:{provider.free_port()}/v1"
        running.call(world.add_channel, "dead", "openai", dead, ["gpt-5.2", "gpt-5.3-codex"], 9)
        yield running


def person(live: LiveGateway, credit: str) -> Person:
    made = live.call(world.new_person, credit)
    headers = {"Authorization": f"Bearer {made['key']}"}
    client = httpx.Client(base_url=live.url, headers=headers, timeout=15, trust_env=False)
    return Person(live, made["user"], made["key"], made["key_id"], client)


@pytest.fixture
def ada(live: LiveGateway) -> Iterator[Person]:
    ada = person(live, "5.00")
    with ada.client:
        yield ada
