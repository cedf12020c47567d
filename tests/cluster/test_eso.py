"""External Secrets Operator: stores, the paths that its own rule makes, and how often it looks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cluster.delivery import eso
from tests.cluster.made import CANARY, container, made, pod, scene

KUBE = {"kubernetes": {"mountPath": "kube", "role": "web", "serviceAccountRef": {"name": "eso"}}}
VAULT = {"server": "https://u:p@vault:8200", "path": "kv", "version": "v2", "auth": KUBE}


def store(kind="secretstores", namespace="shop", provider="vault", **vault):
    return made(kind, "vault", namespace, spec={"provider": {provider: {**VAULT, **vault}}})


def external(status=None, **spec):
    given = {
        "secretStoreRef": {"name": "vault"},
        "target": {"name": "db"},
        "data": [{"secretKey": "x", "remoteRef": {"key": "web/db", "property": "p"}}],
    }
    return made("externalsecrets", "db", spec={**given, **spec}, status=status or {})


USER = pod(spec={"containers": [container(envFrom=[{"secretRef": {"name": "db"}}])]})


def rows(*objects):
    return list(eso.consumers(scene(*objects, USER)))


@pytest.mark.parametrize(
    ("mount", "version", "key", "read"),
    [
        ("kv", "v2", "web/db", "kv/data/web/db"),
        ("kv", "v2", "kv/web/db", "kv/data/web/db"),
        ("kv", "v2", "kv/data/web/db", "kv/data/web/db"),
        ("kv", "v2", "data/web/db", "kv/data/web/db"),
        ("kv", "", "web/db", "kv/data/web/db"),
        ("kv", "v1", "web/db", "kv/web/db"),
        ("kv", "v1", "kv/web/db", "kv/web/db"),
        ("team/kv/", "v2", "team/kv/web", "team/kv/data/web"),
        ("", "v2", "kv/web/db", "kv/data/web/db"),
        ("", "v2", "kv/data/web/db", "kv/data/web/db"),
        ("", "v2", "lonely", "lonely"),
        ("", "v1", "kv/web/db", "kv/web/db"),
        ("kv", "v2", "kvx/web", "kv/data/kvx/web"),
    ],
)
def test_the_path_is_made_by_the_operators_rule(mount, version, key, read):
    entry = [{"secretKey": "x", "remoteRef": {"key": key}}]
    (row,) = rows(store(path=mount, version=version), external(data=entry))
    assert (row.path, row.source.credential, row.k8s_secret) == (read, "kv", "db")


def test_the_login_is_the_stores():
    source = rows(store(namespace="shop"), external())[0].source
    assert (source.address, source.auth_mount, source.auth_method) == ("https://vault:8200", "kube", "kubernetes")
    assert (source.role, source.service_account) == ("web", "eso")


@pytest.mark.parametrize(
    ("auth", "method", "mount"),
    [
        (
            {"appRole": {"path": "approle", "roleId": CANARY, "secretRef": {"name": "s", "key": "k"}}},
            "approle",
            "approle",
        ),
        ({"jwt": {"path": "jwt-eso", "role": "r"}}, "jwt", "jwt-eso"),
        ({"userPass": {"username": "u"}}, "userpass", "userpass"),
        ({"tokenSecretRef": {"name": "t", "key": "k"}}, "token", ""),
        ({}, "", ""),
    ],
)
def test_other_ways_to_log_in_are_named(auth, method, mount):
    found = rows(store(auth=auth), external())
    assert (found[0].source.auth_method, found[0].source.auth_mount) == (method, mount)
    assert CANARY not in str(found)


def test_a_cluster_wide_store_and_an_openbao_one_are_stores_too():
    spec = {"secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"}}
    assert rows(store("clustersecretstores", ""), external(**spec))
    assert rows(store(provider="openbao"), external())


def test_a_store_of_another_kind_gives_nothing():
    other = made("secretstores", "vault", spec={"provider": {"aws": {"region": "x"}}})
    assert rows(other, external()) == []


def test_extract_find_and_generators_are_read():
    generator = made(
        "vaultdynamicsecrets.generators.external-secrets.io",
        "db",
        spec={"path": "/database/creds/web", "provider": VAULT, "parameters": {"password": CANARY}},
    )
    groups = [
        {"extract": {"key": "web/all"}},
        {"find": {"path": "web/many"}},
        {"find": {"name": {"regexp": ".*"}}},
        {
            "sourceRef": {
                "generatorRef": {
                    "apiVersion": "generators.external-secrets.io/v1alpha1",
                    "kind": "VaultDynamicSecret",
                    "name": "db",
                }
            }
        },
        {"sourceRef": {"generatorRef": {"kind": "Password", "name": "x"}}},
    ]
    found = rows(store(), external(data=[], dataFrom=groups), generator)
    assert {(each.path, each.source.credential) for each in found} == {
        ("kv/data/web/all", "kv"),
        ("kv/data/web/many/*", "kv"),
        ("kv/data/*", "kv"),
        ("database/creds/web", "dynamic"),
    }


@pytest.mark.parametrize(
    ("mount", "version", "below", "read"),
    [
        ("", "v2", "", "*"),
        ("", "v2", "kv/web", "kv/data/web/*"),
        ("kv", "v1", "", "kv/*"),
        ("kv", "v1", "web", "kv/web/*"),
    ],
)
def test_what_may_be_found_is_all_below_a_path(mount, version, below, read):
    (row,) = rows(store(path=mount, version=version), external(data=[], dataFrom=[{"find": {"path": below}}]))
    assert row.path == read


def test_a_generator_that_is_not_there_gives_nothing():
    group = {"sourceRef": {"generatorRef": {"kind": "VaultDynamicSecret", "name": "gone"}}}
    assert rows(store(), external(data=[], dataFrom=[group])) == []


def test_many_keys_of_one_secret_are_one_consumer():
    entries = [{"secretKey": key, "remoteRef": {"key": "web/db", "property": key}} for key in "abc"]
    assert len(rows(store(), external(data=entries))) == 1


@pytest.mark.parametrize(
    ("spec", "refresh"),
    [
        ({}, timedelta(hours=1)),
        ({"refreshInterval": "15s"}, timedelta(seconds=15)),
        ({"refreshInterval": "0"}, None),
        ({"refreshInterval": "0s"}, None),
        ({"refreshPolicy": "CreatedOnce", "refreshInterval": "15s"}, None),
        ({"refreshPolicy": "OnChange"}, None),
        ({"refreshInterval": "often"}, None),
    ],
)
def test_how_often_it_looks(spec, refresh):
    assert rows(store(), external(**spec))[0].source.refresh == refresh


def test_the_copy_tells_a_hash_and_the_status_a_clock():
    copy = made("secrets", "db", meta={"annotations": {"reconcile.external-secrets.io/data-hash": "abc"}})
    source = rows(store(), external({"refreshTime": "2026-11-21T10:09:00Z"}), copy)[0].source
    assert source.fingerprint == "abc"
    assert source.last_sync.minute == 9


def test_a_target_without_a_name_is_called_like_the_external_secret():
    assert rows(store(), external(target={}))[0].k8s_secret == "db"


@pytest.mark.parametrize(("version", "pinned"), [("3", 3), ("", 0), ("latest", 0), ("9" * 40, 0)])
def test_a_version_that_is_asked_for_is_pinned(version, pinned):
    entry = [{"secretKey": "x", "remoteRef": {"key": "a", "version": version}}]
    assert rows(store(), external(data=entry))[0].source.pinned == pinned


def test_an_immutable_target_needs_a_restart_even_as_a_file():
    files = pod(
        spec={
            "containers": [container(volumeMounts=[{"name": "c", "mountPath": "/c"}])],
            "volumes": [{"name": "c", "secret": {"secretName": "db"}}],
        }
    )
    (row,) = eso.consumers(scene(store(), external(target={"name": "db", "immutable": True}), files))
    assert (row.needs_restart, "immutable" in row.why) == ("always", True)


def test_an_external_secret_that_is_not_ready_is_a_trouble_with_the_users_of_its_secret():
    failing = external(
        {"conditions": [{"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "403"}]}
    )
    (trouble,) = eso.troubles(scene(store(), failing, USER))
    assert "ExternalSecret shop/db is not synced (SecretSyncedError)" in trouble.says
    assert [each.name for each in trouble.pods] == ["web-1"]


def test_a_store_that_does_not_exist_is_named():
    (trouble,) = eso.troubles(scene(external()))
    assert trouble.mend == "Its SecretStore vault does not exist."
