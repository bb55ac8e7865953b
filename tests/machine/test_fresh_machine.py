"""The promise of the README, kept on a copy: a clone, an empty HOME, Python and git, nothing else.

The copy holds the files that git knows. The environment is empty but for PATH (with the system's tools and a Python), a
HOME that does not exist yet, and what pip needs to reach an index from this machine, if this machine needs anything:
PIP_*, *_PROXY and the certificate files. No virtual environment, no cache and no setting of ours is inherited.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devtools import processes
from tests.architecture.tree import ROOT

pytestmark = [
    pytest.mark.machine,
    pytest.mark.slow,
    pytest.mark.only("sqlite"),  # it starts on its own database whatever the rest runs on
]

NETWORK = re.compile(
    r"^(PIP_(?!REQUIRE_VIRTUALENV)\w+|\w+_PROXY|\w+_proxy|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE)$"
)
TOOLS = "/usr/local/bin:/usr/bin:/bin"
INSTALL_S = 600
URL = re.compile(r"^  Page +(http://\S+?)/$", re.MULTILINE)
CURL = re.compile(r"^  (curl .*)$", re.MULTILINE)


class Machine:
    """A folder with a clone, a HOME beside it, and what a person could do there."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.home = folder / "home"
        self.home.mkdir()
        _clone(self.clone)
        python = Path(sys.base_prefix) / "bin"
        self.env = {name: value for name, value in os.environ.items() if NETWORK.match(name)}
        self.env |= {"PATH": f"{python}:{TOOLS}", "HOME": str(self.home), "PORT": str(processes.free_port())}
        self.env["PIP_NO_CACHE_DIR"] = "1"

    def run(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.clone / "dev", *words],
            cwd=self.clone,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )

    @contextlib.contextmanager
    def running(self, **env: str) -> "Iterator[Running]":
        """`./dev run` until its page and its curl line are printed; ended by Ctrl-C."""
        running = Running(self, env)
        try:
            running.wait()
            yield running
        finally:
            running.interrupt()

    def left_over(self) -> list[str]:
        """Command lines of living processes that belong to the clone. A dead one that nobody collected is dead."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if str(self.clone) in words and state != "Z":
                    found.append(words)
        return found


class Running:
    def __init__(self, machine: Machine, env: dict[str, str]) -> None:
        self.machine = machine
        self.log = machine.clone.parent / f"run-{time.monotonic_ns()}.log"
        self.began = time.monotonic()
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [machine.clone / "dev", "run"],
                cwd=machine.clone,
                env={**machine.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self) -> None:
        def told() -> bool:
            assert self.process.poll() is None, self.said()
            return bool(CURL.search(self.said()))

        assert processes.wait_for(told, timeout_s=INSTALL_S), self.said()
        self.seconds = time.monotonic() - self.began

    @property
    def url(self) -> str:
        found = URL.search(self.said())
        assert found, self.said()
        return found[1]

    def curl(self) -> dict[str, object]:
        """The printed line, word for word, through a shell."""
        found = CURL.search(self.said())
        assert found, self.said()
        line = f"{found[1]} --silent --show-error --noproxy '*'"
        done = subprocess.run(["/bin/sh", "-c", line], env=self.machine.env, capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout))

    def interrupt(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(30)
        processes.kill(self.process)
        pytest.fail(f"Ctrl-C did not end it within 30 s:\n{self.said()}")


def _clone(target: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():  # somebody may be about to remove it
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)
    subprocess.run(["git", "add", "-A"], cwd=target, check=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    yield Machine(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_from_clone_to_a_served_page_and_a_working_call(machine: Machine) -> None:
    with machine.running() as first:
        print(f"\nfirst start, installation included: {first.seconds:.1f} s")
        page = httpx.get(f"{first.url}/", trust_env=False)
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
        answer = first.curl()
        assert answer["object"] == "chat.completion"
        assert "demo" in json.dumps(answer["choices"]).lower()
        shown = {name: re.search(rf"^  {name} +(\S+)", first.said(), re.MULTILINE) for name in ("Password", "API key")}
        assert all(shown.values())
        assert len(shown["Password"][1]) >= 12  # type: ignore[index] # all() above
        listed = machine.run("manage", "ledger_audit")
        assert listed.returncode == 0, listed.stdout + listed.stderr
    assert first.process.returncode == 0
    assert machine.left_over() == []


def test_the_second_start_is_quick_and_keeps_the_account(machine: Machine) -> None:
    """Measured and printed; the bound here is generous, because other tests share the machine."""
    before = json.loads((machine.clone / "var" / "demo.json").read_text())
    with machine.running() as second:
        print(f"\nsecond start to a served page: {second.seconds:.1f} s")
        assert second.seconds < 15
        assert second.curl()["object"] == "chat.completion"
        assert before["key"] in second.said()
        assert before["password"] in second.said()


def test_another_port_moves_the_demo_provider_along(machine: Machine) -> None:
    with machine.running(PORT=str(processes.free_port())) as moved:
        assert moved.curl()["object"] == "chat.completion"


def test_secrets_are_readable_by_their_owner_only(machine: Machine) -> None:
    data = machine.clone / "var"
    assert (data.stat().st_mode & 0o077) == 0
    for name in ("secret_key", "demo.json"):
        assert (data / name).stat().st_mode & 0o777 == 0o600, name


def test_a_second_run_on_the_same_data_is_refused_in_words(machine: Machine) -> None:
    with machine.running() as first:
        second = machine.run("run", PORT=str(processes.free_port()))
        assert second.returncode == 1
        assert "Another ./dev run" in second.stderr
        assert str(first.process.pid) in second.stderr


def test_a_taken_port_is_told_in_words(machine: Machine) -> None:
    with machine.running() as first:
        port = first.url.rpartition(":")[2]
        other = machine.run("run", PORT=port, DATA_DIR=str(machine.home / "other"))
        assert other.returncode == 1
        assert f"Port {port} on 127.0.0.1 is taken" in other.stderr


def test_a_port_that_is_none_is_told_in_words(machine: Machine) -> None:
    answer = machine.run("run", PORT="eighty")
    assert answer.returncode == 1
    assert "PORT='eighty' is not a port" in answer.stderr


def test_killed_without_warning_it_leaves_no_process(machine: Machine) -> None:
    with machine.running() as running:
        assert len(machine.left_over()) >= 5  # the script, valkey, server, worker and its pool, beat
        running.process.kill()
        running.process.wait()
        assert processes.wait_for(lambda: machine.left_over() == [], timeout_s=10), machine.left_over()


def test_a_child_that_dies_ends_the_whole(machine: Machine) -> None:
    with machine.running() as running:
        (beat,) = [pid for pid in _children(running.process.pid) if "beat" in _words(pid)]
        os.kill(beat, signal.SIGKILL)
        assert running.process.wait(30) == 128 + signal.SIGKILL
        assert "beat ended by itself" in running.said()
    assert machine.left_over() == []


def test_the_suite_runs_there_too(machine: Machine) -> None:
    """A part of it: the whole would run this test again."""
    done = machine.run("test", "tests/unit", "-m", "not slow")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.search(r"\d+ passed", done.stdout)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _words(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
