"""The embedded OpenBao: unsealed, furnished, audited, with real log-ins of the embedded PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sandbox import control
from sandbox.bao_http import Bao


@pytest.fixture
def bao(yard):
    return Bao(yard.environment["VAULT_ADDR"], yard.environment["VAULT_TOKEN"])


def _audited(yard, path: str) -> list[dict]:
    lines = map(json.loads, Path(yard.environment["KEYBOOK_AUDIT_LOG"]).read_text().splitlines())
    return [line for line in lines if line["request"]["path"] == path]


def test_kv_of_both_versions_stands_ready(bao):
    mounts = bao.must("GET", "sys/mounts").data
    assert mounts["secret/"]["options"] == {"version": "2"}
    assert mounts["legacy/"]["options"] == {"version": "1"}


def test_every_call_is_audited_in_a_file_that_a_group_may_read(yard, bao):
    bao.must("POST", "secret/data/audited", {"data": {"key": "value"}})
    request, response = _audited(yard, "secret/data/audited")
    assert (request["type"], response["type"]) == ("request", "response")
    assert stat.S_IMODE(Path(yard.environment["KEYBOOK_AUDIT_LOG"]).stat().st_mode) == 0o640
    roots = yard.environment["KEYBOOK_LOG_ROOTS"].split(":")
    assert any(Path(yard.environment["KEYBOOK_AUDIT_LOG"]).is_relative_to(root) for root in roots)


def test_a_client_has_the_address_that_it_says(yard, bao):
    bao.seen_as(address="10.42.7.9").must("POST", "secret/data/addressed", {"data": {"key": "value"}})
    assert {line["request"]["remote_address"] for line in _audited(yard, "secret/data/addressed")} == {"10.42.7.9"}


def test_database_credentials_log_in_until_their_lease_is_revoked(yard, bao):
    issued = bao.must("GET", "database/creds/payments-rw").body
    host = conninfo_to_dict(yard.environment["DATABASE_URL"])["host"]
    who = {
        "host": host,
        "dbname": "payments",
        "user": issued["data"]["username"],
        "password": issued["data"]["password"],
    }
    with psycopg.connect(**who) as session:
        session.execute("insert into transfer (cents) values (1)")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**who, "password": "guessed"})
    bao.must("PUT", "sys/leases/revoke", {"lease_id": issued["lease_id"], "sync": True})
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**who)


def test_the_readonly_role_cannot_write(yard, bao):
    issued = bao.must("GET", "database/creds/payments-ro").data
    host = conninfo_to_dict(yard.environment["DATABASE_URL"])["host"]
    with psycopg.connect(host=host, dbname="payments", user=issued["username"], password=issued["password"]) as session:
        assert session.execute("select count(*) >= 0 from transfer").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("insert into transfer (cents) values (1)")


def test_a_killed_openbao_comes_back_unsealed_with_its_secrets(bao):
    bao.must("POST", "secret/data/kept", {"data": {"key": "kept"}})
    control.ask("kill", "openbao")
    with pytest.raises(OSError):
        bao.call("GET", "sys/health")
    control.ask("start", "openbao")
    assert bao.must("GET", "secret/data/kept").data["data"] == {"key": "kept"}


def test_a_renamed_audit_log_goes_on_as_a_new_file_after_sighup(yard, bao, until):
    log = Path(yard.environment["KEYBOOK_AUDIT_LOG"])
    log.rename(log.with_suffix(".1"))
    os.kill(control.state()["openbao"]["pid"], signal.SIGHUP)
    until(lambda: log.exists(), "the new audit log")
    bao.must("POST", "secret/data/rotated", {"data": {"key": "value"}})
    assert len(_audited(yard, "secret/data/rotated")) == 2


def test_an_http_device_gets_every_entry_too(running):
    got = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}/"
        with running("--vault", env={"KEYBOOK_AUDIT_HTTP": uri}) as own:
            lines = map(json.loads, Path(own.environment["KEYBOOK_AUDIT_LOG"]).read_text().splitlines())
            filed = {(line["request"]["id"], line["type"]) for line in lines}
        server.shutdown()
    # Each device starts with an entry of its own that proves that it works.
    assert len(filed) > 10
    assert len(filed ^ {(line["request"]["id"], line["type"]) for line in got}) <= 4
