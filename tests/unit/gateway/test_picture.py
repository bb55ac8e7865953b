"""The picture of models and channels: who is in it, how old it may be."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from gateway import catalogue, channels, routing
from gateway.errors import StoreDown
from gateway.models import Channel, Model
from gateway.routing import Picture, Routing


@pytest.fixture
def channel(db: None, now: datetime) -> Channel:
    catalogue.load(data=catalogue.read_file(), now=now)
    return channels.add_channel(
        name="main",
        protocol="openai",
        base_url="http://127.0.0.1/v1",
        api_key="sk-1",
        models=["gpt-5.5=theirs"],
        now=now,
    )


def test_it_holds_active_models_and_enabled_channels(channel: Channel, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        picture = routing.take_picture()
    assert len(picture.models) == 27
    assert [card.name for card in picture.callable_models()] == ["gpt-5.5"]
    way = picture.ways["gpt-5.5"][0]
    assert (way.channel, way.upstream_name, way.api_key) == ("main", "theirs", "sk-1")
    Channel.objects.update(enabled=False)
    assert routing.take_picture().ways == {}
    Model.objects.filter(name="gpt-5.5").update(active=False)
    assert "gpt-5.5" not in routing.take_picture().models


def test_a_channel_whose_key_cannot_be_read_is_left_out(channel: Channel, settings: Any) -> None:
    settings.FIELD_SECRET = "changed"
    assert routing.take_picture().ways == {}


class FakeStore:
    def __init__(self) -> None:
        self.asked = 0
        self.down = False

    async def read(self, _: Any) -> Picture:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise StoreDown("Our database does not answer.")
        return Picture({}, {})


def test_it_is_taken_once_for_many_and_again_after_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    store, at = FakeStore(), [10.0]
    monkeypatch.setattr(routing, "monotonic", lambda: at[0])

    async def run() -> None:
        watching = Routing(store)  # type: ignore[arg-type]  # a fake
        await asyncio.gather(*(watching.picture() for _ in range(50)))
        at[0] = 11.9
        await watching.picture()
        assert store.asked == 1
        at[0] = 12.1
        await watching.picture()
        assert store.asked == 2

    asyncio.run(run())


def test_an_old_one_serves_for_a_minute_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    store, at = FakeStore(), [10.0]
    monkeypatch.setattr(routing, "monotonic", lambda: at[0])

    async def run() -> None:
        watching = Routing(store)  # type: ignore[arg-type]  # a fake
        taken = await watching.picture()
        store.down = True
        at[0] = 60.0
        assert await watching.picture() is taken
        at[0] = 75.0
        with pytest.raises(StoreDown):
            await watching.picture()

    asyncio.run(run())
