"""From a key in a header to a caller. Nothing else authenticates: no cookie, no query string."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from django.db.models import Q

from accounts import keys
from accounts.models import ApiKey
from gateway.edge import Request
from gateway.errors import NotAuthenticated
from gateway.store import Store

CACHE_S = 5.0  # a revoked key gets no new request after this long
CACHE_SIZE = 10_000
_TOUCH_EVERY = timedelta(minutes=1)
_NO_KEY = "No API key was sent. Send it as `Authorization: Bearer qy_…` or as `x-api-key: qy_…`."
_BAD_KEY = "This API key is not valid: it is mistyped, revoked or of another service. Make one on the page /keys/."


@dataclass(frozen=True, slots=True)
class Caller:
    user_id: int
    key_id: int
    key_hint: str


class Keyring:
    """Answers from the last five seconds, filed under a digest of the whole key; one lookup at a time per key."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Caller | None]] = {}

    async def caller(self, request: Request) -> Caller:
        """Raises NotAuthenticated, or StoreDown when nobody can tell."""
        plain = credential(request)
        if plain is None:
            raise NotAuthenticated(_NO_KEY, code="missing_api_key")
        if keys.parse(plain) is None:
            raise NotAuthenticated(_BAD_KEY)  # the checksum fails: no query
        name = hashlib.sha256(plain.encode()).digest()
        if (known := self._known.get(name)) and known[0] > monotonic():
            return known[1]
        caller = await self._ask(name, plain, request.started_at)
        if caller is None:
            self._known.pop(name, None)
            raise NotAuthenticated(_BAD_KEY)
        return caller

    async def _ask(self, name: bytes, plain: str, now: datetime) -> Caller | None:
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._look_up(name, plain, now))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(task)

    async def _look_up(self, name: bytes, plain: str, now: datetime) -> Caller | None:
        asked_at = monotonic()  # the five seconds begin before the row is read
        caller, stale = await self._store.read(authorise, plain, now)
        if caller is None:
            return None
        self._known[name] = (asked_at + CACHE_S, caller)
        self._known.move_to_end(name)
        if len(self._known) > CACHE_SIZE:
            self._known.popitem(last=False)
        if stale:
            await self._store.write(touch, caller.key_id, now)
        return caller


def credential(request: Request) -> str | None:
    """The key as it was sent; each way is accepted on every endpoint. A byte beyond ASCII makes it no key of ours."""
    scheme, _, token = request.headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get(b"x-api-key", b"").decode("latin-1").strip() or None


def authorise(plain: str, now: datetime) -> tuple[Caller | None, bool]:
    """The caller, and whether the key's last use is worth writing down."""
    key = keys.authenticate(plain)
    if key is None:
        return None, False
    caller = Caller(user_id=key.user_id, key_id=key.pk, key_hint=key.hint)
    return caller, key.last_used_at is None or key.last_used_at < now - _TOUCH_EVERY


def touch(key_id: int, now: datetime) -> None:
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _TOUCH_EVERY)
    ApiKey.objects.filter(stale, pk=key_id).update(last_used_at=now)
