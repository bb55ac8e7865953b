"""`./dev test` and `./dev shots`."""

import os
import shutil
import subprocess
from pathlib import Path

from devtools import ground
from devtools.ground import PYTHON, ROOT
from devtools.terminal import Problem, say

LOCAL_POSTGRES = ("postgres://postgres@127.0.0.1:5432/postgres", "postgres://root@127.0.0.1:5432/postgres")
LOCAL_REDIS = "redis://127.0.0.1:6379/0"
OF_A_SERVER = {
    *("DATABASE_URL", "REDIS_URL", "DATA_DIR", "PUBLIC_URL", "GATEWAY_URL", "GATEWAY_KEY"),
    *("HOST", "PORT", "PROFILE", "SECRET_KEY", "KEY_PEPPER", "FIELD_SECRET"),
    *("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"),
}
NO_TESTS = 5  # how pytest ends when nothing was left to run
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def test(args: list[str]) -> int:
    """The whole suite: on two processes, a file on one of them, then the browser group on one."""
    ground.install("test")
    services = "--services" in args
    args = [arg for arg in args if arg != "--services"]
    env = environment(services=services)
    if not any(shutil.which(name) for name in CHROMIUM):
        say("There is no Chromium on this machine: the browser group is skipped (Debian: apt-get install chromium).")
    if services:
        say(f"On {_without_password(env['DATABASE_URL'])} and {_without_password(env['REDIS_URL'])}.")
    if _is_few(args):
        return _pytest(args, env)
    rest, expression = _marked(args)
    spread = ["-n", "2", "--dist", "loadfile", "-m", f"{expression}not browser"]
    # Playwright keeps an event loop running in its thread, which every other test would stumble over.
    codes = {_pytest([*spread, *rest], env), _pytest(["-m", f"{expression}browser", *rest], env)}
    return max(codes - {NO_TESTS}, default=NO_TESTS)


def _pytest(args: list[str], env: dict[str, str]) -> int:
    return subprocess.run([str(PYTHON), "-m", "pytest", *args], cwd=ROOT, env=env, check=False).returncode


def shots(args: list[str]) -> int:
    """Every page, light and dark, phone and desktop, English and Chinese."""
    ground.install("test")
    words = [arg for arg in args if not arg.startswith("--")]
    folder = str(Path(words[0]).resolve()) if words else str(ROOT / "build" / "shots")
    argv = [str(PYTHON), "-m", "tests.browser.shots", folder, *(arg for arg in args if arg.startswith("--"))]
    return subprocess.run(argv, cwd=ROOT, env=environment(services=False), check=False).returncode


def environment(*, services: bool) -> dict[str, str]:
    """What the tests may see. Not what a developer exported for a server: the suite is the same on every machine."""
    env = {name: value for name, value in os.environ.items() if name not in OF_A_SERVER}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's sync API runs a loop in the test's own thread
    if services:
        env["DATABASE_URL"] = os.environ.get("DATABASE_URL") or _local_postgres()
        env["REDIS_URL"] = os.environ.get("REDIS_URL") or LOCAL_REDIS
    return env


def _local_postgres() -> str:
    """The first of two usual administrators that gets in without a password. Raises Problem."""
    ask = "import sys, psycopg; psycopg.connect(sys.argv[1], connect_timeout=5).close()"
    for url in LOCAL_POSTGRES:
        if subprocess.run([PYTHON, "-c", ask, url], capture_output=True, check=False).returncode == 0:
            return url
    raise Problem(
        "No PostgreSQL lets us in on 127.0.0.1:5432 as postgres or root without a password. Name one, with a role that "
        "may create databases: DATABASE_URL=postgres://user:password@host:5432/postgres ./dev test --services"
    )


def _marked(args: list[str]) -> tuple[list[str], str]:
    """The arguments without `-m EXPRESSION`, and the expression as the beginning of a longer one."""
    for at, arg in enumerate(args[:-1]):
        if arg == "-m":
            return args[:at] + args[at + 2 :], f"({args[at + 1]}) and "
    return args, ""


def _is_few(args: list[str]) -> bool:
    """Somebody looks at few tests, or chose the number of processes: starting more would only cost."""
    alone = {"-x", "--pdb", "-s", "--collect-only", "--co"}
    chosen = any(arg in alone or arg.startswith(("-n", "--dist")) for arg in args)
    return chosen or any("::" in arg or Path(arg).is_file() for arg in args)


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
