"""Who restarts a workload when a secret of its changes: two operators may, and what is theirs is left to them."""

from __future__ import annotations

import pytest

from cluster.restart_owner import restart_owner
from cluster.scene import Ref
from tests.cluster import made as m

WEB = Ref("StatefulSet", "shop", "web", "statefulsets-shop-web")
ENV = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}]
TARGETS = [{"kind": "StatefulSet", "name": "web"}]


def web(**notes):
    return m.made("statefulsets", "web", meta={"annotations": notes})


def user(**spec):
    return m.pod(spec={"containers": [m.container(env=ENV)], **spec})


def static(namespace="shop", **spec):
    wants = {"destination": {"name": "db"}, "rolloutRestartTargets": TARGETS, **spec}
    return m.made("vaultstaticsecrets", "db", namespace, spec=wants)


@pytest.mark.parametrize("secret", ["", "db"])
def test_the_vault_secrets_operator_restarts_its_targets(secret):
    assert restart_owner([web(), user(), static()], WEB, k8s_secret=secret) == "vso"
    assert restart_owner(m.scene(web(), user(), static()), WEB, k8s_secret=secret) == "vso"


def test_it_restarts_nothing_of_another_secret_namespace_or_without_an_hmac():
    assert restart_owner([web(), user(), static()], WEB, k8s_secret="other") == ""
    assert restart_owner([web(), user(), static("bank")], WEB) == ""
    assert restart_owner([web(), user(), static(hmacSecretData=False)], WEB) == ""
    assert restart_owner([web(), user(), static(rolloutRestartTargets=[])], WEB) == ""


@pytest.mark.parametrize("secret", ["", "db"])
def test_reloader_restarts_what_is_annotated_for_it(secret):
    auto = web(**{"reloader.stakater.com/auto": "true"})
    assert restart_owner([auto, user()], WEB, k8s_secret=secret) == "reloader"
    ignored = web(**{"reloader.stakater.com/auto": "true", "reloader.stakater.com/ignore": "true"})
    assert restart_owner([ignored, user()], WEB, k8s_secret=secret) == ""
    named = web(**{"secret.reloader.stakater.com/reload": "db"})
    assert restart_owner([named, user()], WEB, k8s_secret=secret) == "reloader"


def test_reloader_follows_classes_of_the_csi_driver_that_the_pods_mount():
    csi = {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "spc"}}
    mounting = m.pod(spec={"volumes": [{"name": "v", "csi": csi}, {"name": "other"}]})
    auto = web(**{"secretproviderclass.reloader.stakater.com/auto": "true"})
    assert restart_owner([auto, mounting, m.made("secretproviderclasses", "spc")], WEB) == "reloader"
    assert restart_owner([auto, mounting], WEB) == ""


def test_without_any_of_them_it_is_ours_to_restart():
    assert restart_owner([web(), user()], WEB) == ""
    assert restart_owner([web(), user()], WEB, k8s_secret="db") == ""
    assert restart_owner([], WEB) == ""
