"""A generated picture on its way from base64 to a file: proved to be a picture, then stored so that a crash keeps it
whole or not at all.
"""

import base64
import binascii
import hashlib
import io
import os
import secrets
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

MAX_BYTES = 24 * 1024 * 1024
MAX_PIXELS = 8192 * 8192 // 2
FOLDER = "images"
_FORMATS = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
SUFFIXES = dict(_FORMATS.values())


class NotAPicture(Exception):
    """The bytes are no PNG, JPEG or WebP within our limits."""


@dataclass(frozen=True, slots=True)
class Picture:
    content: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    sha256: str


def read(encoded: str) -> Picture:
    """Decode and prove by content, not by name. Raises NotAPicture."""
    if len(encoded) > MAX_BYTES * 4 // 3 + 4:
        raise NotAPicture("too large")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise NotAPicture("not base64") from None
    kind, width, height = _measured(content)
    return Picture(content, _FORMATS[kind][0], width, height, hashlib.sha256(content).hexdigest())


def _measured(content: bytes) -> tuple[str, int, int]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(content), formats=list(_FORMATS)) as image:
                if image.width * image.height > MAX_PIXELS:  # before a single pixel is decoded
                    raise NotAPicture("too many pixels")
                image.load()  # a cut or broken file fails here
                return str(image.format), image.width, image.height
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Pillow.DecompressionBombWarning) as error:
        raise NotAPicture(type(error).__name__) from error
    except Pillow.DecompressionBombError:
        raise NotAPicture("too many pixels") from None


def store(picture: Picture, *, job_id: UUID, attempt: int, slot: int) -> str:
    """Write durably, return the name in the storage. The name cannot be guessed and no URL leads to it."""
    suffix = SUFFIXES[picture.media_type]
    name = f"{FOLDER}/{job_id}/{attempt}-{slot}-{secrets.token_hex(8)}.{suffix}"
    try:
        path = Path(default_storage.path(name))
    except NotImplementedError:  # not a local disk: its own save is atomic
        return default_storage.save(name, ContentFile(picture.content))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        file.write(picture.content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    _sync_folder(path.parent)
    return name


def _sync_folder(folder: Path) -> None:
    """The new name survives a power cut only when the folder is on the disk too."""
    with suppress(OSError):  # not every system opens folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def files_of(job_id: UUID) -> list[str]:
    """Names of all files in a job's folder, unfinished ones included."""
    folder = f"{FOLDER}/{job_id}"
    try:
        _, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    return [f"{folder}/{file}" for file in files]
