"""For each line of doctor: its subject is broken, and the line and its mend are seen."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
import uuid
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import psycopg
import pytest
from django.conf import settings
from django.core.checks import Error
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from accounts import anchor
from accounts.models import TrailEntry
from audit import actions, doctor, partitions, receivers
from audit.checks import database, trail, vaults
from audit.ingest import connect
from audit.models import Alarm, Device, Gap, Generation, Pending, Quarantine, ReceiverToken, Source, Spool, Vault
from audit.sources.spool import KIND
from inventory import sync
from inventory.look import look
from inventory.models import Connection
from tests.audit.forgetting import forget_connections
from tests.audit.lines import Call
from tests.inventory.clusters import forget_clusters
from vault import policy
from vault.fake import FakeServer, FakeVault
from vault.server import Token

NOW = datetime.now(UTC)


@pytest.fixture
def well(past, tmp_path, monkeypatch):
    """A log that was just read to its end, in a place of its own, with partitions ahead."""
    forget_connections()  # and clusters: what tests of other files left
    forget_clusters()
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    monkeypatch.setattr(settings.KEYBOOK, "redis_url", "")
    monkeypatch.setattr(settings.KEYBOOK, "anchor", str(tmp_path / "trail.anchor"))
    log = tmp_path / "audit.log"
    log.write_bytes(b"\n".join(Call(1, at=datetime.now(UTC)).lines()) + b"\n")
    actions.follow_file(str(log), vault="prod")
    actions.keep_house()
    actions.read_source(Source.objects.get())
    yield log
    forget_connections()


def line(name, ask=None):
    """The one line whose name begins so."""
    found = [check for check in doctor.examine(ask) if check.name.startswith(name)]
    assert len(found) == 1, [check.name for check in found]
    return found[0]


def bad(name, ask=None):
    """That line, which must be wrong and say how to mend it."""
    check = line(name, ask)
    assert not check.ok and check.mend
    return check


def test_a_healthy_installation_has_only_good_lines(well):
    settled = {"settings", "cookies"}  # what the tests' own environment is like has tests of its own
    found = [check for check in doctor.examine(lambda _: None) if not check.name.startswith(tuple(settled))]
    bad = [check for check in found if not check.ok or check.mend]
    assert [check for check in bad if check.name != "durability"] == [], "the tests' PostgreSQL is in a hurry"
    names = {"postgresql", "migrations", "durability", "partitions", "disk", "broker", "workers", "source prod/file",
             "quarantine", "gaps", "devices", "unanswered", "trail anchor", "debug"}  # fmt: skip
    assert {check.name for check in found} == names


# PostgreSQL -------------------------------------------------------------------------------------------------------


def test_postgresql_that_does_not_answer(well, monkeypatch):
    def refuse():
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(database, "connect", refuse)
    assert "DATABASE_URL" in bad("postgresql").mend
    assert "migrations" not in {check.name for check in doctor.examine()}  # the others are not tried


def test_postgresql_that_is_too_old(well, monkeypatch):
    class Old:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def execute(self, _):
            return self

        def fetchone(self):
            return ("14.2", "140002")

    monkeypatch.setattr(database, "connect", Old)
    assert "15 or newer" in database.postgres().mend and not database.postgres().ok


def test_migrations_that_are_not_applied(well):
    recorder = MigrationRecorder(connection)
    newest = MigrationLoader(connection).graph.leaf_nodes("audit")[0]
    recorder.record_unapplied(*newest)
    try:
        assert "1 migrations" in bad("migrations").detail and "migrate" in bad("migrations").mend
    finally:
        recorder.record_applied(*newest)


def test_commits_that_do_not_reach_the_disk(well, monkeypatch):
    def loose():
        own = connect()
        own.execute("SET synchronous_commit = off")
        return own

    monkeypatch.setattr(database, "connect", loose)
    assert "synchronous_commit off" in bad("durability").detail


def test_no_partition_for_tomorrow(well):
    with connect() as own:
        for day in partitions.days_kept(own):
            if day > NOW.date():
                for table in ("audit_event", "audit_sighting", "audit_told", "audit_block"):
                    own.execute(f"DROP TABLE {table}_{day:%Y%m%d}")
    assert "a week ahead" in bad("partitions").mend


Usage = namedtuple("Usage", "total used free")


def test_a_disk_that_is_almost_full(well, monkeypatch):
    monkeypatch.setattr(database, "data_folder", lambda _: "/")
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(100 * 1024**3, 99 * 1024**3, 1024**3))
    check = bad("disk")
    assert "1.0 GiB of 100.0 GiB are free" in check.detail and "KEYBOOK_RETENTION_DAYS" in check.mend


def test_a_disk_that_can_t_be_seen_is_said(well, monkeypatch):
    def hidden(_):
        raise FileNotFoundError

    monkeypatch.setattr(database, "data_folder", lambda _: "/var/lib/elsewhere")
    monkeypatch.setattr("shutil.disk_usage", hidden)
    assert line("disk").ok and "can't be seen from here" in line("disk").detail


# Who reads --------------------------------------------------------------------------------------------------------


def test_a_broker_that_is_away(well, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "redis_url", "redis://:word@127.0.0.1:1/0")
    check = bad("broker")
    assert "REDIS_URL" in check.mend and "word" not in check.detail + check.mend


@pytest.mark.skipif(not os.environ.get("REDIS_URL"), reason="bin/sandbox starts a Valkey")
def test_a_broker_that_refuses_the_password(well, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "redis_url", os.environ["REDIS_URL"])
    assert line("broker").ok
    wrong = os.environ["REDIS_URL"].replace("redis://:", "redis://:not-")
    monkeypatch.setattr(settings.KEYBOOK, "redis_url", wrong)
    assert "password" in bad("broker").mend


def test_workers_that_stopped(well):
    Source.objects.update(drained_at=NOW - timedelta(minutes=5))
    assert "ingest worker" in bad("workers").mend
    assert "s ago" in bad("source prod/file").detail


def test_workers_that_never_ran(well):
    Source.objects.update(drained_at=None)
    assert "ever read" in bad("workers").detail and "never read" in bad("source prod/file").detail


# Sources ----------------------------------------------------------------------------------------------------------


def test_nothing_is_followed_and_nothing_was_imported(well):
    Source.objects.all().delete()
    Generation.objects.update(follows=None)
    for model in (Generation, Device, Vault):
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {model._meta.db_table} CASCADE")
    assert "manage.py connect" in bad("sources").mend


def test_a_source_whose_file_vanished(well):
    well.unlink()
    check = bad("source prod/file")
    assert "there is no such file" in check.detail and "file_path" in check.mend


def test_a_source_outside_of_the_roots(well, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", "/nowhere")
    assert "KEYBOOK_LOG_ROOTS" in bad("source prod/file").mend


def test_a_source_with_trouble(well):
    Source.objects.update(trouble="audit.log: uid 7 may not read it.")
    assert "uid 7" in bad("source prod/file").detail


def test_a_vault_that_only_posts(well):
    receivers.add_receiver("edge", "http")
    assert "file device too" in bad("only device of edge").mend
    actions.follow_file(str(well), vault="edge")
    assert not [check for check in doctor.examine() if check.name.startswith("only device")]


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


# Connected vaults -------------------------------------------------------------------------------------------------


@pytest.fixture
def vault(well):
    """A connected vault, its token with the printed policy; `ask` asks it with the token, `ask_bare` without."""

    class World:
        server = FakeServer()

        def ask(self, _):
            return FakeVault(self.server, "keybook"), True

        def ask_bare(self, _):
            return FakeVault(self.server), False

    world = World()
    world.server.policies["keybook"] = {right.path: right.capabilities for right in policy.RIGHTS}
    world.server.tokens["keybook"] = Token("keybook", ("keybook",), "a", "", 10**6, True, 10**6, True)
    world.connection = Connection.objects.create(vault="prod", address="https://vault.example")
    return world


def test_a_vault_that_is_away(vault):
    vault.server.away = True
    assert "gave no answer" in bad("vault prod: vault", vault.ask).detail
    assert "gave no answer" in bad("vault prod: vault", vault.ask_bare).detail


def test_a_sealed_vault(vault):
    vault.server.sealed = True
    assert bad("vault prod: vault", vault.ask).mend == "Unseal it."


def test_a_token_that_is_gone(vault):
    vault.server.tokens.clear()
    assert "Issue a new one" in bad("vault prod: token", vault.ask).mend


def test_a_token_that_soon_ends(vault):
    vault.server.tokens["keybook"] = Token("t", ("keybook",), "a", "", 3600, False)
    assert "60 minutes" in bad("vault prod: token", vault.ask).detail


@pytest.mark.parametrize("right", [one for one in policy.RIGHTS if one.needed and "lookup-self" not in one.path])
def test_a_right_that_is_missing(vault, right):
    del vault.server.policies["keybook"][right.path]
    assert right.hcl() in bad(f"vault prod: {right.path} (", vault.ask).mend


def test_a_token_that_may_too_much(vault):
    vault.server.policies["keybook"]["*"] = ("read",)
    vault.server.engines.append(type(vault.server.engines[0])("secret/", "kv", "kv_1", 2))
    assert "does not need that" in bad("vault prod: no more rights", vault.ask).detail


def test_a_clock_that_differs(vault):
    vault.server.server_time = int(NOW.timestamp()) + 3600
    assert "ahead of ours" in bad("vault prod: clock", vault.ask).detail


def test_without_a_token_the_last_look_is_told(vault):
    assert "no look with a token" in bad("vault prod: rights", vault.ask_bare).detail
    sync.keep(vault.connection, look(vault.ask(None)[0]))
    assert "every right was there" in line("vault prod: rights", vault.ask_bare).detail
    del vault.server.policies["keybook"]["sys/auth"]
    sync.keep(vault.connection, look(vault.ask(None)[0]))
    assert "at the last look" in bad("vault prod: sys/auth", vault.ask_bare).detail


def test_a_token_that_has_ended_since_the_last_look_is_told(vault):
    sync.keep(vault.connection, look(vault.ask(None)[0]))
    Connection.objects.update(token_until=NOW - timedelta(hours=1))
    assert "it has ended" in bad("vault prod: token", vault.ask_bare).detail


def test_a_token_file_that_can_t_be_read(vault):
    def ask(_):
        raise vaults.CannotAsk("/run/prod.token: No such file")

    assert "KEYBOOK_VAULT_TOKEN_FILES" in bad("vault prod: token", ask).mend


# The settings of this process -------------------------------------------------------------------------------------


def test_debug_that_is_on(well, settings):
    settings.DEBUG = True
    assert "KEYBOOK_DEBUG=false" in bad("debug").mend


def test_cookies_over_plain_http(well, settings, monkeypatch):
    settings.SECURE = False
    monkeypatch.setattr(settings.KEYBOOK, "embedded", False)
    assert "KEYBOOK_SECURE_COOKIES=true" in bad("cookies").mend
    monkeypatch.setattr(settings.KEYBOOK, "embedded", True)
    assert line("cookies").ok and "evaluation" in line("cookies").detail
    settings.SECURE = True
    assert line("cookies").ok


def test_a_weak_secret_key(well, settings):
    settings.SECRET_KEY = "short"
    assert "KEYBOOK_SECRET_KEY" in bad("settings (security.W009)").mend


def test_what_check_deploy_finds_is_told(well, monkeypatch):
    monkeypatch.setattr("django.core.checks.run_checks", lambda **_: [Error("It is broken.", "Mend it so.", id="x.E1")])
    assert bad("settings (x.E1)").mend == "Mend it so."


# The command ------------------------------------------------------------------------------------------------------


# The trail's anchor -------------------------------------------------------------------------------------------------


@pytest.fixture
def entries(well):
    """Three entries of the trail, the first of them an hour old, and the anchor of the first."""
    for number in range(3):
        with transaction.atomic():
            at = datetime.now(UTC) - timedelta(hours=0 if number else 1)
            TrailEntry.objects.create(at=at, actor_name="ann", verb="a.b", subject_kind="x", subject_text=str(number))
        if not number:
            assert anchor.now().position == 1
    return anchor.place()


def test_a_trail_without_an_anchor(well, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "anchor", "")
    assert "KEYBOOK_ANCHOR" in bad("trail anchor").mend


def test_an_anchor_that_keeps_up_and_one_that_does_not(entries, monkeypatch):
    assert "has entry 1" in line("trail anchor").detail and line("trail anchor").ok
    monkeypatch.setattr(trail, "LATE", -1)
    assert "wait for" in bad("trail anchor").detail and "follow" in bad("trail anchor").mend
    anchor.now()
    assert "has entry 3" in line("trail anchor").detail and line("trail anchor").ok


def test_an_anchor_that_is_lost_while_entries_wait(entries):
    entries.unlink()
    assert "wait for" in bad("trail anchor").detail


def test_an_anchor_that_is_no_plain_file(entries, tmp_path):
    entries.unlink()
    entries.symlink_to(tmp_path / "elsewhere")
    assert "can't be opened" in bad("trail anchor").detail


def test_a_trail_that_lost_what_was_anchored(entries):
    anchor.now()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_trailentry DISABLE TRIGGER accounts_trail_unchanged")
        cursor.execute("DELETE FROM accounts_trailentry WHERE position = 3")
        cursor.execute("ALTER TABLE accounts_trailentry ENABLE TRIGGER accounts_trail_unchanged")
    assert "Entry 3" in bad("trail anchor").detail and "verify_trail" in bad("trail anchor").mend


def run(*words):
    out, code = io.StringIO(), 0
    try:
        call_command("doctor", *words, stdout=out)
    except SystemExit as left:
        code = left.code
    return code, out.getvalue()


def test_the_command_prints_a_mend_under_each_problem_and_exits_with_1(well):
    Source.objects.update(drained_at=None)
    code, said = run()
    assert code == 1 and "MEND  workers: no worker has ever read a source\n      Start beat" in said
    code, said = run("--json")
    told = {one["name"]: one for one in json.loads(said)["checks"]}
    assert code == 1 and not told["workers"]["ok"] and told["postgresql"]["ok"]


def test_no_name_speaks_to_the_terminal_or_writes_a_line_of_its_own(well):
    Source.objects.update(trouble="\x1b[2J\x9b2J\u202eok\nok    all is well", drained_at=None)
    _, said = run()
    assert "\\u001b[2J\\u009b2J\\u202eok\\u000aok    all is well" in said
    assert not {"\x1b", "\x9b", "\u202e"} & set(said)


def test_the_command_asks_a_connected_vault_with_the_token_of_its_file(well, tmp_path, monkeypatch):
    Connection.objects.create(vault="prod", address="http://127.0.0.1:1")
    (tmp_path / "token").write_text("s.never-shown")
    monkeypatch.setattr(settings.KEYBOOK, "vault_token_files", f"prod={tmp_path}/token@http://127.0.0.1:1")
    _, said = run()
    assert "MEND  vault prod: vault: the vault gave no answer" in said and "never-shown" not in said
    monkeypatch.setattr(settings.KEYBOOK, "vault_token_files", "prod=/nowhere@http://127.0.0.1:1")
    assert "MEND  vault prod: token: /nowhere: No such file" in run()[1]
