"""What the recorded logs tell of every lease: who holds it and how it ended, as far as the record goes, no further."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from audit import attributing, leasing
from audit.ingest import connect
from audit.lease_models import Lease, LeaseFact, LeaseHash, LeaseHolder
from audit.models import Device
from inventory.leases import Holding, How, Kind, State, is_orphan
from tests.audit.pictured import forget_pods, recorded_cluster, replay, told_proxies
from tests.audit.test_corpus import principal_of
from tests.inventory import recording


def moment(text):
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.fixture
def place(recorded, tmp_path):
    """A function that puts a recorded log into a file."""

    def put(name):
        path = tmp_path / name
        path.write_bytes(recorded(name))
        return path

    return put


@pytest.fixture
def cluster(recorded):
    return json.loads(recorded("cluster-truth.json"))


def follow():
    """Follow the record to its end."""
    while leasing.follow().more:
        pass


def look(alive, ended, at):
    """Play back what a lookup said at a time: the ends of those alive."""
    for one in Lease.objects.all():
        if one.lease_id in alive:
            leasing.looked(one, Kind.FOUND, at, alive[one.lease_id])
        else:
            assert one.lease_id in ended
            leasing.looked(one, Kind.GONE, at)


def states():
    return {one.lease_id: (State(one.state), How(one.how)) for one in Lease.objects.all()}


HOWS = {
    "sys/leases/revoke by person/alice": How.ID,
    "sys/leases/revoke-force by person/alice": How.FORCE,
    "auth/token/revoke-accessor by person/alice (with its token)": How.TOKEN,
}


@pytest.mark.parametrize("order", [("file", "http"), ("http", "file")], ids=" then ".join)
def test_the_log_alone_tells_who_holds_each_lease_and_which_ends_were_asked_for(past, place, truth, order):
    files = {"file": place("audit.log"), "http": place("audit-http.log")}
    for device in order:
        past.take(files[device], device=device)
        follow()
    leases = truth["leases"]
    told = {one.lease_id: (one.principal.kind, one.principal.name, one.secret.name) for one in Lease.objects.all()}
    assert told == {
        id: (*principal_of(truth, lease["holder"]), lease["namespace"] + lease["path"]) for id, lease in leases.items()
    }
    assert {one.lease_id: one.renewals for one in Lease.objects.all()} == {
        id: len(lease["renewals"]) for id, lease in leases.items()
    }
    assert {state for state, _ in states().values()} == {State.UNVERIFIED, State.ASKED}  # no log says "revoked"
    assert {id: how for id, (state, how) in states().items() if state is State.ASKED} == {
        id: HOWS[lease["ended_how"]] for id, lease in leases.items() if lease["ended_how"] in HOWS
    }


def test_with_lookups_every_lease_ends_as_it_did(past, place, truth):
    past.take(place("audit.log"))
    follow()
    end = moment(truth["meta"]["ended"])
    alive = {id: end + timedelta(hours=1) for id, lease in truth["leases"].items() if lease["alive_at_end"]}
    look(alive, truth["leases"].keys() - alive.keys(), end)
    wanted = {}
    for id, lease in truth["leases"].items():
        if id in alive:
            wanted[id] = (State.LIVE, How.NOTHING)
        elif lease["ended_how"] == "expired":
            wanted[id] = (State.EXPIRED, How.TTL)
        else:
            wanted[id] = (State.REVOKED, HOWS[lease["ended_how"]])
    assert states() == wanted
    assert Counter(state for state, _ in wanted.values()) == {State.LIVE: 22, State.REVOKED: 11, State.EXPIRED: 4}


def test_an_id_in_the_body_is_read_without_a_vault_where_a_renewal_showed_it_both_ways(past, place, truth):
    past.take(place("audit.log"))
    follow()
    in_body = LeaseFact.objects.get(kind="revoke", lease="")
    known = {truth["leases"][one.lease.lease_id]["lease_id_hmac"]: one.hmac for one in LeaseHash.objects.all()}
    assert all(shown == real for real, shown in known.items())
    assert in_body.hmac in known


def test_in_a_cluster_every_lease_ends_as_it_did_and_the_orphans_are_exact(past, place, cluster):
    past.take(place("cluster-audit.log"))
    follow()
    leases = cluster["leases"]
    told = {one.lease_id: (one.secret.name, one.principal.name) for one in Lease.objects.all()}
    assert {id: (lease["secret"], lease["account"]) for id, lease in leases.items() if "/" in lease["account"]} == told
    before = {id for id, (state, _) in states().items() if state is not State.UNVERIFIED}
    plain = set(LeaseFact.objects.filter(kind="revoke").exclude(lease="").values_list("lease", flat=True))
    assert before == plain | {id for id, lease in leases.items() if "with its token" in (lease["ended_how"] or "")}
    end = moment(cluster["meta"]["ended"])
    alive = {id: moment(lease["expires"]) for id, lease in leases.items() if lease["state_at_end"] == "live"}
    look(alive, leases.keys() - alive.keys(), end)
    unread = {id for id, (state, _) in states().items() if state is State.GONE}
    gone = {id for id, lease in leases.items() if lease["ended_how"] is None or "revoke by" in lease["ended_how"]}
    assert unread == (gone - alive.keys()) - plain  # a revocation that nobody can read may be of any of them
    hash_revoked(cluster)
    assert {id: state.value for id, (state, _) in states().items()} == {
        id: lease["state_at_end"] for id, lease in leases.items()
    }
    leasing.hold(Lease.objects.values_list("pk", flat=True), true_pods(cluster))
    orphans = {one.lease_id for one in Lease.objects.all() if is_orphan(State(one.state), one.pod_gone)}
    assert orphans == {id for id, lease in leases.items() if lease["orphan"]}
    assert len(orphans) == 15


def test_with_the_watched_pods_each_lease_has_its_pod_or_none_and_the_orphans_are_exact(past, tmp_path):
    forget_pods()
    truth = recording.truth()
    (tmp_path / "audit.log").write_bytes(recording.packed("audit.log"))
    past.take(tmp_path / "audit.log")
    leasing.catch_up()
    assert not Lease.objects.exclude(grade="").exists()  # before a cluster is known, nothing is said of pods
    told_proxies()
    replay(recorded_cluster())
    assert attributing.attribute().drained
    leasing.catch_up()
    end = moment(truth["meta"]["ended"])
    leases = truth["leases"]
    alive = {id: moment(lease["expires"]) for id, lease in leases.items() if lease["state_at_end"] == "live"}
    look(alive, leases.keys() - alive.keys(), end)
    pods = {one.lease_id: one.pod_uid for one in Lease.objects.all() if one.grade in ("exact", "strong")}
    of_pods = {id: lease["holder_pod"] for id, lease in leases.items() if lease["holder_pod"]}
    assert {id: pods[id] for id in of_pods if id in pods}.items() <= of_pods.items()
    assert len(of_pods.keys() & pods.keys()) >= 0.95 * len(of_pods)
    orphans = {one.lease_id for one in Lease.objects.all() if is_orphan(State(one.state), one.pod_gone)}
    assert orphans == set(truth["orphans"])
    assert leasing.hold_all() == 0
    forget_pods()


def hash_revoked(cluster):
    """Match the revocation in a body with the id that the truth says: the recording has no hashes of ids."""
    key = Device.objects.get().pk
    in_body = LeaseFact.objects.get(kind="revoke", lease="")
    by_id = {
        id: lease for id, lease in cluster["leases"].items() if (lease["ended_how"] or "").startswith("sys/leases")
    }
    [revoked] = by_id.keys() - set(LeaseFact.objects.filter(kind="revoke").values_list("lease", flat=True))
    for one in Lease.objects.all():
        leasing.hashed(one, key, in_body.hmac if one.lease_id == revoked else f"hmac-sha256:{one.pk:064x}")


def true_pods(cluster):
    def holder_of(rows):
        found = {}
        for one in rows:
            lease = cluster["leases"][one.lease_id]
            gone = moment(lease["orphan_since"]) if lease["orphan_since"] else None
            found[one.pk] = (
                Holding(lease["holder"], lease["holder_pod"], "exact", gone) if lease["holder_pod"] else Holding()
            )
        return found

    return holder_of


def test_following_again_changes_nothing(past, place):
    past.take(place("audit.log"))
    follow()
    before = [list(model.objects.order_by("pk").values()) for model in (Lease, LeaseFact, LeaseHolder)]
    assert leasing.follow() == leasing.Followed()
    leasing.LeaseCursor.objects.update(after=0)
    follow()
    assert [list(model.objects.order_by("pk").values()) for model in (Lease, LeaseFact, LeaseHolder)] == before


def test_however_short_the_spans_the_same_is_told(past, place, truth, monkeypatch):
    past.take(place("audit.log"))
    follow()
    whole = states()
    for model in (LeaseHash, LeaseHolder, LeaseFact, Lease, leasing.LeaseCursor):
        model.objects.all().delete()
    monkeypatch.setattr(leasing, "SPAN", 37)
    follow()
    assert states() == whole


def test_a_second_follower_is_told_that_one_is_at_work(past):
    with connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [leasing._LOCK])
        with pytest.raises(leasing.Busy):
            leasing.follow()


def test_answers_that_come_late_and_a_device_that_comes_later_tell_the_same(past, recorded, tmp_path, truth):
    lines = recorded("audit.log").splitlines(keepends=True)
    late = [
        line for line in lines if b'"type":"response"' in line and (b"leases/" in line or b"database/creds/" in line)
    ]
    assert len(late) > 60
    kept = set(late)
    (tmp_path / "early.log").write_bytes(b"".join(line for line in lines if line not in kept))
    (tmp_path / "late.log").write_bytes(b"".join(late[::-1]))
    past.take(tmp_path / "early.log")
    follow()
    assert Lease.objects.count() < 10
    past.take(tmp_path / "late.log")
    follow()
    asked = {
        id: (State.ASKED, HOWS[lease["ended_how"]])
        for id, lease in truth["leases"].items()
        if lease["ended_how"] in HOWS
    }
    assert states() == {id: asked.get(id, (State.UNVERIFIED, How.NOTHING)) for id in truth["leases"]}
    assert {one.lease_id: one.renewals for one in Lease.objects.all()} == {
        id: len(lease["renewals"]) for id, lease in truth["leases"].items()
    }


FOLLOW = """
import django
django.setup()
from audit import attributing, leasing
leasing.SPAN = 11
print("begun", flush=True)
leasing.catch_up()
"""


def test_whenever_the_follower_is_killed_nothing_is_lost_or_told_twice(own_database, recorded, tmp_path):
    (tmp_path / "audit.log").write_bytes(recorded("audit.log"))
    own_database.manage("ingest_file", str(tmp_path / "audit.log"), "--vault", "demo")
    tables = {
        "audit_lease": "lease_id, state, how, since, renewals, asked, token_ends",
        "audit_leasefact": "event_id, kind, lease, hmac, prefix, token, accessor",
        "audit_leaseholder": "token, accessor, ends",
        "audit_leasehash": "hmac",
    }
    dice, kills, places = random.Random(5), 0, set()
    with own_database.connect() as wire:

        def held():
            return {name: wire.execute(f"SELECT {columns} FROM {name} ORDER BY 1, 2, 3" if "," in columns
                                       else f"SELECT {columns} FROM {name} ORDER BY 1").fetchall()
                    for name, columns in tables.items()}  # fmt: skip

        for _ in range(6):
            process = own_database.start("-c", FOLLOW, stdout=subprocess.PIPE)
            process.stdout.readline()
            time.sleep(dice.uniform(0, 0.5))
            kills += process.poll() is None
            process.kill()
            process.wait()
            process.stdout.close()
            places.add(wire.execute("SELECT max(after) FROM audit_leasecursor").fetchone()[0])
        assert kills >= 3 and len(places) >= 3
        own_database.run("-c", FOLLOW)
        pieces = held()
        wire.execute("TRUNCATE audit_lease, audit_leasefact, audit_leaseholder, audit_leasehash, audit_leasecursor")
        own_database.run("-c", FOLLOW)
        assert held() == pieces
        assert len(pieces["audit_lease"]) == 37
