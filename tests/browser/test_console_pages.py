"""The signed-in pages in real Chromium: readable by everybody, in both lights, down to 320 pixels.

The shell around them by keyboard, by touch and without colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watch, assert_accessible
from tests.stack import Person, Stack

pytestmark = [pytest.mark.browser, pytest.mark.server]
PERSONAL = [
    *("/dashboard/", "/keys/", "/keys/new/", "/limits/", "/usage/", "/billing/", "/settings/", "/referrals/"),
    *("/playground/", "/playground/images/", "/accounts/email/", "/accounts/password/change/"),
]
STAFF = ["/desk/"]
GATES = ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]
VIEWS = {"desktop": (1280, 860, "light"), "phone": (390, 844, "dark"), "narrow": (320, 640, "light")}
MAX_REQUESTS = {"/playground/": 24, "/playground/images/": 18}  # modules of the stream; elsewhere 14


@dataclass(frozen=True)
class Life:
    """Somebody with a key, credit and a call behind them, signed in; and somebody of support."""

    person: Person
    cookies: dict[str, Any]
    support_cookies: dict[str, Any]


@pytest.fixture(scope="module")
def life(browser: Browser, shared_stack: Stack) -> Life:
    ada, sam = shared_stack.new_user("ada", credit="5.00"), shared_stack.new_user("sam", staff=True)
    question = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "Say hello."}]}
    headers = {"Authorization": f"Bearer {ada.key}"}
    httpx.post(f"{shared_stack.url}/v1/chat/completions", json=question, headers=headers, timeout=60).raise_for_status()
    return Life(ada, cookies_of(browser, shared_stack, ada), cookies_of(browser, shared_stack, sam))


def cookies_of(browser: Browser, stack: Stack, person: Person) -> dict[str, Any]:
    context = browser.new_context(base_url=stack.url)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("input[name=login]", person.email)
    page.fill("input[name=password]", person.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard/")
    state = dict(context.storage_state())
    context.close()
    return state


def watched(browser: Browser, stack: Stack, state: Any, **given: Any) -> Iterator[Page]:
    context = browser.new_context(base_url=stack.url, locale="en-US", storage_state=state, **given)
    page, watch = context.new_page(), Watch()
    watch.attach(page)
    yield page
    context.close()
    assert watch.complaints == []


@pytest.fixture
def ada(browser: Browser, stack: Stack, life: Life) -> Iterator[Page]:
    yield from watched(browser, stack, life.cookies, viewport={"width": 1280, "height": 860})


@pytest.fixture
def phone(browser: Browser, stack: Stack, life: Life) -> Iterator[Page]:
    yield from watched(browser, stack, life.cookies, viewport={"width": 390, "height": 844}, has_touch=True)


def assert_page(page: Page, path: str, view: str, axe: Axe) -> None:
    width, height, scheme = VIEWS[view]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200
    expect(page.locator("[data-controller=theme]")).to_be_visible(visible=view == "desktop" or path in GATES)
    page.wait_for_timeout(100)  # the last of the modules
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    assert len(asked) <= MAX_REQUESTS.get(path, 14), asked
    assert_accessible(axe, page)


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("path", PERSONAL)
def test_a_personal_page_is_accessible_and_fits(ada: Page, axe: Axe, path: str, view: str) -> None:
    assert_page(ada, path, view, axe)


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("path", STAFF)
def test_a_page_of_support_is_accessible_and_fits(
    browser: Browser, stack: Stack, life: Life, axe: Axe, path: str, view: str
) -> None:
    for page in watched(browser, stack, life.support_cookies):
        assert_page(page, path, view, axe)


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("path", GATES)
def test_a_gate_is_accessible_and_fits(browser: Browser, stack: Stack, axe: Axe, path: str, view: str) -> None:
    for page in watched(browser, stack, None):
        assert_page(page, path, view, axe)


def test_the_drawer_of_a_phone_works_with_the_keyboard(phone: Page, axe: Axe) -> None:
    phone.goto("/dashboard/")
    toggle, keys = phone.get_by_role("button", name="Open the menu"), phone.get_by_role("link", name="API keys").first
    expect(keys).to_be_hidden()
    toggle.focus()
    phone.keyboard.press("Enter")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(keys).to_be_visible()
    assert phone.evaluate("document.activeElement.closest('.rail') !== null")
    assert_accessible(axe, phone)
    phone.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(toggle).to_be_focused()


def test_a_touch_beside_the_drawer_closes_it(phone: Page) -> None:
    phone.goto("/dashboard/")
    phone.get_by_role("button", name="Open the menu").tap()
    rail = phone.locator(".rail")
    expect(rail).to_be_visible()
    phone.touchscreen.tap(370, 600)
    expect(rail).to_be_hidden()


def test_the_chosen_light_is_in_the_page_as_the_server_sends_it(ada: Page) -> None:
    """So that no page flashes in the other one first."""
    ada.emulate_media(color_scheme="light")
    ada.goto("/dashboard/")
    before = ada.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    ada.get_by_role("button", name="Light or dark").click()
    expect(ada.locator("html")).to_have_attribute("data-theme", "dark")
    assert ada.evaluate("getComputedStyle(document.documentElement).backgroundColor") != before
    assert 'data-theme="dark"' in ada.request.get("/keys/").text()


def test_a_dialog_asks_before_it_acts(ada: Page, axe: Axe) -> None:
    ada.goto("/keys/")
    ada.get_by_role("link", name="Revoke").first.click()
    dialog = ada.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    assert_accessible(axe, ada)
    ada.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    ada.get_by_role("link", name="Revoke").first.click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    ada.reload()
    expect(ada.get_by_text("Active").first).to_be_visible()


def test_the_account_menu_closes_by_escape(ada: Page, axe: Axe) -> None:
    ada.goto("/dashboard/")
    summary = ada.locator("summary[aria-label='Your account']")
    summary.click()
    sign_out = ada.get_by_role("button", name="Sign out")
    expect(sign_out).to_be_visible()
    assert_accessible(axe, ada)
    ada.keyboard.press("Escape")
    expect(sign_out).to_be_hidden()
    expect(summary).to_be_focused()


def test_where_one_is_can_be_told_without_colours(ada: Page) -> None:
    """Forced colours take away backgrounds and shadows; a line has to remain."""
    ada.emulate_media(forced_colors="active")
    ada.goto("/dashboard/")
    here, elsewhere = (ada.locator(f".rail-nav a[href='{path}']") for path in ("/dashboard/", "/keys/"))
    width = "node => getComputedStyle(node).outlineStyle"
    assert (here.evaluate(width), elsewhere.evaluate(width)) == ("solid", "none")


def test_the_first_key_pressed_offers_the_way_past_the_navigation(ada: Page) -> None:
    ada.goto("/dashboard/")
    ada.keyboard.press("Tab")
    skip = ada.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    ada.keyboard.press("Enter")
    assert ada.evaluate("document.activeElement.id") == "content"
