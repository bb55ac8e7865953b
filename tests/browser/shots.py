"""`./dev shots`: every page in Chromium, on a running stack with some life in it; pictures for people to look at.

Usage: python -m tests.browser.shots FOLDER [--readme]. With --readme the picture in the README is taken too.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.stack import ROOT, Person, Stack, new_stack

README_PICTURE = ROOT / "docs" / "screenshot.png"
DESKTOP, PHONE = (1280, 860), (390, 844)


@dataclass(frozen=True)
class Variant:
    name: str
    size: tuple[int, int]
    scheme: str
    language: str


VARIANTS = [
    Variant("light", DESKTOP, "light", "en"),
    Variant("dark", DESKTOP, "dark", "en"),
    Variant("phone", PHONE, "light", "en"),
    Variant("phone-dark", PHONE, "dark", "en"),
    Variant("zh", DESKTOP, "light", "zh-hans"),
    Variant("zh-phone", PHONE, "light", "zh-hans"),
]
VISITOR = {
    "landing": "/",
    "docs": "/docs/",
    "models": "/models/",
    "sign-in": "/accounts/login/",
    "sign-up": "/accounts/signup/",
    "password-reset": "/accounts/password/reset/",
    "outbox": "/outbox/",
    "not-found": "/nothing-here/",
}
DEVELOPER = {
    "dashboard": "/dashboard/",
    "keys": "/keys/",
    "limits": "/limits/",
    "usage": "/usage/",
    "receipt": "/usage/find/?q=a-receipt",
    "call-not-found": "/usage/find/?q=nobody",
    "billing": "/billing/",
    "playground": "/playground/",
    "referrals": "/referrals/",
    "settings": "/settings/",
}
SUPPORT = {"desk": "/desk/", "gallery": "/gallery/"}
OPERATOR = {
    "prices": "/desk/prices/",
    "price": "/desk/prices/gpt-image-2/",
    "price-change": "/desk/prices/gpt-5.4-mini/change/",
    "codes": "/desk/codes/",
    "codes-new": "/desk/codes/new/",
    "people": "/desk/people/?q=example",
}


def main(folder: Path, *, readme: bool) -> int:
    if CHROMIUM is None:
        print("There is no Chromium on this machine (Debian: apt-get install chromium).", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with new_stack() as stack, sync_playwright() as playwright:
        ada = stack.new_user("ada", credit="20.00")
        sam = stack.new_user("sam", staff=True)
        olga = stack.new_user("olga", operator=True)
        bring_to_life(stack, ada)
        stack.manage("create_codes", "5.00", "--count", "40", "--batch", "A conference", "--credit-days", "90")
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        taken = [shot for variant in VARIANTS for shot in photograph(browser, stack, variant, (ada, sam, olga), folder)]
        browser.close()
    if readme:
        shutil.copy(folder / "dashboard-light.png", README_PICTURE)
    print(f"{len(taken)} pictures in {folder}")
    broken = [
        f"{file.name}: {status}" for file, status in taken if status != (404 if "not-found" in file.name else 200)
    ]
    for line in broken:
        print(f"not as it should be: {line}", file=sys.stderr)
    return 1 if broken else 0


def bring_to_life(stack: Stack, person: Person) -> None:
    """A few real calls, so that pages have something to show."""
    headers = {"Authorization": f"Bearer {person.key}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=60, trust_env=False) as client:
        questions = ("Say hello.", "Name three rivers.", "Write a haiku about rain.")
        for model in ("gpt-5.4-mini", "gpt-5.5", "gemini-2.5-flash"):
            for question in questions:
                message = {"role": "user", "content": question}
                client.post("/v1/chat/completions", json={"model": model, "messages": [message]}).raise_for_status()
        claude = {"model": "claude-sonnet-4-5", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello."}]}
        client.post("/v1/messages", json=claude, headers={"X-Client-Request-Id": "a-receipt"}).raise_for_status()
        image = {"model": "gpt-image-2", "prompt": "A lighthouse at dusk", "size": "1024x1024"}
        client.post("/v1/images/generations", json=image).raise_for_status()


def photograph(
    browser: Browser, stack: Stack, variant: Variant, people: tuple[Person, Person, Person], folder: Path
) -> Iterator[tuple[Path, int]]:
    """Each page's picture and the status it was answered with."""
    for person, pages in zip((None, *people), (VISITOR, DEVELOPER, SUPPORT, OPERATOR), strict=True):
        context = visit(browser, stack, variant)
        page = context.new_page()
        if person is not None:
            page.goto(f"{stack.url}/accounts/login/")
            page.fill("input[name=login]", person.email)
            page.fill("input[name=password]", person.password)
            page.locator("form:has(input[name=password]) button[type=submit]").click()
            page.wait_for_url("**/dashboard/")
        for name, path in pages.items():
            answer = page.goto(f"{stack.url}{path}")
            page.wait_for_timeout(400)  # modules are imported when the page needs them; streams never fall idle
            file = folder / f"{name}-{variant.name}.png"
            page.screenshot(path=file, full_page=name != "playground", animations="disabled")
            yield file, answer.status if answer else 0
        context.close()


def visit(browser: Browser, stack: Stack, variant: Variant) -> BrowserContext:
    width, height = variant.size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=2 if width < 500 else 1,
        color_scheme="dark" if variant.scheme == "dark" else "light",
        locale="zh-CN" if variant.language == "zh-hans" else "en-GB",
    )
    context.add_cookies([{"name": "language", "value": variant.language, "url": stack.url}])
    return context


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--readme"]
    sys.exit(main(Path(words[0]), readme="--readme" in sys.argv))
