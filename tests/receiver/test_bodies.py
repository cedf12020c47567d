"""A body is taken apart into its records, however a shipper packs them."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest

from receiver import bodies
from receiver.records import Desk, Mounts

LINE = (
    b'{"time":"2026-11-21T02:00:00.5Z","type":"request","auth":{"client_token":"hmac-sha256:' + b"a" * 64 + b'"},'
    b'"request":{"id":"11111111-2222-3333-4444-555555555555","operation":"read","path":"secret/data/a"}}'
)
OTHER = LINE.replace(b"11111111", b"99999999")
LIMIT = 1 << 20


def judged(body, encoding=""):
    desk = Desk(1, Mounts(), LIMIT)
    desk.take(bodies.records(bodies.unpacked(body, encoding, LIMIT)))
    return desk


def wrapped(key, line):
    return json.dumps({"date": 1.5, key: line.decode(), "host": "bao-0"}).encode()


WAYS = {
    "one line": LINE,
    "one line with its newline": LINE + b"\n",
    "an array of one": b"[" + LINE + b"]",
    "vector, codec json, framing of an array": b"[" + wrapped("message", LINE) + b"]",
    "vector, codec json, a line each": wrapped("message", LINE) + b"\n",
    "fluent bit, json_lines": wrapped("log", LINE) + b"\n",
    "fluent bit, json": b"[" + wrapped("log", LINE) + b"]",
    "an object under event": b'{"host":"x","event":' + LINE + b"}",
    "a prefix before the JSON": b"@cee: " + LINE,
}


@pytest.mark.parametrize("body", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(
    "pack", [lambda body: (body, ""), lambda body: (gzip.compress(body), "gzip")], ids=["plain", "gzip"]
)
def test_a_line_is_the_same_however_it_is_sent(body, pack):
    alone, desk = judged(LINE), judged(*pack(body))
    assert (desk.good, desk.bad) == (1, 0)
    assert (desk.rows[0].sha256, desk.rows[0].key, desk.rows[0].length) == (
        alone.rows[0].sha256,
        alone.rows[0].key,
        len(LINE),
    )


@pytest.mark.parametrize(
    "body", [LINE + b"\n\n" + OTHER, LINE + b"\r\n" + OTHER + b"\r\n", b"[" + LINE + b" , " + OTHER + b"]"]
)
def test_records_come_in_their_order(body):
    assert [row.length for row in judged(body).rows] == [len(LINE), len(OTHER)]
    assert judged(body).rows[0].key.hex().startswith("11111111")


def test_what_is_whole_in_a_torn_array_is_taken():
    desk = judged(b"[" + LINE + b"," + OTHER + b'{"time":"2026')
    assert desk.good == 2
    assert desk.bad >= 1


def test_members_of_gzip_are_put_together():
    desk = judged(gzip.compress(LINE + b"\n") + gzip.compress(OTHER), "gzip")
    assert desk.good == 2


def test_a_bomb_costs_no_more_than_the_limit():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(200)]) + packer.flush()
    tracemalloc.start()
    with pytest.raises(bodies.TooLarge):
        bodies.unpacked(bomb, "gzip", LIMIT)
    assert tracemalloc.get_traced_memory()[1] < 8 * LIMIT
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"not gzip", "gzip"), (gzip.compress(LINE)[:-9], "gzip"), (LINE, "br")],
    ids=["no gzip", "cut gzip", "another packing"],
)
def test_what_cannot_be_taken_apart_is_refused_with_a_sentence(body, encoding):
    with pytest.raises(bodies.Unusable, match="Nothing was kept"):
        bodies.records(bodies.unpacked(body, encoding, 8 * LIMIT))


def test_blank_lines_are_no_records():
    assert bodies.records(b"\r\n" * 2_000_000) == bodies.records(b"[]") == []


def test_more_records_than_fit_are_refused():
    for body in (
        b"[" + b"{}," * bodies.RECORDS + b"{}]",
        b"{}\n" * (bodies.RECORDS + 1),
        b"x\n" * (30 * bodies.RECORDS),
    ):
        with pytest.raises(bodies.Unusable, match="smaller batches"):
            bodies.records(body)


def test_rubbish_is_kept_aside_with_its_hash_and_no_byte_of_it():
    desk = judged(LINE + b'\n{"password":"hunter2","n":41}\n' + OTHER)
    assert (desk.good, desk.bad) == (2, 1)
    (bad,) = [row for row in desk.rows if row.reason]
    assert b"hunter2" not in bad.line
    assert b"41" not in bad.line.replace(b"<number", b"")
    assert bad.length == len(b'{"password":"hunter2","n":41}')


def test_much_rubbish_becomes_few_rows_and_every_byte_is_counted():
    desk = judged(b"rubbish\n" * 5_000 + LINE)
    assert (desk.good, desk.bad) == (1, 5_000)
    assert len(desk.rows) < 120
    assert sum(row.length for row in desk.rows) == 7 * 5_000 + len(LINE)


def test_what_is_full_of_nuls_is_one_row_and_a_run_of_them_hides_no_line():
    assert [row.length for row in judged(b"\0a" * 100_000).rows] == [200_000]
    assert judged(bytes(4096) + LINE).good == 1


def test_a_mounts_version_learned_from_an_answer_serves_its_writes():
    mounts = Mounts()
    entry = json.loads(LINE)
    entry["request"] |= {"path": "old/data/a", "mount_point": "old/", "mount_type": "kv", "mount_accessor": "kv_1"}
    write = json.loads(json.dumps(entry))
    write["request"] |= {"operation": "update", "data": {"version": 1234567}}
    entry |= {"type": "response", "response": {"data": {"pin": 1}}}
    desk = Desk(1, mounts, LIMIT)
    desk.take([json.dumps(entry).encode(), json.dumps(write).encode()])
    assert b"1234567" not in desk.rows[1].line
