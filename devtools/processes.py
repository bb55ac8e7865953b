"""Child processes that never outlive their parent.

Each child leads a process group of its own (Ctrl-C reaches only us, we pass it on) and asks the kernel to be killed
when its parent dies, also by kill -9. That request exists on Linux only; elsewhere an orderly end is all there is.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: IO[bytes] | int | None = None,
    stdin: int = subprocess.DEVNULL,
) -> "subprocess.Popen[bytes]":
    """Start a child; `output` takes stdout and stderr. Call it from the main thread: the kernel watches the thread."""
    return subprocess.Popen(
        [str(part) for part in argv],
        env=dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 the one way to reach prctl between fork and exec
    )


def _die_with(parent: int) -> Callable[[], None]:
    def before_exec() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and here
            os._exit(1)

    return before_exec


def stop(process: "subprocess.Popen[bytes]", *, grace_s: float) -> None:
    """SIGTERM, up to `grace_s` seconds, then SIGKILL to the whole group."""
    stop_by(process, time.monotonic() + grace_s, ask=True)


def stop_by(process: "subprocess.Popen[bytes]", deadline: float, *, ask: bool = False) -> None:
    """Wait until `deadline` (monotonic) for a process that was asked to end, then kill its group."""
    if ask and process.poll() is None:
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(deadline - time.monotonic(), 0.01))
    kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to the whole group, also to what a dead leader left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def port_is_taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return True
    return False


def wait_for(question: Callable[[], bool], *, timeout_s: float, every_s: float = 0.05) -> bool:
    """True as soon as the answer is yes, False when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def page_answers(url: str) -> bool:
    """The URL answers 200, asked directly: a proxy named in the environment is for the outside."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False
