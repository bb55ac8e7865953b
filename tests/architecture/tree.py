"""The project's own files, read once."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("accounts", "billing", "console", "gateway", "playground", "referrals")
TEXT = {".py", ".html", ".css", ".js", ".md", ".toml", ".txt", ".po", ".json", ".svg", ".example", ".yml", ".conf", ""}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git knows or would take: what a clone has, plus what somebody is about to add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def files(suffix: str, *folders: str) -> list[Path]:
    return [file for file in tracked() if file.suffix == suffix and (not folders or name(file).startswith(folders))]


def python(*folders: str) -> list[Path]:
    """Without migrations, which are written by a tool."""
    return [file for file in files(".py", *folders) if "/migrations/" not in name(file)]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(text(file), filename=name(file))


def functions(file: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body: what has to be followed, without the list of arguments and the docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def imports(file: Path) -> set[str]:
    """Full dotted names of what a file imports."""
    found: set[str] = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found
