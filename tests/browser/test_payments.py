"""A person adds credit in a real browser: to Stripe's page and back, under the policy of the pages."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Watch, assert_accessible
from tests.stack import Person, Stack, new_stack
from tests.stripe_stand_in import SECRET_KEY, WEBHOOK_SECRET, StandIn

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[StandIn, Stack]]:
    with StandIn().serving() as stand_in:
        secrets = {"STRIPE_SECRET_KEY": SECRET_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
        with new_stack(**secrets, STRIPE_API_BASE=stand_in.url, STRIPE_PAGE_HOSTS=stand_in.url) as stack:
            stand_in.webhook_url = f"{stack.url}/billing/stripe/webhook"
            yield stand_in, stack


def sign_in(page: Page, stack: Stack, person: Person) -> None:
    page.goto(f"{stack.url}/accounts/login/")
    page.fill("input[name=login]", person.email)
    page.fill("input[name=password]", person.password)
    page.locator("form:has(input[name=password]) button[type=submit]").click()
    page.wait_for_url("**/dashboard/")


def test_credit_is_bought_and_its_receipt_is_there(
    page: Page, watch: Watch, axe: Axe, shop: tuple[StandIn, Stack]
) -> None:
    stand_in, stack = shop
    ada = stack.new_user()
    sign_in(page, stack, ada)
    page.goto(f"{stack.url}/billing/")
    page.get_by_role("link", name="Add credit").click()
    assert_accessible(axe, page)
    page.get_by_text("Another amount", exact=True).first.click()
    page.get_by_label("Another amount").last.fill("12.34")
    page.get_by_role("button", name="Continue to payment").click()
    page.wait_for_url(f"{stand_in.url}/pay/**")
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url("**/billing/payments/**")
    assert page.get_by_role("heading", name="Receipt R-").is_visible()
    assert page.get_by_text("$12.34").first.is_visible()
    for path in ("/billing/payments/", "/billing/auto-top-up/", "/billing/"):
        assert_accessible(axe, page)
        page.goto(f"{stack.url}{path}")
    assert page.get_by_text("$12.34").first.is_visible()


def test_the_page_waits_and_then_shows_the_receipt_by_itself(
    page: Page, watch: Watch, axe: Axe, shop: tuple[StandIn, Stack]
) -> None:
    stand_in, stack = shop
    ben = stack.new_user()
    sign_in(page, stack, ben)
    page.goto(f"{stack.url}/billing/top-up/")
    page.get_by_role("button", name="Continue to payment").click()
    page.wait_for_url(f"{stand_in.url}/pay/**")
    session_id = page.url.rsplit("/", 1)[-1]
    stand_in.pay(session_id, method="wechat_pay", later=True)
    page.goto(stand_in.objects[session_id]["success_url"])
    assert page.get_by_text("Waiting for the payment's confirmation").is_visible()
    assert_accessible(axe, page)
    stand_in.confirm(session_id)  # no event comes: the page asks
    page.get_by_role("heading", name="Receipt R-").wait_for(timeout=30_000)
