"""Keybook's figures for Prometheus, read from the database and the broker at the moment of the question."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

QUEUES = ("ingest", "sweep")
DEVICE = ("vault", "device")
_CLASSES = ("event", "duplicate", "quarantine", "framing")

_DEVICES = """
    SELECT v.name, d.name, extract(epoch FROM d.last_time), extract(epoch FROM d.seen_at),
           coalesce(sum(g.lines), 0), coalesce(sum(g.events), 0), coalesce(sum(g.bytes_event), 0),
           coalesce(sum(g.bytes_duplicate), 0), coalesce(sum(g.bytes_quarantine), 0), coalesce(sum(g.bytes_framing), 0),
           (SELECT count(*) FROM audit_gap p WHERE p.device_id = d.id),
           (SELECT count(*) FROM audit_quarantine q JOIN audit_generation o ON o.id = q.generation_id
            WHERE o.device_id = d.id),
           (SELECT count(*) FROM audit_pending w WHERE w.device_id = d.id)
    FROM audit_device d JOIN audit_vault v ON v.id = d.vault_id LEFT JOIN audit_generation g ON g.device_id = d.id
    GROUP BY v.name, d.id ORDER BY v.name, d.name
"""
_SOURCES = """
    SELECT v.name, d.name, s.kind, s.id::text, extract(epoch FROM now() - s.drained_at), (s.trouble <> '')::int
    FROM audit_source s JOIN audit_device d ON d.id = s.device_id JOIN audit_vault v ON v.id = d.vault_id ORDER BY s.id
"""
_SPOOL = """
    SELECT v.name, d.name, count(s.id), coalesce(extract(epoch FROM now() - min(s.received_at)), 0)
    FROM audit_source r JOIN audit_device d ON d.id = r.device_id JOIN audit_vault v ON v.id = d.vault_id
    LEFT JOIN audit_spool s ON s.device_id = d.id WHERE r.kind = 'receiver' GROUP BY v.name, d.id ORDER BY 1, 2
"""


def broker_client(patience: float) -> redis.Redis:
    """Return a client of the broker that waits so many seconds; kombu's words for a socket are understood, too."""
    url = settings.KEYBOOK.redis_url.replace("redis+socket:", "unix:").replace("virtual_host=", "db=")
    return redis.Redis.from_url(url, socket_timeout=patience, socket_connect_timeout=patience)


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _gauge(name: str, about: str, labels: Sequence[str], rows: Sequence[tuple[Any, ...]], column: int) -> Metric:
    """Return one gauge with a sample for each row whose value is known."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for row in rows:
        if row[column] is not None:
            family.add_metric(row[: len(labels)], float(row[column]))
    return family


def _counter(name: str, about: str, rows: Sequence[tuple[Any, ...]], column: int) -> Metric:
    family = CounterMetricFamily(name, about, labels=DEVICE)
    for row in rows:
        family.add_metric(row[:2], float(row[column]))
    return family


class Figures(Collector):
    """Reads everything anew for each scrape; what can't be read is missing, and `keybook_up` says why."""

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        up = GaugeMetricFamily("keybook_up", "Whether a part answers: 1 or 0.", labels=["part"])
        try:
            yield from self._past()
            up.add_metric(["postgresql"], 1)
        except DatabaseError:
            up.add_metric(["postgresql"], 0)
        try:
            yield from self._queues()
            up.add_metric(["broker"], 1)
        except (redis.RedisError, OSError):
            up.add_metric(["broker"], 0)
        up.add_metric(["receiver"], float(_listens(getattr(settings.KEYBOOK, "receiver", ""))))
        yield up

    def _past(self) -> Iterator[Metric]:
        devices, sources, spool = _rows(_DEVICES), _rows(_SOURCES), _rows(_SPOOL)
        yield _gauge("keybook_last_event_timestamp_seconds", "Time of a device's newest line.", DEVICE, devices, 2)
        yield _gauge("keybook_last_ingest_timestamp_seconds", "When a device's lines last came in.", DEVICE, devices, 3)
        yield _counter("keybook_lines", "Lines read from a device.", devices, 4)
        yield _counter("keybook_events", "Events first seen on a device.", devices, 5)
        sized = CounterMetricFamily("keybook_bytes", "Bytes read, by what became of them.", labels=[*DEVICE, "class"])
        for row in devices:
            for place, kind in enumerate(_CLASSES, 6):
                sized.add_metric([*row[:2], kind], float(row[place]))
        yield sized
        yield _gauge("keybook_gaps", "Known holes in a device's record.", DEVICE, devices, 10)
        yield _gauge("keybook_quarantined", "Places with bytes that are no audit line.", DEVICE, devices, 11)
        yield _gauge("keybook_unanswered", "Requests that wait for their response.", DEVICE, devices, 12)
        labels = (*DEVICE, "kind", "source")
        yield _gauge("keybook_lag_seconds", "Since a source was last read to its end.", labels, sources, 4)
        yield _gauge("keybook_source_trouble", "Whether something keeps a source from being read.", labels, sources, 5)
        yield _gauge("keybook_spool_records", "Records that wait in the receiver's spool.", DEVICE, spool, 2)
        yield _gauge("keybook_spool_oldest_seconds", "Age of the oldest of them.", DEVICE, spool, 3)

    def _queues(self) -> Iterator[Metric]:
        length = GaugeMetricFamily("keybook_queue_length", "Bells that no worker has heard yet.", labels=["queue"])
        oldest = GaugeMetricFamily("keybook_queue_age_seconds", "Age of the oldest of them.", labels=["queue"])
        if settings.KEYBOOK.redis_url:
            with broker_client(3) as client:
                for queue in QUEUES:
                    length.add_metric([queue], float(client.llen(queue)))
                    oldest.add_metric([queue], _age(client.lindex(queue, -1)))
        yield length
        yield oldest


def _age(message: bytes | None) -> float:
    """Return the seconds since a message was sent, 0 for none: kombu puts in on the left and takes from the right."""
    if not message:
        return 0.0
    rung = json.loads(message).get("headers", {}).get("rung")
    return max(0.0, time.time() - float(rung)) if rung else 0.0


def _listens(place: str) -> bool:
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False
