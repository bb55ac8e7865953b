"""Typed readers of the environment that fail at start with instructions.

Every variable read here is listed in `.env.example` with its default and unit. An empty one counts as not set.
"""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    return os.environ.get(name) or default


def flag(name: str, *, default: bool) -> bool:
    value = os.environ.get(name, "")
    if not value:
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    msg = f"{name}={value!r} is neither true nor false. Set {name}=1 or {name}=0."
    raise ImproperlyConfigured(msg)


def integer(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        msg = f"{name}={value!r} is not a whole number. Set for example {name}={default}."
        raise ImproperlyConfigured(msg) from None


def seconds(name: str, default: float) -> float:
    value = os.environ.get(name, "")
    if not value:
        return default
    try:
        return float(value)
    except ValueError:
        msg = f"{name}={value!r} is not a number of seconds. Set for example {name}={default}."
        raise ImproperlyConfigured(msg) from None


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def secret(name: str, default: str = "") -> str:
    """A secret, from NAME or from the file named by NAME_FILE."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text().strip()
    return os.environ.get(name) or default
