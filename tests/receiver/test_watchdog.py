"""The serving process is replaced when it falls silent or dies, and nobody outlives the watchdog."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.audit.lines import calls
from tests.receiver.service import ROOT, receiver, until


@pytest.fixture
def service(database, tmp_path):
    made = database.manage("receiver_token", "--vault", "demo", "--device", tmp_path.name, "--json").stdout
    with receiver(database.environment, tmp_path) as running:
        running.token = json.loads(made)["token"]
        yield running


def line():
    return next(iter(calls(1, seed="watchdog"))).request("http")


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_frozen_process_is_killed_and_replaced_and_the_port_stays_open(service):
    frozen = service.serving()
    os.kill(frozen, signal.SIGSTOP)
    began = time.monotonic()
    heard = until(lambda: _answered(service), 30)
    assert heard.status == 200
    assert service.serving() not in (0, frozen)
    assert time.monotonic() - began < 25
    assert "was silent for 2 s; it is killed" in service.log.read_text()


def _answered(service):
    try:
        heard = service.post(line())
    except OSError:
        return None  # what the frozen process had taken ends with it
    return heard if heard.status == 200 else None


def test_a_process_that_dies_is_replaced_and_no_connection_is_refused(service):
    for _ in range(3):
        os.kill(service.serving(), signal.SIGKILL)
        with closing(service.connect()) as wire:
            wire.connect()  # the watchdog holds the socket
        until(lambda: _answered(service), 30)


def test_the_serving_process_dies_with_a_killed_watchdog(database, tmp_path):
    with receiver(database.environment, tmp_path) as running:
        serving = running.serving()
        running.process.kill()
        running.process.wait()
        until(lambda: is_gone(serving), 10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order(database, tmp_path, number):
    with receiver(database.environment, tmp_path) as running:
        serving = running.serving()
        running.process.send_signal(number)
        assert running.process.wait(20) == 0
        assert is_gone(serving)
        assert running.log.read_text() == ""


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"KEYBOOK_RECEIVER": "8090"}, "KEYBOOK_RECEIVER"),
        ({"KEYBOOK_RECEIVER_DEADLINE_MS": "soon"}, "KEYBOOK_RECEIVER_DEADLINE_MS"),
        ({"KEYBOOK_RECEIVER_BODY": "1"}, "KEYBOOK_RECEIVER_BODY"),
        ({"KEYBOOK_RECEIVER": "192.0.2.1:80"}, "KEYBOOK_RECEIVER"),
    ],
)
def test_a_wrong_setting_ends_it_with_a_sentence(settings, named):
    command = [sys.executable, "-m", "receiver"]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_settings_may_lie_in_files(tmp_path):
    from receiver import settings

    (tmp_path / "database_url").write_text("postgresql://somebody@somewhere/keybook\n")
    (tmp_path / "KEYBOOK_RECEIVER").write_text("[::1]:9999")
    read = settings.read({"KEYBOOK_SECRETS": str(tmp_path)})
    assert (read.database_url, read.host, read.port) == ("postgresql://somebody@somewhere/keybook", "::1", 9999)
