"""The whole path in real Chromium: sign up, key, first call, playground, image, referral, reward, paid withdrawal.

Each page on the way is checked with axe, and none may report a CSP breach or a script error.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from openai import OpenAI
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Watch, assert_accessible
from tests.stack import PASSWORD, Stack

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.slow]

ADA, BEN = "ada.journey@example.com", "ben.journey@example.com"
DEAR_MODEL = "gpt-image-2"
DEAR_PRICE = "200.00"  # so that two pictures of Ben earn Ada more than the threshold


@pytest.fixture
def open_browser(browser: Browser, stack: Stack) -> Iterator[Callable[[], tuple[Page, Watch]]]:
    """A fresh browser of somebody: no cookies, its own watch."""
    opened: list[tuple[BrowserContext, Watch]] = []

    def open_one() -> tuple[Page, Watch]:
        context = browser.new_context(base_url=stack.url, locale="en-US", viewport={"width": 1280, "height": 900})
        page, watch = context.new_page(), Watch()
        watch.attach(page)
        opened.append((context, watch))
        return page, watch

    yield open_one
    for context, watch in opened:
        context.close()
        assert watch.complaints == []


def test_from_sign_up_to_a_paid_withdrawal(
    open_browser: Callable[[], tuple[Page, Watch]], stack: Stack, axe: Axe, tmp_path: Path
) -> None:
    ada, _ = open_browser()
    look = _looker(axe)

    # Ada finds the site, reads, signs up, confirms her address.
    arrive(ada, stack, look)

    # She makes a key, which is shown once, and points the official SDK at us.
    key = make_key(ada, "laptop", look)
    code = json.loads(stack.manage("create_codes", "5.00", "--kind", "paid", "--json"))
    redeem(ada, code_of(code), look)
    answer = OpenAI(base_url=f"{stack.url}/v1", api_key=key).chat.completions.create(
        model="gpt-5.4-mini", messages=[{"role": "user", "content": "Say hello."}]
    )
    assert answer.choices[0].message.content

    # The call and its exact cost are there, down to the receipt.
    ada.goto("/usage/")
    look(ada)
    ada.get_by_role("table").get_by_role("link").first.click()
    expect(ada.get_by_role("heading", level=1)).to_be_visible()
    look(ada)

    chat(ada, look)
    make_image(ada, look)

    # She shares her link; Ben follows it, signs up and spends what he paid for.
    ada.goto("/referrals/")
    look(ada)
    link = ada.get_by_text(re.compile(rf"^{re.escape(stack.url)}/r/\w+$")).first.inner_text()
    ben, _ = open_browser()
    ben.goto(link)
    sign_up(ben, stack, BEN, look)
    spend_as_ben(stack, ben, tmp_path, look)

    # What Ben spent earns Ada a reward, which matures.
    stack.manage("accrue_rewards", "--include-today")
    later = datetime.now(UTC) + timedelta(days=30)
    ada.reload()
    look(ada)
    stack.manage("mature_rewards", "--now", later.isoformat())
    number = withdraw(ada, look)

    # Support approves and pays; Ada sees it.
    sam_person = stack.new_user("sam", staff=True)
    sam, _ = open_browser()
    sign_in(sam, sam_person.email)
    pay_out(sam, number, look)
    ada.reload()
    expect(ada.get_by_text("BANK-2026-0001").first).to_be_visible()
    look(ada)
    ada.goto("/settings/")
    look(ada)
    stack.manage("ledger_audit")


def _looker(axe: Axe) -> Callable[[Page], None]:
    def look(page: Page) -> None:
        page.wait_for_load_state("networkidle") if "/playground/" not in page.url else page.wait_for_load_state()
        assert_accessible(axe, page)

    return look


def arrive(page: Page, stack: Stack, look: Callable[[Page], None]) -> None:
    for path in ("/", "/docs/", "/models/"):
        page.goto(path)
        look(page)
    sign_up(page, stack, ADA, look)
    look(page)


def sign_up(page: Page, stack: Stack, email: str, look: Callable[[Page], None]) -> None:
    if "/accounts/signup/" not in page.url:
        page.goto("/accounts/signup/")
    look(page)
    page.get_by_label("E-mail").or_(page.get_by_label("Email")).first.fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign up").click()
    expect(page.get_by_label("Code")).to_be_visible()
    look(page)
    mail = next(mail for mail in reversed(stack.outbox()) if mail["to"] == [email])
    match = re.search(r"\d{4}-\d{4}", mail["body"])
    assert match, mail["body"]
    page.get_by_label("Code").fill(match[0])
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(re.compile("/dashboard/$"))


def sign_in(page: Page, email: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").or_(page.get_by_label("Email")).first.fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile("/dashboard/$"))


def make_key(page: Page, name: str, look: Callable[[Page], None]) -> str:
    page.goto("/keys/")
    look(page)
    page.locator("main").get_by_role("link", name=re.compile("key", re.IGNORECASE)).first.click()
    look(page)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create the key").click()
    plain = page.locator(".secret code").inner_text()
    look(page)
    page.goto("/keys/")
    assert plain not in page.content()
    expect(page.get_by_text(name).first).to_be_visible()
    look(page)
    return plain


def redeem(page: Page, code: str, look: Callable[[Page], None]) -> None:
    page.goto("/billing/")
    look(page)
    page.get_by_role("textbox", name="Redeem code").fill(code)
    page.get_by_role("button", name="Redeem", exact=True).click()
    page.wait_for_load_state()
    look(page)


def code_of(made: Any) -> str:
    first = made[0] if isinstance(made, list) else made["codes"][0]
    return str(first["code"] if isinstance(first, dict) else first)


def chat(page: Page, look: Callable[[Page], None]) -> None:
    page.goto("/playground/")
    look(page)
    page.get_by_label("Your message").fill("Count from one to five.")
    page.keyboard.press("Enter")
    expect(page.locator("[data-turn][data-status=completed]")).to_be_visible(timeout=20_000)
    expect(page.locator("[data-turn]").get_by_text(re.compile(r"\$0\.0")).first).to_be_visible(timeout=10_000)
    look(page)


def make_image(page: Page, look: Callable[[Page], None]) -> None:
    page.goto("/playground/images/")
    look(page)
    page.get_by_label("What should it show?").fill("A paper boat on a calm lake")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("[data-gallery] img").first).to_be_visible(timeout=30_000)
    look(page)


def spend_as_ben(stack: Stack, ben: Page, tmp_path: Path, look: Callable[[Page], None]) -> None:
    made = json.loads(stack.manage("create_codes", "900.00", "--kind", "paid", "--json"))
    redeem(ben, code_of(made), look)
    key = make_key(ben, "studio", look)
    path = Path(__file__).parents[2] / "gateway" / "data" / "catalogue.json"
    usual = json.loads(path.read_text())
    dear = json.loads(path.read_text())
    for model in dear["models"]:
        if model["name"] == DEAR_MODEL:
            model["price"]["images"] = dict.fromkeys(model["price"]["images"], DEAR_PRICE)
    changed = tmp_path / "catalogue.json"
    try:
        changed.write_text(json.dumps(dear))
        stack.manage("load_catalogue", str(changed))
        client = OpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0)
        for _ in range(3):
            client.images.generate(model=DEAR_MODEL, prompt="A lighthouse", size="1024x1024", n=1)
    finally:
        changed.write_text(json.dumps(usual))
        stack.manage("load_catalogue", str(changed))


def withdraw(page: Page, look: Callable[[Page], None]) -> str:
    page.goto("/referrals/withdraw/")
    if page.get_by_role("heading", name="Confirm that it is you").is_visible():
        look(page)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url(re.compile("/referrals/withdraw/$"))
    look(page)
    page.get_by_label("Amount").fill("50.00")
    page.get_by_label("Alipay").check()
    page.get_by_label("Name of the account holder").fill("Ada Example")
    page.get_by_label("Account", exact=True).fill("ada@example.com")
    page.get_by_role("button", name="Request the withdrawal").click()
    page.wait_for_url(re.compile("/referrals/withdrawals/wd_"))
    look(page)
    return page.url.rstrip("/").rpartition("/")[2]


def pay_out(page: Page, number: str, look: Callable[[Page], None]) -> None:
    page.goto("/desk/")
    look(page)
    page.goto(f"/desk/withdrawals/{number}/")
    look(page)
    for action, fill in (
        ("claim", {}),
        ("approve", {"What you checked": "The person behind the rewards."}),
        ("mark_paid", {"Payment reference": "BANK-2026-0001"}),
    ):
        step = page.locator(f"details#step-{action}")
        if step.get_attribute("open") is None:
            step.locator("summary").click()
        look(page)
        for label, value in fill.items():
            step.get_by_label(label).fill(value)
        step.get_by_role("button", name=re.compile("^Confirm")).click()
        page.wait_for_load_state()
    expect(page.get_by_text("BANK-2026-0001").first).to_be_visible()
    look(page)
