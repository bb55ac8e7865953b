"""QR codes, and the operator's own picture of one."""

import io
from pathlib import Path

import segno

BORDER = 2  # modules of quiet zone; the page adds white around it
SCALE = 8  # pixels per module of a PNG
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def svg(text: str) -> bytes:
    """A picture of its own, black on white: a dark page must not turn it around, phones would not read it."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", border=BORDER, light="white", xmldecl=False, scale=SCALE)
    return out.getvalue()


def png(text: str) -> bytes:
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="png", border=BORDER, scale=SCALE)
    return out.getvalue()


def picture(path: str) -> Path | None:
    """The file of the setting, if it is there and a picture by its name."""
    found = Path(path)
    return found if found.is_file() and found.suffix.lower() in _TYPES else None


def content_type(path: Path) -> str:
    return _TYPES[path.suffix.lower()]
