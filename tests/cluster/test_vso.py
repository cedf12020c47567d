"""Vault Secrets Operator: three kinds of resources, one login behind each, and who restarts what it changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cluster.delivery import vso
from tests.cluster.made import container, event, made, owner, pod, scene

AUTH = {
    "method": "kubernetes",
    "mount": "kube",
    "kubernetes": {"role": "web", "serviceAccount": "web"},
    "vaultConnectionRef": "conn",
}


def auth(name="auth", namespace="shop", /, **spec):
    return made("vaultauths", name, namespace, spec={**AUTH, **spec})


def connection(name="conn", namespace="shop", address="https://u:p@vault:8200"):
    return made("vaultconnections", name, namespace, spec={"address": address})


def static(status=None, **spec):
    given = {"vaultAuthRef": "auth", "mount": "kv", "path": "web/db", "type": "kv-v2", "destination": {"name": "db"}}
    return made("vaultstaticsecrets", "db", spec={**given, **spec}, status=status or {})


def user(**parts):
    given = {"envFrom": [{"secretRef": {"name": "db"}}], **parts}
    return pod(spec={"containers": [container(**given)], "volumes": [{"name": "c", "secret": {"secretName": "db"}}]})


FILES = {"envFrom": [], "volumeMounts": [{"name": "c", "mountPath": "/c"}]}


def one(*objects):
    (row,) = vso.consumers(scene(*objects))
    return row


@pytest.mark.parametrize(
    ("kind", "path", "read"),
    [("kv-v2", "web/db", "kv/data/web/db"), ("kv-v1", "web/db", "kv/web/db"), ("kv-v2", "/web/db/", "kv/data/web/db")],
)
def test_the_path_is_the_one_that_is_read(kind, path, read):
    row = one(static(type=kind, path=path), user())
    assert (row.path, row.source.credential, row.k8s_secret) == (read, "kv", "db")


def test_the_login_is_that_of_its_auth_and_connection():
    source = one(static(), auth(), connection(), user()).source
    assert (source.address, source.auth_mount, source.auth_method) == ("https://vault:8200", "kube", "kubernetes")
    assert (source.role, source.service_account) == ("web", "web")


def test_the_auth_of_another_namespace_is_found_by_its_full_name():
    source = one(static(vaultAuthRef="ops/shared"), auth("shared", "ops"), connection("conn", "ops"), user()).source
    assert (source.role, source.address) == ("web", "https://vault:8200")


def test_without_a_name_it_is_the_default_of_the_operators_namespace():
    operator = made("deployments", "vault-secrets-operator-controller-manager", "vso")
    shared = auth("default", "vso", vaultConnectionRef="")
    source = one(static(vaultAuthRef=""), operator, shared, connection("default", "vso"), user()).source
    assert (source.role, source.address) == ("web", "https://vault:8200")


def test_what_the_auth_leaves_out_comes_from_the_global_one():
    shared = made(
        "vaultauthglobals",
        "default",
        spec={
            "defaultAuthMethod": "kubernetes",
            "vaultConnectionRef": "conn",
            "kubernetes": {"mount": "shared", "role": "everybody", "namespace": "team", "serviceAccount": "sa"},
        },
    )
    local = made("vaultauths", "auth", spec={"vaultAuthGlobalRef": {}, "kubernetes": {"role": "own"}})
    source = one(static(), local, shared, connection(), user()).source
    assert (source.auth_mount, source.role, source.service_account) == ("shared", "own", "sa")
    assert (source.vault_namespace, source.address) == ("team", "https://vault:8200")


def test_an_auth_that_is_not_there_leaves_the_login_empty():
    source = one(static(), user()).source
    assert (source.role, source.auth_mount, source.address) == ("", "", "")


@pytest.mark.parametrize(
    ("spec", "refresh"),
    [
        ({"refreshAfter": "30s"}, timedelta(seconds=30)),
        ({}, timedelta(seconds=60)),
        ({"hmacSecretData": False}, None),
        ({"refreshAfter": "soon"}, timedelta(seconds=60)),
    ],
)
def test_how_often_it_looks(spec, refresh):
    assert one(static(**spec), user()).source.refresh == refresh


class TestRestarts:
    TARGETS = {"rolloutRestartTargets": [{"kind": "Deployment", "name": "web"}]}

    def web(self):
        return [
            made("deployments", "web"),
            made(
                "replicasets", "web-1", meta={"ownerReferences": [owner("Deployment", "web", "deployments-shop-web")]}
            ),
        ]

    def user(self):
        meta = {"ownerReferences": [owner("ReplicaSet", "web-1", "replicasets-shop-web-1")]}
        return pod(meta=meta, spec={"containers": [container(envFrom=[{"secretRef": {"name": "db"}}])]})

    def test_a_target_is_restarted_by_the_operator(self):
        row = one(static(**self.TARGETS), self.user(), *self.web())
        assert (row.workload.kind, row.needs_restart, row.restarted_by) == ("Deployment", "always", "vso")

    def test_without_the_hmac_it_restarts_nobody(self):
        assert one(static(**self.TARGETS, hmacSecretData=False), self.user(), *self.web()).restarted_by == ""

    def test_a_target_of_another_name_or_kind_is_not_this_one(self):
        for kind, name in (("StatefulSet", "web"), ("Deployment", "other")):
            target = {"rolloutRestartTargets": [{"kind": kind, "name": name}]}
            assert one(static(**target), self.user(), *self.web()).restarted_by == ""

    def test_a_rollout_of_argo_is_called_so(self):
        target = {"rolloutRestartTargets": [{"kind": "argo.Rollout", "name": "web"}]}
        meta = {"ownerReferences": [owner("Rollout", "web", "u-web")]}
        row = one(
            static(**target), pod(meta=meta, spec={"containers": [container(envFrom=[{"secretRef": {"name": "db"}}])]})
        )
        assert row.restarted_by == "vso"

    def test_files_need_no_restart_even_so(self):
        row = one(static(), user(**FILES))
        assert (row.needs_restart, row.restarted_by) == ("never", "")


def test_a_dynamic_secret_names_its_lease_and_the_request_that_got_it():
    status = {
        "secretLease": {"id": "database/creds/web/L1", "requestID": "R1", "duration": 900},
        "lastRenewalTime": 1795235786,
    }
    given = {"mount": "database", "path": "creds/web", "destination": {"name": "db"}, "params": {"password": "x"}}
    row = one(made("vaultdynamicsecrets", "db", spec=given, status=status), user(**FILES))
    source = row.source
    assert (source.path, source.credential) == ("database/creds/web", "dynamic")
    assert (source.lease_id, source.request_id, source.lease_seconds) == ("database/creds/web/L1", "R1", 900)
    assert source.refresh == timedelta(seconds=603)
    assert source.last_sync.year == 2026


def test_a_static_role_is_told_from_a_dynamic_one():
    given = {"mount": "database", "path": "static-creds/web", "allowStaticCreds": True, "destination": {"name": "db"}}
    assert one(made("vaultdynamicsecrets", "db", spec=given), user()).source.credential == "static"


def test_a_certificate_names_its_issuing_path_and_serial():
    given = {"mount": "pki", "role": "web", "destination": {"name": "db"}}
    status = {"serialNumber": "aa:bb", "lastRotation": 1795235786}
    source = one(made("vaultpkisecrets", "db", spec=given, status=status), user()).source
    assert (source.path, source.credential, source.fingerprint) == ("pki/issue/web", "pki", "aa:bb")
    assert source.last_sync is not None


def test_a_pinned_version_is_kept():
    assert one(static(version=3), user()).source.pinned == 3


def test_the_last_sync_is_that_of_its_events():
    known = static()
    events = [
        event(known, "VaultStaticSecret", reason, at=f"2026-11-21T10:0{n}:00Z")
        for n, reason in enumerate(["SecretSynced", "SecretRotated", "SecretSyncError"])
    ]
    assert one(known, user(), *events).source.last_sync.minute == 1


@pytest.mark.parametrize(
    "status", [{"lastRenewalTime": -1}, {"lastRenewalTime": 10**17}, {"secretLease": {"duration": 10**15}}]
)
def test_absurd_times_are_as_if_they_were_not_there(status):
    given = {"mount": "database", "path": "creds/web", "destination": {"name": "db"}}
    source = one(made("vaultdynamicsecrets", "db", spec=given, status=status), user()).source
    assert source.last_sync is None
    assert source.refresh is None


def test_the_error_of_a_certificate_is_cut():
    assert len(made("vaultpkisecrets", "db", status={"error": "x" * 9999}).status.error) == 1024


class TestTroubles:
    FAILS = {"conditions": [{"type": "SecretSynced", "status": "False", "reason": "VaultClientError", "message": "no"}]}

    def test_a_resource_that_is_not_synced_is_told_with_the_operators_words(self):
        known = static(self.FAILS)
        words = event(known, "VaultStaticSecret", "VaultClientError", "Code: 403")
        (trouble,) = vso.troubles(scene(known, auth(), user(), words))
        assert "VaultStaticSecret shop/db is not synced (VaultClientError)" in trouble.says
        assert trouble.evidence == "Code: 403"
        assert [each.name for each in trouble.pods] == ["web-1"]

    def test_an_auth_that_does_not_exist_is_named(self):
        (trouble,) = vso.troubles(scene(static(self.FAILS)))
        assert trouble.mend == "Its VaultAuth auth does not exist."

    def test_an_auth_that_does_not_allow_the_namespace_is_named(self):
        (trouble,) = vso.troubles(scene(static(vaultAuthRef="ops/auth"), auth("auth", "ops", allowedNamespaces=["x"])))
        assert "does not allow the namespace shop" in trouble.mend
        assert (
            list(vso.troubles(scene(static(vaultAuthRef="ops/auth"), auth("auth", "ops", allowedNamespaces=["*"]))))
            == []
        )

    def test_one_that_is_synced_has_none(self):
        good = {"conditions": [{"type": "SecretSynced", "status": "True"}]}
        assert list(vso.troubles(scene(static(good), auth()))) == []
