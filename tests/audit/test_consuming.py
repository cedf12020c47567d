"""What a pod's calls did, by the recorded truth; and which pods a limited view has."""

from __future__ import annotations

from collections import Counter

import pytest

from accounts.scope import EVERYTHING, Area, Scope
from audit import attributing, consuming
from audit.models import Vault
from audit.pod_tables import VaultCalibration
from inventory.cluster_models import SecretConsumer
from inventory.models import Connection
from inventory.sync_pods import remember_cluster
from tests.audit.pictured import recorded_cluster, replay, told_proxies
from tests.inventory import recording

pytestmark = pytest.mark.usefixtures("no_pods")

KV = ("kv/data/live/a", "kv/live/b", "kv/data/lively/c", "kv/data/live/*")


def test_a_pods_reads_are_those_of_the_truth_and_a_limited_view_has_its_own_alone(past, tmp_path):
    (tmp_path / "audit.log").write_bytes(recording.packed("audit.log"))
    told_proxies()
    replay(recorded_cluster())
    past.take(tmp_path / "audit.log")
    attributing.attribute()
    truth = [one for one in recording.truth()["reads"] if one["kind"] == "pod"]
    names = {one["pod"]: one["account"] for one in truth}
    told = {
        (uid, one.secret): one.reads
        for uid in names
        for one in consuming.reads_of("east", uid, names[uid], scope=EVERYTHING)
        if one.grade in ("exact", "strong") and not one.delivered_by
    }
    wanted = Counter((one["pod"], one["secret"]) for one in truth)
    assert len(told) > 20
    assert {key: count for key, count in told.items() if count > wanted[key]} == {}
    assert sum(told.values()) / sum(wanted.values()) >= 0.9
    uid, secret = next(iter(told))
    mine = Scope.of([Area("demo", "", secret)])
    assert {one.secret for one in consuming.reads_of("east", uid, names[uid], scope=mine)} == {secret}
    assert consuming.reads_of("east", uid, names[uid], scope=Scope.of([Area("elsewhere")])) == []


@pytest.mark.parametrize(
    "area, paths",
    [
        (Area(prefix="kv/live"), {"kv/data/live/a", "kv/live/b", "kv/data/live/*"}),
        (Area(prefix="kv"), set(KV)),
        (Area(prefix="kv/live", namespace="eu"), set()),
        (Area(namespace="eu"), {"eu"}),
        (Area(vault="nowhere"), set()),
    ],
)  # fmt: skip
def test_consumers_lie_in_an_area_by_their_paths_as_the_api_names_them(past, area, paths):
    home = remember_cluster("east", "uid-east")
    for number, path in enumerate(
        ["kv/data/live/a", "kv/live/b", "kv/data/lively/c", "kv/data/live/*", "db/creds/x", "", "eu"]
    ):
        SecretConsumer.objects.create(
            cluster=home, digest=number.to_bytes(16, "big"), namespace="n", pod_uid=str(number), pod_name="p",
            workload_kind="Pod", workload_name="p", workload_uid="p", method="injector", path=path,
            needs_restart="never", vault_namespace="eu/team/" if path == "eu" else "",
        )  # fmt: skip
    found = SecretConsumer.objects.filter(consuming.within(Scope.of([area])))
    assert set(found.values_list("path", flat=True)) == paths
    assert SecretConsumer.objects.filter(consuming.within(EVERYTHING)).count() == 7


def test_who_sees_one_vault_alone_has_the_pods_that_can_be_of_no_other(past):
    """Pods name a vault by an address of their own; what may be another vault's is not shown."""
    home, far = remember_cluster("east", "uid-east"), remember_cluster("west", "uid-west")
    for number, (cluster, address) in enumerate([(home, "http://vault:8200"), (far, "https://prod:8200"), (home, "")]):
        SecretConsumer.objects.create(
            cluster=cluster, digest=number.to_bytes(16, "big"), namespace="n", pod_uid=str(number), pod_name="p",
            workload_kind="Pod", workload_name="p", workload_uid="p", method="injector", path=f"kv/data/{number}",
            needs_restart="never", address=address,
        )  # fmt: skip

    def seen(vault):
        rows = SecretConsumer.objects.filter(consuming.within(Scope.of([Area(vault=vault)])))
        return sorted(row.pod_uid for row in rows)

    assert seen("prod") == []
    Connection.objects.create(vault="prod", address="https://prod:8200")
    assert seen("prod") == ["0", "1", "2"] and seen("lab") == [], "there is one vault"
    Vault.objects.create(name="east")
    assert seen("prod") == ["0", "1", "2"], "a cluster whose log is read is no other vault"
    lab = Vault.objects.create(name="lab")
    assert seen("prod") == ["1"] and seen("lab") == []
    VaultCalibration.objects.create(vault=lab, links={"auth_kubernetes_1": "east"})
    assert seen("prod") == ["1"] and seen("lab") == ["0", "2"], "the pods of east log in there"
    prod = Vault.objects.create(name="prod")
    VaultCalibration.objects.create(vault=prod, links={"auth_kubernetes_2": "east"})
    assert seen("prod") == ["1"] and seen("lab") == [], "and in both"
