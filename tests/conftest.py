"""The world of the tests: no network but loopback, a fixed moment, three people."""

import os
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core import serializers
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase

from accounts.models import User
from billing import guards
from console import translations
from tests.make import NOW, make_user

pytest_plugins = ["tests.stack", "tests.stripe_world"]
NO_SKIPS = bool(os.environ.get("DEV_NO_SKIPS"))


def pytest_configure() -> None:
    translations.compile_all(Path(__file__).resolve().parent.parent / "locale")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those of another database are left out."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)
        only = item.get_closest_marker("only")
        (kept if only is None or only.args[0] == connection.vendor else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where DEV_NO_SKIPS is set (CI), a test that would be skipped fails: what it needs must be installed."""
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which DEV_NO_SKIPS does not allow: {report.longreprtext}"
    return report


def _empty_the_database(_: TransactionTestCase) -> None:
    """After a test that really commits: all rows go, then the rows that migrations made come back.

    Django's own way leaves the ledger without its system accounts, and its triggers would refuse the deletion.
    """
    with guards.unlocked(connection):
        call_command("flush", verbosity=0, interactive=False, reset_sequences=False, inhibit_post_migrate=True)
    kept: dict[Any, list[Any]] = {}
    for row in serializers.deserialize("json", connection._test_serialized_contents):  # type: ignore[attr-defined] # Django's test runner sets it
        kept.setdefault(type(row.object), []).append(row.object)
    with connection.constraint_checks_disabled(), transaction.atomic():  # foreign keys are looked at once, at the end
        for model, rows in kept.items():
            model._base_manager.bulk_create(rows)


TransactionTestCase._fixture_teardown = _empty_the_database  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The rows that migrations made, for the tests that really commit; pytest-django keeps them on request only."""
    with django_db_blocker.unblock():
        connection._test_serialized_contents = connection.creation.serialize_db_to_string()  # type: ignore[attr-defined] # as above


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def live_redis(redis_url: str, settings: Any) -> str:
    """Django's settings point at a Redis that answers; empty at the start of every test."""
    redis.Redis.from_url(redis_url).flushdb()
    settings.REDIS_URL = redis_url
    settings.CELERY_BROKER_URL = redis_url
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}}
    return redis_url


@pytest.fixture
def ada(db: None) -> User:
    """Owns what a test is about."""
    return make_user("ada")


@pytest.fixture
def ben(ada: User) -> User:
    """Was brought by Ada."""
    from referrals import links

    return make_user("ben", referral_code=links.link_of(user=ada).code)


@pytest.fixture
def cleo(db: None) -> User:
    """A stranger: must never see Ada's things."""
    return make_user("cleo")


@pytest.fixture
def sam(db: None) -> User:
    """Support."""
    return make_user("sam", staff=True)
