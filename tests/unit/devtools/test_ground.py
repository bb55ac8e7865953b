"""The script's own parts: environment, secrets, lock files, the words for what cannot be done."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from devtools import broker, ground, locks, processes, run, testing
from devtools.terminal import Problem


@pytest.fixture(autouse=True)
def an_empty_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(ground, "ROOT", tmp_path)
    for name in ("HOST", "PORT", "DATA_DIR", "SECRET_KEY", "SECRET_KEY_FILE", "PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_defaults_are_loopback_8000_and_var_in_the_checkout(tmp_path: Path) -> None:
    env = ground.environment()
    assert (env["HOST"], env["PORT"], env["DATA_DIR"]) == ("127.0.0.1", "8000", str(tmp_path / "var"))


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text('# a comment\nPORT=8100\nHOST="0.0.0.0"\nWECOM_CONTACT_NAME=\n')
    monkeypatch.setenv("PORT", "8200")
    env = ground.environment()
    assert env["PORT"] == "8200"
    assert env["HOST"] == "0.0.0.0"
    assert env["WECOM_CONTACT_NAME"] == ""


def test_loopback_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intern.example.com")
    assert ground.environment()["NO_PROXY"] == "intern.example.com,127.0.0.1,localhost"


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    env = {"DATA_DIR": str(tmp_path), "PROFILE": "embedded"}
    first = ground.secret_key(env)
    assert len(first) > 40
    assert ground.secret_key(env) == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_production_gets_no_secret_from_us(tmp_path: Path) -> None:
    assert ground.secret_key({"DATA_DIR": str(tmp_path), "PROFILE": "production"}) == ""
    assert not (tmp_path / "secret_key").exists()


def test_a_lock_that_names_a_host_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "run.txt").write_text("django==5.2.19\n")
    (tmp_path / "requirements" / "test.txt").write_text("--index-url https" + "://mirror.example.com/simple\n")
    monkeypatch.setattr(locks, "ROOT", tmp_path)
    assert locks.hosts_in_locks() == ["test.txt"]


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "-1", ""])
def test_a_port_that_is_none_is_told_in_words(port: str) -> None:
    with pytest.raises(Problem, match="is not a port"):
        run._port({"PORT": port})


def test_a_taken_port_is_seen() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert processes.port_is_taken("127.0.0.1", listener.getsockname()[1])
    assert not processes.port_is_taken("127.0.0.1", processes.free_port())


def test_two_runs_on_one_folder_are_refused_with_the_first_ones_number(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    with run.DataDir(folder), pytest.raises(Problem, match=str(os.getpid())), run.DataDir(folder):
        pass
    with run.DataDir(folder):
        assert folder.stat().st_mode & 0o077 == 0


def test_what_a_run_publishes_is_private_and_goes_with_it(tmp_path: Path) -> None:
    with run.DataDir(tmp_path / "var") as data:
        data.publish({"SECRET_KEY": "s"})
        file = data.path / "run.json"
        assert file.stat().st_mode & 0o777 == 0o600
        assert json.loads(file.read_text())["env"] == {"SECRET_KEY": "s"}
    assert not file.exists()


def test_a_folder_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="Set DATA_DIR to a folder of yours"), run.DataDir(tmp_path / "file" / "var"):
        pass


def test_without_wheel_and_server_the_words_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(broker.NoBroker, match="Install one of them, or set REDIS_URL"):
        broker.binary(tmp_path)


def test_a_server_on_path_is_the_second_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / "valkey-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert broker.binary(tmp_path / "no-venv") == server


def test_the_broker_keeps_what_it_holds_over_a_kill(tmp_path: Path) -> None:
    def open_broker() -> tuple[broker.Broker, "subprocess.Popen[bytes]"]:
        made = broker.Broker(venv=Path(sys.prefix), data=tmp_path / "valkey")
        process = made.start()
        assert made.wait()
        return made, process

    first, process = open_broker()
    client = redis.Redis.from_url(first.url)
    client.rpush("queue", "job")
    client.execute_command("WAITAOF", 1, 0, 2000)  # type: ignore[no-untyped-call] # redis-py
    processes.kill(process)
    first.remove()
    second, process = open_broker()
    assert redis.Redis.from_url(second.url).lrange("queue", 0, -1) == [b"job"]
    assert second.socket.parent.stat().st_mode & 0o077 == 0
    processes.kill(process)
    second.remove()


def test_a_child_dies_with_its_parent_even_by_kill_9(tmp_path: Path) -> None:
    parent = f"""
import subprocess, sys, time
sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
from pathlib import Path
from devtools import processes
child = processes.start(["sleep", "60"], env={{"PATH": "/usr/bin:/bin"}}, cwd=Path("/"))
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
        process.wait()

    def is_gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    assert processes.wait_for(is_gone, timeout_s=5)


def test_an_expression_of_marks_is_kept_whole_beside_ours() -> None:
    assert testing._marked(["tests", "-m", "not slow", "-q"]) == (["tests", "-q"], "(not slow) and ")
    assert testing._marked(["tests"]) == (["tests"], "")


def test_passwords_are_not_printed() -> None:
    assert testing._without_password("postgres://me:secret@host:5432/db") == "postgres://host:5432/db"
    assert testing._without_password("redis://127.0.0.1:6379/0") == "redis://127.0.0.1:6379/0"
