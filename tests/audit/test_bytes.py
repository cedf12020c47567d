"""Every byte of every file is in exactly one class, nothing crashes, and the good lines among the bad ones survive."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import connection

from accounts.scope import EVERYTHING
from audit import actions, ingest, queries
from audit.sources.file import UnusableFile
from tests.audit.lines import Call, calls, hmac, log
from tests.audit.mutants import broken_log
from tests.audit.past import is_accounted


def sides_stored(past):
    rows = past.rows("SELECT request_id::text, bit_or(flags & 3) FROM audit_event GROUP BY 1")
    held = past.rows("SELECT request_id::text, 1 FROM audit_pending")
    return {(id, side) for id, flags in rows + held for bit, side in ((1, "request"), (2, "response")) if flags & bit}


def check_a_broken_log(past, tmp_path, seed, some):
    """Import a broken log at once, then again; then a growing one in three steps."""
    dice = random.Random(seed)
    data, whole = broken_log(dice, some)
    file, growing = tmp_path / f"{seed}.log", tmp_path / f"{seed}-growing.log"
    file.write_bytes(data)
    done = past.take(file, vault=f"at once {seed}")
    assert is_accounted(done, [file]), (done.accounted, sum(done.accounted.values()) - len(data))
    missing = whole - sides_stored(past)
    assert not missing, (seed, len(missing))
    again = past.take(file, vault=f"at once {seed}")
    assert is_accounted(again, [file])
    assert (again.events, again.amended if hasattr(again, "amended") else 0) == (0, 0)
    for part in (1, 2, 3):
        size = len(data) * part // 3 if part == 3 else dice.randrange(len(data) * part // 3)
        with growing.open("ab") as out:
            out.write(data[growing.stat().st_size : size])
        try:
            done = past.take(growing, vault=f"growing {seed}")
        except UnusableFile:
            assert growing.stat().st_size < 10_000  # so little of it that nothing looks like an audit log
            continue
        assert is_accounted(done, [growing]), (size, done, past.quarantine()[-3:])
    settled = past.bytes_per_class()
    classes = sum(settled[name] for name in ("event", "duplicate", "quarantine", "framing"))
    assert settled["position"] + settled["waiting"] == 2 * len(data)
    assert classes == settled["position"], settled
    growing.unlink()


def chunks_of(monkeypatch, seed):
    """Read in steps of 4 KiB, 70 kB or 8 MiB, so that the borders of steps fall everywhere."""
    monkeypatch.setattr(ingest, "CHUNK", [4096, 70_000, 8 << 20][seed % 3])


@pytest.mark.parametrize("seed", range(12))
def test_every_byte_of_a_broken_log_is_accounted_for_and_its_good_lines_survive(past, tmp_path, monkeypatch, seed):
    chunks_of(monkeypatch, seed)
    check_a_broken_log(past, tmp_path, seed, calls(125, seed=str(seed)))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 500, 10))
def test_a_hundred_thousand_broken_lines_crash_nothing(past, tmp_path, monkeypatch, seed):
    for each in range(seed, seed + 10):
        chunks_of(monkeypatch, each)
        check_a_broken_log(past, tmp_path, each, calls(125, seed=str(each)))
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE audit_generation, audit_quarantine, audit_pending CASCADE")


CALL = Call(1)
REQUEST, RESPONSE = CALL.lines()
CRI = b"2026-03-14T09:00:00.123456789Z stdout "


def docker(text, stream="stdout"):
    return json.dumps({"log": text, "stream": stream, "time": "2026-03-14T09:00:00.1Z"}).encode()


WRAPPED = {
    "bare": REQUEST + b"\n" + RESPONSE + b"\n",
    "byte order mark": b"\xef\xbb\xbf" + REQUEST + b"\n" + RESPONSE + b"\n",
    "carriage returns": REQUEST + b"\r\n" + RESPONSE + b"\r\n",
    "empty lines": b"\n\n" + REQUEST + b"\n\n\r\n \n" + RESPONSE + b"\n\n",
    "a prefix": b"node-1 openbao: " + REQUEST + b"\nnode-1 openbao: " + RESPONSE + b"\n",
    "syslog": b"<13>Mar 14 09:00:00 n1 v[7]: " + REQUEST + b"\n<13>Mar 14 09:00:00 n1 v[7]: " + RESPONSE + b"\n",
    "NULs before": b"\0" * 5000 + REQUEST + b"\n" + RESPONSE + b"\n",
    "NULs between": REQUEST + b"\n" + b"\0" * 5000 + b"\n" + RESPONSE + b"\n",
    "docker": docker(REQUEST.decode() + "\n") + b"\n" + docker(RESPONSE.decode() + "\n") + b"\n",
    "docker, cut at 300": b"".join(
        docker(line.decode()[n : n + 300] + ("\n" if n + 300 >= len(line) else "")) + b"\n"
        for line in (REQUEST, RESPONSE)
        for n in range(0, len(line), 300)
    ),
    "docker, written over several lines": b"".join(
        docker(json.dumps(json.loads(line), indent=2) + "\n") + b"\n" for line in (REQUEST, RESPONSE)
    ),
    "CRI": CRI + b"F " + REQUEST + b"\n" + CRI + b"F " + RESPONSE + b"\n",
    "CRI, cut at 300, stderr between": b"".join(
        CRI + (b"F " if n + 300 >= len(line) else b"P ") + line[n : n + 300] + b"\n"
        + b"2026-03-14T09:00:00Z stderr F ==> OpenBao server started!\n"
        for line in (REQUEST, RESPONSE)
        for n in range(0, len(line), 300)
    ),
    "a shipper's envelope": b"".join(
        json.dumps({"host": "n1", "message": line.decode()}).encode() + b"\n" for line in (REQUEST, RESPONSE)
    ),
    "both on one line": REQUEST + RESPONSE + b"\n",
    "torn, glued to the next": REQUEST[:400] + REQUEST + b"\n" + RESPONSE + b"\n",
    "no newline at the end": REQUEST + b"\n" + RESPONSE,
}  # fmt: skip


@pytest.mark.parametrize("form", WRAPPED)
@pytest.mark.parametrize("chunk", [700, 8 << 20])
def test_a_call_is_told_however_its_lines_are_wrapped(past, tmp_path, monkeypatch, form, chunk):
    monkeypatch.setattr(ingest, "CHUNK", chunk)
    file = tmp_path / "audit.log"
    file.write_bytes(WRAPPED[form])
    assert is_accounted(past.take(file), [file])
    assert sides_stored(past) == {(CALL.id, "request"), (CALL.id, "response")}
    assert past.rows("SELECT disclosed, name FROM audit_event e JOIN audit_principal p ON p.id = e.principal") == [
        (1, CALL.name)
    ]
    told = [
        json.loads(line.text)["type"]
        for line in queries.lines_of(past.one("SELECT id FROM audit_event"), scope=EVERYTHING)
    ]
    assert told == ["request", "response"]


def test_lines_keep_their_places_beside_one_that_was_written_over_several_lines(past, tmp_path):
    file, others = tmp_path / "audit.log", calls(5, first=10)
    file.write_bytes(log(others[:2]) + WRAPPED["docker, written over several lines"] + log(others[2:]))
    past.take(file)
    for id, event_id in past.rows("SELECT request_id::text, id FROM audit_event"):
        assert [json.loads(line.text)["request"]["id"] for line in queries.lines_of(event_id, scope=EVERYTHING)] == [
            id,
            id,
        ]


def test_a_torn_last_line_waits_and_is_whole_when_it_is_completed(past, tmp_path):
    file = tmp_path / "audit.log"
    first, second = calls(2)
    whole = log([first]) + second.request() + b"\n" + second.response() + b"\n"
    for cut in range(len(log([first])), len(whole) + 1, 97):
        file.write_bytes(whole[:cut])
        assert is_accounted(past.take(file), [file])
        assert past.bytes_per_class()["waiting"] == (0 if whole[cut - 1 : cut] == b"\n" else cut - past.one(
            "SELECT position FROM audit_generation"))  # fmt: skip
    file.write_bytes(whole)
    past.take(file)
    assert sides_stored(past) == {(one.id, side) for one in (first, second) for side in ("request", "response")}
    assert past.quarantine() == []


def test_a_line_torn_for_good_is_in_quarantine_with_its_place(past, tmp_path):
    file = tmp_path / "audit.log"
    before, torn, after = calls(3)
    cut = torn.response()[:500]
    file.write_bytes(log([before]) + torn.request() + b"\n" + cut + b"\n" + log([after]))
    past.take(file)
    place = len(log([before])) + len(torn.request()) + 1
    assert [row[:2] + row[3:] for row in past.quarantine()] == [(place, 500, False)]
    assert sides_stored(past) >= {(one.id, side) for one in (before, after) for side in ("request", "response")}


LONG = 10 * 1024 * 1024


def test_a_line_of_ten_megabytes_is_an_event_like_any_other(past, tmp_path):
    file, call = tmp_path / "audit.log", Call(7)
    big = {"data": {f"key-{n}": hmac("file", str(n)) for n in range(LONG // 90)}, "metadata": {"version": 1}}
    file.write_bytes(log(calls(2)) + call.request() + b"\n" + call.response(data=big) + b"\n" + log(calls(2, first=8)))
    assert file.stat().st_size > LONG
    assert is_accounted(past.take(file), [file])
    assert (past.events(), past.quarantine()) == (5, [])
    assert past.one("SELECT disclosed FROM audit_event WHERE request_id = %s::uuid", call.id) == 1


def test_a_line_longer_than_the_limit_goes_to_quarantine_in_pieces_and_its_neighbours_survive(past, tmp_path):
    file, limit = tmp_path / "audit.log", settings.KEYBOOK.max_line
    with file.open("wb") as out:
        out.write(log(calls(2)) + b'{"time":"2026-03-14T09:00:00Z","type":"request","auth":{"display_name":"')
        for _ in range(5):
            out.write(b"x" * (limit // 2))
        out.write(b'"}}\n' + log(calls(2, first=2)))
    assert is_accounted(past.take(file), [file])
    assert past.events() == 4
    assert sum(length for _, length, _, provisional in past.quarantine() if not provisional) > 2 * limit
    assert all("KEYBOOK_MAX_LINE" in reason for _, _, reason, _ in past.quarantine())
    assert past.take(file).events == 0


STRANGE_REQUESTS = {
    "no id": {"request__id": "", "request__data": {"pin": 1234}},
    "an id that is no UUID": {"request__id": "x" * 36},
    "an id like a token": {"request__id": "s.abcdefghijklmnopqrstuvwx"},
    "a time with a space": {"time": "2026-03-14 09:00:00.5Z"},
    "a time with ten decimals": {"time": "2026-03-14T09:00:00.1234567891Z"},
    "a type of its own": {"type": "KMIP_thing"},
    "an unknown field": {"request__colour": "blue"},
    "nested 900 deep": {"request__data": json.loads("[" * 900 + "]" * 900)},
    "nested 300 deep": {"auth__metadata": json.loads('{"a":' * 300 + "1" + "}" * 300)},
    "no id, and nothing to mask": {"request__id": ""},
    "a NUL": {"request__path": "secret/data/a\0b"},
}


@pytest.mark.parametrize("form", STRANGE_REQUESTS)
def test_a_strange_request_that_waits_for_its_response_stops_no_later_turn(past, tmp_path, monkeypatch, form):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    file = tmp_path / "audit.log"
    line = Call(1, at=datetime.now(UTC)).request(**STRANGE_REQUESTS[form])
    file.write_bytes(log(calls(1, first=5)) + line + b"\n")
    past.take(file)
    assert past.one("SELECT count(*) FROM audit_pending") + past.events() == 2
    for part in range(3):
        with file.open("ab") as out:
            out.write(log(calls(1, first=10 + part)))
        past.take(file)
    past.rows("UPDATE audit_pending SET received_at = received_at - interval '1 hour' RETURNING 1")
    source = actions.Source.objects.create(device=actions.Device.objects.get(), settings={"path": str(file)})
    for _ in range(2):
        actions.read_source(source)
    assert past.one("SELECT count(*) FROM audit_pending") == 0
    assert past.events() == 5
