"""The CSI driver: files as the pod itself, the synced Secret as its copy, and rotation as the driver's switches say."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cluster.delivery import csi
from tests.cluster.made import CANARY, container, event, made, owner, pod, scene

OBJECTS = [
    {"objectName": "a", "secretPath": "kv/data/a", "secretKey": "value"},
    {"objectName": "b", "secretPath": "/kv/data/b", "secretKey": "x", "secretArgs": {"password": CANARY}},
]
VOLUMES = [
    {"name": "v", "csi": {"driver": csi.DRIVER, "volumeAttributes": {"secretProviderClass": "web", "password": CANARY}}}
]


def spc(objects=OBJECTS, name="web", provider="vault", synced=(), **more):
    text = objects if isinstance(objects, str) else json.dumps(objects)
    parameters = {"roleName": "web", "vaultAddress": "https://vault:8200", "objects": text, **more}
    return made(
        "secretproviderclasses",
        name,
        spec={"provider": provider, "parameters": parameters, "secretObjects": list(synced)},
    )


def driver(*args: str):
    containers = [container("provider", args=["-vault-mount=auth/kube"]), container("secrets-store", args=list(args))]
    return made("daemonsets", "csi", "csi", spec={"template": {"spec": {"containers": containers}}})


ROTATES = ("--enable-secret-rotation=true", "--rotation-poll-interval=3m")


def mounting(**mount):
    mounts = [{"name": "v", "mountPath": "/mnt", **mount}]
    return pod(spec={"containers": [container(volumeMounts=mounts), container("other")], "volumes": VOLUMES})


def found(*objects):
    return list(csi.consumers(scene(*objects)))


def test_each_path_of_the_class_is_a_consumer_of_the_container_that_mounts_it():
    rows = found(spc(), driver(*ROTATES), mounting())
    assert [(each.container, each.path, each.needs_restart, each.k8s_secret) for each in rows] == [
        ("app", "kv/data/a", "never", ""),
        ("app", "kv/data/b", "never", ""),
    ]
    source = rows[0].source
    assert (source.role, source.auth_mount, source.address) == ("web", "kube", "https://vault:8200")
    assert (source.service_account, source.refresh) == ("web", timedelta(minutes=3))
    assert CANARY not in str(rows)


@pytest.mark.parametrize(
    ("objects", "rotation", "needs"),
    [
        ([driver(*ROTATES)], (True, timedelta(minutes=3)), "never"),
        ([driver("--enable-secret-rotation")], (True, timedelta(minutes=2)), "never"),
        ([driver("--enable-secret-rotation=false")], (False, None), "always"),
        ([driver()], (False, None), "always"),
        ([], (None, None), "never"),
        ([made("csidrivers", csi.DRIVER, "", spec={"requiresRepublish": True})], (True, timedelta(minutes=2)), "never"),
    ],
)
def test_whether_files_are_renewed_is_read_from_the_driver(objects, rotation, needs):
    assert csi.rotation(scene(*objects)) == rotation
    assert {each.needs_restart for each in found(spc(), mounting(), *objects)} == {needs}


def test_a_file_by_sub_path_needs_a_restart():
    (row, _) = found(spc(), driver(*ROTATES), mounting(subPath="a"))
    assert (row.needs_restart, row.uses) == ("always", ("subPath",))


@pytest.mark.parametrize(
    ("more", "mount"),
    [
        ({}, "kubernetes"),
        ({"vaultAuthMountPath": "auth/k8s/"}, "k8s"),
        ({"vaultKubernetesMountPath": "old"}, "old"),
    ],
)
def test_the_auth_mount_is_the_classes_or_the_default(more, mount):
    assert {each.source.auth_mount for each in found(spc(**more), mounting())} == {mount}


class TestSyncedSecret:
    SYNCED = [{"secretName": "web-env", "data": [{"objectName": "a", "key": "A"}]}]

    def test_who_uses_it_as_a_variable_needs_a_restart_and_is_one_consumer(self):
        env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "web-env", "key": "A"}}}]
        containers = [container(volumeMounts=[{"name": "v", "mountPath": "/mnt"}], env=env)]
        rows = found(
            spc(synced=self.SYNCED), driver(*ROTATES), pod(spec={"containers": containers, "volumes": VOLUMES})
        )
        assert {(each.path, each.k8s_secret, each.needs_restart) for each in rows} == {
            ("kv/data/a", "web-env", "always"),
            ("kv/data/b", "", "never"),
        }

    def test_who_only_uses_the_secret_is_a_consumer_all_the_same(self):
        other = pod("other", spec={"containers": [container(envFrom=[{"secretRef": {"name": "web-env"}}])]})
        (row,) = found(spc(synced=self.SYNCED), other)
        assert (row.pod.name, row.path, row.source.service_account) == ("other", "kv/data/a", "web")


def test_the_status_of_the_pod_says_what_changed_and_when():
    status = made(
        "secretproviderclasspodstatuses",
        "web-1-shop-web",
        meta={
            "ownerReferences": [owner("Pod", "web-1", "pods-shop-web-1", controller=False)],
            "managedFields": [{"manager": "csi", "time": "2026-11-21T10:05:00Z", "fieldsV1": {"f:status": {}}}],
        },
        status={"secretProviderClassName": "web", "mounted": True, "objects": [{"id": "a", "version": "HMAC"}]},
    )
    (row, _) = found(spc(), driver(*ROTATES), mounting(), status)
    assert row.source.fingerprint == "a=HMAC"
    assert row.source.last_sync.isoformat() == "2026-11-21T10:05:00+00:00"


def test_a_class_of_another_provider_is_not_ours():
    assert found(spc(provider="aws"), mounting()) == []


BOMB = "\n".join(
    ["a: &a [x,x,x,x,x,x,x,x,x]"]
    + [f"{b}: &{b} [{','.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not YAML"),
        ("just text", "not a list"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        (BOMB, "not a list"),
        ("[" * 5000, "not YAML"),
        ("x" * 300_000, "longer"),
    ],
)
def test_a_list_of_objects_that_is_none_is_said_to_be_so(text, says):
    known = spc(text)
    assert known.spec.parameters.listed == []
    assert says in known.spec.parameters.unreadable


@pytest.mark.parametrize("text", ["", "[]", "[1, null, x]", "- {objectName: [1], secretPath: {a: 1}}"])
def test_odd_entries_are_passed_over(text):
    assert found(spc(text), mounting()) == []


class TestTroubles:
    def pending(self):
        fares = {
            "phase": "Pending",
            "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}],
        }
        return pod(spec={"containers": [container()], "volumes": VOLUMES}, status=fares)

    def test_a_class_that_does_not_exist_is_named(self):
        (trouble,) = csi.troubles(scene(self.pending()))
        assert (trouble.symptom, trouble.cause) == ("I", 21)
        assert "web does not exist" in trouble.says

    def test_a_vault_that_refuses_is_told_with_the_drivers_words(self):
        waiting = self.pending()
        (trouble,) = csi.troubles(
            scene(spc(), waiting, event(waiting, "Pod", "FailedMount", "Code: 403. permission denied"))
        )
        assert "403" in trouble.evidence

    def test_a_class_that_cannot_be_read_is_told(self):
        waiting = self.pending()
        (trouble,) = csi.troubles(scene(spc("{"), waiting, event(waiting, "Pod", "FailedMount", "x")))
        assert "not YAML" in trouble.says

    def test_a_pod_that_has_just_begun_to_mount_and_one_that_runs_have_none(self):
        assert list(csi.troubles(scene(spc(), self.pending(), mounting()))) == []
