"""The keyring: who is asked, how often, and what happens when nobody answers."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import ApiKey, User
from gateway import auth
from gateway.auth import Caller, Keyring
from gateway.edge import Request
from gateway.errors import NotAuthenticated, StoreDown
from tests.make import make_key

CALLER = Caller(user_id=1, key_id=2, key_hint="qy_…")


class FakeStore:
    """Counts the look-ups; `answer` may raise."""

    def __init__(self, answer: Callable[[], tuple[Caller | None, bool]]) -> None:
        self.asked = 0
        self._answer = answer

    async def read(self, *_: Any) -> tuple[Caller | None, bool]:
        self.asked += 1
        await asyncio.sleep(0.01)
        return self._answer()

    async def write(self, *_: Any) -> None: ...


def request(key: str) -> Request:
    async def nothing(*_: Any) -> Any: ...

    fields = [(b"authorization", f"Bearer {key}".encode("latin-1"))]
    return Request({"method": "GET", "raw_path": b"/v1/models", "headers": fields}, nothing, nothing)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("accounts.keys.parse", lambda plain: plain[:5])
    return "qy_good"


def test_a_hundred_at_once_ask_once(key: str) -> None:
    store = FakeStore(lambda: (CALLER, False))

    async def run() -> None:
        keyring = Keyring(store)  # type: ignore[arg-type]  # a fake
        found = await asyncio.gather(*(keyring.caller(request(key)) for _ in range(100)))
        assert set(found) == {CALLER}
        assert await keyring.caller(request(key)) is CALLER

    asyncio.run(run())
    assert store.asked == 1


def test_a_good_answer_is_believed_for_five_seconds(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeStore(lambda: (CALLER, False))
    now = [100.0]
    monkeypatch.setattr(auth, "monotonic", lambda: now[0])

    async def run() -> None:
        keyring = Keyring(store)  # type: ignore[arg-type]  # a fake
        for at in (100.0, 104.9, 105.1):
            now[0] = at
            await keyring.caller(request(key))

    asyncio.run(run())
    assert store.asked == 2


def test_a_bad_answer_is_never_kept_and_keys_do_not_share_a_place(key: str) -> None:
    store = FakeStore(lambda: (None, False))

    async def run() -> None:
        keyring = Keyring(store)  # type: ignore[arg-type]  # a fake
        for plain in (key, key, key + "2"):
            with pytest.raises(NotAuthenticated):
                await keyring.caller(request(plain))

    asyncio.run(run())
    assert store.asked == 3


def test_when_nobody_can_tell_it_is_not_a_401(key: str) -> None:
    def down() -> tuple[Caller | None, bool]:
        raise StoreDown("Our database does not answer.")

    async def run() -> None:
        with pytest.raises(StoreDown) as refused:
            await Keyring(FakeStore(down)).caller(request(key))  # type: ignore[arg-type]  # a fake
        assert (refused.value.http_status, refused.value.headers()) == (503, [(b"retry-after", b"5")])

    asyncio.run(run())


def test_authorise_reads_the_key_in_one_query(ada: User, django_assert_num_queries: Any) -> None:
    row, plain = make_key(ada)
    with django_assert_num_queries(1):
        caller, stale = auth.authorise(plain, datetime.now(UTC))
    assert caller == Caller(user_id=ada.pk, key_id=row.pk, key_hint=row.hint)
    assert stale
    with django_assert_num_queries(0):
        assert auth.authorise(plain[:-1] + "!", datetime.now(UTC)) == (None, False)


def test_a_key_of_somebody_who_was_switched_off_is_no_key(ada: User) -> None:
    _, plain = make_key(ada)
    User.objects.update(is_active=False)
    assert auth.authorise(plain, datetime.now(UTC))[0] is None


def test_the_last_use_is_written_at_most_once_a_minute(ada: User, now: datetime) -> None:
    row, plain = make_key(ada)
    auth.touch(row.pk, now)
    auth.touch(row.pk, now + timedelta(seconds=30))
    assert ApiKey.objects.get(pk=row.pk).last_used_at == now
    assert auth.authorise(plain, now + timedelta(seconds=30))[1] is False
    auth.touch(row.pk, now + timedelta(seconds=90))
    assert ApiKey.objects.get(pk=row.pk).last_used_at == now + timedelta(seconds=90)
