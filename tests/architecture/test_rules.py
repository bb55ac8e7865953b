"""House rules that a linter does not know."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import APPS, ROOT, files, functions, imports, length, name, python, text, tracked, tree

# Where a host name may stand: the public base URL of the product, documentation of formats, examples, our own machine.
OUR_HOSTS = re.compile(
    r"^(token\.qyuanai\.com|([\w-]+\.)*example\.(com|org|net)|localhost|127\.0\.0\.1|0\.0\.0\.0|\[?::1\]?|your\.host|host|HOST)$"
)
IDENTIFIERS = {"www.w3.org", "json-schema.org"}  # names of formats, never fetched
# Tests and settings of channels name providers as data would; prose may name its sources.
PROSE = re.compile(r"^(docs/|README\.md|CHANGELOG\.md|LICENSE|CONTRIBUTING\.md|ARCHITECTURE\.md|tests/)")
URL = re.compile(r"\bhttps?://([^\s/\"'`<>)\\:{]+)")


def test_money_never_meets_a_float() -> None:
    found = []
    priced = ("books", "metering", "protocols/cost")
    for file in python("billing", "referrals", *(f"gateway/{each}.py" for each in priced)):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "round":
                found.append(f"{name(file)}:{node.lineno} round(): there is one rounding, in billing/money.py")
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                found.append(f"{name(file)}:{node.lineno} {node.value}")
            if isinstance(node, ast.Name) and node.id == "float":
                found.append(f"{name(file)}:{node.lineno} float")
            if isinstance(node, ast.Attribute) and node.attr == "FloatField":
                found.append(f"{name(file)}:{node.lineno} FloatField")
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                found.append(f"{name(file)}:{node.lineno} divides with /")
    assert found == []


def test_no_signals_between_our_apps() -> None:
    users = {
        name(file)
        for file in python(*APPS)
        if any(word.startswith("django.db.models.signals") for word in imports(file))
    }
    receivers = {name(file) for file in python(*APPS) if "django.dispatch.receiver" in imports(file)}
    assert users | receivers == set()


def test_chance_comes_from_secrets() -> None:
    assert [name(file) for file in python(*APPS) if "random" in imports(file)] == []


def test_no_module_without_a_noun() -> None:
    vague = {"utils", "helpers", "services", "managers", "misc", "common", "core"}
    assert [name(file) for file in python(*APPS, "devtools") if file.stem in vague] == []


def test_rules_know_no_pages() -> None:
    """No module that is not an edge itself imports one; as this holds for each of them, it holds through others."""
    edges = {"views", "pages", "desk", "endpoints", "urls", "api", "admin"}
    found = []
    for file in python("accounts", "billing", "referrals"):
        if file.stem in edges | {"apps", "tasks"} or "/commands/" in name(file):
            continue
        if file.stem.endswith(("_views", "_urls")):
            continue
        for word in imports(file):
            app, _, rest = word.partition(".")
            edge = rest.split(".")[0] in edges or rest.split(".")[0].endswith("_views")
            if app == "rest_framework" or (app in APPS and edge):
                found.append(f"{name(file)} imports {word}")
    assert found == []


def test_views_are_short() -> None:
    long = {}
    for file in python(*APPS):
        if file.stem not in {"views", "pages", "desk"} and not file.stem.endswith("_views"):
            continue
        for function in functions(file):
            if length(function) > 40:
                long[f"{name(file)}:{function.name}"] = length(function)
    assert long == {}


def test_nothing_is_fetched_from_elsewhere() -> None:
    """No third-party host in what runs or is served: no fonts, scripts or calls that leave the installation."""
    found = []
    for file in tracked():
        if file.suffix not in {".py", ".html", ".css", ".js", ".json", ".toml", ".txt", ""} or PROSE.match(name(file)):
            continue
        hosts = URL.findall(text(file))
        found += [f"{name(file)}: {host}" for host in hosts if not OUR_HOSTS.match(host) and host not in IDENTIFIERS]
    assert found == []


def test_locks_name_no_host_and_hash_everything() -> None:
    for file in files(".txt", "requirements/"):
        assert "://" not in text(file), name(file)
        pins = re.findall(r"^[A-Za-z0-9][\w.-]*==", text(file), re.MULTILINE)
        assert pins
        assert text(file).count("--hash=sha256:") >= len(pins), name(file)


def test_the_test_lock_holds_every_pin_of_the_run_lock() -> None:
    """`./dev test` after `./dev run` adds packages and changes none."""

    def pins(group: str) -> set[str]:
        source = text(ROOT / "requirements" / f"{group}.txt")
        return set(re.findall(r"^([A-Za-z0-9][\w.-]*==[^\s;\\]+)", source, re.MULTILINE))

    assert pins("run") <= pins("production") <= pins("test")


def test_every_dependency_says_why_it_is_here() -> None:
    body = text(ROOT / "pyproject.toml").partition("\n[tool.uv]")[0]
    listed = re.findall(r'^  "[^"]+",(.*)$', body, re.MULTILINE)
    assert len(listed) > 30
    unexplained = re.findall(r'^  "([^"]+)",\s*$', body, re.MULTILINE)
    # Tools that need no word: the runner and the checkers of everybody.
    known = {"pytest", "pytest-django", "ruff", "mypy", "djangorestframework-stubs", "celery-types"}
    assert {re.split(r"[<>=\[; ]", line)[0] for line in unexplained} <= known


def test_every_variable_that_is_read_is_explained() -> None:
    """.env.example lists what console/env.py is asked for, and nothing else."""
    read = set()
    for file in python(*APPS):
        read |= set(re.findall(r"\benv\.(?:text|flag|integer|seconds|words|secret)\(\s*\"([A-Z_]+)\"", text(file)))
    explained = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", text(ROOT / ".env.example"), re.MULTILINE))
    assert read - explained == set(), "read but not explained"
    assert explained - read == set(), "explained but not read"


def test_only_env_reads_the_environment() -> None:
    """Samples on pages are text; `os.environ.setdefault` names the settings before they exist."""
    readers = set()
    for file in python(*APPS):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                readers |= {name(file)} if node.attr in {"environ", "getenv"} else set()
    assert readers - {"console/asgi.py", "console/celery.py"} == {"console/env.py"}


def test_dev_needs_only_the_standard_library() -> None:
    """It runs before anything is installed."""
    allowed = set(sys.stdlib_module_names) | {"devtools"}
    for file in [*python("devtools"), ROOT / "dev"]:
        tops = {word.split(".")[0] for word in imports(file)}
        assert tops <= allowed, name(file)


def test_the_import_arrows_hold() -> None:
    done = subprocess.run([f"{ROOT}/.venv/bin/lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_secrets_do_not_lie_in_the_tree() -> None:
    """A key of ours, of a provider or a private key, by shape; the makers of tests write theirs in pieces."""
    shapes = re.compile(
        r"\bqy_[0-9A-Za-z]{12}_[0-9A-Za-z]{33}\b|\bsk-[A-Za-z0-9_-]{32,}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
    )
    assert [name(file) for file in tracked() if file.suffix != ".png" and shapes.search(_text_or_empty(file))] == []


def _text_or_empty(file: Path) -> str:
    try:
        return text(file)
    except UnicodeDecodeError:
        return ""
