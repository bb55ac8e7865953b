"""`./dev bench`: hands over to bench/, which needs the virtual environment."""

import os
import subprocess

from devtools import ground
from devtools.ground import PYTHON, ROOT


def bench(args: list[str]) -> int:
    ground.install("test")
    argv = [str(PYTHON), "-m", "bench.gateway", *args]
    return subprocess.run(argv, cwd=ROOT, env=dict(os.environ), check=False).returncode
