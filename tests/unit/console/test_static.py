"""Collected static files: hashed, modules included, the design system joined."""

import json
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings
from pytest_django import Settings

from console import static
from console.static import JOINED, SHEETS

OURS = "django.contrib.staticfiles.finders.FileSystemFinder"
SOURCES = Path(__file__).resolve().parents[3] / "static"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("static")
    storages = {"staticfiles": {"BACKEND": "console.static.HashedModulesStorage"}}
    with override_settings(STATIC_ROOT=root, STORAGES=storages, STATICFILES_FINDERS=[OURS]):
        call_command("collectstatic", interactive=False, verbosity=0)
    return root


def names(root: Path) -> dict[str, str]:
    return dict(json.loads((root / "staticfiles.json").read_text())["paths"])


def test_one_file_holds_every_sheet_in_order(collected: Path) -> None:
    joined = (collected / names(collected)[JOINED]).read_text()
    starts = [joined.index((SOURCES / sheet).read_text()[:80]) for sheet in SHEETS]
    assert starts == sorted(starts)
    assert joined.index("@layer reset, base, components, modules, utilities;") < joined.index("@layer reset {")


def test_every_sheet_of_a_component_is_joined() -> None:
    """A new file in components/ that nobody listed would style nothing."""
    there = {f"css/components/{file.name}" for file in (SOURCES / "css" / "components").glob("*.css")}
    assert there <= set(SHEETS)


def test_joined_sheets_refer_to_no_file_beside_them() -> None:
    """A relative address would point elsewhere once the sheet is part of another file."""
    for sheet in SHEETS:
        assert re.findall(r"url\(\s*(?![\"']?data:)", (SOURCES / sheet).read_text()) == []


def test_modules_import_each_other_by_hashed_names(collected: Path) -> None:
    main = (collected / names(collected)["js/main.js"]).read_text()
    imported = re.findall(r'import\("(\./[^"]+)"\)', main)
    assert len(imported) > 5
    for address in imported:
        assert re.search(r"\.[0-9a-f]{12}\.js$", address)
        assert (collected / "js" / address).exists()


def test_pages_link_to_the_joined_file_once_it_is_collected(collected: Path, settings: Settings) -> None:
    settings.STATIC_ROOT = collected
    settings.STORAGES = {"staticfiles": {"BACKEND": "console.static.HashedModulesStorage"}}
    assert static.stylesheets() == [JOINED]


def test_pages_link_to_each_sheet_before(settings: Settings) -> None:
    assert static.stylesheets() == list(SHEETS)
