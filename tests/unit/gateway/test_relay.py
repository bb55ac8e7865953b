"""A stream whose key is revoked while it runs: it may finish, but not for longer than five minutes."""

import asyncio
from typing import Any

import pytest

from gateway import relay
from gateway.call import Call
from gateway.edge import Request
from gateway.errors import NotAuthenticated, StoreDown
from gateway.protocols.openai_chat import Chat
from gateway.relay import Relay


class FakeKeyring:
    def __init__(self) -> None:
        self.asked = 0
        self.raises: Exception | None = None

    async def caller(self, _: Request) -> None:
        self.asked += 1
        if self.raises is not None:
            raise self.raises


def running_call() -> Call:
    async def nothing(*_: Any) -> Any: ...

    return Call(
        Request({"method": "POST", "raw_path": b"/v1/chat/completions", "headers": []}, nothing, nothing), Chat()
    )


def test_a_running_stream_looks_again_each_minute_and_ends_within_five_of_the_revocation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(relay, "perf_counter", lambda: now[0])
    keyring: Any = FakeKeyring()
    watching, call = Relay(keyring, keyring, keyring, keyring, keyring), running_call()
    call.key_checked_at = now[0]

    async def pass_time(seconds: int) -> None:
        """The relay ticks every two seconds."""
        for _ in range(0, seconds, 2):
            now[0] += 2
            await watching._check_key(call)

    async def run() -> None:
        await pass_time(600)
        assert keyring.asked == 10
        keyring.raises = StoreDown("Our database does not answer.")
        await pass_time(600)  # nobody can tell: it goes on
        keyring.raises = NotAuthenticated("Revoked.")
        began = now[0]
        with pytest.raises(NotAuthenticated):
            await pass_time(600)
        assert 200 < now[0] - began <= 300

    asyncio.run(run())
