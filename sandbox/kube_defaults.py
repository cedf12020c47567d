"""What the API server fills into objects that were sent to it, and the little that it refuses in them."""

from __future__ import annotations

import base64
from typing import Any

from sandbox.kube_resources import Kind
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal, about

POD: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
CONTAINER: Object = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
}
QUARTER = {"maxUnavailable": "25%", "maxSurge": "25%"}
SPECS: dict[str, Object] = {
    "Deployment": {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    "StatefulSet": {"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady"},
    "DaemonSet": {"revisionHistoryLimit": 10},
    "ReplicaSet": {"replicas": 1},
}
STRATEGIES: dict[str, tuple[str, Object]] = {
    "Deployment": ("strategy", QUARTER),
    "StatefulSet": ("updateStrategy", {"partition": 0}),
    "DaemonSet": ("updateStrategy", {"maxUnavailable": 1, "maxSurge": 0}),
}


def _fill(found: Object, defaults: Object) -> None:
    for name, value in defaults.items():
        if found.get(name) is None:
            found[name] = dict(value) if isinstance(value, dict) else value


def _fill_pod(spec: Object) -> None:
    _fill(spec, POD)
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        _fill(container, CONTAINER)


def fill(kind: Kind, found: Object) -> None:
    """Fill the defaults of pods and workloads into an object, which is changed. Raises Refusal (422)."""
    if kind.key == ("", "secrets"):
        _fill_secret(found)
    spec = found.get("spec")
    if kind.custom or not isinstance(spec, dict):
        return
    if kind.name == "Pod":
        _require(kind, found, spec, "containers")
        spec.setdefault("serviceAccountName", "default")
        _fill_pod(spec)
    if kind.name in SPECS:
        _fill_workload(kind, found, spec)


def _fill_secret(found: Object) -> None:
    for name, value in found.pop("stringData", {}).items():
        found.setdefault("data", {})[name] = base64.b64encode(value.encode()).decode()
    found.setdefault("type", "Opaque")


def _fill_workload(kind: Kind, found: Object, spec: Object) -> None:
    _require(kind, found, spec, "selector")
    _require(kind, found, spec, "template")
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    wanted = (spec["selector"] or {}).get("matchLabels") or {}
    if any(labels.get(name) != value for name, value in wanted.items()):
        sentence = f"Invalid value: {labels}: `selector` does not match template `labels`"
        raise _invalid(kind, found, "spec.template.metadata.labels", sentence)
    _fill(spec, SPECS[kind.name])
    if kind.name in STRATEGIES:
        name, rolling = STRATEGIES[kind.name]
        strategy = spec.setdefault(name, {})
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            _fill(strategy.setdefault("rollingUpdate", {}), rolling)
    _fill_pod(spec["template"].setdefault("spec", {}))


def _require(kind: Kind, found: Object, spec: Object, name: str) -> None:
    if not spec.get(name):
        raise _invalid(kind, found, f"spec.{name}", "Required value")


def _invalid(kind: Kind, found: Object, path: str, sentence: str) -> Refusal:
    name = found["metadata"].get("name", "")
    cause: dict[str, Any] = {"reason": "FieldValueInvalid", "message": sentence, "field": path}
    details = {**about(kind.name, kind.group, name), "causes": [cause]}
    full = f"{kind.name}.{kind.group}" if kind.group else kind.name
    return Refusal(422, f'{full} "{name}" is invalid: {path}: {sentence}', details=details)
