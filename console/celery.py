"""The queues and the schedule. Rows are the truth; a lost message only delays, a sweeper rings again."""

import os
import signal
import sys
from typing import Any

from billiard.util import set_pdeathsig  # type: ignore[attr-defined] # the stubs do not know it
from celery import Celery
from celery.schedules import crontab
from celery.signals import worker_process_init
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

app = Celery("console")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    result_backend=None,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    worker_soft_shutdown_timeout=30.0,
    task_create_missing_queues=True,
    task_default_queue="default",
    timezone="UTC",
    broker_transport_options={
        # A message of a killed worker returns after the visibility timeout only; nothing renews it, so it is long and
        # our own rows (lease, reaper) recover lost work in seconds. The two sweep knobs default to 100 s together.
        "visibility_timeout": 3600,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # A frozen Redis must not hold a request: delay() hung for more than 40 s without these.
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        # Nor may an absent one: a bell that cannot be rung is rung again by beat.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
    },
    beat_schedule={
        "sweep-holds": {"task": "billing.tasks.sweep_holds", "schedule": settings.SWEEP_INTERVAL_S},
        "send-notices": {"task": "billing.tasks.send_notices", "schedule": 10.0},
        "watch-balances": {"task": "billing.tasks.watch_balances", "schedule": 30.0},
        "tend-payments": {"task": "billing.tasks.tend_payments", "schedule": 15.0},
        "charge-saved-cards": {"task": "billing.tasks.charge_saved_cards", "schedule": 30.0},
        "expire-promos": {"task": "billing.tasks.expire_promos", "schedule": 600.0},
        "audit-ledger": {"task": "console.tasks.audit_ledger", "schedule": crontab(minute=20)},
        "advance-checkpoints": {"task": "billing.tasks.advance_checkpoints", "schedule": crontab(minute=5)},
        "verify-statements": {"task": "billing.tasks.verify_statements", "schedule": crontab(hour=4, minute=50)},
        "seal-statements": {"task": "billing.tasks.seal_statements", "schedule": crontab(minute=35)},
        "accrue-rewards": {"task": "referrals.tasks.accrue_rewards", "schedule": 600.0},
        "mature-rewards": {"task": "referrals.tasks.mature_rewards", "schedule": 300.0},
        "expire-withdrawals": {"task": "referrals.tasks.expire_withdrawals", "schedule": 3600.0},
        "reap-image-jobs": {"task": "playground.tasks.reap_jobs", "schedule": settings.SWEEP_INTERVAL_S},
        "reap-runs": {"task": "playground.tasks.reap_runs", "schedule": settings.SWEEP_INTERVAL_S * 2},
    },
)
app.autodiscover_tasks()


@worker_process_init.connect
def die_with_the_worker(**_: Any) -> None:
    """In the middle of a task a pool process would outlive a killed worker; the row recovers its job instead."""
    if sys.platform == "linux":
        set_pdeathsig(signal.SIGKILL)
