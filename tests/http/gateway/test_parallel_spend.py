"""Two hundred calls at once on credit for twenty: twenty reach the provider, nobody falls below zero."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests import gateway_world as world
from tests import provider as scripts
from tests.http.gateway.conftest import person
from tests.http.gateway.test_faults import PATHS, body_for
from tests.live_gateway import LiveGateway
from tests.provider import Provider

AT_ONCE, PAID_FOR = 200, 20
OUTPUT = 1000
CASES = ["chat", "chat stream", "responses", "messages", "messages stream", "images"]


def answering_with_all(name: str, size: int) -> dict[str, Any]:
    """A provider that uses every token that was held: input as the body has bytes, output as allowed."""
    shape, _, stream = name.partition(" ")
    usages: dict[str, dict[str, Any]] = {
        "chat": {"prompt_tokens": size, "completion_tokens": OUTPUT},
        "responses": {"input_tokens": size, "output_tokens": OUTPUT},
        "messages": {"input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": size}
        | {"output_tokens": OUTPUT},  # the dearest
        "images": {},
    }
    if stream and shape == "chat":
        said = scripts.event({"choices": [], "usage": usages[shape]})
        return {"events": [*scripts.chat_events(usage=False, done=False), said, b"data: [DONE]\n\n"], "before_s": 0.5}
    if stream:
        *events, last = scripts.messages_events()
        del events[-1]
        said = scripts.named("message_delta", delta={"stop_reason": "end_turn"}, usage=usages[shape])
        return {"events": [*events, said, last], "before_s": 0.5}
    whole = scripts.whole(scripts.Seen("", PATHS[shape][0], {}, {"model": "m"}, b"", 0.0), usage=False)
    return {"body": json.dumps(whole | ({"usage": usages[shape]} if usages[shape] else {})).encode(), "before_s": 0.5}


def content_for(name: str, marker: str) -> bytes:
    shape, _, stream = name.partition(" ")
    limit = {"chat": "max_tokens", "responses": "max_output_tokens", "messages": "max_tokens"}.get(shape)
    more: dict[str, Any] = {limit: OUTPUT} if limit else {"n": 1}
    return json.dumps(body_for(shape, marker, **more, **({"stream": True} if stream else {}))).encode()


async def at_once(url: str, path: str, content: bytes, key: str) -> list[httpx.Response]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=90, trust_env=False) as client:
        return list(await asyncio.gather(*(client.post(path, content=content) for _ in range(AT_ONCE))))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_hundred_at_once_on_credit_for_twenty(live: LiveGateway, upstream: Provider, name: str) -> None:
    shape, path = name.partition(" ")[0], PATHS[name.partition(" ")[0]][0]
    size = len(content_for(name, upstream.script()))  # every marker is as long
    marker = upstream.script(**answering_with_all(name, size))
    content = content_for(name, marker)

    rich = person(live, "5.00")
    rich.client.post(path, content=content, headers={"Content-Type": "application/json"}).raise_for_status()
    [row] = rich.rows
    price = row["charge_nano"]
    assert price == row["held_nano"]  # a call costs all that it holds, so twenty are twenty, in whatever order

    credit = PAID_FOR * price + price // 2
    poor = person(live, f"{credit // 10**9}.{credit % 10**9:09d}")
    answers = asyncio.run(at_once(live.url, path, content, poor.key))
    refused = [answer for answer in answers if answer.status_code == 402]
    served = [answer for answer in answers if answer.status_code == 200]
    assert (len(served), len(refused)) == (PAID_FOR, AT_ONCE - PAID_FOR)
    assert len(upstream.calls(marker)) == 1 + PAID_FOR
    for answer in refused:
        error = answer.json()["error"]
        assert "Nothing was charged." in error["message"]
        assert error["type"] == ("billing_error" if shape == "messages" else "insufficient_quota")
        assert (answer.json()["type"] == "error") if shape == "messages" else (error["code"] == "insufficient_credit")

    rows = poor.rows
    assert [row["charge_nano"] for row in rows] == [price] * PAID_FOR
    assert {row["request_id"] for row in rows} == {answer.headers["x-request-id"] for answer in served}
    assert all(row["uncollected_nano"] == 0 for row in rows)
    assert poor.money == {"spendable": price // 2, "held": 0, "open": 0}
    assert not any(live.call(world.audit).values())
