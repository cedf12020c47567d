"""What the record proves of a rotation and a revocation, by made-up lines and by the recorded truth."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from audit import attributing, lease_proofs, leasing, proofs
from audit.models import Secret
from config.witness import AuditLog
from rotation.playbook_reach import coverage, whole
from tests.audit.lines import START, Call, hmac, log, written
from tests.audit.our_lines import OPERATION, WRITE, WROTE, lines, read_first, work
from tests.audit.pictured import forget_pods, recorded_cluster, replay, told_proxies
from tests.inventory import recording

KEY = ("demo", "", "secret", "prod/ledger/key")
WITNESS = AuditLog()


@pytest.fixture
def take(past, tmp_path):
    """A function that imports some bytes as a device's log."""

    def take(data, device="file", name=None):
        path = tmp_path / (name or f"{device}.log")
        path.write_bytes(data)
        return past.take(path, device=device)

    return take


@pytest.fixture
def pods(past, tmp_path):
    """The recorded cluster and its vault's log, attributed."""
    forget_pods()
    (tmp_path / "audit.log").write_bytes(recording.packed("audit.log"))
    told_proxies()
    replay(recorded_cluster())
    past.take(tmp_path / "audit.log")
    attributing.attribute()
    yield past
    forget_pods()


def test_a_version_without_our_line_is_told_with_who_wrote_it(take):
    person = ("a person's token", ["default", "admin"], {"username": "mallory"}, "userpass-mallory")
    drift = work(3, caller=person, path="secret/data/prod/ledger/key", answer=WRITE | {"version": 9})
    take(lines([WROTE, drift]))
    ours, other = WITNESS.written(*KEY, START)
    assert (ours.did, ours.version, ours.change, ours.call.path) == ("write", 8, "C-215", "secret/data/prod/ledger/key")
    assert (other.did, other.version, other.change, other.call) == ("write", 9, "", None)
    assert (other.principal, other.principal_kind, other.outcome) == ("mallory", "human", "ok")
    assert WITNESS.versions(*KEY) == 9
    assert WITNESS.written(*KEY, START + timedelta(seconds=3)) == [other]


def test_a_write_without_an_answer_may_have_happened_and_a_refused_one_did_not(take):
    call, more = WROTE
    refused = work(4, caller=OPERATION, path="secret/data/prod/ledger/key", error="1 error: permission denied")
    take(lines([refused]) + call.pair(**more)[0] + b"\n")
    (unknown,) = WITNESS.written(*KEY, START)
    assert (unknown.outcome, unknown.version, unknown.change) == ("no_response", 0, "C-215")


def test_a_late_answer_of_our_write_is_still_our_write(take):
    asked, answered = WROTE[0].pair(**WROTE[1])
    take(log([read_first()]) + asked + b"\n")
    take(answered + b"\n", name="late.log")
    (one,) = WITNESS.written(*KEY, START)
    assert (one.outcome, one.version, one.change) == ("ok", 8, "C-215")


def test_what_else_is_done_to_versions_is_told_apart(take):
    did = [
        ("delete", "data/", "delete", None), ("update", "delete/", "delete", {"versions": [3]}),
        ("update", "undelete/", "undelete", {"versions": [3]}), ("update", "destroy/", "destroy", {"versions": [3, 4]}),
        ("update", "metadata/", "", None), ("delete", "metadata/", "delete_all", None),
    ]  # fmt: skip
    calls = [
        work(50 + number, caller=OPERATION, path=f"secret/{below}prod/ledger/key", operation=how, asked=asked)
        for number, (how, below, _, asked) in enumerate(did)
    ]
    take(lines(calls))
    told = [(one.did, list(one.versions)) for one in WITNESS.written(*KEY, START)]
    assert told == [(what, (asked or {}).get("versions", [])) for _, _, what, asked in did if what]
    assert WITNESS.versions(*KEY) == 0


def test_who_reads_a_version_since_a_moment_is_told_with_who_reads_a_newer_one(take):
    some = [Call(n, who=n % 2, secret="prod/ledger/key", at=START + timedelta(seconds=n)) for n in range(6)]
    take(log(some))
    assert WITNESS.reads(*KEY, 4, START) == []
    one, two = WITNESS.reads(*KEY, 3, START + timedelta(seconds=2))
    assert [one.version, two.version] == [3, 3] and WITNESS.reads(*KEY, 2, START + timedelta(seconds=2)) == [one, two]
    assert (one.kind, one.principal, one.grade, one.proven) == ("account", "shop/app-0", "service account only", False)
    assert (two.principal, two.count, two.first) == ("shop/app-1", 2, START + timedelta(seconds=3))
    assert one.event < two.event


def test_each_pods_own_reads_are_proven_as_in_the_recorded_truth(pods):
    truth = Counter((one["pod"], one["secret"]) for one in recording.truth()["reads"] if one["kind"] == "pod")
    told = Counter()
    for secret in Secret.objects.filter(engine="KV v2"):
        found = proofs.secret_ids("demo", secret.namespace, secret.mount, secret.path)
        assert found == [secret.pk]
        for version in range(1, 6):
            for one in proofs.reads_from_version(found, version, datetime(2020, 1, 1, tzinfo=UTC)):
                assert (one.kind == "operator") == bool(one.delivered_by)
                if one.proven and one.version == version:
                    told[one.pod_uid, secret.name] += one.count
    assert len(told) > 10
    assert {key: count for key, count in told.items() if count > truth[key]} == {}
    versioned = set(Secret.objects.filter(engine="KV v2").values_list("name", flat=True))
    assert sum(told.values()) / sum(count for (_, name), count in truth.items() if name in versioned) >= 0.9


def test_the_leases_of_a_pod_an_account_and_a_role_are_those_that_may_live(pods):
    leasing.catch_up()
    rows = leasing.Lease.objects.select_related("principal", "secret")
    one = rows.exclude(pod_uid="").first()
    now = one.issued + timedelta(seconds=1)
    by_pod = lease_proofs.held_leases(now, pod=one.pod_uid)
    assert {held.pod_uid for held in by_pod} == {one.pod_uid}
    by_role = lease_proofs.held_leases(now, role=one.secret.name, vault="demo")
    by_prefix = lease_proofs.held_leases(now, prefix=one.lease_id.rpartition("/")[0])
    assert one.lease_id in {held.lease_id for held in by_role} & {held.lease_id for held in by_prefix}
    by_account = lease_proofs.held_leases(now, service_account=one.principal.name)
    assert {held.principal for held in by_account} == {one.principal.name}
    assert [held.lease_id for held in lease_proofs.held_leases(now, among=[one.lease_id])] == [one.lease_id]
    assert lease_proofs.held_leases(now, prefix=one.lease_id.rpartition("/")[0][:-1]) == []
    with pytest.raises(ValueError, match="Leases of what"):
        lease_proofs.held_leases(now, vault="demo")
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert [held for held in lease_proofs.held_leases(later, pod=one.pod_uid) if held.state == "unverified"] == []


def test_an_asked_end_and_a_looked_up_end_are_two_things(pods):
    leasing.catch_up()
    asked = leasing.Lease.objects.filter(state="revoke_asked").first()
    (end,) = WITNESS.ends("demo", [asked.lease_id, "never/seen"])
    assert end.asked is not None
    assert end.event
    assert end.gone is None
    leasing.looked(asked, leasing.Kind.GONE, datetime.now(UTC))
    (end,) = WITNESS.ends("demo", [asked.lease_id])
    assert (end.state, end.gone is not None) == ("revoked", True)


def test_a_revoked_tokens_later_calls_are_counted_by_what_the_vault_said(take):
    first, again = (Call(n, who=7, at=START + timedelta(seconds=n)) for n in (1, 90))
    refused = written({"time": "2026-03-14T09:01:30.5Z", "type": "response", "error": "permission denied",
                       "request": {**_request(again), "client_token": hmac("file", "token of 7")}})  # fmt: skip
    accessor = hmac("file", "accessor of 7")
    revoke = work(60, caller=OPERATION, path="auth/token/revoke-accessor", asked={"accessor": accessor})
    take(log([first]) + lines([revoke]) + refused + b"\n")
    (call,) = WITNESS.calls("C-215")
    assert call.abouts == [accessor]
    told = WITNESS.token_use("demo", call.abouts, call.at)
    assert (told.answered, told.refused, told.last_answered) == (0, 1, None)
    before = WITNESS.token_use("demo", call.abouts, START)
    assert (before.answered, before.refused) == (1, 1)
    assert WITNESS.token_use("demo", [], START).refused == 0


def _request(call):
    return {
        "id": call.id, "operation": "read", "path": "secret/data/prod/app/key", "mount_point": "secret/",
        "mount_type": "kv", "namespace": {"id": "root"}, "remote_address": "10.0.0.1",
    }  # fmt: skip


def test_a_proof_says_how_far_the_record_is_known_and_what_is_missing_from_it(take, past):
    assert WITNESS.reach("demo", START).troubles == ("No audit log of demo was ever read.",)
    take(lines())
    reach = WITNESS.reach("demo", START)
    assert reach.complete_until == WITNESS.complete_until("demo")
    assert reach.covers(START)
    assert not reach.covers(START + timedelta(hours=1))
    past.rows(
        """INSERT INTO audit_gap (device_id, kind, key, start, "end", bytes, detail)
           SELECT id, 'lost', 'x', %s, %s, 0, 'a file was cut' FROM audit_device RETURNING id""",
        START, START + timedelta(seconds=1),
    )  # fmt: skip
    holed = WITNESS.reach("demo", START)
    assert holed.holes == ("file: a file was cut",)
    assert not holed.covers(START)
    around = log([Call(n, at=START + timedelta(seconds=2 * n - 1), seed="around") for n in range(3)], "http")
    take(around, device="http")
    assert WITNESS.reach("demo", START).holes == ()


def test_what_lies_before_the_record_and_between_two_files_is_not_known(take):
    take(log([Call(0, at=START), Call(1, at=START + timedelta(minutes=5))]))
    take(log([Call(9, at=START + timedelta(hours=1), seed="later")], "later"))
    reach = WITNESS.reach("demo", START - timedelta(days=1))
    assert reach.holes == (
        f"no audit data before {START:%Y-%m-%d %H:%M:%S} UTC",
        f"no audit data from {START + timedelta(minutes=5):%Y-%m-%d %H:%M:%S} to "
        f"{START + timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC",
    )
    said = coverage(reach, START - timedelta(days=1), START + timedelta(minutes=30))
    assert said[2:] == tuple(f"Not known: {one}." for one in reach.holes)
    assert not whole(said)
    fine = WITNESS.reach("demo", START + timedelta(hours=1))
    assert fine.holes == ()
    assert whole(coverage(fine, START + timedelta(hours=1), START + timedelta(hours=1)))
    late = coverage(fine, START + timedelta(hours=1), START + timedelta(hours=2))
    assert late[1].endswith(" UTC only.")
    assert not whole(late)
