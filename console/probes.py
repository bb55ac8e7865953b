"""Probes for the outside: alive, ready, measured, and what the browser reports about our content security policy."""

from datetime import datetime

import structlog
from django.conf import settings
from django.core.cache import cache, caches
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client import REGISTRY as PROCESS

from billing.models import Hold, LedgerAudit
from console.cache import SturdyRedisCache

log = structlog.get_logger()


def live(_request: HttpRequest) -> JsonResponse:
    """The process answers. Asks nobody else."""
    return JsonResponse({"status": "ok", "version": settings.VERSION})


def ready(_request: HttpRequest) -> JsonResponse:
    """The database answers; without Redis we still serve, so it is only reported."""
    parts = {"database": _database_answers(), "redis": _redis_answers()}
    good = parts["database"]
    return JsonResponse({"status": "ok" if good else "unready", "parts": parts}, status=200 if good else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """What this process counted, and what is true of the database now. Labels are bounded: no ids, no addresses.

    Open in the embedded profile; where METRICS_TOKEN is set, and always in production, only with it as Bearer.
    """
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    guarded = settings.PRODUCTION or settings.METRICS_TOKEN
    if guarded and not (settings.METRICS_TOKEN and constant_time_compare(given, settings.METRICS_TOKEN)):
        raise Http404
    text = generate_latest(PROCESS) + generate_latest(_database_facts(timezone.now()))
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


@csrf_exempt  # sent by the browser itself, without a token; it changes nothing
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    log.warning("console.csp.reported", report=request.body[:2000].decode(errors="replace"))
    return HttpResponse(status=204)


def _database_facts(now: datetime) -> CollectorRegistry:
    """A registry for one answer: every process of ours would report the same numbers."""
    registry = CollectorRegistry()
    open_holds = Hold.objects.filter(state=Hold.State.OPEN)
    Gauge("qyuan_holds_open", "Holds that wait for their call to end", registry=registry).set(open_holds.count())
    overdue = Gauge("qyuan_holds_overdue", "Open holds past their deadline: the sweeper is late", registry=registry)
    overdue.set(open_holds.filter(expires_at__lt=now).count())
    audit = LedgerAudit.objects.order_by("-id").first()
    if audit is not None:
        Gauge("qyuan_ledger_audit_ok", "1 when the last audit found nothing", registry=registry).set(audit.is_clean)
        at = Gauge("qyuan_ledger_audit_timestamp_seconds", "When the last audit ran", registry=registry)
        at.set(audit.finished_at.timestamp())
    return registry


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone())
    except Exception:  # noqa: BLE001 a probe answers whatever is broken
        return False


def _redis_answers() -> bool:
    if isinstance(caches["default"], SturdyRedisCache):  # it answers without Redis as well; here Redis itself is meant
        return caches["default"].answers()
    try:
        cache.get("probe")
    except Exception:  # noqa: BLE001 a probe answers whatever is broken
        return False
    return True
