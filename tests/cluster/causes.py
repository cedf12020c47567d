"""Pods, the injector and its hook as the API shows them, and the causes that are told of them."""

from __future__ import annotations

from cluster import delivery
from tests.cluster.made import injected_pod, made, pod, scene, status

PREFIX = "vault.hashicorp.com/"
ASKS = {f"{PREFIX}agent-inject": "true", f"{PREFIX}role": "web"}
LATER, BEFORE = "2026-11-21T12:00:00Z", "2026-11-21T09:00:00Z"


def hook(created=BEFORE, **parts):
    given = {
        "name": "vault.hashicorp.com",
        "clientConfig": {"caBundle": "Q0E=", "service": {"name": "vault-agent-injector-svc", "namespace": "vault"}},
        "failurePolicy": "Ignore",
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "resources": ["pods"]}],
        **parts,
    }
    return made("mutatingwebhookconfigurations", "cfg", "", meta={"creationTimestamp": created}, webhooks=[given])


def injector(available=1):
    return made("deployments", "vault-agent-injector", "vault", status={"availableReplicas": available})


def endpoints(*ready: bool):
    label = {"labels": {"kubernetes.io/service-name": "vault-agent-injector-svc"}}
    each = [{"addresses": ["10.0.0.9"], "conditions": {"ready": one}} for one in ready]
    return made("endpointslices", "injector-1", "vault", meta=label, endpoints=each)


def asking(**parts):
    meta = {"annotations": ASKS, **parts.pop("meta", {})}
    return pod(meta=meta, **parts)


def causes(*objects, at=None):
    return {(each.symptom, each.cause) for each in delivery.troubles(scene(*objects, at=at))}


def only(*objects, at=None):
    (trouble,) = delivery.troubles(scene(*objects, at=at))
    assert trouble.says.endswith((".", "s"))
    assert trouble.mend.endswith(".")
    return trouble


SHOP = made("namespaces", "shop", "", meta={"labels": {"team": "shop"}})


def waiting(init, **parts):
    fares = {
        "phase": "Pending",
        "initContainerStatuses": [status("vault-agent-init", ready=False, **init)] if init is not None else [],
        "containerStatuses": [],
        **parts.pop("status", {}),
    }
    return injected_pod("kv/data/a", status=fares, **parts)


def because(reason, **more):
    return {"state": {"waiting": {"reason": reason, "message": "m"}}, **more}
