"""Mail of the embedded profile: printed, and kept where `/outbox/` can show it."""

import json
import re
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

_ID = re.compile(r"[0-9a-f-]{1,60}", re.ASCII)


@dataclass(frozen=True)
class Mail:
    id: str
    to: list[str]
    subject: str
    body: str
    sent_at: datetime


class OutboxBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder().mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            moment = time.time_ns()
            name = f"{moment:020d}-{secrets.token_hex(4)}"
            record = {
                "id": name,
                "to": list(message.to),
                "subject": message.subject,
                "body": message.body,
                "sent_at": datetime.fromtimestamp(moment / 1e9, tz=UTC).isoformat(),
            }
            path = folder() / f"{name}.json"
            path.touch(mode=0o600)
            path.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
            sys.stderr.write(f"mail to {', '.join(message.to)}: {message.subject}\n{message.body}\n\n")
        return len(email_messages)


def folder() -> Path:
    return Path(settings.DATA_DIR) / "outbox"


def newest(limit: int) -> list[Mail]:
    paths = sorted(folder().glob("*.json"), reverse=True)[:limit]
    return [mail for path in paths if (mail := _read(path)) is not None]


def find(name: str) -> Mail | None:
    return _read(folder() / f"{name}.json") if _ID.fullmatch(name) else None


def _read(path: Path) -> Mail | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Mail(
            id=record["id"],
            to=record["to"],
            subject=record["subject"],
            body=record["body"],
            sent_at=datetime.fromisoformat(record["sent_at"]),
        )
    except (OSError, ValueError, KeyError):
        return None  # just being written, or from an older version
