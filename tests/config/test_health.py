"""The internal listener says whether Keybook lives and is ready, and gives its figures; the public one says nothing."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg.conninfo import make_conninfo

from tests.audit.conftest import ROOT
from tests.audit.lines import calls, log


def _ask(place: str, path: str) -> tuple[int, str]:
    wire = http.client.HTTPConnection(place, timeout=20)
    try:
        wire.request("GET", path)
        answer = wire.getresponse()
        return answer.status, answer.read().decode()
    finally:
        wire.close()


@contextmanager
def _listening(environment: dict[str, str], **more: str) -> Iterator[str]:
    """Yield the address of a listener that runs with this environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    argv = [sys.executable, "-m", "config.health"]
    with subprocess.Popen(argv, cwd=ROOT, env={**environment, "KEYBOOK_INTERNAL": place, **more}) as process:
        try:
            while True:
                try:
                    assert _ask(place, "/health/live") == (200, "ok\n")
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None, "the listener ended"
            yield place
        finally:
            process.terminate()
            assert process.wait(20) == 0


@pytest.fixture(scope="module")
def watched(roles, tmp_path_factory):
    """Return an environment as the health role, with a log of 20 calls and a torn line ingested from `demo/file`."""
    folder = tmp_path_factory.mktemp("watched")
    file = folder / "audit.log"
    file.write_bytes(log(calls(20)) + b'{"time":"torn\n')
    words = ("follow", "--once", "--path", str(file), "--vault", "demo")
    roles.database.manage(*words, KEYBOOK_LOG_ROOTS=str(folder))
    url = make_conninfo(roles.database.environment["DATABASE_URL"], user="keybook_health")
    return {**roles.database.environment, "DATABASE_URL": url}


def test_figures_are_read_from_the_database(watched):
    with _listening(watched, KEYBOOK_RECEIVER="127.0.0.1:1") as place:
        status, told = _ask(place, "/metrics")
        assert _ask(place, "/elsewhere")[0] == 404
    assert status == 200
    found = {
        name: float(value) for name, value in re.findall(r"^(keybook_\w+(?:\{[^}]*\})?) (\S+)$", told, re.MULTILINE)
    }
    device = '{device="file",vault="demo"}'
    assert found[f"keybook_lines_total{device}"] == 41
    assert found[f"keybook_events_total{device}"] == 20
    assert found[f"keybook_quarantined{device}"] == 1
    assert found[f"keybook_gaps{device}"] == 0
    assert found[f"keybook_last_event_timestamp_seconds{device}"] > 1.7e9
    assert 0 <= next(value for name, value in found.items() if name.startswith("keybook_lag_seconds")) < 600
    assert found['keybook_up{part="postgresql"}'] == found['keybook_up{part="broker"}'] == 1
    assert found['keybook_up{part="receiver"}'] == 0
    assert 'keybook_queue_length{queue="ingest"}' in found


def test_it_is_ready_when_database_tables_and_broker_are(watched):
    with _listening(watched) as place:
        status, told = _ask(place, "/health/ready")
    assert (status, set(json.loads(told).values())) == (200, {"ok"})


def test_it_says_what_is_missing(roles):
    with roles.database.connect() as wire:
        wire.execute("UPDATE django_migrations SET app = 'gone' WHERE app = 'audit' AND name LIKE '0001%'")
        try:
            with _listening(roles.database.environment, REDIS_URL="redis://127.0.0.1:1/0") as place:
                status, told = _ask(place, "/health/ready")
                assert _ask(place, "/metrics")[0] == 200
        finally:
            wire.execute("UPDATE django_migrations SET app = 'audit' WHERE app = 'gone'")
    found = json.loads(told)
    assert status == 503 and found["postgresql"] == "ok"
    assert found["migrations"] == "1 migrations are not applied: run manage.py migrate"
    assert "refused" in found["broker"]


def test_it_lives_without_a_database_but_is_not_ready(roles):
    with _listening(roles.database.environment, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none") as place:
        assert _ask(place, "/health/live")[0] == 200
        assert _ask(place, "/health/ready")[0] == 503
        status, told = _ask(place, "/metrics")
    assert status == 200 and 'keybook_up{part="postgresql"} 0.0' in told


@pytest.mark.parametrize("place", ["9001", "127.0.0.1:http", "127.0.0.1:70000"])
def test_a_place_that_is_none_is_refused_in_one_sentence(place, test_database):
    argv = [sys.executable, "-m", "config.health"]
    environment = {"PATH": "/usr/bin:/bin", "KEYBOOK_INTERNAL": place}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "The setting KEYBOOK_INTERNAL is wrong: give host:port, for example 127.0.0.1:9001.\n"
