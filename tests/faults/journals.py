"""Callers who write down what they were given, before anybody can have lost it."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp

from tests.provider import Provider, chunk, event

MODEL = "gpt-5.4-mini"
MAX_TOKENS = 64
ALPHABET = "abcdefghij"


@dataclass(frozen=True)
class Plan:
    """What one call is going to be."""

    name: str  # its X-Client-Request-Id, and the marker by which the provider knows it
    key: str
    stream: bool
    words: tuple[str, ...]
    input_tokens: int
    reasoning_tokens: int
    before_s: float
    gap_s: float
    leaves_after: int | None  # lines, then the caller hangs up

    @property
    def output_tokens(self) -> int:
        return len(self.words) + self.reasoning_tokens

    @property
    def usage(self) -> dict[str, Any]:
        """What the provider says it used."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }

    def events(self) -> list[bytes]:
        said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": []}
        words = [chunk({"content": word}) for word in self.words]
        return [*words, chunk({}, finish="stop"), event({**said, "usage": self.usage}), b"data: [DONE]\n\n"]

    def body(self) -> bytes:
        message = {"role": "assistant", "content": "".join(self.words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        said = {"id": "c", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice]}
        return json.dumps({**said, "usage": self.usage}).encode()


@dataclass
class Received:
    """One call as its caller saw it."""

    plan: Plan
    status: int = 0  # 0: not even a head
    request_id: str = ""
    content: str = ""
    cost: str | None = None  # what the answer said it cost
    is_whole: bool = False
    has_left: bool = False
    is_broken: bool = False


def drawn(random: Random, name: str, keys: Sequence[str]) -> Plan:
    stream = random.random() < 0.6
    return Plan(
        name=name,
        key=random.choice(keys),
        stream=stream,
        words=tuple("".join(random.choices(ALPHABET, k=random.randint(1, 9))) for _ in range(random.randint(1, 12))),
        input_tokens=random.randint(1, 40),
        reasoning_tokens=random.choice([0, 0, 3]),
        before_s=random.choice([0, 0, 0.02, 0.1]),
        gap_s=random.choice([0, 0.005, 0.03]),
        leaves_after=random.randint(1, 8) if stream and random.random() < 0.12 else None,
    )


def prepared(provider: Provider, plan: Plan) -> str:
    """The prompt by which the provider knows what to do."""
    if plan.stream:
        return provider.script(events=plan.events(), before_s=plan.before_s, gap_s=plan.gap_s, name=plan.name)
    return provider.script(body=plan.body(), before_s=plan.before_s, name=plan.name)


async def call(session: aiohttp.ClientSession, url: str, prompt: str, received: Received) -> None:
    """One call, written down as it comes in. Nothing is raised: a broken answer is an answer."""
    plan = received.plan
    body = {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": prompt}]}
    if plan.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    headers = {"Authorization": f"Bearer {plan.key}", "X-Client-Request-Id": plan.name}
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as answer:
            received.status = answer.status
            received.request_id = answer.headers.get("x-request-id", "")
            if answer.status != 200 or not plan.stream:
                _note_whole(received, await answer.read())
            else:
                await _read_stream(answer, received)
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        received.is_broken = True


def _note_whole(received: Received, data: bytes) -> None:
    value = json.loads(data)
    received.is_whole = True
    if received.status == 200:
        received.content = value["choices"][0]["message"]["content"]
        received.cost = value["usage"].get("cost")


async def _read_stream(answer: aiohttp.ClientResponse, received: Received) -> None:
    lines = 0
    async for line in answer.content:
        if not line.startswith(b"data: "):
            continue
        lines += 1
        said = line.removeprefix(b"data: ").strip()
        if said == b"[DONE]":
            received.is_whole = True
            return
        value = json.loads(said)
        if value.get("usage"):
            received.cost = value["usage"].get("cost")
        for choice in value.get("choices", []):
            received.content += choice["delta"].get("content") or ""
        if received.plan.leaves_after is not None and lines >= received.plan.leaves_after:
            received.has_left = True
            answer.close()
            return
    received.is_broken = True  # it ended without its end


async def load(
    url: str, provider: Provider, *, random: Random, run: str, keys: Sequence[str], clients: int, stop: asyncio.Event
) -> list[Received]:
    """So many callers, one call after the other each, until the server is gone or `stop` is set. Their journals."""
    journal: list[Received] = []

    async def caller(number: int, own: Random) -> None:
        for nth in range(10_000):
            received = Received(drawn(own, f"{run}c{number}n{nth}", keys))
            journal.append(received)
            await call(session, url, prepared(provider, received.plan), received)
            if received.is_broken or stop.is_set():
                return
            if received.status != 200:
                await asyncio.sleep(0.05)  # without credit: no storm of refusals

    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as session:
        own = [Random(random.random()) for _ in range(clients)]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(caller(number, each) for number, each in enumerate(own)))
    return journal
