"""What a visitor opens first, in real Chromium: readable by everybody, in both lights, on a phone too."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watch, assert_accessible
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.server]
PAGES = ["/", "/docs/", "/gallery/", "/models/", "/nothing-here/"]
SIZES = {"desktop": (1280, 860), "phone": (390, 844)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("path", PAGES)
def test_a_public_page_is_accessible_and_fits(
    page: Page, stack: Stack, axe: Axe, watch: Watch, path: str, size: str, scheme: str
) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two
    page.goto(f"{stack.url}{path}")
    if page.locator(".tabs").count():
        expect(page.locator(".tabs").first).to_have_attribute("data-ready", "")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    assert_accessible(axe, page)


def test_the_chosen_language_is_remembered_everywhere(page: Page, stack: Stack, watch: Watch) -> None:
    page.goto(f"{stack.url}/docs/")
    page.locator("#quickstart").get_by_role("tab", name="Python").first.click()
    expect(page.locator("#sample-messages-python")).to_be_visible()
    expect(page.locator("#sample-messages-curl")).to_be_hidden()
    page.reload()
    expect(page.locator("#sample-chat-python")).to_be_visible()
    expect(page.locator("#sample-chat-curl")).to_be_hidden()


def test_tabs_work_with_the_keyboard(page: Page, stack: Stack, watch: Watch) -> None:
    page.goto(f"{stack.url}/")
    first = page.get_by_role("tab", name="OpenAI SDK")
    first.focus()
    page.keyboard.press("ArrowRight")
    second = page.get_by_role("tab", name="Anthropic SDK")
    expect(second).to_be_focused()
    expect(second).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel", name="Anthropic SDK")).to_contain_text("from anthropic import Anthropic")
    expect(page.get_by_role("tabpanel", name="OpenAI SDK")).to_be_hidden()


def test_a_sample_is_copied_as_it_stands(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{stack.url}/docs/")
    panel = page.locator("#first-sample-chat-curl")
    panel.get_by_role("button", name="Copy").click()
    expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"curl {stack.url}/v1/chat/completions")
    assert copied == panel.locator("code").text_content()
    context.close()


def test_everything_is_there_without_scripts(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{stack.url}/docs/")
    for language in ("curl", "python", "javascript"):
        expect(page.locator(f"#sample-chat-{language}")).to_be_visible()
    page.goto(f"{stack.url}/")
    expect(page.get_by_text("from anthropic import Anthropic")).to_be_visible()
    context.close()


def test_the_contents_say_where_one_is(page: Page, stack: Stack, watch: Watch) -> None:
    page.goto(f"{stack.url}/docs/#errors")
    link = page.get_by_role("navigation", name="On this page").get_by_role("link", name="Errors")
    expect(link).to_have_attribute("aria-current", "true")
