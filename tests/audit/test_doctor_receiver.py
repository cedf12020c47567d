"""For each line of doctor about the receiver and what ingestion noted: it is broken, and the line and mend are seen."""

from __future__ import annotations

import socket
import threading
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.conf import settings

from audit import actions, receivers
from audit.models import Alarm, Device, Gap, Generation, Pending, Quarantine, ReceiverToken, Source, Spool
from audit.sources.spool import KIND
from tests.audit.doctor_lines import NOW, bad, line, well

__all__ = ["well"]

# The receiver -----------------------------------------------------------------------------------------------------


class _Receiver(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def answering(monkeypatch):
    """A receiver that says what a test wants."""
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    server.status, server.body = 200, b'{"spool":"up"}'
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(settings.KEYBOOK, "receiver", f"127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_receiver_that_is_away(well, monkeypatch):
    receivers.add_receiver("prod", "http")
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        monkeypatch.setattr(settings.KEYBOOK, "receiver", f"127.0.0.1:{door.getsockname()[1]}")
        assert "python -m receiver" in bad("receiver").mend


def test_a_receiver_that_can_t_reach_its_spool(well, answering):
    receivers.add_receiver("prod", "http")
    assert line("receiver").ok
    answering.body = b'{"spool":"down"}'
    assert "can't reach its spool" in bad("receiver").detail


def test_received_lines_that_nobody_takes(well, answering):
    source, _ = receivers.add_receiver("prod", "http")
    assert line("spool prod/http").ok
    Spool.objects.create(device=source.device, key=uuid.uuid4(), micros=1, sha256=b"", length=1, line=b"{}",
                         received_at=NOW - timedelta(minutes=3))  # fmt: skip
    check = bad("spool prod/http")
    assert "1 lines wait" in check.detail and "ingest worker" in check.mend


def test_a_token_that_nobody_uses(well, answering):
    receivers.add_receiver("prod", "http")
    token = ReceiverToken.objects.get()
    assert line(f"token {token.pk}").ok  # made just now
    ReceiverToken.objects.update(made_at=NOW - timedelta(days=3))
    assert f"--revoke {token.pk}" in bad(f"token {token.pk} of prod/http").mend


def test_a_receiver_s_source_that_is_not_read(well, answering):
    receivers.add_receiver("prod", "http")
    assert "the receiver's spool was never read" in bad("source prod/http").detail
    Source.objects.filter(kind=KIND).update(drained_at=datetime.now(UTC))
    assert line("source prod/http").ok


# What ingestion noted ---------------------------------------------------------------------------------------------


def test_bytes_in_quarantine(well):
    with well.open("ab") as file:
        file.write(b"rubbish\n")
    actions.read_source(Source.objects.get())
    assert Quarantine.objects.exists() and "no audit line" in bad("quarantine").detail


def test_a_gap(well):
    Gap.objects.create(device=Device.objects.get(), kind="vanished", key="1", start=NOW, detail="the log was cut")
    assert "the log was cut" in bad("gaps").detail


def test_a_device_that_misses_what_another_has(well):
    Gap.objects.create(device=Device.objects.get(), kind="missed", key="1", start=NOW, detail="missed")
    assert "file missed entries" in bad("devices").detail


@pytest.mark.parametrize(("kind", "said"), [("plain token", "log_raw=false"), ("duplicate keys", "who else writes")])
def test_an_alarm(well, kind, said):
    Alarm.objects.create(device=Device.objects.get(), kind=kind, first_at=NOW, last_at=NOW, count=2, detail="seen")
    assert said in bad(f"{kind} prod/file").mend


def test_requests_that_got_no_response(well):
    Pending.objects.create(device=Device.objects.get(), request_id=uuid.uuid4(), generation=Generation.objects.get(),
                           position=0, length=1, sha256=b"", line=b"{}", time=NOW,
                           received_at=NOW - timedelta(minutes=9))  # fmt: skip
    assert "1 requests wait" in bad("unanswered").detail
