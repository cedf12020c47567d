"""What stands in the store is what stood in the file: the lines, their places, their counts."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from accounts.scope import EVERYTHING
from audit import actions, partitions, queries
from audit.ingest import connect
from tests.audit.lines import START, Call, calls, hmac, log
from tests.audit.past import is_accounted


def test_a_line_comes_back_as_it_stood_in_the_file_with_its_place(past, tmp_path):
    some, file = calls(1500), tmp_path / "audit.log"
    file.write_bytes(log(some))
    past.take(file)
    whole = file.read_bytes()
    ids = dict(past.rows("SELECT request_id::text, id FROM audit_event"))
    for call in some[::97]:
        lines = queries.lines_of(ids[call.id], scope=EVERYTHING)
        assert [line.type for line in lines] == ["request", "response"]
        for line, original in zip(lines, call.lines(), strict=True):
            assert line.text.encode() == original.replace(b'"password"', b'"key 1, 8"')  # no key name of a secret
            assert whole[line.offset : line.offset + len(original)] == original
            assert line.sha256 == sha256(original).hexdigest()
            assert line.source == str(file)


DICTIONARIES = ("path", "secret", "principal", "token", "address", "mount", "wrap")


def sizes(past):
    return {name: past.one(f"SELECT count(*) FROM audit_{name}") for name in DICTIONARIES}


def refused(n, **changes):
    """A call of somebody whom the vault does not know."""
    call = Call(n, seed="refused", address=f"2001:db8:1:2::{n:x}")
    nobody = {"auth": {"token_type": "default"}, "request__client_token": hmac("file", f"made up {n}"),
              "request__client_token_accessor": "", **changes}  # fmt: skip
    return [
        call.request(error="permission denied", **nobody),
        call.response(
            data={"error": hmac("file", "x")}, error="1 error occurred:\n\t* permission denied\n\n", **nobody
        ),
    ]


def login(n, name):
    """A failed login."""
    where = {
        "request__operation": "update", "request__mount_point": "auth/userpass/", "request__mount_type": "userpass",
        "request__path": f"auth/userpass/login/{name}", "auth": {"token_type": "default"},
    }  # fmt: skip
    call = Call(n, seed="login", address=f"2001:db8:1:2::{n:x}")
    return [
        call.request(**where),
        call.response(data={"error": hmac("file", "x")}, error="invalid credentials", **where),
    ]


def test_calls_that_failed_without_a_name_fill_no_dictionary(past, tmp_path):
    file, some = tmp_path / "audit.log", 1_250
    known = [line for call in calls(20) for line in call.lines()]
    file.write_bytes(b"\n".join(known) + b"\n")
    past.take(file)
    before = sizes(past)
    floods = [
        *(line for n in range(some) for line in refused(n, request__path=f"secret/data/made/up/{n}")),
        *(line for n in range(some, 2 * some) for line in refused(
            n, request__path=f"nosuch-{n}/x", request__mount_point="", request__mount_type="")),
        *(line for n in range(2 * some, 3 * some) for line in refused(n, request__path="secret/data/prod/app/key-1")),
        *(line for n in range(3 * some, 4 * some) for line in login(n, f"user-{n}")),
    ]  # fmt: skip
    with file.open("ab") as out:
        out.write(b"\n".join(floods) + b"\n")
    past.take(file)
    assert past.events() == 20 + 4 * some
    grown = {name: count - before[name] for name, count in sizes(past).items()}
    assert sum(grown.values()) < 20, grown
    denied = queries.who_read(queries.find_secret("secret/prod/app/key-1", scope=EVERYTHING)).readers
    assert {reader.kind: reader.denied for reader in denied if reader.denied} == {"anonymous": some}


def test_a_caller_with_a_name_may_use_new_paths_and_addresses(past, tmp_path):
    file = tmp_path / "audit.log"
    some = [Call(n, secret=f"prod/new/{n}", address=f"2001:db8:9:{n:x}::1") for n in range(50)]
    file.write_bytes(log(some))
    past.take(file)
    assert sizes(past)["secret"] == sizes(past)["path"] == sizes(past)["address"] == 50


def rollups_and_events(past):
    """Counts per hour and secret, per day and principal, in total and by address: rolled up, and counted anew."""
    hours = past.rows("SELECT hour, secret, outcome, disclosed, events FROM audit_rollup_hour ORDER BY 1, 2, 3, 4")
    counted = past.rows(
        """SELECT date_trunc('hour', time, 'UTC'), secret, outcome, disclosed, count(*) FROM audit_event
           WHERE flags & 4 = 0 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
    )
    days = past.rows(
        "SELECT day, secret, principal, outcome, disclosed, events FROM audit_rollup_day ORDER BY 1, 2, 3, 4, 5"
    )
    daily = past.rows(
        """SELECT date_trunc('day', time, 'UTC'), secret, principal, outcome, disclosed, count(*) FROM audit_event
           WHERE flags & 4 = 0 AND secret > 0 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""
    )
    totals = past.rows(
        """SELECT hour, vault, device, operation, outcome, disclosed, events FROM audit_rollup_total
           ORDER BY 1, 2, 3, 4, 5, 6"""
    )
    hourly = past.rows(
        """SELECT date_trunc('hour', time, 'UTC'), vault, device, operation, outcome, disclosed, count(*)
           FROM audit_event WHERE flags & 4 = 0 GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"""
    )
    addresses = past.rows(
        """SELECT day, principal, address, outcome, events, reads, first, last FROM audit_rollup_address
           ORDER BY 1, 2, 3, 4"""
    )
    called = past.rows(
        """SELECT date_trunc('day', time, 'UTC'), principal, address, outcome, count(*),
           count(*) FILTER (WHERE disclosed > 0), min(time), max(time) FROM audit_event
           WHERE flags & 4 = 0 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
    )
    return (hours, days, totals, addresses), (counted, daily, hourly, called)


def over_days(count, seed, step):
    return [Call(n, n % 5, f"prod/app/key-{n % 7}", START + timedelta(minutes=step * n), seed) for n in range(count)]


def test_rollups_equal_the_events_also_after_late_ones(past, tmp_path):
    first, late = tmp_path / "audit.log", tmp_path / "late.log"
    first.write_bytes(log(over_days(400, "first", 17)))
    past.take(first)
    rolled, counted = rollups_and_events(past)
    assert rolled == counted and len(rolled[0]) > 90 and {row[0].day for row in rolled[1]} == {14, 15, 16, 17, 18, 19}
    late.write_bytes(log(over_days(300, "late", 13)) + log([Call(1, at=START - timedelta(days=3), seed="before")]))
    past.take(late)
    rolled, counted = rollups_and_events(past)
    assert rolled == counted


def test_a_response_that_comes_late_amends_its_event_also_across_hours_and_days(past, tmp_path):
    first, second = tmp_path / "audit.log.1", tmp_path / "audit.log"
    some = [Call(n, at=datetime(2026, 3, 14, hour, 59, 59, 999_000, UTC)) for n, hour in enumerate((9, 10, 23))]
    first.write_bytes(b"".join(call.request() + b"\n" for call in some))
    second.write_bytes(b"".join(call.response() + b"\n" for call in some))
    past.take(first)
    assert past.rows("SELECT DISTINCT outcome, disclosed FROM audit_event") == [(5, 0)]
    past.take(second)
    one = queries.find_secret("secret/prod/app/key", scope=EVERYTHING)
    assert [reader.count for reader in queries.who_read(one).readers] == [3]
    rolled, counted = rollups_and_events(past)
    assert rolled == counted
    for row in queries.events_of_secret(one):
        call = next(call for call in some if call.id == row.request_id)
        assert (row.outcome, row.disclosed, row.time) == ("ok", "value", call.at)
        lines = {line.type: line for line in queries.lines_of(row.id, scope=EVERYTHING)}
        assert lines["response"].sha256 == sha256(call.response()).hexdigest()
    accepted = past.rows("SELECT id, request_id::text FROM audit_event WHERE flags & 8192 = 0")
    for id, request in accepted:
        call = next(call for call in some if call.id == request)
        assert sha256(call.request()).hexdigest() in {line.sha256 for line in queries.lines_of(id, scope=EVERYTHING)}


@pytest.mark.parametrize("year", [1970, 2106])
def test_a_line_of_an_impossible_time_is_quarantined_and_makes_no_partition(past, tmp_path, year):
    file = tmp_path / "audit.log"
    wrong = Call(99, at=datetime(year, 2, 1, tzinfo=UTC))
    file.write_bytes(log(calls(5)) + log([wrong]) + log(calls(5, first=5)))
    assert is_accounted(past.take(file), [file])
    assert past.events() == 10
    assert [reason for _, _, reason, _ in past.quarantine()] == [
        "its time is before 2015 or in the future: the vault's clock was wrong"
    ] * 2
    with connect() as wire:
        assert partitions.days_kept(wire) == [START.date()]


def test_partitions_are_made_ahead_and_without_one_nothing_is_swallowed(past):
    with connect() as wire:
        made = partitions.ensure_ahead(wire, date(2026, 3, 14), days=3)
        assert made == partitions.days_kept(wire) == [date(2026, 3, day) for day in (14, 15, 16, 17)]
        assert partitions.ensure_ahead(wire, date(2026, 3, 15), days=3) == [date(2026, 3, 18)]
        with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
            wire.execute("INSERT INTO audit_block VALUES (1, '2026-04-01', 1, 1, 1, '', '')")


def test_days_past_retention_are_forgotten_and_younger_ones_stay(past, tmp_path):
    file = tmp_path / "audit.log"
    file.write_bytes(log(over_days(400, "days", 17)))
    past.take(file)
    kept = past.one("SELECT count(*) FROM audit_event WHERE time >= '2026-03-17Z'")
    assert 0 < kept < past.events()
    with connect() as wire:
        gone = partitions.forget_before(wire, date(2026, 3, 17))
        assert gone == [date(2026, 3, day) for day in (14, 15, 16)]
        assert partitions.days_kept(wire) == [date(2026, 3, day) for day in (17, 18, 19)]
    assert past.events() == kept
    assert past.one("SELECT count(*) FROM audit_block WHERE time < '2026-03-17Z'") == 0
    one = queries.find_secret("secret/prod/app/key-1", scope=EVERYTHING)
    assert sum(reader.count for reader in queries.who_read(one).readers) == past.one(
        "SELECT count(*) FROM audit_event WHERE secret = %s", one.id
    )
    assert past.take(file).events == 0  # the file is known to be read
    assert past.events() == kept


def test_two_devices_of_one_vault_show_one_event_with_lines_of_both(past, tmp_path):
    some = calls(30)
    for device in ("file", "second"):
        (tmp_path / f"{device}.log").write_bytes(log(some, device))
        past.take(tmp_path / f"{device}.log", device=device)
    assert past.requests() == {call.id: 1 for call in some}
    for id, request in past.rows("SELECT id, request_id::text FROM audit_event")[::7]:
        call = next(call for call in some if call.id == request)
        told = [(line.device, line.type, line.sha256) for line in queries.lines_of(id, scope=EVERYTHING)]
        assert sorted(told) == sorted(
            (device, json.loads(line)["type"], sha256(line).hexdigest())
            for device in ("file", "second")
            for line in call.lines(device)
        )


def test_the_same_request_ids_in_two_vaults_are_two_events(past, tmp_path):
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(10)))
    past.take(file, vault="one")
    past.take(file, vault="two")
    assert past.events() == 20


def test_a_log_of_another_device_beside_ours_is_not_ours(past, tmp_path, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    ours = ("audit.log.2.gz", "audit.log.1", "audit.log-20260313", "audit-2026-03-12.log", "audit.log")
    others = ("audit-http.log", "audit_raw.log", "audit.logfile", "audit.log.lock", "audit2.log", "audit-http.log.1")
    for n, name in enumerate((*ours, *others)):
        data = log(calls(2, first=10 * n))
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    actions.read_source(actions.follow_file(str(tmp_path / "audit.log"), vault="demo"))
    read = {Path(path).name for (path,) in past.rows("SELECT path FROM audit_generation WHERE lines > 0")}
    assert read == set(ours)
    assert past.events() == 2 * len(ours)


def test_one_log_followed_for_two_vaults_is_read_whole_for_both(past, tmp_path, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    old, live = tmp_path / "audit.log.1", tmp_path / "audit.log"
    old.write_bytes(log(calls(5)))
    live.write_bytes(log(calls(5, first=5)))
    os.utime(old, (0, 0))
    for vault in ("one", "two"):
        actions.read_source(actions.follow_file(str(live), vault=vault))
    assert past.events() == 20


def test_the_last_line_of_a_rotated_log_that_stays_torn_is_in_quarantine(past, tmp_path, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    old, live = tmp_path / "audit.log.1", tmp_path / "audit.log"
    torn = calls(1, first=9)[0].request()[:300]
    old.write_bytes(log(calls(5)) + torn)
    live.write_bytes(log(calls(5, first=5)))
    os.utime(old, (0, 0))
    source = actions.follow_file(str(live), vault="one")
    for _ in range(3):
        actions.read_source(source)
    assert past.events() == 10
    assert [row[:2] for row in past.quarantine()] == [(len(log(calls(5))), 300)]
