"""Channels: where calls go, with which key, for which models."""

from datetime import datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gateway import catalogue, channels
from gateway.channels import BadChannel, KeyUnreadable
from gateway.models import Channel

SECRET = "sk-provider-secret-123456"


@pytest.fixture
def models(db: None, now: datetime) -> None:
    catalogue.load(data=catalogue.read_file(), now=now)


def add(now: datetime, **changes: Any) -> Channel:
    wanted: dict[str, Any] = {
        "name": "main",
        "protocol": "openai",
        "base_url": "https://api.example.com/v1/",
        "api_key": SECRET,
        "models": ["gpt-5.4-mini", "claude-sonnet-4-5=anthropic/sonnet"],
        "now": now,
    }
    return channels.add_channel(**(wanted | changes))


def test_the_key_is_stored_sealed_and_comes_back_for_the_call_only(models: None, now: datetime) -> None:
    channel = add(now)
    assert channel.base_url == "https://api.example.com/v1"
    stored = Channel.objects.get()
    assert SECRET not in stored.api_key_encrypted
    assert channels.api_key_of(stored) == SECRET
    assert {route.model.name: route.upstream_name for route in stored.routes.all()} == {
        "gpt-5.4-mini": "gpt-5.4-mini",
        "claude-sonnet-4-5": "anthropic/sonnet",
    }


def test_the_key_does_not_follow_a_changed_address(models: None, now: datetime) -> None:
    add(now)
    Channel.objects.update(base_url="https://evil.example.com/v1")
    with pytest.raises(KeyUnreadable):
        channels.api_key_of(Channel.objects.get())


def test_the_key_needs_the_secret_it_was_sealed_with(models: None, now: datetime, settings: Any) -> None:
    channel = add(now)
    settings.FIELD_SECRET = "another"
    with pytest.raises(KeyUnreadable):
        channels.api_key_of(channel)


def test_the_same_name_again_replaces_the_channel(models: None, now: datetime) -> None:
    add(now)
    channel = add(now, models=["gpt-5.5"], api_key="sk-other-key")
    assert Channel.objects.count() == 1
    assert [route.model.name for route in channel.routes.all()] == ["gpt-5.5"]
    assert channels.api_key_of(Channel.objects.get()) == "sk-other-key"


def test_a_star_takes_every_model_the_protocol_can_carry(models: None, now: datetime) -> None:
    assert add(now, models=["*"]).routes.count() == 27
    assert add(now, name="claude", protocol="anthropic", models=["*"]).routes.count() == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "ftp://example.com"},
        {"base_url": "//example.com"},
        {"base_url": "https://"},
        {"base_url": "example.com"},
        {"base_url": "https://user:pass@example.com"},
        {"base_url": "https://example.com/?a=1"},
        {"base_url": "http://a b/"},
        {"base_url": "https://example.com:99999"},
        {"base_url": "https://exämple.com"},
        {"protocol": "google"},
        {"name": " "},
        {"api_key": ""},
        {"api_key": "sk-é"},
        {"api_key": "a\nb"},
        {"models": []},
        {"models": ["nothing"]},
        {"weight": 0},
        {"protocol": "anthropic", "models": ["gpt-image-2"]},
    ],
)
def test_a_channel_that_cannot_work_is_refused(models: None, now: datetime, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadChannel):
        add(now, **wrong)
    assert not Channel.objects.exists()


def test_the_command_adds_and_never_prints_the_key(models: None, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["main", "--protocol", "openai", "--base-url", "http://127.0.0.1:9/v1", "--api-key", SECRET]
    call_command("add_channel", *arguments, "--models", "gpt-5.4-mini,gpt-5.5", "--json")
    printed = capsys.readouterr().out
    assert '"models": ["gpt-5.4-mini", "gpt-5.5"]' in printed
    assert SECRET not in printed
    with pytest.raises(CommandError, match="Not in the catalogue"):
        call_command("add_channel", *arguments, "--models", "unknown")


def test_load_catalogue_reads_a_file_and_says_what_it_did(
    db: None, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("load_catalogue")
    assert capsys.readouterr().out == "27 models: 27 new, 0 changed, 27 prices set.\n"
    call_command("load_catalogue", "--json")
    assert capsys.readouterr().out == '{"created": 0, "changed": 0, "prices_set": 0, "prices_kept": 0, "total": 27}\n'
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("load_catalogue", str(broken))
