"""The demo's company in the simulated cluster: its namespaces, service accounts, workloads and the pods that run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.company import NODES, OPERATORS, ORPHAN, SERVICES, STUCK, Operator, Pod, Service, uid_of
from sandbox.kube_access import RBAC, Access
from sandbox.kube_defaults import fill
from sandbox.kube_delivery import VSO, named, resources, template
from sandbox.kube_injector import ADDRESS, admit
from sandbox.kube_kubelet import Kubelets, initialising, make_ready
from sandbox.kube_resources import kind_of
from sandbox.kube_rollouts import HASH, REVISION
from sandbox.kube_selectors import Object
from sandbox.kube_sets import REVISION as SET_REVISION
from sandbox.kube_store import Store, now, thaw
from sandbox.kube_workloads import hash_of, ref

__all__ = ["NODES", "REVIEWER", "attend", "never_starts", "settle"]

REVIEWER = ("openbao", "openbao")  # the service account with which OpenBao asks whose a token is
WEBHOOK = "vault.hashicorp.com"


def settle(store: Store, access: Access, age: timedelta = timedelta()) -> None:
    """Put the company into an empty cluster; its identities are the same in every run, as its addresses are.

    `age` is for how long its pods have run already.
    """
    at = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    with store.lock:
        _put(store, "v1", "Namespace", _named("kube-system", uid_of("kube-system")), status={"phase": "Active"})
        _injector(store, at)
        for operator in OPERATORS.values():
            _operator(store, operator, at)
        for service in (*SERVICES, STUCK):
            _service(store, service, at)
        _job(store, ORPHAN, at)
        access.enter(*REVIEWER)
        subject = {"kind": "ServiceAccount", "namespace": REVIEWER[0], "name": REVIEWER[1]}
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:auth-delegator"}
        binding = _named("openbao-reviews-tokens")
        _put(store, f"{RBAC}/v1", "ClusterRoleBinding", binding, subjects=[subject], roleRef=reference)


def attend(store: Store, kubelets: Kubelets) -> None:
    """Let the injector see new pods, and the kubelets know whose agent never gets on."""
    store.admissions.append(admit)
    kubelets.never_ready = never_starts


def never_starts(pod: Object) -> bool:
    """Tell whether a pod waits for its agent for ever: OpenBao refuses the agent's log-in, which the story sends."""
    return bool((pod["metadata"].get("labels") or {}).get("app") == STUCK.name)


def _named(name: str, uid: str = "", namespace: str = "", **also: Any) -> Object:
    metadata = {"name": name, "uid": uid, "namespace": namespace, **also}
    return {key: value for key, value in metadata.items() if value}


def _put(store: Store, api_version: str, kind: str, metadata: Object, **fields: Any) -> Object:
    return store.put({"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}).object


# The company's own ----------------------------------------------------------------------------------------------


def _service(store: Store, service: Service, at: str) -> None:
    _put(store, "v1", "ServiceAccount", _named(service.name, service.uid, service.namespace))
    labels = {"app": service.name}
    deployment = _deployment(store, service.namespace, service.name, template(service), service.replicas, labels, at)
    above = _replica_set(store, deployment, at)
    for pod in service.pods():
        # A pod whose agent is refused is as young as the cluster that we see: it would be deleted after a week.
        _pod(store, above, pod, now() if service is STUCK else at)
    for found in resources(service, at):
        found["metadata"].setdefault("creationTimestamp", at)
        store.put(found)


def _deployment(
    store: Store, namespace: str, name: str, wanted: Object, replicas: int, labels: dict[str, str], at: str
) -> Object:
    spec: Object = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": wanted}
    made: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec, "status": {}}
    uid = uid_of(f"deployment {namespace}/{name}")
    made["metadata"] = _named(name, uid, namespace, labels=labels, creationTimestamp=at)
    fill(kind_of("deployments", "apps"), made)
    return store.put(made).object


def _replica_set(store: Store, deployment: Object, at: str) -> Object:
    namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
    digest = hash_of(deployment["spec"]["template"])
    wanted = thaw(deployment["spec"]["template"])
    wanted["metadata"]["labels"][HASH] = digest
    metadata = _named(f"{name}-{digest}", uid_of(f"set {namespace}/{name}"), namespace, creationTimestamp=at)
    metadata |= {"labels": wanted["metadata"]["labels"], "annotations": {REVISION: "1"}}
    metadata["ownerReferences"] = [ref(deployment)]
    selector = {"matchLabels": {**deployment["spec"]["selector"]["matchLabels"], HASH: digest}}
    wish = {"replicas": deployment["spec"]["replicas"], "selector": selector, "template": wanted}
    return _put(store, "apps/v1", "ReplicaSet", metadata, spec=wish, status={})


def _pod(store: Store, above: Object, pod: Pod, at: str, labels: dict[str, str] | None = None) -> None:
    wanted = thaw(above["spec"]["template"])
    metadata = _named(pod.name, pod.uid, above["metadata"]["namespace"], **wanted["metadata"])
    metadata |= {"ownerReferences": [ref(above)], "creationTimestamp": at}
    metadata["labels"] = {**(metadata.get("labels") or {}), **(labels or {})}
    status = {"phase": "Pending", "startTime": at, "podIP": pod.address, "podIPs": [{"ip": pod.address}]}
    found: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}
    found["spec"] = {**wanted["spec"], "nodeName": pod.node}
    admit(kind_of("pods"), found)
    if never_starts(found):
        initialising(found, at)
    else:
        make_ready(found, at)
    store.put(found)


def _job(store: Store, service: Service, at: str) -> None:
    """Put a job with its pod, which runs: the story takes a log-in as this pod, and lets it end."""
    _put(store, "v1", "ServiceAccount", _named(service.name, service.uid, service.namespace))
    wanted = template(service)
    wanted["spec"]["restartPolicy"] = "Never"
    metadata = _named(service.name, uid_of(f"job {service.account}"), service.namespace, creationTimestamp=now())
    spec = {"completions": 1, "parallelism": 1, "template": wanted}
    job = _put(store, "batch/v1", "Job", metadata, spec=spec, status={"active": 1, "startTime": now()})
    for pod in service.pods():
        _pod(store, job, pod, now())


# Who serves others ----------------------------------------------------------------------------------------------


def _operator(store: Store, operator: Operator, at: str) -> None:
    labels = {"app.kubernetes.io/name": operator.name}
    account = _named(operator.name, uid_of(f"{operator.namespace}/{operator.name}"), operator.namespace)
    _put(store, "v1", "ServiceAccount", account)
    container: Object = {"name": operator.name, "image": f"registry.example/{operator.name}:1"}
    wanted: Object = {"metadata": {"labels": labels}}
    wanted["spec"] = {"serviceAccountName": operator.name, "containers": [container]}
    if operator.everywhere:
        _daemons(store, operator, wanted, labels, at)
        return
    deployment = _deployment(store, operator.namespace, operator.name, wanted, 1, labels, at)
    above = _replica_set(store, deployment, at)
    for pod in operator.pods():
        _pod(store, above, pod, at)
    if operator is OPERATORS["vso"]:
        store.put(named(VSO, "VaultConnection", operator.namespace, "default", spec={"address": ADDRESS}))


def _daemons(store: Store, operator: Operator, wanted: Object, labels: dict[str, str], at: str) -> None:
    rotation = ["--enable-secret-rotation=true", "--rotation-poll-interval=2m"]
    driver = {"name": "secrets-store", "image": "registry.example/secrets-store-csi-driver:1", "args": rotation}
    wanted["spec"]["containers"].append(driver)
    made: Object = {"apiVersion": "apps/v1", "kind": "DaemonSet", "status": {}}
    made["spec"] = {"selector": {"matchLabels": labels}, "template": wanted}
    uid = uid_of(f"daemonset {operator.namespace}/{operator.name}")
    made["metadata"] = _named(operator.name, uid, operator.namespace, labels=labels, creationTimestamp=at)
    fill(kind_of("daemonsets", "apps"), made)
    found = store.put(made).object
    revision = {SET_REVISION: hash_of(found["spec"]["template"])}
    for pod in operator.pods():
        _pod(store, found, pod, at, revision)
    metadata = _named("secrets-store.csi.k8s.io", creationTimestamp=at)
    _put(store, "storage.k8s.io/v1", "CSIDriver", metadata, spec={"requiresRepublish": True})


def _injector(store: Store, at: str) -> None:
    """Put the webhook that asks the injector; `sandbox.kube_injector` answers for it."""
    hook: Object = {
        "name": WEBHOOK,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
    }
    service = {"namespace": REVIEWER[0], "name": "vault-agent-injector-svc", "path": "/mutate", "port": 443}
    hook["clientConfig"] = {"caBundle": "c2ltdWxhdGVk", "service": service}
    hook["rules"] = [_rule(("CREATE",), "", "v1", ("pods",))]
    metadata = _named("vault-agent-injector-cfg", uid_of("vault-agent-injector-cfg"), creationTimestamp=at)
    _put(store, "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", metadata, webhooks=[hook])
    labels = {"app.kubernetes.io/name": "vault-agent-injector"}
    container = {"name": "sidecar-injector", "image": "registry.example/vault-k8s:1"}
    wanted: Object = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    deployment = _deployment(store, REVIEWER[0], "vault-agent-injector", wanted, 1, labels, at)
    above = _replica_set(store, deployment, at)
    for pod in Operator(REVIEWER[0], "vault-agent-injector", 23).pods():
        _pod(store, above, pod, at)


def _rule(verbs: Iterable[str], group: str, version: str, resources_: Iterable[str]) -> Object:
    given = {"operations": list(verbs), "apiGroups": [group], "apiVersions": [version], "resources": list(resources_)}
    return {**given, "scope": "Namespaced"}
