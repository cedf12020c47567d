"""Values that Vault leaves in plain stand in no row of the spool, in no table behind it and in no log."""

from __future__ import annotations

import json

import pytest

from kit import tokens
from tests.audit.lines import Call, written
from tests.audit.test_canaries import CANARIES, DATE, KEY, NUMBER, TEXT, TOKENS, TYPED, found_in, found_in_tables
from tests.receiver.service import receiver

SECRET = {"password": TEXT, KEY: NUMBER, "born": DATE, "deep": [{KEY: [NUMBER, TEXT, True]}], "pin": NUMBER}


def planted():
    """Entries with values in every place that a vault, a plugin or a person can put them."""
    one = Call(1, seed="canaries")
    login = {"request__path": f"auth/userpass/login/{TYPED}", "request__operation": "update",
             "request__mount_point": "auth/userpass/", "request__mount_type": "userpass"}  # fmt: skip
    v1 = {"request__mount_point": "old/", "request__path": "old/data/x"}
    yield one.request(request__data={"version": NUMBER, "destroyed": TEXT}, **v1)  # nothing has told its version yet
    yield one.request()
    yield one.response(
        data={"data": SECRET, "metadata": {"version": 3, "created_time": "2026-03-01T00:00:00Z", KEY: TEXT}}
    )
    yield one.request(request__data={"data": SECRET, "options": {"cas": 1}})
    yield one.response(data=SECRET, **v1)
    yield one.request(request__data={"version": NUMBER, "destroyed": TEXT}, **v1)
    yield one.response(data={"keys": [1]}, warnings=[TEXT], error=f"cannot use '{TEXT}' of https://{TYPED}:{TEXT}@db/")
    yield one.request(**login)
    yield one.response(data={}, error="permission denied", **login)
    yield one.response(data={}, **login)
    yield one.request(auth__client_token=TOKENS[0], request__client_token=TOKENS[1])
    yield one.request(request__path=f"auth/token/lookup/{TOKENS[2]}", request__headers={"authorization": [TEXT]})
    yield one.request(unknown=SECRET, request__unknown=TEXT)
    yield written({"type": "response", "time": "2026-03-14T09:00:00Z", "auth": {}, "request": {"data": SECRET}})
    twice = b'"request":{"data":{"x":"%s"},"data":%d,' % (TEXT.encode(), NUMBER)
    yield one.request().replace(b'"request":{', twice)


def bodies():
    """The same, as honest and as clumsy senders send them."""
    many = list(planted())
    yield from many
    yield b"[" + b",".join(many) + b"]"
    yield b"\n".join(json.dumps({"log": line.decode(), KEY: TEXT}).encode() for line in many)
    yield from (line[: len(line) - 25] for line in many)
    yield from (line[:300] + line for line in many)
    yield from (line.replace(b'"type"', b'"kind"') for line in many)
    yield json.dumps({**SECRET, KEY: {"note": TYPED}}).encode()
    yield f"{TEXT} {KEY} {NUMBER} {TYPED} {DATE} {TOKENS[0]}".encode()
    yield b'["%s", %d]' % (TEXT.encode(), NUMBER)


@pytest.fixture(scope="module")
def place(database, tmp_path_factory):
    token = json.loads(database.manage("receiver_token", "--vault", "demo", "--json").stdout)["token"]
    with receiver(
        database.environment, tmp_path_factory.mktemp("receiver"), KEYBOOK_RECEIVER_DEADLINE_MS="5000"
    ) as service:
        service.token = token
        yield service, database


def test_no_canary_is_spooled_stored_answered_or_logged(place):
    service, database = place
    said = "".join(str(service.post(body)) for body in bodies())
    wrong = tokens.make("kbr_")
    said += str(service.post(TEXT, wrong)) + str(service.ask("POST", f"/{TEXT}", TYPED)) + str(service.health())
    canaries = [*CANARIES, service.token, wrong]
    with database.connect() as wire:
        assert wire.execute("SELECT count(*) FROM audit_spool WHERE reason = ''").fetchone()[0] > 30
        assert wire.execute("SELECT count(*) FROM audit_spool WHERE reason <> ''").fetchone()[0] > 10
        assert found_in_tables(wire, canaries) == []
    told = database.manage("follow", "--once").stderr
    with database.connect() as wire:
        assert wire.execute("SELECT count(*) FROM audit_spool").fetchone()[0] == 0
        assert found_in_tables(wire, canaries) == []
    assert found_in("answers, logs and commands", (said + told).encode() + service.log.read_bytes(), canaries) == []
