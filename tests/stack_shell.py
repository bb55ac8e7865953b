"""Reads a JSON list of arguments per line, runs that management command, answers one JSON line. See tests/stack.py."""

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

import django

django.setup()

from django.core.management import ManagementUtility  # noqa: E402 after the set-up
from django.core.management.base import CommandError  # noqa: E402
from django.db import close_old_connections  # noqa: E402


def run(args: list[str]) -> dict[str, object]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            ManagementUtility(["manage.py", *args]).execute()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except CommandError as error:
            code = 1
            err.write(str(error))
        except Exception as error:  # noqa: BLE001 a crash of the command is an answer to the test
            code = 1
            err.write(repr(error))
        finally:
            close_old_connections()
    return {"code": code, "stdout": out.getvalue(), "stderr": err.getvalue()}


if __name__ == "__main__":
    for line in sys.stdin:
        answer = run(json.loads(line))
        print(json.dumps(answer), flush=True)
