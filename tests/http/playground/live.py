"""A person at the playground of a running server, and the models behind it that do what a test says."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.stack import Person, Stack
from tests.unit.playground.fake_gateway import FakeGateway

CHAT_MODEL, IMAGE_MODEL = "told-chat", "told-image"
IMAGE_PRICE_NANO = 40_000_000


def connect(stack: Stack, provider: FakeGateway, folder: Path) -> None:
    """Two models of their own whose provider is `provider`."""
    common = {"owned_by": "tests", "context_tokens": 1000, "max_output_tokens": 500, "default_output_tokens": 100}
    chat = {"name": CHAT_MODEL, "family": "openai", "endpoints": ["chat/completions"], **common}
    image = {"name": IMAGE_MODEL, "family": "image", "endpoints": ["images/generations"], **common}
    models = [
        {**chat, "price": {"input": "1.00", "output": "2.00"}},
        {**image, "price": {"images": {"*/*": "0.04"}}},
    ]
    file = folder / "models.json"
    file.write_text(json.dumps({"models": models}))
    stack.manage("load_catalogue", str(file))
    names = f"{CHAT_MODEL},{IMAGE_MODEL}"
    stack.manage(
        *("add_channel", "told", "--protocol", "openai", "--base-url", provider.url),
        *("--api-key", "k", "--models", names),
    )


@dataclass
class Frame:
    id: int | None
    event: str
    data: dict[str, Any]


@dataclass
class Visitor:
    """One signed-in browser without a screen."""

    stack: Stack
    client: httpx.Client
    token: str = ""
    frames: list[Frame] = field(default_factory=list)

    def post(self, url: str, body: Any = None) -> httpx.Response:
        return self.client.post(url, json=body or {}, headers={"X-CSRFToken": self.token})

    def ask(self, prompt: str = "Tell me.", **changes: Any) -> dict[str, Any]:
        body = {"id": str(uuid.uuid4()), "model": CHAT_MODEL, "prompt": prompt} | changes
        answer = self.post("/playground/runs/", body)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def order(self, **changes: Any) -> dict[str, Any]:
        body = {"id": str(uuid.uuid4()), "model": IMAGE_MODEL, "prompt": "A fox"} | changes
        answer = self.post("/playground/jobs/", body)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def read(self, url: str, until: Callable[[Frame], bool] = lambda frame: frame.event == "end") -> list[Frame]:
        """Frames up to and with the one that `until` wants, or all that came before the server closed."""
        frames: list[Frame] = []
        with self.client.stream("GET", url, timeout=60) as answer:
            assert answer.status_code == 200, answer.read()
            for frame in parsed(answer.iter_lines()):
                frames.append(frame)
                if until(frame):
                    break
        return frames


def parsed(lines: Iterator[str]) -> Iterator[Frame]:
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line:
            if "event" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield Frame(number, fields["event"], json.loads(fields["data"]))
            fields = {}


def text_of(frames: list[Frame]) -> str:
    """What a reader's page shows after these frames."""
    text = ""
    for frame in frames:
        if frame.event == "reset":
            text = frame.data["text"]
        elif frame.event == "delta":
            text += frame.data["text"]
    return text


@contextmanager
def visiting(stack: Stack, person: Person) -> Iterator[Visitor]:
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=30) as client:
        page = client.get("/accounts/login/")
        token = _token(page.text)
        form = {"login": person.email, "password": person.password, "csrfmiddlewaretoken": token}
        assert client.post("/accounts/login/", data=form).status_code == 302
        visitor = Visitor(stack, client)
        visitor.token = _token(client.get("/playground/").text)
        yield visitor


def _token(html: str) -> str:
    return html.split('name="csrfmiddlewaretoken" value="')[1].split('"', maxsplit=1)[0]


def eventually(what: Callable[[], Any], *, within_s: float = 30) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s} s")
