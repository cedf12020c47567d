"""Whether a secret was read anew: by its operator's status, its Secret's metadata, or what the driver has mounted."""

from __future__ import annotations

import pytest

from cluster.kinds.meta import moment
from cluster.refresh import (
    Pending,
    Synced,
    data_written,
    lease_of,
    mark_of,
    mounted,
    mounted_anew,
    obstacle,
    synced_since,
)
from tests.cluster import made as m

T0, T1, T2 = "2026-11-21T10:00:00Z", "2026-11-21T12:00:00Z", "2026-11-21T12:00:05Z"
SINCE = moment("2026-11-21T12:00:00.700000Z")


def external(at=T0, version="1-a", conditions=(), **spec):
    status = {"refreshTime": at, "syncedResourceVersion": version, "conditions": list(conditions)}
    return m.made("externalsecrets", "db", spec=spec, status=status)


def static(mac="a", conditions=(), **spec):
    return m.made("vaultstaticsecrets", "db", spec=spec, status={"secretMAC": mac, "conditions": list(conditions)})


def dynamic(lease="l/1", **also):
    told = {"secretLease": {"id": lease, "requestID": "r"}, **also}
    return m.made("vaultdynamicsecrets", "db", spec={}, status=told)


def failing(kind="Ready", message="permission denied."):
    return {"type": kind, "status": "False", "reason": "SecretSyncedError", "message": message}


# The operators ------------------------------------------------------------------------------------------------------


def test_an_external_secret_has_been_read_when_its_clock_says_so():
    before = mark_of(external())
    answer = synced_since(external(T2, "1-b", [{"type": "Ready", "status": "True"}]), before, SINCE)
    assert answer == Synced("The External Secrets Operator read it anew at 12:00:05 UTC.", moment(T2))
    assert synced_since(external(), before, SINCE) == Pending(
        "The External Secrets Operator read it last at 10:00:00 UTC."
    )
    assert synced_since(external(None), before, SINCE).says == "The External Secrets Operator has never read it."


def test_within_the_second_of_the_asking_its_mark_decides():
    assert isinstance(synced_since(external(T1, "1-b"), mark_of(external()), SINCE), Synced)
    assert isinstance(synced_since(external(T1, "1-b"), mark_of(external(T1, "1-b")), SINCE), Pending)


def test_an_external_secret_that_fails_says_why():
    answer = synced_since(external(T2, "1-b", [failing()]), mark_of(external()), SINCE)
    assert isinstance(answer, Pending)
    assert answer.trouble == "It is not Ready: permission denied."
    silent = synced_since(external(T0, "1-a", [failing(message="")]), "", SINCE)
    assert silent.trouble == "It is not Ready: SecretSyncedError."


def test_a_static_secret_of_vso_has_been_read_when_its_mac_the_secret_or_its_events_say_so():
    before = mark_of(static())
    assert synced_since(static("b"), before, SINCE).says == (
        "The Vault Secrets Operator read it anew: its status has changed."
    )
    assert synced_since(static(), before, SINCE, written=moment(T2)) == Synced(
        "The Vault Secrets Operator read it anew at 12:00:05 UTC.", moment(T2)
    )
    assert isinstance(synced_since(static(), before, SINCE, told=[moment(T0), moment(T2)]), Synced)
    pending = synced_since(static(conditions=[failing("SecretSynced")]), before, SINCE, written=moment(T0))
    assert pending == Pending(
        "The Vault Secrets Operator has not read it since 12:00:00 UTC, as far as its status tells.",
        "It is not SecretSynced: permission denied.",
    )


def test_a_dynamic_secret_of_vso_has_been_read_with_its_next_lease_and_not_with_a_renewal():
    before = mark_of(dynamic())
    assert isinstance(synced_since(dynamic("l/2"), before, SINCE), Synced)
    assert isinstance(synced_since(dynamic(lastRenewalTime=1_800_000_000), before, SINCE), Pending)
    rotated = dynamic(staticCredsMetaData={"lastVaultRotation": 1_800_000_000})
    assert isinstance(synced_since(rotated, before, SINCE), Synced)
    assert lease_of(dynamic()) == "l/1"
    assert lease_of(static()) == ""


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (external(refreshPolicy="CreatedOnce"), "never read again"),
        (external(refreshInterval="0"), "it is read once"),
        (external(refreshPolicy="Periodic", refreshInterval="0h"), "it is read once"),
        (external(target={"immutable": True}), "immutable"),
        (external(data=[{"remoteRef": {"key": "a", "version": "3"}}]), "ask for one version each"),
        (static(version=3), "asks for version 3"),
    ],
)
def test_what_would_read_nothing_new_is_known_before_it_is_asked(found, says):
    assert says in obstacle(found).says
    assert obstacle(found).mend


@pytest.mark.parametrize(
    "found",
    [
        external(),
        external(refreshInterval="1h"),
        external(refreshPolicy="OnChange", refreshInterval="0"),
        external(data=[{"remoteRef": {"version": "3"}}, {"remoteRef": {}}]),
        external(data=[{"remoteRef": {"version": "3"}}], dataFrom=[{"extract": {"key": "b"}}]),
        static(),
        dynamic(),
    ],
)
def test_what_is_read_again_may_be_asked(found):
    assert obstacle(found) is None


# Secrets and mounts -------------------------------------------------------------------------------------------------


def test_when_a_secrets_data_were_written_is_told_by_its_metadata():
    fields = [
        {"manager": "vso", "time": T2, "fieldsV1": {"f:data": {"f:p": {}}}},
        {"manager": "kubectl", "time": "2026-11-21T13:00:00Z", "fieldsV1": {"f:metadata": {}}},
    ]
    scene = m.scene(m.made("secrets", "db", meta={"managedFields": fields}))
    assert data_written(scene, "shop", "db") == moment(T2)
    assert data_written(scene, "shop", "other") is None


def mount(pod, *versions, csi_class="spc", mounted=True):
    objects = [{"id": f"o{n}", "version": version} for n, version in enumerate(versions)]
    told = {"podName": pod, "secretProviderClassName": csi_class, "mounted": mounted, "objects": objects}
    return m.made("secretproviderclasspodstatuses", f"{pod}-{csi_class}", status=told)


def test_what_the_driver_has_mounted_is_compared_pod_by_pod():
    pods = [m.pod("web-1"), m.pod("web-2"), m.pod("web-3")]
    before = mounted(m.scene(mount("web-1", "a"), mount("web-2", "a"), mount("other", "a")), pods, "spc")
    assert before == {"pods-shop-web-1": "o0=a", "pods-shop-web-2": "o0=a"}
    unlike = [mount("web-3", "c", mounted=False), mount("web-3", "c", csi_class="else")]
    now = mounted(m.scene(mount("web-1", "b"), mount("web-2", "a"), *unlike), pods, "spc")
    assert mounted_anew(before, now) == (["pods-shop-web-1"], ["pods-shop-web-2"])
    assert mounted_anew({}, now) == (["pods-shop-web-1", "pods-shop-web-2"], [])
