"""The demo's company in the simulated cluster: its namespaces, service accounts, deployments and the pods that run."""

from __future__ import annotations

from typing import Any

from sandbox.company import SERVICES, Pod, Service, uid_of
from sandbox.kube_access import RBAC, Access
from sandbox.kube_defaults import fill
from sandbox.kube_kubelet import make_ready
from sandbox.kube_resources import kind_of
from sandbox.kube_rollouts import HASH, REVISION
from sandbox.kube_selectors import Object
from sandbox.kube_store import Store, now, thaw
from sandbox.kube_workloads import hash_of, ref

NODES = ("node-1", "node-2", "node-3")
REVIEWER = ("openbao", "openbao")  # the service account with which OpenBao asks whose a token is


def settle(store: Store, access: Access) -> None:
    """Put the company into an empty cluster; its identities are the same in every run, as its addresses are."""
    with store.lock:
        _put(store, "v1", "Namespace", _named("kube-system", uid_of("kube-system")), status={"phase": "Active"})
        for service in SERVICES:
            _service(store, service)
        access.enter(*REVIEWER)
        subject = {"kind": "ServiceAccount", "namespace": REVIEWER[0], "name": REVIEWER[1]}
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:auth-delegator"}
        binding = _named("openbao-reviews-tokens")
        _put(store, f"{RBAC}/v1", "ClusterRoleBinding", binding, subjects=[subject], roleRef=reference)


def _named(name: str, uid: str = "", namespace: str = "", **also: Any) -> Object:
    metadata = {"name": name, "uid": uid, "namespace": namespace, **also}
    return {key: value for key, value in metadata.items() if value}


def _put(store: Store, api_version: str, kind: str, metadata: Object, **fields: Any) -> Object:
    return store.put({"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}).object


def _template(service: Service) -> Object:
    container = {"name": service.name, "image": f"registry.example/{service.name}:1"}
    spec = {"serviceAccountName": service.name, "containers": [container]}
    return {"metadata": {"labels": {"app": service.name}}, "spec": spec}


def _service(store: Store, service: Service) -> None:
    namespace, labels = service.namespace, {"app": service.name}
    _put(store, "v1", "ServiceAccount", _named(service.name, service.uid, namespace))
    spec: Object = {"replicas": service.replicas, "selector": {"matchLabels": labels}, "template": _template(service)}
    made: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec, "status": {}}
    made["metadata"] = _named(service.name, uid_of(f"deployment {service.account}"), namespace, labels=labels)
    fill(kind_of("deployments", "apps"), made)
    deployment = store.put(made).object
    digest = hash_of(deployment["spec"]["template"])
    template = thaw(deployment["spec"]["template"])
    template["metadata"]["labels"][HASH] = digest
    metadata = _named(f"{service.name}-{digest}", uid_of(f"set {service.account}"), namespace)
    metadata |= {"labels": template["metadata"]["labels"], "annotations": {REVISION: "1"}}
    metadata["ownerReferences"] = [ref(deployment)]
    selector = {"matchLabels": {**labels, HASH: digest}}
    wish = {"replicas": service.replicas, "selector": selector, "template": template}
    above = _put(store, "apps/v1", "ReplicaSet", metadata, spec=wish, status={})
    for number, pod in enumerate(service.pods()):
        _pod(store, above, pod, NODES[(service.number + number) % len(NODES)])


def _pod(store: Store, above: Object, pod: Pod, node: str) -> None:
    template = thaw(above["spec"]["template"])
    metadata = _named(pod.name, pod.uid, above["metadata"]["namespace"], **template["metadata"])
    metadata["ownerReferences"] = [ref(above)]
    status = {"phase": "Pending", "startTime": now(), "podIP": pod.address, "podIPs": [{"ip": pod.address}]}
    found = {"spec": {**template["spec"], "nodeName": node}, "status": status}
    make_ready(found)
    _put(store, "v1", "Pod", metadata, **found)
