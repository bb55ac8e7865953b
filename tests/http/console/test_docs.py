"""`/docs/`: open to everyone, filled for the reader, true to catalogue, policy and error tree."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts import keys
from accounts.models import User
from console import docs, samples
from gateway import catalogue, errors
from gateway.models import Model
from referrals import policies
from tests.make import NOW, make_key

pytestmark = pytest.mark.django_db
ROOT = Path(docs.__file__).resolve().parent.parent


@pytest.fixture
def shipped() -> None:
    catalogue.load(data=catalogue.read_file(), now=datetime.now(UTC))


def page(client: Client) -> str:
    answer = client.get("/docs/")
    assert answer.status_code == 200
    return answer.content.decode()


def plain(html: str) -> str:
    """Code and words without the tags between them."""
    return unescape(re.sub(r"<[^>]+>", "", html))


def test_a_visitor_reads_everything(client: Client, shipped: None) -> None:
    html = page(client)
    assert html.count("<h1") == 1
    assert "<title>Docs · QYUAN AI Console</title>" in html
    for sample in samples.SAMPLES:
        assert f'id="sample-{sample.id}"' in html, sample.id


def test_every_link_inside_the_page_leads_somewhere(client: Client, shipped: None) -> None:
    html = page(client)
    targets = set(re.findall(r'\bid="([^"]+)"', html))
    for link in re.findall(r'href="#([^"]+)"', html):
        assert link in targets


def test_no_id_stands_twice(client: Client, shipped: None) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page(client))
    assert sorted(ids) == sorted(set(ids))


def test_samples_call_the_public_address(client: Client, shipped: None, settings: Any) -> None:
    settings.PUBLIC_URL = "https://token.example.com"
    text = plain(page(client))
    assert "curl https://token.example.com/v1/models" in text
    assert 'Anthropic(base_url="https://token.example.com",' in text
    assert "127.0.0.1" not in text


def test_a_person_is_told_which_key_is_theirs_and_never_the_key(client: Client, ada: User, shipped: None) -> None:
    key, secret = make_key(ada, "laptop")
    client.force_login(ada)
    text = plain(page(client))
    assert "Your newest key is “laptop”" in text
    assert f"# QYUAN_API_KEY: your key {key.hint}" in text
    assert f"// QYUAN_API_KEY: your key {key.hint}" in text
    assert secret not in text


def test_a_revoked_key_and_the_playgrounds_own_are_not_offered(client: Client, ada: User, shipped: None) -> None:
    key, _ = make_key(ada)
    keys.revoke(key=key, by=ada, now=NOW)
    keys.playground_key(user=ada)
    client.force_login(ada)
    text = plain(page(client))
    assert "You have no usable key yet." in text
    assert "your key qy_" not in text


def test_cleo_and_visitors_see_nothing_of_adas_key(client: Client, ada: User, cleo: User, shipped: None) -> None:
    key, _ = make_key(ada, "laptop")
    for person in (None, cleo):
        if person:
            client.force_login(person)
        html = page(client)
        assert key.public_id not in html
        assert "laptop" not in html


def test_models_stand_by_family(client: Client, shipped: None) -> None:
    Model.objects.filter(name="gpt-5.2").update(active=False)
    html = page(client)
    for model in Model.objects.all():
        assert (f"<code>{model.name}</code></li>" in html) == model.active


def test_samples_name_a_model_of_the_catalogue(client: Client, shipped: None) -> None:
    Model.objects.filter(family=Model.Family.IMAGE).update(active=False)
    html = page(client)
    assert 'id="sample-image-curl"' not in html
    assert "No model serves this endpoint at the moment." in html
    assert "gpt-image-2" not in html


def test_an_empty_catalogue_is_said(client: Client) -> None:
    text = plain(page(client))
    assert "No models yet" in text
    assert "No model serves this endpoint at the moment." in text


def _subclasses(error: type[errors.GatewayError]) -> Iterator[type[errors.GatewayError]]:
    for child in error.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _subclasses(child)


def test_every_code_of_the_gateway_is_explained_and_no_other(client: Client) -> None:
    own = {(error.code, error.status) for error in _subclasses(errors.GatewayError) if "code" in error.__dict__}
    own.add((errors.Bug.code, errors.Bug.status))
    listed = {(row.code, row.status) for row in docs.ERRORS}
    assert own <= listed
    given = set()
    for file in (ROOT / "gateway").rglob("*.py"):
        if "demo" not in file.parts:
            given |= set(re.findall(r'\bcode="([a-z_]+)"', file.read_text()))
    assert given <= {code for code, _ in listed}
    source = "".join(file.read_text() for file in (ROOT / "gateway").rglob("*.py"))
    assert [code for code, _ in listed if f'"{code}"' not in source] == []
    assert len(listed) == len(docs.ERRORS)
    html = page(client)
    for row in docs.ERRORS:
        assert f'id="error-{row.code}"' in html


def test_the_policy_in_force_is_printed(client: Client) -> None:
    text = plain(page(client))
    for heading, sentence in policies.describe(policies.in_force(datetime.now(UTC))):
        assert heading in text
        assert sentence in text


def test_no_policy_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(at: datetime) -> None:
        raise policies.NoPolicy("none")

    monkeypatch.setattr(policies, "in_force", none)
    assert "No policy is in force" in plain(page(client))


@pytest.mark.parametrize(
    "question",
    ["faq-base-url", "faq-model-not-found", "faq-claude", "faq-google", "faq-images", "faq-key"],
)
def test_the_six_questions_are_answered(client: Client, shipped: None, question: str) -> None:
    article = re.search(rf'<article id="{question}">(.*?)</article>', page(client), re.DOTALL)
    assert article
    assert len(plain(article[1]).split()) > 15


def test_only_get_is_taken(client: Client) -> None:
    assert client.post("/docs/").status_code == 405


def test_it_is_made_of_few_queries(
    client: Client, ada: User, shipped: None, django_assert_max_num_queries: Any
) -> None:
    make_key(ada)
    client.force_login(ada)
    with django_assert_max_num_queries(9):
        page(client)
