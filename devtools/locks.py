"""`./dev lock`: from loose ranges to exact, hashed files that name no host."""

import shutil
import subprocess

from devtools import ground
from devtools.ground import ROOT, VENV
from devtools.terminal import Problem, say

EXTRAS: dict[str, tuple[str, ...]] = {"run": (), "production": ("production",), "test": ("production", "test", "lint")}


def lock(args: list[str]) -> int:
    """`./dev lock [--upgrade]`. The same files come out whatever index the machine uses."""
    ground.install("test")
    uv = shutil.which("uv") or str(VENV / "bin" / "uv")
    for name, extras in EXTRAS.items():
        argv = [
            *(uv, "pip", "compile", "pyproject.toml", "--quiet", "--output-file", f"requirements/{name}.txt"),
            *(part for extra in extras for part in ("--extra", extra)),
            *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"),
            *("--no-emit-index-url", "--no-emit-find-links"),
            *args,
        ]
        if subprocess.run(argv, cwd=ROOT, check=False).returncode:
            raise Problem(f"uv could not resolve requirements/{name}.txt; its words are above.")
        say(f"requirements/{name}.txt is written.")
    if leaks := hosts_in_locks():
        raise Problem("A lock names a host: " + ", ".join(leaks))
    return 0


def hosts_in_locks() -> list[str]:
    """The lock files in which a `://` stands."""
    return [file.name for file in sorted((ROOT / "requirements").glob("*.txt")) if "://" in file.read_text()]
