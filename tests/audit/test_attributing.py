"""Calls in the store are attributed to the recorded pods, in any order of what is learned, and never silently anew."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import TrailEntry
from accounts.scope import EVERYTHING, Area, Scope
from audit import attributing, pods, queries
from inventory.lives import moment
from inventory.models import Listener
from inventory.moments import time_of
from inventory.pods import state_proxies
from inventory.sync_pods import PodWriter, remember_accounts, remember_cluster
from tests.audit.pictured import recorded_cluster, replay, told_proxies
from tests.inventory import older, recording

pytestmark = pytest.mark.usefixtures("no_pods")

PROVEN = ("exact", "strong")


def said(past) -> dict[str, tuple[str, str]]:
    """{request id: (grade, pod uid)} of every event with a token."""
    rows = past.rows(
        """SELECT e.request_id::text, t.grade, t.pod_uid FROM audit_event e
           JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address
           JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND e.time < t.until
           WHERE e.flags & 4 = 0"""
    )
    found = {row[0]: row[1:] for row in rows}
    assert len(found) == len(rows)
    return found


def is_the_recorded_truth(past) -> None:
    told, reads = said(past), recording.truth()["reads"]
    assert not [one for one in reads if told[one["request_id"]][1] not in ("", one["pod"])]
    grades = Counter(told[one["request_id"]][0] in PROVEN for one in reads if one["kind"] == "pod")
    assert grades[True] / grades.total() >= 0.95
    stolen = {one["case"] for one in reads if one["kind"] == "thief"}
    assert len(stolen) == 5
    assert {told[one["request_id"]][0] for one in reads if one["kind"] == "thief"} == {"conflict"}
    assert not [one for one in reads if one["kind"] != "thief" and told[one["request_id"]][0] == "conflict"]


def drained() -> attributing.Report:
    report = attributing.attribute()
    assert report is not None and report.drained
    return report


def test_the_recording_is_attributed_without_a_wrong_pod(past, audit_log):
    told_proxies()
    replay(recorded_cluster())
    past.take(audit_log)
    drained()
    is_the_recorded_truth(past)
    assert past.one("SELECT count(*) FROM audit_attributionamendment") == 0
    again = drained()
    assert (again.events, again.uses, again.lives) == (0, 0, 0)


@pytest.mark.parametrize("order", ["pods last", "accounts and pods last", "proxies last"])
def test_whatever_is_learned_last_the_answer_is_the_same_and_what_changed_is_an_amendment(past, audit_log, order):
    if order != "proxies last":
        told_proxies()
    cluster = recorded_cluster() if order == "pods last" else None
    if order == "proxies last":
        replay(recorded_cluster())
    past.take(audit_log)
    drained()
    before = said(past)
    assert bool(before) == (order != "accounts and pods last")  # without a cluster nothing is said
    assert not any(grade == "strong" for grade, _ in before.values())
    if order == "proxies last":
        state_proxies("demo", [])
    else:
        replay(cluster or recorded_cluster())
    drained()
    is_the_recorded_truth(past)
    after = said(past)
    changed = {id for id, (grade, _) in after.items() if id in before and before[id][0] != grade}
    assert changed or not before
    rows = past.rows(
        """SELECT e.request_id::text, m.before->>'grade', m.after->>'grade' FROM audit_attributionamendment m
           JOIN audit_tokenuse u ON u.id = m.use_id
           JOIN audit_event e ON e.token = u.token_id AND e.address = u.address_id
           AND e.time >= m.since AND e.time < m.until"""
    )
    assert changed <= {id for id, *_ in rows}


@pytest.fixture(scope="session")
def older_logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("older")
    for name in ("audit.log", "audit-http.log"):
        (folder / name).write_bytes(older.unpacked(name))
    return {"file": folder / "audit.log", "http": folder / "audit-http.log"}


def with_older_pods():
    told_proxies()
    cluster = remember_cluster("older", "older-uid")
    remember_accounts(cluster, [(uid, space, name) for uid, (_, space, name) in older.accounts().items()])
    writer = PodWriter(cluster)
    writer.lives = older.history()
    writer.flush(moment(older.truth()["meta"]["ended"]) + 60_000_000)


def is_the_older_truth(past) -> None:
    told, identities = said(past), older.truth()["identities"]
    calls = [
        (call, told[call["audit_request_id"]])
        for call in older.truth()["calls"]
        if call["secret"] and call["status"] == 200 and call["audit_request_id"] in told
    ]
    uid_of = lambda call: identities[call["identity"]].get("pod_uid")  # noqa: E731
    assert not [call for call, (_, uid) in calls if uid not in ("", uid_of(call))]
    own = [grade in PROVEN for call, (grade, _) in calls if uid_of(call)]
    assert len(own) > 500 and sum(own) / len(own) >= 0.95
    stolen = {call["audit_request_id"]: grade for call, (grade, _) in calls if call["identity"] == "intruder"}
    assert stolen and set(stolen.values()) == {"conflict"}
    others = [call for call, (grade, _) in calls if grade == "conflict" and call["identity"] != "intruder"]
    assert not others


@pytest.mark.parametrize("order", [("file",), ("file", "http"), ("http", "file")], ids=" then ".join)
def test_the_older_recording_is_attributed_whichever_device_shows_it(past, older_logs, order):
    with_older_pods()
    for device in order:
        past.take(older_logs[device], device=device)
    drained()
    is_the_older_truth(past)


def test_a_token_is_known_by_its_login_though_another_device_showed_that_first(past, older_logs, tmp_path):
    with_older_pods()
    lines = older_logs["file"].read_bytes().splitlines(keepends=True)
    half = tmp_path / "half.log"
    half.write_bytes(b"".join(lines[: len(lines) // 2]))
    past.take(half, device="file")
    past.take(older_logs["http"], device="http")
    past.take(older_logs["file"], device="file")
    drained()
    is_the_older_truth(past)
    assert past.one("SELECT count(*) FROM audit_bearer WHERE login_at IS NULL AND account_name <> ''") == 0


def test_a_turn_may_end_anywhere_and_the_next_goes_on(past, audit_log, monkeypatch):
    monkeypatch.setattr(attributing, "USES", 7)
    monkeypatch.setattr(attributing, "LIVES", 3)
    monkeypatch.setattr(attributing, "_NEXT", attributing._NEXT.replace("LIMIT 10000", "LIMIT 40"))
    monkeypatch.setattr(attributing, "EVENTS", 40)
    told_proxies()
    cluster = recorded_cluster()
    past.take(audit_log)
    middle = moment("2026-11-21T04:36:05Z")
    replay(cluster, middle)
    for number in range(400):
        if number == 20:
            replay(cluster)
        report = attributing.attribute(seconds=0)
        if number > 20 and report.drained:
            break
    is_the_recorded_truth(past)


class Killed(Exception):
    pass


def test_a_turn_that_dies_in_a_transaction_loses_nothing(past, audit_log, monkeypatch):
    told_proxies()
    replay(recorded_cluster())
    past.take(audit_log)
    for room, place in (
        (attributing, "_use"),
        (attributing, "_touch"),
        (attributing.calibrating, "calibrate"),
        (attributing, "_renew_of"),
    ):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(room, place, die)
            attributing.attribute()
    drained()
    is_the_recorded_truth(past)


def die(*_, **__):
    raise Killed


def test_calls_wait_for_the_picture_of_their_pods_but_not_for_ever(past, audit_log):
    told_proxies()
    cluster = recorded_cluster()
    middle = moment("2026-11-21T04:36:05Z")
    replay(cluster, middle)
    past.take(audit_log)
    first = attributing.attribute(now=time_of(middle))
    assert 0 < first.events < past.events()
    drained()
    late = [grade for grade, _ in said(past).values()]
    assert "possible" in late
    replay(cluster)
    drained()
    is_the_recorded_truth(past)


def test_one_event_tells_its_pod_with_the_evidence(past, audit_log):
    told_proxies()
    replay(recorded_cluster())
    past.take(audit_log)
    one = next(one for one in recording.truth()["reads"] if one["kind"] == "pod" and not one["case"])
    number = past.one("SELECT id FROM audit_event WHERE request_id = %s", one["request_id"])
    assert pods.proof_of(number, scope=EVERYTHING).grade == "service account only"
    drained()
    proof = queries.proof_of(number, scope=EVERYTHING)
    assert (proof.grade, proof.pod_uid, proof.cluster) == ("strong", one["pod"], "east")
    assert proof.pod == one["who"]
    assert proof.rule and proof.reasons and proof.sentence.endswith(".")


def test_a_limited_view_learns_no_pod_of_what_lies_beside_it(past, audit_log):
    told_proxies()
    replay(recorded_cluster())
    past.take(audit_log)
    drained()
    scope = Scope.of([Area("demo", "", "kv/live/lumen")])
    rows = past.rows(
        """SELECT e.id, coalesce(s.name, '') LIKE 'kv/live/lumen/%%' FROM audit_event e
           LEFT JOIN audit_secret s ON s.id = e.secret WHERE e.token > 0"""
    )
    assert {True, False} == {inside for _, inside in rows}
    for number, inside in rows:
        assert (pods.proof_of(number, scope=scope) is not None) == inside


def test_who_read_tells_each_pod_with_its_grade(past, audit_log, capsys):
    told_proxies()
    replay(recorded_cluster())
    past.take(audit_log)
    drained()
    reads = [one for one in recording.truth()["reads"] if one["secret"] == "kv/live/lumen/smtp-password"]
    call_command("who_read", "kv/live/lumen/smtp-password", "--json")
    document = json.loads(capsys.readouterr().out)
    told = Counter()
    for reader in document["readers"]:
        if reader["kind"] == "service_account" and reader["grade"] in PROVEN:
            told[reader["pod"]] += reader["count"]
    wanted = Counter(one["who"] for one in reads if one["kind"] == "pod")
    assert told == wanted
    stolen = [one for one in reads if one["kind"] == "thief"]
    conflicts = sum(reader["count"] for reader in document["readers"] if reader["grade"] == "conflict")
    assert conflicts == len(stolen) > 0
    assert all(reader["pod"] is None for reader in document["readers"] if reader["grade"] == "conflict")
    call_command("who_read", "kv/live/lumen/smtp-password")
    assert "strong" in capsys.readouterr().out


def test_what_retention_drops_is_forgotten(past, audit_log):
    replay(recorded_cluster())
    past.take(audit_log)
    drained()
    assert attributing.forget_before(datetime(2026, 11, 20, tzinfo=UTC)) == 0
    assert attributing.forget_before(datetime(2026, 11, 23, tzinfo=UTC)) > 0
    assert past.one("SELECT count(*) FROM audit_attribution") == 0


def test_two_turns_at_a_time_are_one(past, own_connection):
    recorded_cluster()
    with own_connection.cursor() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [attributing._LOCK])
        assert attributing.attribute() is None


@pytest.fixture
def own_connection():
    given = {
        k: v
        for k, v in connection.get_connection_params().items()
        if k in ("host", "port", "user", "password", "dbname")
    }
    with psycopg.connect(**given, autocommit=True) as one:
        yield one


def test_a_listener_is_told_by_command_and_its_calls_are_attributed_anew(past, audit_log, capsys):
    replay(recorded_cluster())
    past.take(audit_log)
    drained()
    assert "strong" not in {grade for grade, _ in said(past).values()}
    call_command("listener", "--vault", "demo", "--no-proxies", "--json")
    assert json.loads(capsys.readouterr().out) == {"vault": "demo", "proxies": []}
    drained()
    is_the_recorded_truth(past)
    call_command("listener", "--vault", "demo", "--not-known")
    drained()
    assert "strong" not in {grade for grade, _ in said(past).values()}
    assert TrailEntry.objects.filter(verb="audit.listener.stated").count() == 2


def test_a_range_of_proxies_is_refused_since_everybody_in_it_may_forge_addresses(past, audit_log, capsys):
    past.take(audit_log)
    with pytest.raises(SystemExit):
        call_command("listener", "--vault", "demo", "--proxy", "10.0.0.0/8")
    assert "10.0.0.0/8 is a range: whoever has an address in it may write another's" in capsys.readouterr().err
    assert not Listener.objects.exists()


@pytest.mark.parametrize("words", [("--vault", "nowhere", "--no-proxies"), ("--vault", "demo", "--proxy", "ingress")])
def test_a_listener_that_is_told_wrongly_changes_nothing(past, audit_log, capsys, words):
    past.take(audit_log)
    with pytest.raises(SystemExit) as ended:
        call_command("listener", *words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "nowhere" in told or "ingress" in told
    assert not Listener.objects.exists()
