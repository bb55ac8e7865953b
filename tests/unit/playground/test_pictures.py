"""Generated pictures are proved by content and stored whole."""

import base64
import io
import struct
import uuid
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from playground import pictures
from tests.unit.playground.fake_gateway import picture

JOB = uuid.UUID(int=5)


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_real_pictures_are_measured(kind: str, media_type: str) -> None:
    proved = pictures.read(picture(kind, (8, 6)))
    assert (proved.media_type, proved.width, proved.height, len(proved.sha256)) == (media_type, 8, 6, 64)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def bomb() -> bytes:
    """A PNG head that promises 30,000 × 30,000 pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + chunk + struct.pack(">I", zlib.crc32(chunk))


def gif() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, "GIF")
    return out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        encoded(b""),
        encoded(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        encoded(b"<html><script>alert(1)</script></html>"),
        encoded(b"\x89PNG\r\n\x1a\n" + b"<script>alert(1)</script>"),
        encoded(base64.b64decode(picture("PNG", (300, 300)))[:150]),
        encoded(gif()),
        encoded(bomb()),
        "AAAA" * 9_000_000,
        "ÄÖ",
    ],
    ids=[
        "empty",
        "garbage",
        "no bytes",
        "svg",
        "html",
        "png head only",
        "cut",
        "gif",
        "bomb",
        "too large",
        "not ascii",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(pictures.NotAPicture):
        pictures.read(text)


def test_a_picture_is_stored_whole_under_a_name_that_cannot_be_guessed(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    proved = pictures.read(picture())
    first = pictures.store(proved, job_id=JOB, attempt=1, slot=0)
    second = pictures.store(proved, job_id=JOB, attempt=1, slot=0)
    assert first != second
    assert (tmp_path / first).read_bytes() == proved.content
    assert sorted(pictures.files_of(JOB)) == sorted([first, second])
    assert pictures.files_of(uuid.UUID(int=6)) == []
