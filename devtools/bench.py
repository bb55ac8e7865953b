"""`./dev bench`: hands over to bench/, which needs the virtual environment."""

import os
import subprocess

from devtools import ground, testing
from devtools.ground import PYTHON, ROOT

MODULES = {"usage": "bench.usage", "money": "bench.money"}


def bench(args: list[str]) -> int:
    """`usage` measures pages over millions of calls, `money` charges per second; without a word, the gateway."""
    ground.install("test")
    env = dict(os.environ)
    if args and args[0] in MODULES:
        module, args = MODULES[args[0]], args[1:]
        if "--services" in args:
            env["DATABASE_URL"] = testing.environment(services=True)["DATABASE_URL"]
            args = [arg for arg in args if arg != "--services"]
    else:
        module = "bench.gateway"
    return subprocess.run([str(PYTHON), "-m", module, *args], cwd=ROOT, env=env, check=False).returncode
