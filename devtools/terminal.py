"""What a person sees while they wait."""

import os
import sys
import threading
import time

COLOURS = {"server": 36, "worker": 35, "beat": 33, "valkey": 34, "dev": 32, "problem": 31, "faint": 2, "strong": 1}
_lock = threading.Lock()


class Problem(Exception):
    """Something the person at the terminal can mend; the text says how."""


def coloured() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(text: str, colour: str) -> str:
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if coloured() else text


def say(text: str = "") -> None:
    with _lock:
        print(text, flush=True)


def say_from(name: str, line: str) -> None:
    """A line of a child's log under its name."""
    say(f"{paint(f'{name:>7} |', name)} {line}")


def warn(text: str) -> None:
    """To stderr: stdout may be read by a script."""
    with _lock:
        print(text, file=sys.stderr, flush=True)


class Steps:
    """One line per step with the seconds it took; a running count in place on a terminal, rare lines elsewhere."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = 0.0

    def count(self, text: str) -> None:
        if coloured():
            with _lock:
                print(f"\r\x1b[K{text}", end="", flush=True)
        elif time.monotonic() - self._told > 5:  # noqa: PLR2004 seconds
            self._told = time.monotonic()
            say(text)

    def done(self, text: str) -> None:
        with _lock:
            clear = "\r\x1b[K" if coloured() else ""
            print(f"{clear}{text} {paint(f'({time.monotonic() - self._began:.1f} s)', 'faint')}", flush=True)
        self._began = time.monotonic()
