"""Transcripts of streams and what must be read from them, cut at every byte."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.protocols.anthropic_messages import Messages
from gateway.protocols.openai_chat import Chat
from gateway.protocols.openai_responses import Responses
from gateway.protocols.sse import Framer
from gateway.protocols.wire import Act, Ask, StreamWatch, Wire

FOLDER = Path(__file__).parents[2] / "golden" / "streams"
WIRES: dict[str, Wire] = {"chat": Chat(), "responses": Responses(), "messages": Messages()}


def follow(wire: Wire, pieces: list[bytes], *, wants_usage: bool) -> tuple[StreamWatch, bytes, list[Act]]:
    watch = wire.watch(Ask(model="m", stream=True, wants_usage=wants_usage))
    framer, passed, acts = Framer(), b"", []
    for piece in pieces:
        for event in framer.feed(piece):
            act = watch.watch(event)
            acts.append(act)
            if act is not Act.HIDE and act is not Act.FAIL:
                passed += event.raw
    return watch, passed, acts


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sse")), ids=lambda path: path.stem)
def test_the_transcript_reads_as_written_down(path: Path) -> None:
    expected: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    stream = path.read_bytes()
    wire = WIRES[path.stem.partition("_")[0]]
    for cut in range(len(stream)):
        watch, passed, acts = follow(wire, [stream[:cut], stream[cut:]], wants_usage=expected["wants_usage"])
        found = {
            "input": watch.seen.input,
            "cached": watch.seen.cached,
            "cache_write": watch.seen.cache_write,
            "output": watch.seen.output,
            "reasoning": watch.seen.reasoning,
            "delivered": watch.counted_bytes,
            "complete": watch.complete,
            "said": watch.said,
            "last": acts[-1].value,
            "hidden": acts.count(Act.HIDE),
            "wants_usage": expected["wants_usage"],
        }
        assert found == expected, cut
        if not expected["hidden"]:
            assert stream.startswith(passed)  # whole events, as they came
            assert passed == stream or not expected["complete"]
