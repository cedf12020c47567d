"""The bells: a Celery message wakes a worker and carries one primary key; rows in PostgreSQL are the queue.

Nothing here is relied upon to keep anything. A message that is lost, doubled, late or flushed with the whole broker
changes nothing, because the sweep rings again within a second and a turn begins at the cursor that was committed.
The figures behind these settings are in docs/decisions/0007-messages-are-doorbells.md.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from django.conf import settings

from inventory import executing
from kit import heap
from kit.undumpable import undumpable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Django's checks load every page; a worker shows none, and must not fail to start because of one.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

PULSE = 5.0  # seconds
TURN_ENDS = 300.0  # seconds after which a worker's child that hangs is ended; a turn bounds itself to ten


def broker(url: str) -> str:
    """Return a redis-py URL in kombu's words: a socket is `redis+socket:///path?virtual_host=0` there."""
    if not url.startswith("unix:"):
        return url
    place, _, query = url.removeprefix("unix:").partition("?")
    return f"redis+socket:{place}?{query.replace('db=', 'virtual_host=') or 'virtual_host=0'}"


if not settings.KEYBOOK.redis_url:
    sys.stderr.write(
        "The setting REDIS_URL is empty, so workers and beat have no broker to meet at. Name a Valkey or Redis, or "
        "follow the logs without one with `manage.py follow`; see docs/configuration.md.\n"
    )
    sys.exit(2)

app = Celery("keybook")
app.conf.update(
    broker_url=broker(settings.KEYBOOK.redis_url),
    # JSON alone, and no result is ever kept: what a task did stands in PostgreSQL.
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    result_backend=None,
    task_store_errors_even_if_ignored=False,
    # Acknowledged at once: losing a bell is harmless, and a bell that is redelivered for ever is not.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    task_default_queue="ingest",
    task_routes={
        "audit.sweep": {"queue": "sweep"},
        "inventory.sweep_clusters": {"queue": "sweep"},
        "inventory.watch_cluster": {"queue": "cluster"},
        "rotation.sweep": {"queue": "sweep"},
        "rotation.run_change": {"queue": "operations"},
        "rotation.deliver": {"queue": "notices"},
    },
    task_time_limit=TURN_ENDS,
    worker_max_tasks_per_child=2_000,
    worker_send_task_events=False,
    # Whoever reaches the broker can wake workers and no more: nobody can stop or change them from there.
    worker_enable_remote_control=False,
    # A page or a command that rings must not hang because the broker is away: the sweep rings anyway.
    task_publish_retry=True,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2, "interval_step": 0.2, "interval_max": 0.2},
    broker_connection_timeout=3.0,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 60,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 5,
    },
    # Beat remembers nothing, so it needs no file; two of them ring twice, which is harmless.
    beat_scheduler="celery.beat:Scheduler",
    beat_max_loop_interval=1.0,
    beat_schedule={
        "sweep": {"task": "audit.sweep", "schedule": timedelta(seconds=1), "options": {"expires": 5.0}},
        "attribute": {
            "task": "audit.attribute",
            "schedule": timedelta(seconds=5),
            "options": {"queue": "ingest", "expires": 4.0},
        },
        "sweep clusters": {
            "task": "inventory.sweep_clusters",
            "schedule": timedelta(seconds=5),
            "options": {"expires": 5.0},
        },
        "hear of our calls": {
            "task": "rotation.hear",
            "schedule": timedelta(seconds=5),
            "options": {"queue": "operations", "expires": 4.0},
        },
        "deliver notices": {"task": "rotation.deliver", "schedule": timedelta(seconds=5), "options": {"expires": 4.0}},
        "look at schedules": {
            "task": "rotation.look_at_schedules",
            "schedule": timedelta(seconds=15),
            "options": {"queue": "operations", "expires": 14.0},
        },
        "sweep changes": {"task": "rotation.sweep", "schedule": timedelta(seconds=1), "options": {"expires": 5.0}},
        "keep house": {
            "task": "audit.keep_house",
            "schedule": timedelta(minutes=1),
            "last_run_at": datetime(2000, 1, 1, tzinfo=UTC),  # so it is due as soon as beat starts
            "options": {"queue": "ingest", "expires": 55.0},
        },
        "anchor the trail": {
            "task": "accounts.anchor_trail",
            "schedule": timedelta(minutes=1),
            "last_run_at": datetime(2000, 1, 1, tzinfo=UTC),
            "options": {"queue": "ingest", "expires": 55.0},
        },
        "look at vaults": {
            "task": "audit.look_at_vaults",
            "schedule": timedelta(seconds=10),
            "options": {"queue": "ingest", "expires": 9.0},
        },
        "follow leases": {
            "task": "audit.follow_leases",
            "schedule": timedelta(seconds=2),
            "options": {"queue": "ingest", "expires": 4.0},
        },
        "hold leases": {
            "task": "audit.hold_leases",
            "schedule": timedelta(seconds=30),
            "options": {"queue": "ingest", "expires": 25.0},
        },
        "find old versions": {
            "task": "audit.find_old_versions",
            "schedule": timedelta(seconds=30),
            "options": {"queue": "ingest", "expires": 25.0},
        },
        "verify leases": {
            "task": "audit.verify_leases",
            "schedule": timedelta(seconds=10),
            "options": {"queue": "ingest", "expires": 9.0},
        },
    },
    # One line each, from Django's LOGGING; a worker's own chatter is left out.
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    timezone="UTC",
)
app.autodiscover_tasks(["accounts", "audit", "inventory", "rotation"])
app.autodiscover_tasks(["audit"], related_name="vault_tasks")


class Pulse(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Touches KEYBOOK_PULSE every five seconds from the first bell that could be heard, while the broker is there."""

    requires = {"celery.worker.consumer.tasks:Tasks"}

    def start(self, consumer: Any) -> None:
        """Begin; a worker that has lost the broker begins again when it is back."""
        if settings.KEYBOOK.pulse:
            Path(settings.KEYBOOK.pulse).touch()
            self.touching = consumer.timer.call_repeatedly(PULSE, Path(settings.KEYBOOK.pulse).touch)

    def stop(self, consumer: Any) -> None:
        """Stop: the file grows old while the broker is away."""
        if settings.KEYBOOK.pulse:
            self.touching.cancel()


app.steps["consumer"].add(Pulse)


class Identity(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Lets the executor come to its identity before the worker divides into children; only `operations` has one."""

    def create(self, worker: Any) -> None:
        """Open what was handed over wrapped, and keep this process's memory to itself."""
        if settings.KEYBOOK.executor:
            undumpable()
            executing.begin(settings.KEYBOOK.executor)


app.steps["worker"].add(Identity)


class Heap(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Sets the memory's housekeeping before the worker divides, so that its children share what it has imported."""

    requires = (Identity,)

    def create(self, worker: Any) -> None:
        """Leave what is imported out of every later search for rubbish."""
        heap.settle()


app.steps["worker"].add(Heap)
