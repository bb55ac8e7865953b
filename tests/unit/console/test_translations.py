"""Translations are compiled without GNU gettext."""

import gettext
import os
from pathlib import Path

from console import translations

PO = """msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "Balance"
msgstr "余额"

#, fuzzy
msgid "Usage"
msgstr "也许"
"""


def test_compiled_once_and_again_after_a_change(tmp_path: Path) -> None:
    folder = tmp_path / "zh_Hans" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text(PO, encoding="utf-8")
    assert translations.compile_all(tmp_path) == [folder / "django.mo"]
    assert translations.compile_all(tmp_path) == []
    later = (folder / "django.mo").stat().st_mtime_ns + 1_000_000_000
    os.utime(folder / "django.po", ns=(later, later))
    assert translations.compile_all(tmp_path) == [folder / "django.mo"]


def test_an_unsure_translation_is_not_shown(tmp_path: Path) -> None:
    folder = tmp_path / "zh_Hans" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text(PO, encoding="utf-8")
    translations.compile_all(tmp_path)
    with (folder / "django.mo").open("rb") as file:
        words = gettext.GNUTranslations(file)
    assert words.gettext("Balance") == "余额"
    assert words.gettext("Usage") == "Usage"
