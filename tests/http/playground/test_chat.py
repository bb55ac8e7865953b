"""The chat page and its pieces."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing import prices
from billing.charges import Tokens
from billing.money import NANO
from playground import runs
from playground.models import Run
from tests.make import NOW, make_credit, make_key, make_price, make_usage
from tests.unit.playground.fake_gateway import FakeGateway
from tests.unit.playground.make import finished_run, make_run

URL = "/playground/"


@pytest.fixture
def visitor(ada: User, client: Client, fake_gateway: FakeGateway) -> Client:
    client.force_login(ada)
    return client


def show(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_nobody_is_sent_to_sign_in(client: Client) -> None:
    answer = client.get(URL)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_models_come_from_the_gateway_with_their_prices(visitor: Client) -> None:
    prices.set_price(
        model="gpt-test", effective_from=NOW, input_nano_per_mtok=250_000_000, output_nano_per_mtok=2_000_000_000
    )
    html = show(visitor, URL)
    assert re.findall(r'<optgroup label="([^"]+)">', html) == ["OpenAI / Codex", "Claude"]
    assert 'value="gpt-test" data-price="$0.25 in, $2.00 out per 1M tokens" selected' in html
    assert "image-test" not in html


def test_a_model_in_the_address_is_chosen(visitor: Client) -> None:
    assert re.search(r'value="claude-test"[^>]* selected', show(visitor, f"{URL}?model=claude-test"))
    assert re.search(r'value="gpt-test"[^>]* selected', show(visitor, f"{URL}?model=unknown"))


def test_a_gateway_that_is_away_is_said_so(ada: User, client: Client, settings: Any) -> None:
    settings.GATEWAY_URL = "http://127.0.0.1:1/v1"
    client.force_login(ada)
    html = show(client, URL)
    assert "The gateway could not be reached" in html
    assert "Nothing was charged." in html


def test_a_model_list_of_nonsense_is_an_error_on_the_page(visitor: Client, fake_gateway: FakeGateway) -> None:
    fake_gateway.status, fake_gateway.error = 500, {"code": "internal_error", "message": "It broke."}
    assert "It broke." in show(visitor, URL)


def test_a_conversation_is_shown_in_order(visitor: Client, ada: User) -> None:
    first = finished_run(ada, "one <b>", "**1**")
    finished_run(ada, "two", "2", after=first)
    html = show(visitor, reverse("playground:conversation", args=[first.conversation_id]))
    assert html.index("one &lt;b&gt;") < html.index("<strong>1</strong>") < html.index(">two<")


def test_an_answer_of_hostile_text_stays_text(visitor: Client, ada: User) -> None:
    hostile = "<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
    run = finished_run(ada, hostile, hostile)
    html = show(visitor, reverse("playground:run", args=[run.pk]))
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_an_answer_shows_its_cost_from_the_ledger(visitor: Client, ada: User) -> None:
    run = finished_run(ada, "q", "a")
    key, _ = make_key(ada)
    Run.objects.filter(pk=run.pk).update(request_id="req_1")
    price = make_price("gpt-test", input_nano_per_mtok=250_000_000, output_nano_per_mtok=2 * NANO)
    make_credit(ada, paid=NANO)
    tokens = Tokens(input=25, output=150, reasoning=10)
    make_usage(key, request_id="req_1", model="gpt-test", price=price, tokens=tokens)
    html = show(visitor, reverse("playground:run", args=[run.pk]))
    assert "$0.00032625" in html
    assert "25 tokens in, 160 out" in html


def test_a_cost_that_nobody_knows_is_not_invented(visitor: Client, ada: User) -> None:
    run = finished_run(ada, "q", "a")
    assert "$" not in show(visitor, reverse("playground:run", args=[run.pk]))


def test_a_failed_answer_says_why_and_what_it_cost(visitor: Client, ada: User) -> None:
    run = make_run(ada)
    error = {"code": "insufficient_credit", "message": "Your balance is 0.", "request_id": "req_9", "charged": False}
    Run.objects.filter(pk=run.pk).update(status="failed", error=error)
    html = show(visitor, reverse("playground:run", args=[run.pk]))
    for words in ("Not enough credit", "Your balance is 0.", "Nothing was charged.", "req_9", 'href="/billing/"'):
        assert words in html


def test_a_running_answer_is_printed_as_far_as_it_is(visitor: Client, ada: User) -> None:
    run = make_run(ada)
    work = runs.claim(run_id=run.pk, now=NOW)
    assert work is not None
    said = runs.Said(answer="Half an <answer>", reasoning="", request_id="", first_token_at=NOW)
    runs.keep(work=work, seq=7, said=said, now=NOW)
    html = show(visitor, reverse("playground:conversation", args=[run.conversation_id]))
    assert "Half an &lt;answer&gt;" in html
    assert 'data-after="7"' in html
    assert f'data-events="/playground/runs/{run.pk}/events"' in html


def test_only_ones_own_conversations_are_listed(visitor: Client, cleo: User) -> None:
    finished_run(cleo, "Cleo's secret", "x")
    assert "secret" not in show(visitor, URL)


def test_the_page_stays_at_few_queries(visitor: Client, ada: User, django_assert_max_num_queries: Any) -> None:
    last = finished_run(ada, "q0", "a")
    for number in range(1, 8):
        last = finished_run(ada, f"q{number}", "a", after=last)
    url = reverse("playground:conversation", args=[last.conversation_id])
    visitor.get(url)
    with django_assert_max_num_queries(12):
        visitor.get(url)


def test_the_page_keeps_to_the_policy(visitor: Client, ada: User) -> None:
    run = finished_run(ada, "q", "```python\nx = 1\n```\n\n| a |\n|--:|\n| 1 |")
    html = show(visitor, reverse("playground:conversation", args=[run.conversation_id]))
    assert "style=" not in html
    assert not re.search(r"<[^>]+\son[a-z]+=", html)
    assert re.findall(r"<script(?![^>]*(src=|application/json))", html) == []
