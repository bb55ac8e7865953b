"""The way to the database: one more try on a new connection, a clear answer when there is none."""

import asyncio
import threading
import time

import pytest
from django.db import OperationalError

from gateway import store
from gateway.errors import StoreDown
from gateway.store import Store


def run(function: object, *, write: bool = False) -> object:
    async def go() -> object:
        used = Store()
        try:
            return await (used.write if write else used.read)(function)  # type: ignore[arg-type]  # any callable
        finally:
            await used.close()

    return asyncio.run(go())


def test_it_runs_in_a_thread_of_its_own() -> None:
    assert str(run(lambda: threading.current_thread().name)).startswith("gateway-")
    assert str(run(lambda: threading.current_thread().name, write=True)).startswith("gateway-write")


def test_a_dead_connection_is_replaced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_is_alive", lambda _driver: False)
    tries: list[int] = []

    def flaky() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("the connection is lost")
        return "done"

    assert run(flaky) == "done"
    assert len(tries) == 2


def test_a_refusal_of_a_live_database_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_is_alive", lambda _driver: True)
    tries: list[int] = []

    def busy() -> None:
        tries.append(1)
        raise OperationalError("database is locked")

    with pytest.raises(StoreDown) as refused:
        run(busy)
    assert refused.value.http_status == 503
    assert len(tries) == 1


def test_a_database_that_hangs_is_given_up_but_the_write_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WAIT_S", 0.05)
    written: list[int] = []

    def slow() -> None:
        time.sleep(0.3)
        written.append(1)

    with pytest.raises(StoreDown):
        run(slow, write=True)
    assert written == [1]  # closing the store waited for it


def test_what_a_function_raises_comes_through() -> None:
    def broken() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(broken)
