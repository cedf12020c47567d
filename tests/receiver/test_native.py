"""A Kubernetes API server's webhook: batches are spooled without values, answered at once, and told once each."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from receiver import bodies
from receiver.records import Desk, Mounts
from tests.audit import lines as vault_lines
from tests.audit.test_canaries import found_in, found_in_tables
from tests.cluster import planted
from tests.cluster.records import record
from tests.receiver.service import receiver, until

DATA = Path(__file__).parents[1] / "data" / "cluster"


def recorded():
    """The recorded records as the webhook sends them: without a kind of their own."""
    rows = map(json.loads, gzip.decompress((DATA / "kube-audit.log.gz").read_bytes()).splitlines())
    return [json.dumps({k: v for k, v in row.items() if k not in ("kind", "apiVersion")}).encode() for row in rows]


def event_list(some):
    head = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['
    return head + b",".join(some) + b"]}\n"


def judged(body, encoding=""):
    desk = Desk(1, Mounts(), 1 << 24)
    desk.take(bodies.records(bodies.unpacked(body, encoding, 1 << 24)))
    return desk


@pytest.mark.parametrize(
    "body",
    [
        event_list([record()]), record(), record() + b"\n" + record(), b"[" + record() + b"]",
        json.dumps({"log": record().decode(), "stream": "stdout"}).encode(), b"@cee: " + record(),
    ],
)  # fmt: skip
def test_a_record_is_the_same_however_it_is_sent(body):
    row = judged(body).rows[0]
    assert (row.reason, row.length) == ("", len(record()))
    assert (row.sha256, row.key.hex()) == (judged(record()).rows[0].sha256, "5ec4100edd0e4886b789b301afba0035")


def test_records_of_other_resources_become_one_row_that_counts_them():
    other = record(objectRef={"resource": "pods"})
    desk = judged(event_list([other, record(), other]))
    assert (desk.good, desk.bad, len(desk.rows)) == (3, 0, 2)
    assert (desk.rows[-1].line, desk.rows[-1].length) == (b'{"others":2}', 2 * len(other))


def test_both_kinds_of_record_are_known_and_rubbish_is_set_aside():
    desk = judged(
        b"\n".join([record(), vault_lines.Call(1).response(), b'{"kind":"Event"}', record()[:300] + record()])
    )
    assert (desk.good, desk.bad) == (3, 2)


@pytest.fixture(scope="module")
def place(database, tmp_path_factory):
    with receiver(
        database.environment, tmp_path_factory.mktemp("receiver"), KEYBOOK_RECEIVER_DEADLINE_MS="5000"
    ) as service:
        yield service, database


def token(database, vault, device="webhook"):
    made = database.manage("receiver_token", "--vault", vault, "--device", device, "--json")
    return json.loads(made.stdout)["token"]


def counts(database, vault):
    sql = """SELECT e.request_id::text, e.disclosed FROM audit_event e JOIN audit_vault v ON v.id = e.vault
             WHERE v.name = %s AND e.flags & 4 = 0"""
    with database.connect() as wire:
        return Counter(wire.execute(sql, [vault]).fetchall())


def test_batches_that_are_sent_again_packed_and_in_other_company_are_told_once(place):
    service, database = place
    service.token = token(database, "prod")
    until(lambda: service.post(b"").status != 401)  # the receiver has heard of the token
    some = recorded()
    heard = [service.post(event_list(some[at : at + 400])) for at in range(0, len(some), 400)]
    heard += [service.post(event_list(some[at : at + 250])) for at in range(100, 900, 250)]  # retries
    heard.append(service.post(gzip.compress(event_list(some)), **{"Content-Encoding": "gzip"}))
    assert {one.status for one in heard} == {200}
    assert heard[0].told == {"accepted": 400, "quarantined": 0}
    database.manage("follow", "--once")
    truth = json.loads(gzip.decompress((DATA / "truth.json.gz").read_bytes()))["native_reads"]
    told = counts(database, "prod")
    assert set(told.values()) == {1}
    wanted = {one["audit_id"] for one in truth}
    looked_alike = {one["audit_id"] for one in truth if "limit=500" in one["path"] and not one["namespace"]}
    disclosed = {id for id, what in told if what and id in wanted} - looked_alike
    assert {id for id, _ in told} >= wanted
    assert disclosed == {one["audit_id"] for one in truth if one["values_disclosed"]}
    with database.connect() as wire:
        assert wire.execute("SELECT kind FROM audit_vault WHERE name = 'prod'").fetchone() == ("kubernetes",)
        assert wire.execute("SELECT count(*) FROM audit_spool").fetchone() == (0,)
        classes = "bytes_event + bytes_duplicate + bytes_quarantine + bytes_framing - position"
        assert wire.execute(f"SELECT {classes}, bytes_quarantine FROM audit_generation").fetchall() == [(0, 0)]

    file = Path(service.log).parent / "kube-audit.log"
    file.write_bytes(gzip.decompress((DATA / "kube-audit.log.gz").read_bytes()))
    again = database.manage("ingest_file", str(file), "--vault", "prod", "--device", "file", "--json")
    assert json.loads(again.stdout)["events"] == 0  # what the webhook told first, the file does not tell again


def test_a_batch_of_ten_megabytes_is_spooled_at_once(place):
    service, database = place
    service.token = token(database, "large")
    row = {"responseObject": {"kind": "SecretList", "items": ["QUJD" * 6_000]}, "level": "RequestResponse"}
    body = event_list([record(auditID=f"00000000-0000-4000-8000-{n:012d}", **row) for n in range(400)])
    assert 9 << 20 < len(body) < 11 << 20
    until(lambda: service.post(event_list([record(auditID="the token is known")])).status == 200)
    assert service.post(body).told == {"accepted": 400, "quarantined": 0}
    with database.connect() as wire:
        size = "SELECT sum(octet_length(line)), max(octet_length(line)) FROM audit_spool"
        total, longest = wire.execute(size).fetchone()
        assert (total < 1 << 20, longest < 2_000) == (True, True)
    database.manage("follow", "--once")
    assert len(counts(database, "large")) == 401


def test_records_sent_under_the_name_of_the_other_kind_are_set_aside(place):
    service, database = place
    mine, other = token(database, "bao"), token(database, "cluster")
    assert service.post(vault_lines.Call(1).response(), mine).status == 200
    assert service.post(event_list([record()]), other).status == 200
    database.manage("follow", "--once")
    assert service.post(event_list([record(auditID="x"), record(objectRef={"resource": "pods"})]), mine).status == 200
    assert service.post(vault_lines.Call(2).response(), other).status == 200
    database.manage("follow", "--once")
    sql = """SELECT v.name, q.reason, q.preview FROM audit_quarantine q
             JOIN audit_generation g ON g.id = q.generation_id JOIN audit_device d ON d.id = g.device_id
             JOIN audit_vault v ON v.id = d.vault_id ORDER BY 1"""
    with database.connect() as wire:
        found = wire.execute(sql).fetchall()
    assert [(name, preview) for name, _, preview in found] == [("bao", ""), ("bao", ""), ("cluster", "")]
    assert "bao is the name of a vault" in found[0][1]
    assert "cluster is the name of a Kubernetes cluster" in found[2][1]


def test_no_value_is_spooled_stored_answered_or_logged(place):
    service, database = place
    service.token = token(database, "canaries")
    until(lambda: service.post(b"").status != 401)  # the receiver has heard of the token
    some = planted.records()
    bodies_ = [*some, event_list(some), b"[" + b",".join(some) + b"]", planted.log(), event_list(some)[:-40]]
    said = "".join(str(service.post(body)) for body in bodies_)
    with database.connect() as wire:
        assert wire.execute("SELECT count(*) FROM audit_spool WHERE findings LIKE '%secret value%'").fetchone()[0] > 20
        assert found_in_tables(wire, planted.CANARIES) == []
    told = database.manage("follow", "--once").stderr
    with database.connect() as wire:
        assert until(lambda: wire.execute("SELECT count(*) FROM audit_spool").fetchone() == (0,))
        assert found_in_tables(wire, planted.CANARIES) == []
        kinds = dict(wire.execute("SELECT a.kind, a.count FROM audit_alarm a").fetchall())
    assert kinds["secret value"] > 20
    assert found_in("answers and logs", (said + told).encode() + service.log.read_bytes(), planted.CANARIES) == []
