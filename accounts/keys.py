"""Issue, recognise and revoke API keys.

A key is `qy_<public id>_<secret><checksum>`: the public id finds the row, the 160-bit secret proves it, the CRC-32 lets
a mistyped or invented key be refused without a query. What is stored is an HMAC-SHA-256 under a pepper of its own; a
quick hash is right here because the secret is random.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.ids import base62
from accounts.models import ApiKey, User

PUBLIC_ID_LENGTH = 12
SECRET_LENGTH = 27  # 160 bits
CHECKSUM_LENGTH = 6
_KEY = re.compile(
    rf"qy_([0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH}}})([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)
MAX_KEYS_PER_USER = 100


class CannotIssueKey(Exception):
    """The person has as many keys as one may have."""


class KeyAlreadyIssued(Exception):
    """This form was sent before; the plain key was in the first answer only."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__(key.public_id)
        self.key = key


def issue(*, user: User, name: str, client_id: UUID | None = None) -> tuple[ApiKey, str]:
    """A new key and its plain form, which exists nowhere else.

    Raises CannotIssueKey at MAX_KEYS_PER_USER usable keys, KeyAlreadyIssued when `client_id` was seen before.
    """
    with transaction.atomic():
        # One at a time per person: cap and client id hold under parallel requests. SQLite has one writer anyway.
        User.objects.select_for_update(of=("self",)).get(pk=user.pk)
        if client_id and (before := ApiKey.objects.filter(user=user, client_id=client_id).first()):
            raise KeyAlreadyIssued(before)
        if ApiKey.objects.of(user).filter(revoked_at=None).count() >= MAX_KEYS_PER_USER:
            raise CannotIssueKey(f"{MAX_KEYS_PER_USER} keys are in use")
        public_id = base62(secrets.randbits(71), PUBLIC_ID_LENGTH)
        plain = _compose(public_id, base62(secrets.randbits(160), SECRET_LENGTH))
        key = ApiKey.objects.create(
            user=user, public_id=public_id, digest=digest(plain), name=name, last_four=plain[-4:], client_id=client_id
        )
    return key, plain


def playground_key(*, user: User) -> str:
    """The plain key with which the playground calls the gateway for this person.

    Its secret is derived from the pepper, so nothing plain is stored and any worker can rebuild it.
    """
    public_id = _derived(f"id:{user.public_id}", PUBLIC_ID_LENGTH)
    plain = _compose(public_id, _derived(f"secret:{user.public_id}", SECRET_LENGTH))
    if not ApiKey.objects.filter(public_id=public_id, digest=digest(plain)).exists():
        ApiKey.objects.update_or_create(
            user=user,
            purpose=ApiKey.Purpose.PLAYGROUND,
            defaults={"public_id": public_id, "digest": digest(plain), "name": "Playground", "last_four": plain[-4:]},
        )
    return plain


def parse(plain: str) -> str | None:
    """The public id of a well-formed key whose checksum holds, else None. Never queries."""
    match = _KEY.fullmatch(plain)
    if match is None or _checksum(plain[:-CHECKSUM_LENGTH]) != match[3]:
        return None
    return match[1]


def authenticate(plain: str) -> ApiKey | None:
    """The usable key with this plain form, its user loaded, else None. At most one query."""
    public_id = parse(plain)
    if public_id is None:
        return None
    key = ApiKey.objects.usable().select_related("user").filter(public_id=public_id).first()
    if key is None or not hmac.compare_digest(key.digest, digest(plain)):
        return None
    return key


def revoke(*, key: ApiKey, by: User, now: datetime) -> bool:
    """No new request with this key from now on. False when it was revoked before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now, revoked_by=by))


def digest(plain: str) -> str:
    return hmac.new(settings.KEY_PEPPER.encode(), plain.encode(), hashlib.sha256).hexdigest()


def _compose(public_id: str, secret: str) -> str:
    body = f"qy_{public_id}_{secret}"
    return body + _checksum(body)


def _checksum(body: str) -> str:
    return base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _derived(label: str, length: int) -> str:
    raw = hmac.new(settings.KEY_PEPPER.encode(), f"playground:{label}".encode(), hashlib.sha256).digest()
    return base62(int.from_bytes(raw, "big") % 62**length, length)
