"""Real Chromium: Debian's, by path. Every page that a test opens is watched for CSP reports and script errors."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Response

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_SKIPS = bool(os.environ.get("DEV_NO_SKIPS"))


@pytest.fixture(scope="session", autouse=True)
def chromium_is_here() -> None:
    if CHROMIUM is None:
        message = "There is no Chromium on this machine (Debian: apt-get install chromium); the browser group needs it."
        pytest.fail(message) if NO_SKIPS else pytest.skip(message)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    args = [
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-gpu",
    ]
    if os.geteuid() == 0:
        args.append("--no-sandbox")
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": args}


class Watch:
    """What went wrong on the pages of a test without anybody asking."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def attach(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        text = message.text
        if message.type == "error" and "Failed to load resource" not in text:
            self.complaints.append(f"console: {text}")
        elif "Content Security Policy" in text or "Content-Security-Policy" in text:
            self.complaints.append(f"csp: {text}")

    def _response(self, response: Response) -> None:
        if response.request.url.endswith("/csp-report"):
            self.complaints.append(f"csp report: {response.request.post_data}")
        if response.status >= 500 or (response.status == 404 and "/static/" in response.url):
            self.complaints.append(f"{response.status} {response.url}")


@pytest.fixture
def watch(page: Page) -> Iterator[Watch]:
    """Fails the test at its end when any page reported a CSP breach, a script error or a missing file."""
    watching = Watch()
    watching.attach(page)
    yield watching
    assert watching.complaints == []


@pytest.fixture(scope="session")
def axe() -> Axe:
    return Axe()


# A card that is still fading in has too little contrast for a moment; what never ends (a spinner) is not waited for.
SETTLED = """() => Promise.all(document.getAnimations()
    .filter((each) => each.effect?.getComputedTiming().iterations !== Infinity)
    .map((each) => each.finished.catch(() => null))).then(() => null)"""


def assert_accessible(axe: Axe, page: Page) -> None:
    """No violation of WCAG 2.2 A and AA or best practice on the page as it is now, once it stands still."""
    page.evaluate(SETTLED)
    result = axe.run(page, options={"resultTypes": ["violations"]})
    found = [
        f"{violation['id']} ({violation['impact']}): {[node['html'][:160] for node in violation['nodes'][:3]]}"
        for violation in result.response["violations"]
    ]
    assert found == [], f"{page.url}\n" + "\n".join(found)
