"""What monitoring asks: alive, ready, measured."""

from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from billing.models import LedgerAudit
from tests.make import make_call, make_credit, make_hold, make_key


def test_alive_asks_nobody_and_names_the_version(client: Client, settings: Settings) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": settings.VERSION}


@pytest.mark.django_db
def test_ready_reports_each_part(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "parts": {"database": True, "redis": True}}


@pytest.mark.django_db
def test_without_its_database_it_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(connection, "cursor", broken)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] is False


@pytest.mark.django_db
def test_without_redis_it_is_ready_and_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_key: str) -> None:
        raise ConnectionError("redis is away")

    monkeypatch.setattr(cache, "get", broken)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["parts"] == {"database": True, "redis": False}


def test_metrics_count_open_and_overdue_holds(client: Client, cleo: User, now: datetime) -> None:
    make_credit(cleo, paid=2)
    key = make_key(cleo)[0]
    for minutes in (-5, 60):
        make_hold(make_call(key, started_at=timezone.now()), 1, lasts=timedelta(minutes=minutes))
    LedgerAudit.objects.create(finished_at=now, is_clean=True)
    text = client.get("/metrics").content.decode()
    assert "qyuan_holds_open 2.0" in text
    assert "qyuan_holds_overdue 1.0" in text
    assert "qyuan_ledger_audit_ok 1.0" in text
    told = [line for line in text.splitlines() if line.startswith("qyuan_ledger_audit_timestamp_seconds ")]
    assert float(told[0].split()[1]) == now.timestamp()
    assert cleo.email not in text
    assert "req_" not in text


@pytest.mark.django_db
def test_where_a_token_is_set_metrics_are_not_there_without_it(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "measure"
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 404
    assert client.get("/metrics", headers={"authorization": "Bearer measure"}).status_code == 200


@pytest.mark.django_db
def test_in_production_metrics_are_closed_until_a_token_is_set(client: Client, settings: Settings) -> None:
    settings.PRODUCTION = True
    assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


def test_a_csp_report_is_taken_and_changes_nothing(client: Client) -> None:
    answer = client.post("/csp-report", data=b'{"csp-report":{}}', content_type="application/csp-report")
    assert answer.status_code == 204
    assert client.get("/csp-report").status_code == 405
