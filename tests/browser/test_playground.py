"""The playground in real Chromium: streaming, stop, reload in the middle, images; watched for CSP and accessibility."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.browser.conftest import Watch, assert_accessible
from tests.http.playground.live import CHAT_MODEL, IMAGE_MODEL, connect, eventually
from tests.stack import Person, Stack
from tests.unit.playground.fake_gateway import FakeGateway, picture, serving

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.slow]
MARKDOWN = (
    "# Sky\n\nIt is **blue** because of *scattering*, see `rayleigh`.\n\n- short waves\n- long waves\n\n"
    "```python\nprint('blue')\n```\n\n| wave | nm |\n|---|--:|\n| blue | 450 |\n\n> as Tyndall saw\n\nThat is all."
)


@pytest.fixture(scope="module")
def told(shared_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGateway]:
    with serving() as provider:
        connect(shared_stack, provider, tmp_path_factory.mktemp("models"))
        yield provider


@pytest.fixture
def provider(told: FakeGateway) -> FakeGateway:
    fresh = FakeGateway(url=told.url)
    for name in ("words", "pause_s", "hang_after", "status", "images", "image_pause_s"):
        setattr(told, name, getattr(fresh, name))
    told.asked.clear()
    return told


@pytest.fixture
def visitor(browser: Browser, stack: Stack, provider: FakeGateway) -> Iterator[Page]:
    person = stack.new_user("ada", credit="5.00")
    yield from signed_in(browser, stack, person)


def signed_in(browser: Browser, stack: Stack, person: Person) -> Iterator[Page]:
    context = browser.new_context(base_url=stack.url, locale="en-US", viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page, watch = context.new_page(), Watch()
    watch.attach(page)
    page.goto("/accounts/login/")
    page.fill("input[name=login]", person.email)
    page.fill("input[name=password]", person.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard/")
    eventually(lambda: CHAT_MODEL in page.request.get("/playground/").text())
    yield page
    context.close()
    assert watch.complaints == []


def pieces(text: str, size: int = 4) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def open_chat(page: Page) -> None:
    page.goto(f"/playground/?model={CHAT_MODEL}")
    expect(page.locator(".chat[data-ready]")).to_be_visible()


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.keyboard.press("Enter")


def test_an_answer_streams_finishes_and_says_what_it_cost(visitor: Page, provider: FakeGateway, axe: Axe) -> None:
    provider.words, provider.pause_s = pieces(MARKDOWN), 0.01
    open_chat(visitor)
    assert_accessible(axe, visitor)
    ask(visitor, "Why is the sky blue?")
    answer = visitor.locator(".turn").last
    expect(answer.locator(".is-live strong")).to_have_text("blue")
    expect(visitor.get_by_role("button", name="Stop")).to_be_visible()
    assert_accessible(axe, visitor)
    expect(answer.locator(".fact-cost")).to_contain_text("$0.00")
    expect(answer.locator(".answer-text h3")).to_have_text("Sky")
    expect(answer.locator(".answer-text li")).to_have_text(["short waves", "long waves"])
    expect(answer.locator(".answer-code .nb")).to_have_text("print")
    expect(answer.locator(".answer-table td.is-right")).to_have_text("450")
    expect(visitor.locator("[data-announce]")).to_contain_text("Answer complete")
    expect(visitor).to_have_url(re.compile(r"/playground/c/[0-9a-f-]{36}/$"))
    assert_accessible(axe, visitor)
    answer.get_by_role("button", name="Copy").first.click()
    expect(answer.get_by_role("button", name="Copied").first).to_be_visible()


def test_what_streams_and_what_is_rendered_read_the_same(visitor: Page, provider: FakeGateway) -> None:
    """Cut at every character, the growing answer must show the words that the server's HTML shows."""
    provider.words, provider.pause_s = [*pieces(MARKDOWN, 1), "\n", "end"], 0.0
    provider.hang_after = len(provider.words) - 1
    open_chat(visitor)
    ask(visitor, "Why?")
    live = visitor.locator("[data-live]").last
    expect(live).to_contain_text("That is all.")
    streamed = live.inner_text().split()
    visitor.keyboard.press("Escape")
    expect(visitor.locator(".turn-foot")).to_be_visible()
    rendered = visitor.locator(".answer-text").last.inner_text().replace("Copy", "").split()
    without_table = [word for word in streamed if set(word) - set("|-:")]
    assert without_table == rendered


def test_stop_keeps_what_was_said(visitor: Page, provider: FakeGateway) -> None:
    provider.words, provider.hang_after = ["Half ", "an answer", "never"], 2
    open_chat(visitor)
    ask(visitor, "Tell me everything.")
    expect(visitor.locator("[data-live]")).to_contain_text("Half an answer")
    visitor.get_by_role("button", name="Stop").click()
    turn = visitor.locator(".turn").last
    expect(turn).to_contain_text("Stopped here.")
    expect(turn.locator(".answer-text")).to_have_text("Half an answer")
    expect(turn.locator(".fact-cost")).to_contain_text("$")
    expect(visitor.get_by_role("button", name="Send")).to_be_visible()
    expect(visitor.locator("[data-announce]")).to_have_text("Stopped.")


def test_a_reload_in_the_middle_loses_nothing(visitor: Page, provider: FakeGateway) -> None:
    words = [f"w{number} " for number in range(120)]
    provider.words, provider.pause_s = words, 0.05
    open_chat(visitor)
    ask(visitor, "Count.")
    expect(visitor.locator("[data-live]")).to_contain_text("w20 ")
    visitor.reload()
    expect(visitor.locator("[data-live]")).to_contain_text("w40 ")
    assert visitor.locator("[data-live]").inner_text().split()[:30] == [word.strip() for word in words[:30]]
    expect(visitor.locator(".turn-foot")).to_be_visible(timeout=20_000)
    assert visitor.locator(".answer-text").inner_text().split() == "".join(words).split()
    assert len(provider.asked) == 1


def test_the_next_question_follows_the_answer(visitor: Page, provider: FakeGateway) -> None:
    open_chat(visitor)
    ask(visitor, "One?")
    expect(visitor.locator(".turn-foot")).to_have_count(1)
    ask(visitor, "Two?")
    expect(visitor.locator(".turn-foot")).to_have_count(2)
    said = [(message["role"], message["content"]) for message in provider.asked[-1].body["messages"]]
    assert said == [("user", "One?"), ("assistant", "Hello there."), ("user", "Two?")]


def test_enter_does_not_send_while_composing(visitor: Page, provider: FakeGateway) -> None:
    open_chat(visitor)
    visitor.get_by_label("Your message").fill("你好")
    prompt = visitor.locator("#prompt")
    prompt.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    prompt.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "bubbles": True})
    prompt.press("Shift+Enter")
    expect(visitor.locator(".turn")).to_have_count(0)
    prompt.press("Enter")
    expect(visitor.locator(".turn-foot")).to_have_count(1)


def test_a_draft_survives_a_reload(visitor: Page) -> None:
    open_chat(visitor)
    visitor.get_by_label("Your message").fill("An unfinished thou")
    visitor.reload()
    expect(visitor.get_by_label("Your message")).to_have_value("An unfinished thou")


def test_hostile_words_do_nothing_while_streaming_and_after(visitor: Page, provider: FakeGateway) -> None:
    """Any script, dialog or request that they cause is a complaint of the watch, and fails the test."""
    hostile = (
        "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) "
        "![x](https://evil.example/x.png)\n\n```<img src=x onerror=alert(1)>\n<svg onload=alert(1)>\n```\n"
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>"
    )
    dialogs: list[str] = []

    def opened(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    visitor.on("dialog", opened)
    provider.words, provider.pause_s = pieces(hostile, 1), 0.002
    open_chat(visitor)
    ask(visitor, hostile)
    expect(visitor.locator(".turn-foot")).to_be_visible(timeout=20_000)
    visitor.reload()
    assert visitor.locator(".turn :is(script, iframe, img, svg[onload])").count() == 0
    assert visitor.locator(".turn a[href^='javascript']").count() == 0
    assert dialogs == []


def test_no_credit_is_said_with_the_way_out(browser: Browser, stack: Stack, provider: FakeGateway, axe: Axe) -> None:
    for page in signed_in(browser, stack, stack.new_user("poor")):
        open_chat(page)
        ask(page, "Hello?")
        problem = page.locator(".problem")
        expect(problem).to_contain_text("Not enough credit")
        expect(problem).to_contain_text("Nothing was charged.")
        expect(problem.get_by_role("link", name="Add credit")).to_have_attribute("href", "/billing/")
        assert_accessible(axe, page)


def test_an_image_is_ordered_made_and_kept(visitor: Page, provider: FakeGateway, axe: Axe) -> None:
    provider.images, provider.image_pause_s = [picture("PNG", (64, 64))], 1.0
    visitor.goto(f"/playground/images/?model={IMAGE_MODEL}")
    expect(visitor.locator(".studio[data-ready]")).to_be_visible()
    assert_accessible(axe, visitor)
    expect(visitor.locator("[data-image-price]")).to_have_text("$0.04")
    visitor.get_by_label("What should it show?").fill("A red square")
    visitor.get_by_role("button", name="Generate").dblclick()
    card = visitor.locator(".job")
    expect(card).to_have_count(1)
    expect(card.locator("[data-phase]")).to_be_visible()
    assert_accessible(axe, visitor)
    expect(card.get_by_role("img", name="A red square")).to_be_visible(timeout=30_000)
    expect(card).to_contain_text("$0.04")
    assert_accessible(axe, visitor)
    visitor.reload()
    expect(visitor.get_by_role("img", name="A red square")).to_be_visible()
    assert len(provider.asked) == 1


def test_an_image_is_cancelled_and_tried_again(visitor: Page, provider: FakeGateway) -> None:
    provider.image_pause_s = 30
    visitor.goto(f"/playground/images/?model={IMAGE_MODEL}")
    expect(visitor.locator(".studio[data-ready]")).to_be_visible()
    visitor.get_by_label("What should it show?").fill("Never")
    visitor.get_by_role("button", name="Generate").click()
    visitor.get_by_role("button", name="Cancel").click()
    card = visitor.locator(".job")
    expect(card).to_contain_text("Cancelled", timeout=15_000)
    provider.image_pause_s = 0
    card.get_by_role("button", name="Try again").click()
    expect(card.get_by_role("img")).to_be_visible(timeout=30_000)
