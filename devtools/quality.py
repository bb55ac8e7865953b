"""`./dev check` and `./dev fix`."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from devtools import ground, locks
from devtools.ground import PYTHON, ROOT, VENV
from devtools.terminal import Steps, paint, say

LANGUAGE = "zh_Hans"


def check(args: list[str]) -> int:
    """Every check, also after one has failed. `./dev check ruff mypy` runs only those."""
    ground.install("test")
    failed = []
    for name, question in CHECKS.items():
        if args and name not in args:
            continue
        steps = Steps()
        complaint = question()
        if complaint is None:
            steps.done(f"{paint('good', 'dev')}  {name}")
        else:
            failed.append(name)
            steps.done(f"{paint('bad ', 'problem')}  {name}")
            say(complaint.rstrip())
    say(f"Not good: {', '.join(failed)}" if failed else "All good.")
    return 1 if failed else 0


def fix(_args: list[str]) -> int:
    ground.install("test")
    ruff = str(VENV / "bin" / "ruff")
    mended = subprocess.run([ruff, "check", "--fix"], cwd=ROOT, check=False).returncode
    return max(mended, subprocess.run([ruff, "format"], cwd=ROOT, check=False).returncode)


def _tool(*words: str) -> Callable[[], str | None]:
    """A program of the virtual environment; what it says when it is not content."""

    def question() -> str | None:
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "console.settings", "DATA_DIR": tempfile.gettempdir()}
        argv = [str(VENV / "bin" / words[0]), *words[1:]]
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr if done.returncode else None

    return question


def _locks() -> str | None:
    if leaks := locks.hosts_in_locks():
        return "These locks name a host: " + ", ".join(leaks)
    return None


def _translations() -> str | None:
    """Every string has its translation. Asked of a copy: makemessages rewrites what it reads."""
    if shutil.which("xgettext") is None:
        say("      translations are not compared: there is no xgettext here (Debian: apt-get install gettext)")
        return None
    with tempfile.TemporaryDirectory(prefix="qyuan-words-") as folder:
        copy = Path(folder)
        for name in _tracked():
            if (
                name.endswith((".py", ".html", ".txt", ".po"))
                and not name.startswith("tests/")
                and (ROOT / name).exists()
            ):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, copy / name)
        shutil.copy(ROOT / "CHANGELOG.md", copy)  # the settings read the version from it
        argv = [str(PYTHON), "manage.py", "makemessages", "--locale", LANGUAGE, "--no-obsolete", "--verbosity", "0"]
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "console.settings", "DATA_DIR": folder}
        done = subprocess.run(argv, cwd=copy, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stdout + done.stderr
        count = [str(PYTHON), "-c", COUNT, str(copy / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po")]
        return subprocess.run(count, capture_output=True, text=True, check=False).stdout or None


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


# Runs in the virtual environment, where babel is: one line for each string without a (certain) translation.
COUNT = """
import sys
from babel.messages.pofile import read_po
with open(sys.argv[1], "rb") as file:
    for message in read_po(file):
        words = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id and (message.fuzzy or not all(words)):
            print("unsure" if message.fuzzy else "missing", message.locations[:1], repr(message.id))
"""

CHECKS: dict[str, Callable[[], str | None]] = {
    "ruff": _tool("ruff", "check", "--quiet", "."),
    "format": _tool("ruff", "format", "--check", "--quiet", "."),
    "mypy": _tool("mypy", "."),
    "imports": _tool("lint-imports"),
    "django": _tool("python", "manage.py", "check", "--fail-level", "WARNING"),
    "migrations": _tool("python", "manage.py", "makemigrations", "--check", "--dry-run"),
    "locks": _locks,
    "translations": _translations,
}
