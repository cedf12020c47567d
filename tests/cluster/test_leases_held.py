"""Which lease a pod works with is told from the operator's status and events, and left open where they don't tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cluster import delivery
from cluster.leases_held import leases_held
from tests.cluster import recorded
from tests.cluster.made import container, event, made, pod, scene, status

START = datetime(2026, 11, 21, 10, tzinfo=UTC)


def text(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def dynamic(current="L2"):
    spec = {"mount": "database", "path": "creds/web", "destination": {"name": "db"}}
    return made("vaultdynamicsecrets", "db", spec=spec, status={"secretLease": {"id": current, "requestID": "R"}})


def issued(lease: str, minutes: float, reason="rotated"):
    message = f"Secret synced, lease_id={lease}, sync_reason={reason}"
    return event(dynamic(), "VaultDynamicSecret", "SecretRotated", message, at=text(minutes))


def user(started: float, *, env=True):
    ways = {"envFrom": [{"secretRef": {"name": "db"}}]} if env else {"volumeMounts": [{"name": "c", "mountPath": "/c"}]}
    spec = {"containers": [container(**ways)], "volumes": [{"name": "c", "secret": {"secretName": "db"}}]}
    return pod(spec=spec, status={"containerStatuses": [status(started=text(started))]})


def one(*objects, now=60.0):
    stage = scene(*objects, at=START + timedelta(minutes=now) if now is not None else None)
    (found,) = leases_held(stage, delivery.consumers(stage))
    return found


BOTH = (issued("L1", 0, "initial"), issued("L2", 30))


@pytest.mark.parametrize(
    ("started", "lease", "stale"),
    [(0, "L1", False), (10, "L1", True), (40, "L2", False), (30, "", None)],
)
def test_a_variable_keeps_the_lease_of_its_start(started, lease, stale):
    found = one(dynamic("L2" if started else "L1"), user(started), *(BOTH if started else BOTH[:1]))
    assert (found.lease_id, found.stale) == (lease, stale)


def test_a_file_has_the_newest_once_the_kubelet_has_had_its_time():
    assert one(dynamic(), user(10, env=False), *BOTH).lease_id == "L2"
    assert one(dynamic(), user(10, env=False), *BOTH, now=31).lease_ids == ("L1", "L2")
    assert one(dynamic(), user(10, env=False), *BOTH, now=None).lease_id == "L2"


def test_a_start_before_the_first_event_that_is_known_is_on_an_old_lease_without_a_name():
    found = one(dynamic(), user(10), BOTH[1])
    assert (found.lease_id, found.stale) == ("", True)


def test_without_any_event_nothing_is_claimed():
    assert one(dynamic(), user(10)).stale is None
    assert one(dynamic(), user(10), issued("L1", 0, "initial")).lease_ids == ("L1", "L2")


def test_in_the_recording_pods_hold_the_lease_that_was_delivered_to_them():
    stage = recorded.scene()
    found = leases_held(stage, delivery.consumers(stage))
    delivered = {lease for lease, each in recorded.truth()["leases"].items() if each.get("delivers")}
    assert {each.lease_id for each in found} == delivered
    assert {each.stale for each in found} == {False}
    assert len(found) == 2


def test_copies_say_on_whose_behalf_an_operator_reads():
    found = {
        (
            each.source.method,
            each.source.made_by.name,
            each.k8s_secret,
            each.account_namespace,
            each.source.service_account,
        )
        for each in delivery.copies(recorded.scene())
    }
    assert found == {
        ("vso", "orchard", "orchard-env", "analytics", "orchard"),
        ("vso", "pricing", "pricing-credentials", "studio", "pricing"),
        ("vso", "voucher", "voucher-secrets", "payments", "voucher"),
        ("eso", "escrow", "escrow-credentials", "studio", "escrow"),
    }


def test_the_account_of_a_cluster_wide_store_lives_where_the_store_says():
    auth = {"kubernetes": {"role": "r", "serviceAccountRef": {"name": "eso", "namespace": "ops"}}}
    store = made("clustersecretstores", "s", "", spec={"provider": {"vault": {"path": "kv", "auth": auth}}})
    spec = {"secretStoreRef": {"name": "s", "kind": "ClusterSecretStore"}, "dataFrom": [{"extract": {"key": "a"}}]}
    (copy,) = delivery.copies([store, made("externalsecrets", "db", spec=spec)])
    assert (copy.account_namespace, copy.namespace, copy.k8s_secret) == ("ops", "shop", "db")
