"""Caps that keep a file readable in one sitting (the guide is tighter, see CONTRIBUTING.md)."""

import ast

from tests.architecture.tree import APPS, files, functions, length, name, python, text

FILE_LINES = 500
TEST_LINES = 800
FUNCTION_LINES = 60
CONTROLLER_LINES = 120


def test_no_source_file_is_longer_than_the_cap() -> None:
    long = {
        name(file): lines for file in python(*APPS, "devtools", "bench") if (lines := _lines(text(file))) > FILE_LINES
    }
    long |= {name(file): lines for file in python("tests") if (lines := _lines(text(file))) > TEST_LINES}
    assert long == {}


def test_no_function_is_longer_than_the_cap() -> None:
    long = {}
    for file in python(*APPS, "devtools", "bench"):
        for function in functions(file):
            if length(function) > FUNCTION_LINES:
                long[f"{name(file)}:{function.name}"] = length(function)
    assert long == {}


def test_one_behaviour_per_script() -> None:
    controllers = files(".js", "static/js/controllers")
    assert {name(file): lines for file in controllers if (lines := _lines(text(file))) > CONTROLLER_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    """Empty packages and tests named by sentences excepted."""
    silent = []
    for file in python(*APPS, "devtools", "bench"):
        if file.name in {"__init__.py", "apps.py", "urls.py"}:
            continue
        if ast.get_docstring(ast.parse(text(file))) is None:
            silent.append(name(file))
    assert silent == []


def _lines(source: str) -> int:
    return len(source.splitlines())
