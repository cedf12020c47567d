"""What the receiver answers to honest senders, wrong ones and hostile ones, and what is then in the spool."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from kit import tokens
from tests.audit.lines import calls
from tests.receiver.service import receiver, until

BODY = 1024 * 1024


@pytest.fixture(scope="module")
def place(database, tmp_path_factory):
    """A receiver over a database of its own."""
    token = json.loads(database.manage("receiver_token", "--vault", "demo", "--json").stdout)["token"]
    folder = tmp_path_factory.mktemp("receiver")
    patient = {"KEYBOOK_RECEIVER_BODY": str(BODY), "KEYBOOK_RECEIVER_DEADLINE_MS": "1000"}  # this machine may be busy
    with receiver(database.environment, folder, **patient) as made:
        made.token, made.database = token, database
        yield made


@pytest.fixture
def service(place):
    """The receiver, with an empty spool."""
    with place.database.connect() as wire:
        wire.execute("TRUNCATE audit_spool")
    return place


def spooled(service, reason=False):
    with service.database.connect() as wire:
        sql = "SELECT count(*) FROM audit_spool WHERE (reason <> '') = %s"
        return wire.execute(sql, [reason]).fetchone()[0]


def lines(count=1, seed="http"):
    return [line for call in calls(count, seed=seed) for line in call.lines("http")]


def test_a_line_is_in_the_spool_before_it_is_answered(service):
    for number, line in enumerate(lines(3), 1):
        heard = service.post(line + b"\n")
        assert (heard.status, heard.told) == (200, {"accepted": 1, "quarantined": 0})
        assert spooled(service) == number


def test_a_connection_serves_many_requests(service):
    with closing(service.connect()) as wire:
        for line in lines(20):
            wire.request("POST", "/audit", line, {"Authorization": f"bearer {service.token}"})
            answer = wire.getresponse()
            assert (answer.status, answer.read()) == (200, b'{"accepted":1,"quarantined":0}')
    assert spooled(service) == 40


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", [b"\n".join, lambda many: b"[" + b",".join(many) + b"]"], ids=["NDJSON", "array"])
def test_a_batch_is_taken_whole(service, pack, form):
    packing = {"Content-Encoding": "gzip"} if pack is gzip.compress else {}
    heard = service.post(pack(form(lines(200))), **packing)
    assert (heard.status, heard.told) == (200, {"accepted": 400, "quarantined": 0})
    assert spooled(service) == 400


def test_a_chunked_body_is_taken(service):
    heard = service.ask("POST", "/audit", iter(lines(1)), {"Authorization": f"Bearer {service.token}"})
    assert heard.status == 200
    assert spooled(service) + spooled(service, reason=True) >= 1


def test_of_a_batch_that_is_partly_rubbish_the_good_lines_are_kept(service):
    good = lines(2)
    heard = service.post(b"\n".join([*good[:2], b"rubbish", b'{"no":"entry"}', *good[2:]]))
    assert (heard.status, heard.told) == (200, {"accepted": 4, "quarantined": 2})
    assert (spooled(service), spooled(service, reason=True)) == (4, 2)


@pytest.mark.parametrize("body", [b"rubbish", b"[1,2,3]", b"\0" * 1000, b"{" * 50_000, b'{"type":"request"}'])
def test_rubbish_is_refused_and_kept_aside(service, body):
    heard = service.post(body)
    assert heard.status == 400
    assert heard.told["accepted"] == 0
    assert heard.told["quarantined"] > 0
    assert heard.told["error"] == "Nothing in the body is an audit record."
    assert spooled(service, reason=True) > 0
    assert spooled(service) == 0


def test_an_empty_body_is_refused(service):
    assert service.post(b"").status == service.post(b"\n \n").status == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_refused(service, method):
    heard = service.ask(method, "/audit", headers={"Authorization": f"Bearer {service.token}"})
    assert (heard.status, heard.headers["Allow"]) == (405, "POST")


def test_other_paths_are_refused(service):
    for path in ("/", "/audit/x", "//audit", "/v1/audit", "/health"):
        assert service.ask("POST", path, b"{}", {"Authorization": f"Bearer {service.token}"}).status == 404


def test_only_a_live_token_opens_and_no_answer_repeats_one(service):
    stranger = tokens.make("kbr_")
    wrong = [stranger, service.token[:-1] + "x", service.token + "a", "kbr_", "", "x" * 9_000, service.token.upper()]
    for token in wrong:
        heard = service.ask("POST", "/audit", lines()[0], {"Authorization": f"Bearer {token}"})
        assert heard.status == 401, token
        assert not token or token not in str(heard)
    for header in ({}, {"Authorization": f"Basic {service.token}"}, {"X-Vault-Token": service.token}):
        assert service.ask("POST", "/audit", lines()[0], header).status == 401
    assert spooled(service) == 0
    said = service.log.read_bytes()
    assert service.token.encode() not in said
    assert stranger.encode() not in said


def test_a_new_token_works_at_once_and_a_revoked_one_not_for_long(service):
    made = json.loads(service.database.manage("receiver_token", "--vault", "demo", "--json").stdout)
    assert service.post(lines()[0], made["token"]).status == 200
    refused = service.database.manage("receiver_token", "--vault", "demo", check=False)
    assert refused.returncode == 2
    assert "2 live tokens" in refused.stderr
    listed = json.loads(service.database.manage("receiver_token", "--vault", "demo", "--list", "--json").stdout)[
        "tokens"
    ]
    service.database.manage("receiver_token", "--revoke", str(listed[0]["id"]))
    until(lambda: service.post(lines()[1], made["token"]).status == 401, 5)
    assert service.post(lines()[1]).status == 200
    assert made["token"] not in str(listed)


def raw(service, *pieces, pause=0.0):
    """Send pieces on a plain connection; returns all that comes back and the seconds from the first piece on."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as wire:
        began = time.monotonic()
        try:
            for piece in pieces:
                wire.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass
        heard = b""
        try:
            while data := wire.recv(65536):
                heard += data
        except ConnectionResetError:
            pass
        return heard, time.monotonic() - began


def head(service, length, more=""):
    text = f"POST /audit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
    return f"{text}Content-Length: {length}\r\n{more}\r\n".encode()


def test_a_body_that_trickles_is_ended_in_time(service):
    heard, seconds = raw(service, head(service, 1000), *[b"{"] * 40, pause=0.05)
    assert heard.startswith(b"HTTP/1.1 408 ")
    assert seconds < 15


def test_a_head_that_trickles_is_ended_in_time(service):
    heard, seconds = raw(service, *[b"P", b"O", b"S", b"T"], *[b" "] * 40, pause=0.05)
    assert heard.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))
    assert seconds < 15


def test_what_is_no_http_is_refused(service):
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"GET / SPDY/9\r\n\r\n", b"\0" * 50):
        assert raw(service, junk)[0].startswith(b"HTTP/1.1 400 ")
    assert raw(service, b"POST /audit HTTP/1.1\r\n" + b"X: " + b"y" * 70_000)[0].startswith(b"HTTP/1.1 431 ")


def test_a_body_of_100_mb_is_refused_without_being_kept(service):
    heard, _ = raw(service, head(service, 100_000_000), *[bytes(1_000_000)] * 100)
    assert heard.startswith(b"HTTP/1.1 413 ")
    assert b"KEYBOOK_RECEIVER_BODY" in heard
    chunk = b"%x\r\n%s\r\n" % (1_000_000, bytes(1_000_000))
    chunked = head(service, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    assert raw(service, chunked, *[chunk] * 100)[0].startswith(b"HTTP/1.1 413 ")
    assert memory(service) < 300 * 1024 * 1024


def test_a_body_of_100_mb_without_a_token_is_not_read(service):
    refused = head(service, 100_000_000).replace(service.token.encode(), b"kbr_x")
    assert raw(service, refused, *[bytes(1_000_000)] * 100)[0].startswith(b"HTTP/1.1 401 ")


def memory(service):
    """The resident bytes of the serving process at their highest."""
    status = Path(f"/proc/{service.serving()}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_gzip_bomb_costs_neither_memory_nor_time(service):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([packer.compress(bytes(BODY)) for _ in range(500)]) + packer.flush()
    assert len(bomb) < BODY
    for _ in range(4):
        assert service.post(bomb, **{"Content-Encoding": "gzip"}).status == 413
    assert memory(service) < 300 * 1024 * 1024
    assert service.post(lines()[0]).status == 200


def test_whoever_asks_first_is_told_to_go_on(service):
    line = lines()[0]
    heard, _ = raw(service, head(service, len(line), "Expect: 100-continue\r\nConnection: close\r\n"), line)
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


def test_a_second_request_before_the_first_is_answered_ends_the_connection(service):
    line = lines()[0]
    heard, _ = raw(service, (head(service, len(line)) + line) * 3)
    assert heard.count(b"HTTP/1.1 200 ") == 1
    assert b"Connection: close" in heard


def test_many_silent_connections_keep_nobody_out(service):
    idle = [socket.create_connection(("127.0.0.1", service.port), timeout=20) for _ in range(1_100)]
    try:
        assert service.post(lines()[0]).status == 200
    finally:
        for one in idle:
            one.close()


def test_health_tells_that_it_takes_lines(service):
    service.post(lines()[0])
    told = service.health()
    assert (told["status"], told["spool"]) == ("live", "up")
    assert told["accepted"] > 0
