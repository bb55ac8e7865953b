"""Every template compiles, and what it names is there: other templates, static files, addresses, icons."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import get_template
from django.urls import NoReverseMatch, get_resolver, reverse

from console.icons import ICONS

FOLDER = Path(settings.BASE_DIR) / "templates"
NAMES = sorted(file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*") if file.suffix in {".html", ".txt"})
SOURCES = {name: (FOLDER / name).read_text() for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_it_compiles(name: str) -> None:
    get_template(name)


def test_what_is_included_or_extended_exists() -> None:
    missing = [
        f"{name}: {target}"
        for name, source in SOURCES.items()
        for target in re.findall(r'\{% (?:include|extends) "([^"]+)"', source)
        if target not in SOURCES
    ]
    assert missing == []


def test_static_files_that_are_named_exist() -> None:
    missing = [
        f"{name}: {target}"
        for name, source in SOURCES.items()
        for target in re.findall(r"\{% static ['\"]([^'\"]+)['\"] %\}", source)
        if finders.find(target) is None
    ]
    assert missing == []


def test_addresses_that_are_named_exist() -> None:
    """A tolerant `nav_link` or `{% url … as … %}` would hide a mistyped name for ever."""
    known = _names()
    missing = [
        f"{name}: {target}"
        for name, source in SOURCES.items()
        for target in re.findall(r"\{% (?:url|nav_link) ['\"]([\w:-]+)['\"]", source)
        if target not in known
    ]
    assert missing == []


def test_icons_that_are_named_are_drawn() -> None:
    missing = [
        f"{name}: {target}"
        for name, source in SOURCES.items()
        for target in re.findall(r'\{% icon "([^"]+)" %\}| icon="([^"]+)"', source)
        if "".join(target) not in ICONS
    ]
    assert missing == []


def _names() -> set[str]:
    found: set[str] = set()
    queue = [(get_resolver(), "")]
    while queue:
        resolver, space = queue.pop()
        found |= {f"{space}{name}" for name in resolver.reverse_dict if isinstance(name, str)}
        queue += [(inner, f"{space}{key}:") for key, (_, inner) in resolver.namespace_dict.items()]
    return found


def test_the_list_of_addresses_is_real() -> None:
    assert {"console:landing", "account_login", "billing:wallet"} <= _names()
    with pytest.raises(NoReverseMatch):
        reverse("console:no-such-page")
