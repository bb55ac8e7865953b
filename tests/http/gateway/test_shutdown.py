"""SIGTERM with streams open: what can finish does, the rest is told and settled; the database may blink."""

import threading
import time

import pytest

from tests import gateway_world as world
from tests import live_gateway
from tests import provider as scripts
from tests.http.gateway.conftest import Person, person
from tests.http.gateway.test_faults import USUAL, body_for
from tests.provider import Provider


@pytest.mark.slow
def test_streams_finish_or_are_told_and_all_are_settled(upstream: Provider) -> None:
    with live_gateway.running() as live:
        live.call(world.load_catalogue)
        live.call(world.add_channel, "main", "openai", f"{upstream.url}/v1", ["gpt-5.4-mini"])
        ada = person(live, "5.00")
        short = upstream.script(events=USUAL["chat"], gap_s=0.2)
        word = scripts.chunk({"content": "word "})
        long = upstream.script(events=[USUAL["chat"][0], *[word] * 200], gap_s=0.2)
        texts: dict[str, str] = {}

        def read(marker: str) -> None:
            with ada.client.stream(
                "POST", "/v1/chat/completions", json=body_for("chat", marker, stream=True)
            ) as answer:
                texts[marker] = "".join(answer.iter_text())

        readers = [threading.Thread(target=read, args=(marker,)) for marker in (short, long)]
        for reader in readers:
            reader.start()
        deadline = time.monotonic() + 5
        while not (upstream.calls(short) and upstream.calls(long)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        live.terminate()
        for reader in readers:
            reader.join(15)
        assert live.wait(15)

        assert texts[short].endswith("data: [DONE]\n\n")
        last = texts[long].strip().split("\n\n")[-1]
        assert "The service is restarting" in last
        assert "What was delivered is charged" in last
        assert "[DONE]" not in texts[long]
        assert upstream.wait_for_end(long).ended == "left"
        settled = [line for line in live.log().splitlines() if "gateway.request.settled" in line]
        assert len(settled) == 2, live.log()


@pytest.mark.only("postgresql")  # SQLite has no connections that could die
def test_a_database_that_drops_its_connections_is_found_again(ada: Person) -> None:
    body = body_for("chat", "Hello")
    assert ada.post("/v1/chat/completions", body).status_code == 200
    ada.live.call(world.drop_connections)
    assert ada.post("/v1/chat/completions", body).status_code == 200
    assert len(ada.rows) == 2  # settled before the answer went out: each dead connection is replaced where it is met
    assert "gateway.store.down" not in ada.live.log()
