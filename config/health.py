"""The internal listener (`python -m config.health`): is Keybook alive, is it ready, and its figures for Prometheus.

It is a small process of its own with a role that reads counts; nothing here asks who you are, so it is not published.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import django
import redis
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.migrations.loader import MigrationLoader
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from config.figures import Figures, broker_client

PATIENCE = 3  # seconds that PostgreSQL or the broker gets to answer


def _postgres() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return _first_line(error)
    return ""


def _migrations() -> str:
    try:
        loader = MigrationLoader(connection)
    except DatabaseError as error:
        return _first_line(error)
    missing = set(loader.graph.nodes) - set(loader.applied_migrations)
    return f"{len(missing)} migrations are not applied: run manage.py migrate" if missing else ""


def _broker() -> str:
    if not settings.KEYBOOK.redis_url:
        return ""  # logs are followed without one
    try:
        with broker_client(PATIENCE) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        return _first_line(error)
    return ""


CHECKS: dict[str, Callable[[], str]] = {"postgresql": _postgres, "migrations": _migrations, "broker": _broker}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def readiness() -> tuple[int, dict[str, str]]:
    """Return 200 or 503, and what each check found: `ok` or a sentence."""
    found = {name: check() for name, check in CHECKS.items()}
    return (503 if any(found.values()) else 200), {name: trouble or "ok" for name, trouble in found.items()}


def metrics() -> bytes:
    """Return every figure in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(Figures())
    return generate_latest(registry)


class Listener(BaseHTTPRequestHandler):
    """Answers GET of three paths."""

    timeout = 10

    def do_GET(self) -> None:
        """Answer."""
        try:
            self._answer(*self._found())
        finally:
            connections.close_all()

    def _found(self) -> tuple[int, str, bytes]:
        match self.path.partition("?")[0]:
            case "/health/live":
                return 200, "text/plain; charset=utf-8", b"ok\n"
            case "/health/ready":
                status, told = readiness()
                return status, "application/json", json.dumps(told).encode() + b"\n"
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, metrics()
        return 404, "text/plain; charset=utf-8", b"There are /health/live, /health/ready and /metrics.\n"

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of what was asked."""


def address(text: str) -> tuple[str, int]:
    """Split `host:port`. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(text)
    return host.strip("[]"), int(port)


def serve(place: tuple[str, int]) -> None:
    """Listen until SIGTERM or Ctrl-C."""
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET

    class Server(ThreadingHTTPServer):
        address_family = family
        daemon_threads = True

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Server(place, Listener) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)


def main() -> int:
    """Listen at KEYBOOK_INTERNAL; 2 when that is no place to listen at."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    given = settings.KEYBOOK.internal
    try:
        place = address(given)
    except ValueError:
        sys.stderr.write("The setting KEYBOOK_INTERNAL is wrong: give host:port, for example 127.0.0.1:9001.\n")
        return 2
    try:
        serve(place)
    except OSError as error:
        sys.stderr.write(f"Nothing can listen at KEYBOOK_INTERNAL, {given}: {error.strerror}. Choose another port.\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
