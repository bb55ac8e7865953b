"""The whole application in a process of its own, on a database of its own, without worker and broker: for `/v1`.

`call` runs a function of ours inside that process, against its database: tests make people and read rows with it.
"""

import contextlib
import multiprocessing
import os
import secrets
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.stack import own_database

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent


class LiveGateway:
    def __init__(self, folder: Path, port: int, pipe: Connection, process: Any) -> None:
        self.port = port
        self._process = process
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "server.log"
        self._pipe = pipe

    def call(self, function: Callable[..., T], *args: object, **kwargs: object) -> T:
        """The result of a module-level function, run over there. Raises RuntimeError with its traceback."""
        self._pipe.send((function, args, kwargs))
        fine, result = self._pipe.recv()
        if not fine:
            raise RuntimeError(result)
        return result  # type: ignore[no-any-return]  # what the function returned

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self._process.terminate()

    def wait(self, seconds: float) -> bool:
        """True when the process has ended by then."""
        self._process.join(seconds)
        return not self._process.is_alive()

    def log(self) -> str:
        return self._log.read_text(errors="replace")


@contextmanager
def running(**settings: str) -> Iterator[LiveGateway]:
    from tests.provider import free_port

    folder = Path(tempfile.mkdtemp(prefix="qyuan-gateway-"))
    port = free_port()
    with own_database(os.environ.get("DATABASE_URL", "")) as database_url:
        env = {
            "DJANGO_SETTINGS_MODULE": "console.settings",
            "PROFILE": "embedded",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": database_url or f"sqlite:///{folder}/data/console.sqlite3",
            "REDIS_URL": "redis://127.0.0.1:1/0",  # the gateway works without
            "SECRET_KEY": secrets.token_urlsafe(32),
            **settings,
        }
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(theirs, env, str(folder)), daemon=True
        )
        process.start()
        try:
            live = LiveGateway(folder, port, ours, process)
            _wait(live, process)
            yield live
        finally:
            process.terminate()
            process.join(15)
            if process.is_alive():
                process.kill()
                process.join()
            shutil.rmtree(folder, ignore_errors=True)


def _wait(live: LiveGateway, process: Any) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.is_alive(), live.log()
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{live.url}/healthz", trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(live.log())


def _serve(pipe: Connection, env: dict[str, str], folder: str) -> None:
    os.environ.update(env)
    log = os.open(f"{folder}/server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    (Path(folder) / "data").mkdir()

    import django
    import uvicorn
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)

    from console.asgi import application

    threading.Thread(target=_obey, args=(pipe,), daemon=True).start()
    options: dict[str, Any] = {"port": int(env["PORT"]), "loop": "uvloop", "http": "httptools", "lifespan": "on"}
    uvicorn.run(application, **options, timeout_graceful_shutdown=5)


def _obey(pipe: Connection) -> None:
    from django.db import close_old_connections

    while True:
        try:
            function, args, kwargs = pipe.recv()
        except EOFError:
            return
        try:
            answer = (True, function(*args, **kwargs))
        except Exception:  # noqa: BLE001 it travels to the test
            answer = (False, traceback.format_exc())
        close_old_connections()
        pipe.send(answer)
