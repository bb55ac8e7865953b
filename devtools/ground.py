"""The ground under every command: the virtual environment, hash-locked packages, the environment variables."""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

from devtools.terminal import Problem, Steps, say

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"  # group → digest of the lock file that is installed
GROUPS = {"run": ("run",), "test": ("run", "test")}  # the test lock holds every pin of the run lock


def install(group: str) -> None:
    """Make `.venv` and install the group's lock file, unless that very file is installed. Raises Problem."""
    _make_venv()
    wanted = {name: _digest(name) for name in GROUPS[group]}
    installed = _installed()
    if all(installed.get(name) == digest for name, digest in wanted.items()):
        return
    lock = ROOT / "requirements" / f"{group}.txt"
    total = len(re.findall(r"^[A-Za-z0-9].*==", lock.read_text(), re.MULTILINE))
    steps = Steps()
    uv = shutil.which("uv")
    if not (uv and _install_with_uv(uv, lock)):
        _install_with_pip(lock, total, steps)
    STAMP.write_text(json.dumps({**installed, **wanted}))
    steps.done(f"Installed {total} packages, each checked against its hash")


def _make_venv() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    config = VENV / "pyvenv.cfg"
    ours = re.compile(rf"^version\S* = {re.escape(version)}\b", re.MULTILINE)
    if PYTHON.exists() and config.exists() and ours.search(config.read_text()):
        return
    say(f"Making .venv with Python {version} …")
    argv = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    made = subprocess.run(argv, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Problem(
            f"python3 -m venv failed:\n{made.stdout}{made.stderr}\n"
            "Install the venv module (Debian, Ubuntu: apt-get install python3-venv) and start again."
        )


def _installed() -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(STAMP.read_text()))
    return {}


def _digest(group: str) -> str:
    return hashlib.sha256((ROOT / "requirements" / f"{group}.txt").read_bytes()).hexdigest()


def _install_with_uv(uv: str, lock: Path) -> bool:
    say("Installing packages with uv …")
    argv = [uv, "pip", "install", "--python", str(PYTHON), "--require-hashes", "--only-binary", ":all:"]
    argv += ["-r", str(lock)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"uv did not manage it ({done.stderr.strip().splitlines()[-1:]}); taking pip.")
    return done.returncode == 0


def _install_with_pip(lock: Path, total: int, steps: Steps) -> None:
    if subprocess.run([PYTHON, "-c", "import pip"], capture_output=True, check=False).returncode:
        subprocess.run([PYTHON, "-m", "ensurepip"], capture_output=True, check=True)
    argv = [
        *(str(PYTHON), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:"),
        *("--disable-pip-version-check", "--progress-bar", "off", "-r", str(lock)),
    ]
    last: deque[str] = deque(maxlen=25)
    seen = 0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            last.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                seen += 1
                steps.count(f"Fetching packages: {min(seen, total)} of {total}")
            elif line.startswith("Installing collected packages"):
                steps.count(f"Unpacking {total} packages …")
    if pip.returncode:
        raise Problem(f"pip could not install requirements/{lock.name}:\n{''.join(last)}")


def environment() -> dict[str, str]:
    """What we were started with, on top of what `.env` says, made complete for the embedded profile."""
    env = {**_dotenv(), **os.environ}
    env["DATA_DIR"] = str(data_dir(env))
    for name, default in (("HOST", "127.0.0.1"), ("PORT", "8000"), ("PROFILE", "embedded")):
        env[name] = env.get(name) or default
    env["DJANGO_SETTINGS_MODULE"] = "console.settings"
    env["PYTHONUNBUFFERED"] = "1"
    # The playground calls the gateway on loopback: a proxy named in the environment is for the outside.
    outside = env.get("NO_PROXY") or env.get("no_proxy")
    env["NO_PROXY"] = env["no_proxy"] = ",".join(filter(None, [outside, "127.0.0.1,localhost"]))
    env.pop("PYTHONHOME", None)
    return env


def data_dir(env: dict[str, str]) -> Path:
    return Path(env.get("DATA_DIR") or ROOT / "var").expanduser().resolve()


def secret_key(env: dict[str, str]) -> str:
    """The given one, or one that is made once and kept in DATA_DIR, readable by its owner only."""
    if env.get("SECRET_KEY") or env.get("SECRET_KEY_FILE") or env["PROFILE"] == "production":
        return env.get("SECRET_KEY", "")
    file = Path(env["DATA_DIR"]) / "secret_key"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(48))
    return file.read_text().strip()


def write_private(file: Path, text: str) -> None:
    """Written under another name and put in place in one step, mode 0600."""
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    part.replace(file)


def _dotenv() -> dict[str, str]:
    file = ROOT / ".env"
    if not file.exists():
        return {}
    pairs = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", file.read_text(), re.MULTILINE)
    return {name: value.strip().strip("\"'") for name, value in pairs}
