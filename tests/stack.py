"""The real thing on temporary data: uvicorn, a Celery worker and beat as processes, a broker, a database of its own.

`stack` is one for the whole session. SQLite and a private Valkey unless DATABASE_URL and REDIS_URL name services; on
PostgreSQL it makes and drops a database of its own. Sweeps and leases are short, so that a test can wait for them.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
import redis

from devtools import children, processes
from devtools.broker import Broker

ROOT = Path(__file__).resolve().parent.parent
PYTHON = Path(sys.executable)
PASSED_ON = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}
PASSWORD = "correct horse battery staple"

# Deadlines that a test can wait for; everything else is as in production.
QUICK = {
    "SWEEP_INTERVAL_S": "1",
    "HOLD_LEASE_S": "6",
    "GATEWAY_TOTAL_TIMEOUT_S": "60",
    "IMAGE_LEASE_S": "4",
    "RUN_LEASE_S": "6",
}


class CommandFailed(Exception):
    """A management command ended with an exit code other than 0; the text is what it said."""


@dataclass(frozen=True)
class Person:
    email: str
    password: str
    key: str


class Stack:
    def __init__(self, folder: Path, *, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.logs = folder / "logs"
        self.port = processes.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{name: value for name, value in os.environ.items() if name in PASSED_ON},
            "DJANGO_SETTINGS_MODULE": "console.settings",
            "PYTHONUNBUFFERED": "1",
            "PROFILE": "embedded",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            "DATABASE_URL": database_url or f"sqlite:///{self.data_dir}/console.sqlite3",
            "REDIS_URL": redis_url,
            "SECRET_KEY": secrets.token_urlsafe(32),
            "NO_PROXY": "127.0.0.1,localhost",
            **QUICK,
        }
        self.application = children.APPLICATION
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._shell: _Shell | None = None
        self.data_dir.mkdir(parents=True)
        self.logs.mkdir()

    # --- life ------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        argv = [str(PYTHON), "manage.py", "prepare"]
        prepared = subprocess.run(
            argv, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        if prepared.returncode:
            raise CommandFailed(prepared.stdout + prepared.stderr)
        self._spawn_server()
        self.start_worker()
        self._spawn("beat", children.beat(PYTHON, schedule=self.data_dir / "beat"))
        self._wait_for_server()

    def stop(self) -> None:
        if self._shell is not None:
            self._shell.close()
        for name in list(self._running):
            processes.stop(self._running.pop(name), grace_s=3)

    def start_server(self, **settings: str) -> None:
        """On the same port, until it serves; `settings` are environment variables for this one process."""
        self._spawn_server(**settings)
        self._wait_for_server()

    def stop_server(self) -> None:
        """The orderly way: SIGTERM, open streams may finish."""
        processes.stop(self._running.pop("server"), grace_s=35)

    def kill_server(self) -> None:
        """`kill -9`."""
        processes.kill(self._running.pop("server"))

    def wait_for_server_to_die(self, *, timeout_s: float) -> bool:
        """True once it has ended by itself; then it can be started again."""
        died = processes.wait_for(lambda: not self.is_running("server"), timeout_s=timeout_s, every_s=0.01)
        if died:
            self._running.pop("server", None)
        return died

    def start_worker(self) -> None:
        self._spawn("worker", children.worker(PYTHON, loglevel="INFO"))

    def stop_worker(self) -> None:
        processes.stop(self._running.pop("worker"), grace_s=35)

    def kill_worker(self) -> None:
        """`kill -9` of the worker and its pool, in the middle of whatever they do."""
        processes.kill(self._running.pop("worker"))

    def is_running(self, name: str) -> bool:
        """`server`, `worker` or `beat`."""
        return name in self._running and self._running[name].poll() is None

    # --- doors -----------------------------------------------------------------------------------------------------
    def manage(self, *args: str) -> str:
        """The stdout of `manage.py ARGS` in a warm process. Raises CommandFailed."""
        if self._shell is None:
            self._shell = _Shell(self.env, self.logs / "manage.log")
        return self._shell.run(args)

    def new_user(self, name: str = "", *, staff: bool = False, operator: bool = False, credit: str = "") -> Person:
        """A verified account with a key, and `credit` (such as "5.00") of paid money. The address is made unique."""
        email = f"{name or 'user'}-{secrets.token_hex(4)}@example.com"
        roles = [flag for flag, given in {"--staff": staff or operator, "--superuser": operator}.items() if given]
        self.manage("create_user", email, "--password", PASSWORD, "--verified", *roles)
        if credit:
            self.manage("grant_credit", email, credit, "--kind", "paid", "--reason", "A test needs it")
        return Person(email, PASSWORD, self.key(email))

    def key(self, email: str) -> str:
        return self.manage("issue_key", email, "--name", "test").strip()

    def outbox(self) -> list[dict[str, Any]]:
        """Every mail so far, oldest first: to, subject, body, date."""
        files = sorted((self.data_dir / "outbox").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]

    def log(self) -> str:
        """All that the processes have said."""
        return "\n".join(file.read_text(errors="replace") for file in sorted(self.logs.iterdir()))

    # --- inside ----------------------------------------------------------------------------------------------------
    def _spawn_server(self, **settings: str) -> None:
        argv = children.server(PYTHON, host="127.0.0.1", port=self.port, application=self.application)
        self._spawn("server", argv, **settings)

    def _spawn(self, name: str, argv: list[str], **settings: str) -> None:
        assert not self.is_running(name), f"{name} is running"
        with (self.logs / f"{name}.log").open("ab") as output:
            self._running[name] = processes.start(argv, env={**self.env, **settings}, cwd=ROOT, output=output)

    def _wait_for_server(self) -> None:
        def answered() -> bool:
            if not self.is_running("server"):
                raise CommandFailed("The server ended while it started.\n" + self.log()[-4000:])
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"{self.url}/healthz", timeout=5, trust_env=False).status_code == 200
            return False

        assert processes.wait_for(answered, timeout_s=40), self.log()[-4000:]


class _Shell:
    """Runs management commands in one warm process (tests/stack_shell.py): a start of Django costs a second."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self._log = log.open("a")
        self._process = subprocess.Popen(  # it ends by itself when we are gone: its stdin is closed then
            [PYTHON, "-m", "tests.stack_shell"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def run(self, args: tuple[str, ...]) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(args) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise CommandFailed(f"{args}: the process ended, see {self._log.name}")
        answer = json.loads(line)
        if answer["code"]:
            raise CommandFailed(f"{' '.join(args)}: {answer['stdout']}{answer['stderr']}")
        return str(answer["stdout"])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


@contextlib.contextmanager
def own_database(url: str) -> Iterator[str]:
    """The URL of a new database beside the one that `url` names, dropped at the end; "" where it names none."""
    if not url.startswith(("postgres://", "postgresql://")):
        yield ""
        return
    import psycopg  # only the services profile has it

    name = f"qyuan_stack_{os.getpid()}_{secrets.token_hex(3)}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextlib.contextmanager
def own_broker(folder: Path) -> Iterator[str]:
    """A Valkey for this session alone; where REDIS_URL names a service, that is taken instead."""
    if url := os.environ.get("REDIS_URL", ""):
        with _own_index(url) as free:
            yield free
        return
    broker = Broker(venv=Path(sys.prefix), data=None)
    with (folder / "valkey.log").open("ab") as output:
        process = broker.start(output)
    try:
        assert broker.wait(), (folder / "valkey.log").read_text()
        yield broker.url
    finally:
        processes.kill(process)
        broker.remove()


@contextlib.contextmanager
def _own_index(url: str) -> Iterator[str]:
    """An empty database of the server at `url`, claimed in its database 0 while we use it and emptied at the end.

    The claim stands elsewhere because tests flush their own database; a second process must not take it then.
    """
    claims = redis.Redis.from_url(_with_index(url, 0))
    for index in range(15, 0, -1):
        own = _with_index(url, index)
        client, claim = redis.Redis.from_url(own), f"qyuan-test-claim:{index}"
        if client.dbsize() == 0 and claims.set(claim, os.getpid(), nx=True, ex=7200):
            try:
                yield own
            finally:
                client.flushdb()
                claims.delete(claim)
            return
    raise RuntimeError(f"No empty database among 1 to 15 at {url}: a test run that was killed may have left its data.")


def _with_index(url: str, index: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(
        parts._replace(query=f"db={index}") if parts.scheme == "unix" else parts._replace(path=f"/{index}")
    )


@contextlib.contextmanager
def new_stack(**settings: str) -> Iterator[Stack]:
    """A stack for a test that must not share one; `settings` are environment variables on top."""
    folder = Path(tempfile.mkdtemp(prefix="qyuan-stack-"))
    try:
        with own_database(os.environ.get("DATABASE_URL", "")) as database_url, own_broker(folder) as redis_url:
            stack = Stack(folder, database_url=database_url, redis_url=redis_url)
            stack.env.update(settings)
            try:
                stack.start()
                yield stack
            finally:
                stack.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that really answers, for tests without a stack."""
    with own_broker(tmp_path_factory.mktemp("broker")) as url:
        yield url


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[Stack]:
    with new_stack() as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The session's stack, with every process up again at the end even if the test killed one."""
    yield shared_stack
    if not shared_stack.is_running("worker"):
        shared_stack._running.pop("worker", None)
        shared_stack.start_worker()
    if not shared_stack.is_running("server"):
        shared_stack._running.pop("server", None)
        shared_stack.start_server()
