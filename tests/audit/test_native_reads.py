"""Reads of native Secrets, from an API server's audit log, are events like a vault's: each once, on one time line."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.scope import EVERYTHING
from audit import actions, ingest, queries
from audit.models import Device, Source, Vault
from audit.sources.file import UnusableFile
from tests.audit import lines as vault_lines
from tests.audit.past import is_accounted
from tests.cluster.records import POD, record, written

DATA = Path(__file__).parents[1] / "data" / "cluster"
KEPT = """
    SELECT e.request_id::text, p.kind, p.name, p.entity_id, coalesce(s.name, ''), e.outcome, e.disclosed, a.address,
           coalesce(c.uid, ''), e.flags & 3, e.duration
    FROM audit_event e JOIN audit_principal p ON p.id = e.principal LEFT JOIN audit_secret s ON s.id = e.secret
    JOIN audit_address a ON a.id = e.address LEFT JOIN audit_podclaim c ON c.token_id = e.token
    WHERE e.flags & 4 = 0 ORDER BY e.time, e.id
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """The recorded log of a real API server, unpacked."""
    file = tmp_path_factory.mktemp("cluster") / "kube-audit.log"
    file.write_bytes(gzip.decompress((DATA / "kube-audit.log.gz").read_bytes()))
    return file


@pytest.fixture(scope="module")
def native_reads():
    return json.loads(gzip.decompress((DATA / "truth.json.gz").read_bytes()))["native_reads"]


def expected(native_reads):
    """What the drivers' truth says of each read, as the store must tell it."""
    told = {}
    for one in native_reads:
        user, by = (one["impersonated"], one["user"]) if one["impersonated"] else (one["user"], "")
        account = user.removeprefix("system:serviceaccount:")
        kind, name = ("human", user) if account == user else ("service_account", account.replace(":", "/"))
        told[one["audit_id"]] = (
            kind, name, f"impersonated by {by}" if by else "",
            f"kubernetes/prod/{one['namespace'] or '*'}/{one['name'] or '*'}",
            {200: 1, 403: 2, 404: 4}[one["status"]], one["source"], one["pod"],
        )  # fmt: skip
    return told


def check(past, native_reads):
    """The people's and pods' reads are those of the truth; whatever else is there is of the cluster itself."""
    kept = past.rows(KEPT)
    assert len({row[0] for row in kept}) == len(kept)
    wanted, truth = expected(native_reads), {one["audit_id"]: one for one in native_reads}
    got = {row[0]: (*row[1:6], *row[7:9]) for row in kept if row[0] in wanted}
    assert got == wanted
    disclosed = {row[0] for row in kept if row[0] in wanted and row[6] == 1}
    looked_alike = {one["audit_id"] for one in native_reads if "limit=500" in one["path"] and not one["namespace"]}
    assert disclosed - looked_alike == {id for id, one in truth.items() if one["values_disclosed"]}
    set_up = {"admin", "vso/vault-secrets-operator-controller-manager", "external-secrets/external-secrets"}
    others = [row for row in kept if row[0] not in wanted and row[4]]
    assert {row[2] for row in others if row[1] not in ("node", "system")} == set_up
    assert Counter(row[1] for row in others)["node"] == 59


def test_the_recorded_reads_are_exactly_those_that_were_made(past, log, native_reads):
    done = past.take(log, vault="prod")
    assert is_accounted(done, [log])
    assert (done.lines, done.quarantined, done.gaps) == (1165, 0, 0)
    check(past, native_reads)
    sides = past.rows("SELECT DISTINCT flags & 3 FROM audit_event WHERE secret > 0")
    assert sides == [(3,)]  # the policy has both stages written of what is asked of Secrets
    again = past.take(log, vault="prod")
    assert (again.events, again.accounted["duplicates"]) == (0, log.stat().st_size)
    packed = log.with_suffix(".gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert past.take(packed, vault="prod").events == 0
    check(past, native_reads)
    assert past.one("SELECT others FROM audit_generation") == 813


@pytest.mark.parametrize("seed", range(3))
def test_a_log_that_grows_in_pieces_gives_the_same(past, log, native_reads, tmp_path, monkeypatch, seed):
    monkeypatch.setattr(ingest, "CHUNK", [4096, 30_000, 8 << 20][seed])
    dice, data, file = random.Random(seed), log.read_bytes(), tmp_path / "kube-audit.log"
    file.write_bytes(data[:3_000])
    while file.stat().st_size < len(data):
        past.take(file, vault="prod")
        with file.open("ab") as out:
            size = file.stat().st_size
            out.write(data[size : size + dice.randrange(200_000)])
    past.take(file, vault="prod")
    check(past, native_reads)


def test_two_api_servers_logs_and_a_second_copy_of_one_are_united(past, log, native_reads, tmp_path):
    rows = log.read_bytes().splitlines(keepends=True)
    one, other, whole = tmp_path / "one.log", tmp_path / "other.log", tmp_path / "whole.log"
    one.write_bytes(b"".join(rows[::2]))
    other.write_bytes(b"".join(rows[1::2]))
    whole.write_bytes(log.read_bytes())
    for name, file in (("one", one), ("other", other), ("whole", whole)):
        past.take(file, vault="prod", device=name)
    check(past, native_reads)


def test_who_read_answers_by_the_name_of_the_secret(past, log, capsys):
    call_command("ingest_file", str(log), "--vault", "prod", "--json")
    told = capsys.readouterr()
    assert "Kubernetes cluster prod is new" in told.err
    assert "813 records are of other resources" in " ".join(told.err.split())
    assert json.loads(told.out)["quarantined"] == 0
    call_command("who_read", "kubernetes/prod/analytics/smtp", "--json")
    readers = {(one["principal"], one["entity_id"]): one for one in json.loads(capsys.readouterr().out)["readers"]}
    assert readers["chidi", ""]["count"] == 2
    assert readers["chidi", "impersonated by bruno"]["addresses"] == ["127.80.0.13"]
    assert readers["analytics/ci-bot", ""]["kind"] == "service_account"
    call_command("who_read", "kubernetes/prod/*/*")
    assert "bruno" in capsys.readouterr().out


def test_people_are_named_before_the_kubelets_that_read_more_often(past, tmp_path):
    kubelet = {"username": "system:node:w", "groups": ["system:nodes"]}
    rows = [record(auditID=f"0000000{n % 10}-0000-4000-8000-00000000{n:04d}",
                   user={**kubelet, "username": f"system:node:w{n % 40}"}) for n in range(1_000)]  # fmt: skip
    file = tmp_path / "kube.log"
    file.write_bytes(b"\n".join([*rows, record()]) + b"\n")
    past.take(file, vault="prod")
    answer = queries.who_read(queries.find_secret("kubernetes/prod/shop/db", scope=EVERYTHING))
    assert [answer.readers[0].principal, answer.readers[1].kind] == ["mira", "node"]
    assert sum(one.count for one in answer.readers if one.kind == "node") == 1_000


def test_a_pods_own_read_keeps_its_pod(past, tmp_path):
    file = tmp_path / "kube.log"
    file.write_bytes(record(user={"username": "system:serviceaccount:shop:app", "extra": POD}) + b"\n")
    past.take(file, vault="prod")
    found = past.rows(
        "SELECT c.namespace, pod, uid, node, t.accessor FROM audit_podclaim c JOIN audit_token t ON t.id = token_id"
    )
    assert found == [("shop", "app-0", "uid-of-app-0", "worker-1", "JTI=1")]
    assert past.one("SELECT token FROM audit_event") > 0


def test_a_watch_is_one_read_however_late_it_ends(past, tmp_path):
    file = tmp_path / "kube.log"
    stages = [
        record(
            verb="watch", stage="RequestReceived", responseStatus=None, stageTimestamp="2026-03-14T09:00:00.000100Z"
        ),
        record(verb="watch", stage="ResponseStarted", stageTimestamp="2026-03-14T09:00:00.000900Z"),
        record(verb="watch", stageTimestamp="2026-03-14T10:30:00.000000Z"),
    ]
    for stage in (stages[0] + b"\n" + stages[1], stages[2]):
        with file.open("ab") as out:
            out.write(stage + b"\n")
        past.take(file, vault="prod")
    assert past.events() == past.one("SELECT count(*) FROM audit_event WHERE disclosed > 0") == 1
    assert past.one("SELECT duration FROM audit_event") == 800
    settled = past.bytes_per_class()
    assert settled["duplicate"] == len(stages[2])
    assert sum(settled[name] for name in ("event", "duplicate", "framing")) == file.stat().st_size


def test_a_call_without_an_answer_is_one_without_an_answer(past, tmp_path):
    file = tmp_path / "kube.log"
    file.write_bytes(record(stage="RequestReceived", responseStatus=None) + b"\n")
    past.take(file, vault="prod")
    assert past.rows("SELECT outcome, disclosed, duration FROM audit_event") == [(5, 0, -1)]


def test_whoever_takes_the_id_of_another_call_hides_nothing_behind_it(past, tmp_path):
    """A client may choose its request's audit id, also one that stands in the log already."""
    thief = {"user": {"username": "thief"}, "requestReceivedTimestamp": "2026-03-14T11:00:00.000000Z",
             "stageTimestamp": "2026-03-14T11:00:00.000900Z"}  # fmt: skip
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    first.write_bytes(record() + b"\n")
    second.write_bytes(record(**thief) + b"\n" + record(**thief, stage="RequestReceived", responseStatus=None) + b"\n")
    both = tmp_path / "both.log"
    both.write_bytes(second.read_bytes() + first.read_bytes())
    for file, device in ((first, "x"), (second, "x"), (both, "y"), (second, "z"), (first, "z")):
        past.take(file, vault="prod", device=device)
    names = past.rows(
        "SELECT p.name, e.flags & 128 FROM audit_event e JOIN audit_principal p ON p.id = e.principal ORDER BY 1"
    )
    assert names == [("mira", 0), ("thief", 128)]
    with_each_other = tmp_path / "c.log"
    with_each_other.write_bytes(first.read_bytes() + second.read_bytes())
    past.take(with_each_other, vault="other")
    assert (
        past.one("SELECT count(*) FROM audit_event e JOIN audit_vault v ON v.id = e.vault WHERE v.name = 'other'") == 2
    )


def test_calls_that_run_commands_or_issue_tokens_are_kept_and_disclose_nothing(past, tmp_path):
    file = tmp_path / "kube.log"
    of = lambda **ref: {"objectRef": {"apiVersion": "v1", **ref}, "verb": "create"}  # noqa: E731
    file.write_bytes(
        b"\n".join(
            [
                record(auditID="1", **of(resource="pods", subresource="exec"), stage="ResponseStarted",
                       responseStatus={"code": 101}, requestURI="/api/v1/namespaces/shop/pods/a/exec?command=x"),
                record(auditID="2", **of(resource="serviceaccounts", subresource="token"), responseStatus={"code": 201},
                       requestURI="/api/v1/namespaces/shop/serviceaccounts/app/token"),
                record(auditID="3", **of(resource="pods")),
            ]
        ) + b"\n"
    )  # fmt: skip
    past.take(file, vault="prod")
    found = past.rows(
        "SELECT p.path, secret, outcome, disclosed FROM audit_event e JOIN audit_path p ON p.id = e.path ORDER BY 1"
    )
    assert found == [
        ("api/v1/namespaces/shop/pods/a/exec", 0, 1, 0),
        ("api/v1/namespaces/shop/serviceaccounts/app/token", 0, 1, 0),
    ]


def test_strangers_fill_no_dictionary(past, tmp_path):
    file = tmp_path / "kube.log"
    rows = [
        record(auditID=str(n), user={"username": "system:anonymous"}, responseStatus={"code": 403},
               objectRef={"name": f"n{n}"}, requestURI=f"/api/v1/namespaces/shop/secrets/n{n}")
        for n in range(50)
    ]  # fmt: skip
    file.write_bytes(b"\n".join(rows) + b"\n")
    past.take(file, vault="prod")
    assert past.events() == 50
    assert past.rows("SELECT path FROM audit_path") == [("kubernetes/prod/*",)]
    assert past.one("SELECT count(*) FROM audit_secret") == 0


# Whose log ------------------------------------------------------------------------------------------------------------


def test_a_name_stands_for_a_vault_or_a_cluster_and_never_for_both(past, log, tmp_path):
    vaults = tmp_path / "audit.log"
    vaults.write_bytes(vault_lines.log(vault_lines.calls(3)))
    past.take(log, vault="prod")
    past.take(vaults, vault="bao")
    assert dict(Vault.objects.values_list("name", "kind")) == {"prod": "kubernetes", "bao": "vault"}
    before = past.events()
    with pytest.raises(UnusableFile, match="is a vault's audit log, and prod is the name of a Kubernetes cluster"):
        past.take(vaults, vault="prod", device="new")
    with pytest.raises(
        UnusableFile, match="is the audit log of a Kubernetes API server, and bao is the name of a vault"
    ):
        past.take(log, vault="bao", device="new")
    with pytest.raises(UnusableFile, match="import them under two names"):
        past.take(vaults, log, vault="third")
    assert past.events() == before
    assert not Vault.objects.filter(name="third").exists()
    assert not Device.objects.filter(name="new").exists()


def follow(path, monkeypatch, name="prod"):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(path.parent))
    return actions.follow_file(str(path), vault=name)


def test_a_followed_log_is_read_as_it_is_written_renamed_and_packed(past, log, native_reads, tmp_path, monkeypatch):
    rows, file = log.read_bytes().splitlines(keepends=True), tmp_path / "kube-audit.log"
    file.touch()
    source = follow(file, monkeypatch)
    assert source.device.vault.kind == ""
    for part in range(4):
        for at in range(part * 300, part * 300 + 300, 60):
            with file.open("ab") as out:
                out.write(b"".join(rows[at : at + 60]))
            assert actions.read_source(source) is not None
        if part == 1:
            (tmp_path / "kube-audit-2026-11-21.log.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.write_bytes(b"")
        elif part < 3:
            file.rename(tmp_path / f"kube-audit.log.{part + 1}")
            file.touch()
    actions.read_source(source)
    source.refresh_from_db()
    assert source.trouble == ""
    assert Vault.objects.get().kind == "kubernetes"
    check(past, native_reads)


def test_a_followed_log_of_the_other_kind_is_not_read_and_says_why(past, log, tmp_path, monkeypatch):
    past.take(log, vault="prod")
    before, file = past.events(), tmp_path / "audit.log"
    file.touch()
    source = follow(file, monkeypatch)
    file.write_bytes(vault_lines.log(vault_lines.calls(3)))
    assert actions.read_source(source) is None
    assert "prod is the name of a Kubernetes cluster" in Source.objects.get(pk=source.pk).trouble
    assert past.events() == before


# Lines that are none --------------------------------------------------------------------------------------------------

GOOD = record(auditID="11111111-0000-4000-8000-000000000001")
OTHER = record(auditID="11111111-0000-4000-8000-000000000002", objectRef={"name": "other"})
HOSTILE = {
    "rubbish": b"rubbish",
    "another document": b'{"a":1}',
    "an event of the cluster": b'{"kind":"Event","apiVersion":"v1","metadata":{"name":"x"}}',
    "a vault's entry": vault_lines.Call(1).response(),
    "a torn record": GOOD[:400],
    "a torn record glued to a whole one": OTHER[:300] + OTHER,
    "NULs before it": bytes(4096) + OTHER,
    "no time": record(requestReceivedTimestamp=None, stageTimestamp=None),
    "a time of another century": record(requestReceivedTimestamp="2106-01-01T00:00:00Z"),
    "a stage in another century": record(stageTimestamp="2106-01-01T00:00:00Z"),
    "another stage": record(stage="Dreaming"),
    "a mistyped user": record(user=["x"]),
    "a number beyond": record(responseStatus={"code": 10**40}),
    "deep": b'{"kind":"Event","responseObject":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "not UTF-8": OTHER.replace(b"other", b"\xff\xfe"),
    "half a surrogate": OTHER.replace(b"other", b"\\ud800"),
    "a NUL in a name": OTHER.replace(b"other", b"a\\u0000b"),
    "names of any length": record(
        objectRef={"name": "n" * 100_000}, user={"username": "u" * 100_000}, auditID="a" * 9_999
    ),
    "an id that is no UUID": record(auditID="../../etc/passwd"),
    "empty members": record(user={}, objectRef={"name": ""}, sourceIPs=[], responseStatus={}),
    "an address of any form": record(sourceIPs=["'; DROP TABLE audit_event; --"]),
    "wrapped by docker": written({"log": OTHER.decode() + "\n", "stream": "stdout", "time": "2026-03-14T09:00:00Z"}),
    "wrapped by CRI": b"2026-03-14T09:00:00.123456789Z stdout F " + OTHER,
    "wrapped by a shipper": written({"host": "cp-0", "message": OTHER.decode()}),
    "a cloud's wrapper": written({"category": "kube-audit", "log": OTHER.decode()}),
}  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_line_harms_no_other(past, tmp_path, line):
    file = tmp_path / "kube.log"
    file.write_bytes(GOOD + b"\n" + line + b"\n" + record(auditID="22222222-0000-4000-8000-000000000002") + b"\n")
    done = past.take(file, vault="prod")
    assert is_accounted(done, [file]), done.accounted
    assert {"11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"} <= set(past.requests())
    wrapped = OTHER in line or b'\\"auditID\\"' in line
    assert ("11111111-0000-4000-8000-000000000002" in past.requests()) == (wrapped or b"a\\u0000b" in line)
    assert past.one("SELECT count(*) FROM audit_event WHERE time > now() + interval '3 days'") == 0


def test_a_line_of_a_hundred_megabytes_is_set_aside_and_the_next_are_read(past, tmp_path):
    file = tmp_path / "kube.log"
    head, tail = record(responseObject={"data": {"x": "MARK"}}).split(b"MARK")
    with file.open("wb") as out:
        out.write(GOOD + b"\n" + head)
        for _ in range(100):
            out.write(b"QUJD" * (1 << 18))
        out.write(tail + b"\n" + OTHER + b"\n")
    done = past.take(file, vault="prod")
    assert is_accounted(done, [file])
    assert set(past.requests()) == {json.loads(one)["auditID"] for one in (GOOD, OTHER)}
    assert all("QUJD" not in row[0] for row in past.rows("SELECT preview FROM audit_quarantine"))
