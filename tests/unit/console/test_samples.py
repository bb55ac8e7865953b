"""The samples as data: complete, filled, and without anybody's key."""

import re

import pytest

from console import samples
from console.samples import Sample
from gateway.catalogue import FamilyRows, ModelRow

ORIGIN = "https://token.example.com"


def row(name: str, *endpoints: str, recommended_for: str = "") -> ModelRow:
    return ModelRow(
        name=name,
        owned_by="test",
        endpoints=endpoints,
        context_tokens=1,
        max_output_tokens=1,
        recommended_for=recommended_for,
        price=None,
    )


def test_every_topic_has_every_language_once() -> None:
    topics = {sample.topic for sample in samples.SAMPLES}
    for topic in topics:
        assert tuple(sample.language for sample in samples.of_topic(topic)) == samples.LANGUAGES
    assert len({sample.id for sample in samples.SAMPLES}) == len(samples.SAMPLES)


@pytest.mark.parametrize("sample", samples.SAMPLES, ids=lambda sample: sample.id)
def test_a_filled_sample_calls_the_readers_own_address(sample: Sample) -> None:
    code = sample.filled(origin=ORIGIN, model="some-model")
    assert ORIGIN in code
    assert not re.search(r"\{(origin|base_url|model)\}", code)
    assert "QYUAN_API_KEY" in code
    assert "qy_" not in code
    assert sample.role in samples.ROLES


def test_an_anthropic_client_gets_the_host_and_an_openai_client_gets_v1() -> None:
    for sample in samples.SAMPLES:
        code = sample.filled(origin=ORIGIN, model="some-model")
        if "Anthropic(" in code:
            assert f'base_url="{ORIGIN}",' in code
        if "OpenAI(" in code:
            assert f'base_url="{ORIGIN}/v1",' in code


def test_the_readers_key_stands_in_a_comment() -> None:
    for sample in samples.of_topic("chat"):
        first = sample.filled(origin=ORIGIN, model="some-model", key_hint="qy_abc_…1234").splitlines()[0]
        assert first.lstrip("#/ ") == "QYUAN_API_KEY: your key qy_abc_…1234"
        assert first[0] in "#/"


def test_the_recommended_model_is_chosen_and_otherwise_the_first_that_fits() -> None:
    families = [
        FamilyRows(
            "openai", "", (row("old", "chat/completions"), row("new", "chat/completions", recommended_for="first-call"))
        ),
        FamilyRows("gemini", "", (row("flash", "chat/completions"), row("pro", "chat/completions"))),
        FamilyRows("claude", "", (row("sonnet", "chat/completions", "messages"),)),
    ]
    assert samples.chosen_models(families) == {"text": "new", "claude": "sonnet", "gemini": "flash"}


def test_an_empty_catalogue_fills_no_role() -> None:
    assert samples.chosen_models([]) == {}
