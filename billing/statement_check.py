"""Verify downloaded statements: `python3 verify_statements.py statements.jsonl`. Needs nothing but Python 3.

Each line is one month: the document as it was sealed, the hash of the statement before it, and its own hash, which is
SHA-256 of the previous hash, a line break and the document. So no figure of any month can change without every later
hash changing. Besides the hashes this checks the sums: opening + movements = closing, and each month opens as the one
before closed. Amounts are whole billionths of a dollar.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from typing import Any

START = "0" * 64  # what stands before the first statement


def seal(previous: str, document: str) -> str:
    """The hash of a statement."""
    return hashlib.sha256(f"{previous}\n{document}".encode()).hexdigest()


def faults(lines: Iterable[str]) -> tuple[int, list[str]]:
    """How many statements there are, and what is wrong with them."""
    previous, closing, month, wrong, count = START, None, "", [], 0
    for count, line in enumerate(lines, 1):
        try:
            sealed = json.loads(line)
            document = json.loads(sealed["document"])
            name = f"statement {count} ({document['month']})"
            if sealed["previous"] != previous:
                wrong.append(f"{name} does not follow the one before it")
            if seal(sealed["previous"], sealed["document"]) != sealed["hash"]:
                wrong.append(f"{name} is not what was sealed")
            if month and document["month"] != _after(month):
                wrong.append(f"{name} leaves out a month")
            if closing is not None and _amounts(document["opening"]) != closing:
                wrong.append(f"{name} does not open as the one before it closed")
            if not _adds_up(document):
                wrong.append(f"{name} does not add up")
            previous, closing, month = sealed["hash"], _amounts(document["closing"]), document["month"]
        except (ValueError, KeyError, TypeError, AttributeError):
            wrong.append(f"line {count} is no statement")
    return count, wrong


def _adds_up(document: dict[str, Any]) -> bool:
    sums = _amounts(document["opening"])
    for line in document["movements"]:
        for name, amount in _amounts(line["amounts"]).items():
            sums[name] = sums.get(name, 0) + amount
    return sums == _amounts(document["closing"])


def _amounts(texts: dict[str, str]) -> dict[str, int]:
    return {name: int(text) for name, text in texts.items()}


def _after(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def main(files: list[str]) -> int:
    if len(files) != 1:
        sys.stdout.write("Usage: python3 verify_statements.py statements.jsonl\n")
        return 2
    with open(files[0], encoding="utf-8") as opened:  # noqa: PTH123 this file also runs by itself
        count, wrong = faults(line for line in opened if line.strip())
    for fault in wrong:
        sys.stdout.write(f"WRONG: {fault}\n")
    sys.stdout.write(f"{count} statements, {f'{len(wrong)} faults' if wrong else 'nothing is wrong'}\n")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
