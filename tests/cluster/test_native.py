"""Kubernetes Secrets: every way in which a pod can refer to one, and what a new value needs."""

from __future__ import annotations

import pytest

from cluster import delivery
from cluster.delivery import direct, native
from tests.cluster.made import CANARY, container, made, owner, pod, scene

VOLUMES = [
    {"name": "s", "secret": {"secretName": "files"}},
    {"name": "p", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "c"}}]}},
    {"name": "csi", "csi": {"driver": "nfs.example", "nodePublishSecretRef": {"name": "node"}}},
]


def rows(spec, *objects, **parts):
    return list(native.consumers(scene(pod(spec=spec, **parts), *objects)))


@pytest.mark.parametrize(
    ("parts", "secret", "ways", "needs"),
    [
        ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "e", "key": "k"}}}]}, "e", ("env",), "always"),
        ({"envFrom": [{"secretRef": {"name": "e"}}]}, "e", ("envFrom",), "always"),
        ({"volumeMounts": [{"name": "s", "mountPath": "/s"}]}, "files", ("volume",), "never"),
        ({"volumeMounts": [{"name": "s", "mountPath": "/s", "subPath": "k"}]}, "files", ("subPath",), "always"),
        ({"volumeMounts": [{"name": "s", "mountPath": "/s", "subPathExpr": "$(X)"}]}, "files", ("subPath",), "always"),
        ({"volumeMounts": [{"name": "p", "mountPath": "/p"}]}, "projected", ("projected",), "never"),
    ],
)
def test_each_way_of_use_is_found_with_what_it_needs(parts, secret, ways, needs):
    (row,) = [each for each in rows({"containers": [container(**parts)], "volumes": VOLUMES}) if each.container]
    assert (row.container, row.k8s_secret, row.uses, row.needs_restart) == ("app", secret, ways, needs)
    assert row.why.endswith(".")


def test_one_container_that_uses_one_secret_in_two_ways_is_one_consumer():
    parts = {"envFrom": [{"secretRef": {"name": "files"}}], "volumeMounts": [{"name": "s", "mountPath": "/s"}]}
    (row,) = [each for each in rows({"containers": [container(**parts)], "volumes": VOLUMES}) if each.container]
    assert (row.uses, row.needs_restart) == (("envFrom", "volume"), "always")


def test_what_the_kubelet_uses_belongs_to_the_pod_and_needs_no_restart():
    found = rows({"containers": [container()], "volumes": VOLUMES, "imagePullSecrets": [{"name": "registry"}]})
    assert {(each.container, each.k8s_secret, each.uses, each.needs_restart) for each in found} == {
        ("", "registry", ("imagePull",), "never"),
        ("", "node", ("nodePublish",), "never"),
    }


def test_init_and_ephemeral_containers_count():
    env = {"envFrom": [{"secretRef": {"name": "e"}}]}
    spec = {
        "initContainers": [container("init", **env)],
        "ephemeralContainers": [container("debug", **env)],
        "containers": [],
    }
    assert {each.container for each in rows(spec)} == {"init", "debug"}


def test_a_file_of_an_immutable_secret_needs_a_restart():
    spec = {"containers": [container(volumeMounts=[{"name": "s", "mountPath": "/s"}])], "volumes": VOLUMES[:1]}
    (row,) = rows(spec, made("secrets", "files", immutable=True))
    assert row.needs_restart == "always"


def test_a_configmap_is_no_secret():
    parts = {
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
        "envFrom": [{"configMapRef": {"name": "c"}}],
    }
    assert rows({"containers": [container(**parts)]}) == []


class TestReloader:
    ENV = {"containers": [container(envFrom=[{"secretRef": {"name": "e"}}])]}

    def by(self, notes, secret_notes=None, template_notes=None):
        template = {"metadata": {"annotations": template_notes or {}}}
        web = made("deployments", "web", meta={"annotations": notes}, spec={"template": template})
        above = made(
            "replicasets", "web-1", meta={"ownerReferences": [owner("Deployment", "web", "deployments-shop-web")]}
        )
        meta = {"ownerReferences": [owner("ReplicaSet", "web-1", "replicasets-shop-web-1")]}
        secret = made("secrets", "e", meta={"annotations": secret_notes or {}})
        (row,) = rows(self.ENV, web, above, secret, meta=meta)
        return row.restarted_by

    @pytest.mark.parametrize(
        "notes",
        [
            {"reloader.stakater.com/auto": "true"},
            {"secret.reloader.stakater.com/auto": "true"},
            {"secret.reloader.stakater.com/reload": "x, e"},
        ],
    )
    def test_an_annotation_of_the_workload_or_of_its_template_makes_it_restart(self, notes):
        assert self.by(notes) == "reloader"
        assert self.by({}, template_notes=notes) == "reloader"

    def test_search_and_match_belong_together(self):
        search, match = {"reloader.stakater.com/search": "true"}, {"reloader.stakater.com/match": "true"}
        assert self.by(search, match) == "reloader"
        assert self.by(search) == self.by({}, match) == ""

    @pytest.mark.parametrize(
        ("notes", "secret"),
        [
            ({"reloader.stakater.com/auto": "true"}, {"reloader.stakater.com/ignore": "true"}),
            ({"reloader.stakater.com/auto": "true", "reloader.stakater.com/ignore": "true"}, {}),
            ({"reloader.stakater.com/auto": "true", "secrets.exclude.reloader.stakater.com/reload": "e"}, {}),
            ({"secret.reloader.stakater.com/reload": "other"}, {}),
            ({"configmap.reloader.stakater.com/auto": "true"}, {}),
            ({}, {}),
        ],
    )
    def test_otherwise_nobody_restarts_it(self, notes, secret):
        assert self.by(notes, secret) == ""


def test_a_use_of_a_secret_that_an_operator_fills_is_not_native_as_well():
    web = pod(spec={"containers": [container(envFrom=[{"secretRef": {"name": "db"}}, {"secretRef": {"name": "own"}}])]})
    synced = made(
        "vaultstaticsecrets", "db", spec={"mount": "kv", "path": "a", "type": "kv-v2", "destination": {"name": "db"}}
    )
    assert {(each.method, each.k8s_secret) for each in delivery.consumers([web, synced])} == {
        ("vso", "db"),
        ("native", "own"),
    }


class TestDirect:
    def rows(self, spec):
        return list(direct.consumers(scene(pod(spec=spec))))

    def test_an_address_and_a_role_in_the_environment_are_signs(self):
        env = [
            {"name": "VAULT_ADDR", "value": "https://vault:8200"},
            {"name": "VAULT_ROLE", "value": "web"},
            {"name": "VAULT_NAMESPACE", "value": "team"},
            {"name": "VAULT_AUTH_PATH", "value": "auth/kube/login"},
            {"name": "VAULT_TOKEN", "value": CANARY},
        ]
        (row,) = self.rows({"containers": [container(env=env), container("other")]})
        assert (row.container, row.needs_restart, row.path) == ("app", "unknown", "")
        assert row.uses == ("VAULT_ADDR", "VAULT_ROLE", "VAULT_TOKEN")
        source = row.source
        assert (source.address, source.role, source.vault_namespace, source.auth_mount) == (
            "https://vault:8200",
            "web",
            "team",
            "kube",
        )
        assert CANARY not in str(row)

    @pytest.mark.parametrize(
        ("audience", "sign"),
        [("vault", True), ("https://openbao.example", True), ("sts.amazonaws.com", False), ("", False)],
    )
    def test_a_token_for_a_vault_is_a_sign(self, audience, sign):
        token = {"projected": {"sources": [{"serviceAccountToken": {"audience": audience, "path": "token"}}]}}
        mounts = [{"name": "t", "mountPath": "/t"}]
        found = self.rows({"containers": [container(volumeMounts=mounts)], "volumes": [{"name": "t", **token}]})
        assert bool(found) is sign

    def test_the_agents_own_containers_are_none(self):
        env = [{"name": "VAULT_ADDR", "value": "https://vault:8200"}]
        assert self.rows({"containers": [container("vault-agent", env=env)]}) == []

    def test_it_has_no_troubles_that_the_cluster_shows(self):
        assert list(direct.troubles(scene(pod()))) == []
