"""Variables of the environment: typed, and refused at start in words that say what to set."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from console import env


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env.example` copied as it is changes nothing."""
    monkeypatch.setenv("SAMPLE", "")
    assert env.text("SAMPLE", "default") == "default"
    assert env.integer("SAMPLE", 7) == 7
    assert env.seconds("SAMPLE", 1.5) == 1.5
    assert env.flag("SAMPLE", default=True) is True
    assert env.words("SAMPLE", "a,b") == ["a", "b"]
    assert env.secret("SAMPLE", "made up") == "made up"


@pytest.mark.parametrize(("given", "meant"), [("1", True), ("true", True), ("ON", True), ("0", False), ("no", False)])
def test_a_flag_is_read_as_people_write_it(monkeypatch: pytest.MonkeyPatch, given: str, meant: bool) -> None:  # noqa: FBT001
    monkeypatch.setenv("SAMPLE", given)
    assert env.flag("SAMPLE", default=not meant) is meant


def test_what_cannot_be_read_stops_the_start_with_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE", "soon")
    with pytest.raises(ImproperlyConfigured, match="Set SAMPLE=1 or SAMPLE=0"):
        env.flag("SAMPLE", default=False)
    with pytest.raises(ImproperlyConfigured, match="Set for example SAMPLE=8000"):
        env.integer("SAMPLE", 8000)
    with pytest.raises(ImproperlyConfigured, match="not a number of seconds"):
        env.seconds("SAMPLE", 60)


def test_words_lose_their_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE", " one.example.com , ,two.example.com")
    assert env.words("SAMPLE") == ["one.example.com", "two.example.com"]


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv("SAMPLE_FILE", str(tmp_path / "secret"))
    assert env.secret("SAMPLE") == "from the file"
