"""Which words follow `./dev`."""

from collections.abc import Callable

from devtools import bench, ground, locks, quality, run, testing
from devtools.terminal import Problem, paint, say, warn

Command = Callable[[list[str]], int]

COMMANDS: dict[str, tuple[Command, str]] = {
    "run": (run.run, "set up what is missing and start everything; HOST, PORT, DATA_DIR, PUBLIC_URL are respected"),
    "test": (testing.test, "[--services] [pytest args]  the whole suite; with --services on PostgreSQL and Redis"),
    "check": (quality.check, "lint, types, import rules, migrations, locks, translations"),
    "fix": (quality.fix, "format, and mend what can be mended without thought"),
    "bench": (
        bench.bench,
        "[usage [--services] [--rows N] | money]  measure requests, the pages of usage, or charges per second",
    ),
    "shots": (testing.shots, "[folder] [--readme]  photograph every page into build/shots"),
    "manage": (run.manage, "…  manage.py on the data and services of a running ./dev run"),
    "lock": (locks.lock, "resolve pyproject.toml into requirements/*.txt, hashed, without any host name"),
}


def main(args: list[str]) -> int:
    if not args or args[0] in {"help", "-h", "--help"}:
        return usage()
    name, *rest = args
    if name not in COMMANDS:
        warn(f"./dev knows no {name!r}.")
        usage()
        return 2
    try:
        return COMMANDS[name][0](rest)
    except Problem as problem:
        warn(paint(str(problem), "problem"))
        return 1
    except KeyboardInterrupt:
        warn("Stopped.")
        return 130


def usage() -> int:
    say(f"{paint('./dev WORD …', 'strong')}   the one command of this project: {ground.ROOT}")
    say()
    for name, (_command, words) in COMMANDS.items():
        say(f"  {paint(f'{name:<7}', 'dev')} {words}")
    say()
    say("  A newcomer needs two of them: ./dev run and ./dev test.")
    return 0
