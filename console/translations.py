"""Compile translations without GNU gettext: `.mo` files are made on each machine, never committed."""

import os
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po


def compile_all(folder: Path) -> list[Path]:
    """Write the `.mo` beside every `.po` that is newer; returns what was written. Unsure (fuzzy) entries stay out."""
    written = []
    for po in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        mo = po.with_suffix(".mo")
        if mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns:
            continue
        with po.open("rb") as source:
            catalog = read_po(source)
        part = mo.with_suffix(f".{os.getpid()}")
        with part.open("wb") as target:
            write_mo(target, catalog)
        part.replace(mo)  # in one step: two test processes may do this at the same time
        written.append(mo)
    return written
