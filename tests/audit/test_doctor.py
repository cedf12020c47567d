"""For each line of doctor about the installation itself: its subject is broken, and the line and its mend are seen."""

from __future__ import annotations

import io
import json
import os
from collections import namedtuple
from datetime import timedelta

import psycopg
import pytest
from django.conf import settings
from django.core.checks import Error
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from audit import actions, doctor, partitions, receivers
from audit.checks import database
from audit.ingest import connect
from audit.models import Device, Generation, Source, Vault
from inventory.models import Connection
from tests.audit.doctor_lines import NOW, bad, line, vault, well

__all__ = ["vault", "well"]


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
