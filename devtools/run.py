"""`./dev run`: the whole product on one machine, and nothing of it left behind."""

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any, Self

from devtools import children, ground, processes
from devtools.broker import Broker, NoBroker
from devtools.ground import PYTHON, ROOT
from devtools.terminal import Problem, Steps, paint, say, say_from, warn

GRACE_S = 10  # an orderly end may take this long, then it is forced
MODEL = "gpt-5.4-mini"
SOURCES = ("accounts", "billing", "console", "gateway", "playground", "referrals", "static", "locale", "requirements")


def run(_args: list[str]) -> int:
    began = time.monotonic()
    env = ground.environment()
    with DataDir(Path(env["DATA_DIR"])) as data:
        host, port = env["HOST"], _port(env)
        if processes.port_is_taken(host, port):
            raise Problem(f"Port {port} on {host} is taken by another program. Take another: PORT={port + 1} ./dev run")
        ground.install("run")
        env["SECRET_KEY"] = ground.secret_key(env)
        with Family() as family:
            _start_broker(family, env, data.path)
            data.publish(env)
            server = children.server(PYTHON, host=host, port=port, grace_s=GRACE_S // 2)
            if early := data.is_prepared(env):  # then the server need not wait for the look at what is there
                family.start("server", server, env)
            demo = _prepare(env)
            data.note_prepared(env)
            if not early:
                family.start("server", server, env)
            family.start("worker", children.worker(PYTHON), env)
            family.start("beat", children.beat(PYTHON, schedule=data.path / "beat"), env)
            own = f"http://{_reachable(host)}:{port}"
            family.wait_until(lambda: processes.page_answers(f"{own}/healthz"), timeout_s=60)
            _tell(env.get("PUBLIC_URL") or own, demo, time.monotonic() - began)
            return family.supervise()
    return 0  # somebody stopped us


def running_environment() -> dict[str, str] | None:
    """The environment of the `./dev run` that is up on this DATA_DIR, else None."""
    folder = ground.data_dir(ground.environment())
    with contextlib.suppress(OSError, ValueError), (folder / "run.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return dict(json.loads((folder / "run.json").read_text())["env"])
    return None


def manage(args: list[str]) -> int:
    """`./dev manage …`: manage.py with the data and services of a running `./dev run`."""
    env = running_environment()
    if env is None:
        env = ground.environment()
        ground.install("run")
        Path(env["DATA_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)
        env["SECRET_KEY"] = ground.secret_key(env)
        if not env.get("REDIS_URL"):
            warn("No ./dev run is up on this DATA_DIR: the database is there, the broker is not.")
    return subprocess.run([PYTHON, ROOT / "manage.py", *args], env=env, check=False).returncode


class DataDir:
    """The folder of one run. A second run on the same folder is refused; the kernel drops the lock when we die."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.path / "run.lock").open("a+")
        except OSError as error:
            raise Problem(
                f"DATA_DIR {self.path} cannot be written: {error.strerror}. Set DATA_DIR to a folder of yours."
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Problem(
                f"Another ./dev run (process {lock.read().strip() or '?'}) uses {self.path}. "
                "Stop it, or give this one a folder of its own: DATA_DIR=/some/folder PORT=8001 ./dev run"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        return self

    def is_prepared(self, env: dict[str, str]) -> bool:
        """Nothing that `manage.py prepare` acts on has changed since it ran on this folder."""
        database = env.get("DATABASE_URL") or (self.path / "console.sqlite3").exists()
        stamp = self.path / "prepared.sha256"
        return bool(database) and stamp.exists() and stamp.read_text() == _fingerprint(env)

    def note_prepared(self, env: dict[str, str]) -> None:
        (self.path / "prepared.sha256").write_text(_fingerprint(env))

    def publish(self, env: dict[str, str]) -> None:
        """For `./dev manage`: holds the secret key, so it is readable by its owner only."""
        ground.write_private(self.path / "run.json", json.dumps({"pid": os.getpid(), "env": env}))

    def __exit__(self, *_: object) -> None:
        (self.path / "run.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


class Family:
    """Our children: started together, told apart in the log, ended together."""

    def __init__(self) -> None:
        self._members: dict[str, subprocess.Popen[bytes]] = {}
        self._readers: list[threading.Thread] = []
        self._brokers: list[Broker] = []
        self._stopping = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._stop()
        return kind is Stopped

    def start_broker(self, broker: Broker) -> None:
        self._brokers.append(broker)
        self._adopt("valkey", broker.start(subprocess.PIPE))

    def start(self, name: str, argv: list[str], env: dict[str, str]) -> None:
        self._adopt(name, processes.start(argv, env=env, cwd=ROOT, output=subprocess.PIPE))

    def wait_until(self, question: Any, *, timeout_s: float) -> None:
        def answered() -> bool:
            self._raise_for_the_dead()
            return bool(question())

        if not processes.wait_for(answered, timeout_s=timeout_s):
            raise Problem(f"The server did not answer within {timeout_s:.0f} s; its log is above.")

    def supervise(self) -> int:
        """Until somebody stops us (0) or a child ends by itself (its exit code)."""
        while True:
            for name, process in self._members.items():
                if (code := process.poll()) is not None:
                    warn(f"{name} ended by itself with {code}; stopping the rest.")
                    return code if code > 0 else 128 - code
            time.sleep(0.1)

    def _adopt(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        self._members[name] = process
        reader = threading.Thread(target=_relay, args=(name, process), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _raise_for_the_dead(self) -> None:
        for name, process in self._members.items():
            if (code := process.poll()) is not None:
                raise Problem(f"{name} ended with {code} while starting; its log is above.")

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            raise Stopped
        for process in self._members.values():  # the second Ctrl-C
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _stop(self) -> None:
        self._stopping = True
        if any(process.poll() is None for process in self._members.values()):
            say(paint("Stopping. Ctrl-C again forces it.", "dev"))
        broker = self._members.pop("valkey", None)
        for process in self._members.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + GRACE_S
        for process in self._members.values():
            processes.stop_by(process, deadline)
        if broker is not None:  # last: the others say goodbye through it
            processes.stop_by(broker, time.monotonic() + 3, ask=True)
        for reader in self._readers:
            reader.join(timeout=1)
        for remains in self._brokers:
            remains.remove()


def _relay(name: str, process: "subprocess.Popen[bytes]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        say_from(name, line.decode(errors="replace").rstrip())


def _start_broker(family: Family, env: dict[str, str], data: Path) -> None:
    if env.get("REDIS_URL"):
        return
    try:
        broker = Broker(venv=ground.VENV, data=data / "valkey")
    except NoBroker as error:
        raise Problem(str(error)) from None
    family.start_broker(broker)
    family.wait_until(broker.answers, timeout_s=10)
    env["REDIS_URL"] = broker.url


def _prepare(env: dict[str, str]) -> dict[str, str]:
    """Database, static files, catalogue, demo account, in one process. What to print comes back."""
    steps = Steps()
    argv = [str(PYTHON), "manage.py", "prepare", "--demo"]
    done = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"The database could not be prepared:\n{done.stdout}{done.stderr}")
    steps.done("Database, static files, catalogue and demo account are ready")
    lines = done.stdout.strip().splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


def _fingerprint(env: dict[str, str]) -> str:
    """Of every source file's name, size and time, and of the settings that end up in the database."""
    digest = hashlib.sha256(
        "|".join(env.get(name, "") for name in ("HOST", "PORT", "DATABASE_URL", "SECRET_KEY")).encode()
    )
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*.*")):
            if file.suffix not in {".pyc", ".mo"} and file.is_file():
                facts = file.stat()
                digest.update(f"{file.relative_to(ROOT)}:{facts.st_size}:{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _port(env: dict[str, str]) -> int:
    try:
        port = int(env["PORT"])
    except ValueError:
        port = 0
    if not 0 < port < 65536:  # noqa: PLR2004
        raise Problem(f"PORT={env['PORT']!r} is not a port. Set a number from 1 to 65535, for example PORT=8000.")
    return port


def _reachable(host: str) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _tell(url: str, demo: dict[str, str], seconds: float) -> None:
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]})
    curl = [
        *("curl", f"{url}/v1/chat/completions", "-H", f"Authorization: Bearer {demo.get('key', '')}"),
        *("-H", "Content-Type: application/json", "-d", body),
    ]
    rows = [
        ("Page", f"{url}/"),
        ("Account", demo.get("email", "")),
        ("Password", demo.get("password", "")),
        ("API key", demo.get("key", "")),
        ("Redeem code", demo.get("code", "")),
        ("Support desk", f"{demo.get('support_email', '')}   {demo.get('support_password', '')}"),
        ("Operator", f"{demo.get('operator_email', '')}   {demo.get('operator_password', '')}"),
        ("Mail", f"{url}/outbox/"),
    ]
    say()
    say(paint(f"QYUAN AI Console is running (after {seconds:.1f} s)", "strong"))
    for label, value in rows:
        say(f"  {label:<13} {value}")
    say()
    say(f"  {shlex.join(curl)}")
    say()
    say("  Answers come from a demo provider inside this server, and say so. Ctrl-C stops everything.")
    say()
