"""How the company's secrets reach its pods: pod templates, and the resources that operators and drivers follow."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.company import OPERATORS, Pod, Service, api_path, uid_of
from sandbox.kube_injector import ADDRESS, DOMAIN, FILE
from sandbox.kube_selectors import Object

VSO, ESO, CSI = "secrets.hashicorp.com/v1beta1", "external-secrets.io/v1", "secrets-store.csi.x-k8s.io/v1"
DRIVER = "secrets-store.csi.k8s.io"
BY_VARIABLE = ("invoicing", "catalog")  # of those that an operator serves: the others mount the copy
RESTARTED = ("catalog",)  # what the operator restarts when a secret changes
REGISTRY = "registry-pull"  # a native Secret, which no vault knows of


def short(secret: str) -> str:
    """Return the last part of a secret's name."""
    return secret.rpartition("/")[2]


def copy_of(service: Service, secret: str) -> str:
    """Return the Kubernetes Secret, and the custom resource, of a secret that an operator copies."""
    return f"{service.name}-{short(secret)}"


def template(service: Service) -> Object:
    """Return the pod template of a service."""
    container: Object = {"name": service.name, "image": f"registry.example/{service.name}:1"}
    spec: Object = {"serviceAccountName": service.name, "containers": [container]}
    found: Object = {"metadata": {"labels": {"app": service.name}}, "spec": spec}
    _TEMPLATES[service.delivery](service, found, container)
    return found


def _injected(service: Service, found: Object, _: Object) -> None:
    files = {short(name): api_path(name) for name in service.secrets}
    files |= {f"database-{role}": f"database/creds/{role}" for role in service.database}
    notes = {f"{DOMAIN}{FILE}{name}": path for name, path in files.items()}
    found["metadata"]["annotations"] = {f"{DOMAIN}agent-inject": "true", f"{DOMAIN}role": service.name, **notes}


def _direct(service: Service, found: Object, container: Object) -> None:
    told = {"VAULT_ADDR": ADDRESS, "VAULT_ROLE": service.name, "VAULT_AUTH_PATH": "kubernetes"}
    container["env"] = [{"name": name, "value": value} for name, value in told.items()]
    if service.name == "search":
        container["envFrom"] = [{"secretRef": {"name": "search-settings"}}]
        found["spec"]["imagePullSecrets"] = [{"name": REGISTRY}]


def _mounted(service: Service, found: Object, container: Object) -> None:
    source = {"driver": DRIVER, "readOnly": True, "volumeAttributes": {"secretProviderClass": service.name}}
    found["spec"]["volumes"] = [{"name": "secrets", "csi": source}]
    container["volumeMounts"] = [{"name": "secrets", "mountPath": "/mnt/secrets", "readOnly": True}]


def _copied(service: Service, found: Object, container: Object) -> None:
    names = [copy_of(service, name) for name in (*service.secrets, *service.database)]
    if service.delivery == "eso":
        names = [service.name]
    if service.name in BY_VARIABLE:
        container["env"] = [_variable(name) for name in names]
        return
    found["spec"]["volumes"] = [{"name": name, "secret": {"secretName": name}} for name in names]
    container["volumeMounts"] = [{"name": name, "mountPath": f"/etc/secrets/{name}"} for name in names]


def _variable(name: str) -> Object:
    source = {"secretKeyRef": {"name": name, "key": "password"}}
    return {"name": name.upper().replace("-", "_"), "valueFrom": source}


_TEMPLATES: dict[str, Callable[[Service, Object, Object], None]] = {
    "injector": _injected,
    "direct": _direct,
    "csi": _mounted,
    "vso": _copied,
    "eso": _copied,
}


def named(api_version: str, kind: str, namespace: str, name: str, **fields: Any) -> Object:
    """Return an object whose uid is the same in every run."""
    metadata = {"name": name, "namespace": namespace, "uid": uid_of(f"{kind} {namespace}/{name}")}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def resources(service: Service, at: str) -> Iterator[Object]:
    """Give the custom resources, and the Kubernetes Secrets, of one service as they stand at a time."""
    if service.delivery == "vso":
        yield from _of_vso(service, at)
    elif service.delivery == "eso":
        yield from _of_eso(service, at)
    elif service.delivery == "csi":
        yield _class(service)
        for pod in service.pods():
            yield mount(service, pod)
    elif service.name == "search":
        yield named("v1", "Secret", service.namespace, "search-settings", type="Opaque", data={})
        yield named("v1", "Secret", service.namespace, REGISTRY, type="kubernetes.io/dockerconfigjson", data={})


def _of_vso(service: Service, at: str) -> Iterator[Object]:
    kubernetes = {"role": service.name, "serviceAccount": service.name}
    reference = f"{OPERATORS['vso'].namespace}/default"
    login = {"method": "kubernetes", "mount": "kubernetes", "kubernetes": kubernetes, "vaultConnectionRef": reference}
    yield named(VSO, "VaultAuth", service.namespace, service.name, spec=login)
    for secret in service.secrets:
        yield _static(service, secret, at)
        yield _copy(service, copy_of(service, secret), "VaultStaticSecret", at)
    for role in service.database:
        name = copy_of(service, role)
        target = {"name": name, "create": True}
        spec = {"mount": "database", "path": f"creds/{role}", "renewalPercent": 67, "destination": target}
        spec["vaultAuthRef"] = service.name
        yield named(VSO, "VaultDynamicSecret", service.namespace, name, spec=spec, status={})
        yield _copy(service, name, "VaultDynamicSecret", at)


def _static(service: Service, secret: str, at: str) -> Object:
    mount_, _, path = secret.partition("/")
    spec: Object = {"mount": mount_, "path": path, "type": "kv-v1" if mount_ == "legacy" else "kv-v2"}
    spec |= {"vaultAuthRef": service.name, "refreshAfter": "60s", "hmacSecretData": True}
    spec["destination"] = {"name": copy_of(service, secret), "create": True}
    if service.name in RESTARTED:
        spec["rolloutRestartTargets"] = [{"kind": "Deployment", "name": service.name}]
    status = {"secretMAC": mark(), "conditions": synced(at), "lastGeneration": 1}
    return named(VSO, "VaultStaticSecret", service.namespace, copy_of(service, secret), spec=spec, status=status)


def synced(at: str) -> list[Object]:
    """Return the conditions of a resource that Vault Secrets Operator has synced."""
    return [
        {"type": name, "status": "True", "reason": name, "message": "", "lastTransitionTime": at}
        for name in ("SecretSynced", "Healthy", "Ready")
    ]


def mark() -> str:
    """Return what stands for an HMAC of a content: another one each time that the content changes."""
    return secrets.token_urlsafe(32)


def _copy(service: Service, name: str, kind: str, at: str) -> Object:
    """Return the Secret that an operator fills; without a value, for nobody here mounts it."""
    found = named("v1", "Secret", service.namespace, name, type="Opaque", data={})
    owner = {"apiVersion": VSO, "kind": kind, "name": name, "uid": uid_of(f"{kind} {service.namespace}/{name}")}
    labels = {"app.kubernetes.io/managed-by": "hashicorp-vso", "secrets.hashicorp.com/vso-ownerRefUID": owner["uid"]}
    found["metadata"] |= {"labels": labels, "ownerReferences": [owner], "creationTimestamp": at}
    return found


def _of_eso(service: Service, at: str) -> Iterator[Object]:
    login = {"mountPath": "kubernetes", "role": service.name, "serviceAccountRef": {"name": service.name}}
    vault = {"server": ADDRESS, "path": "secret", "version": "v2", "auth": {"kubernetes": login}}
    yield named(ESO, "SecretStore", service.namespace, "openbao", spec={"provider": {"vault": vault}})
    keys = {short(name): name.removeprefix("secret/") for name in service.secrets}
    data = [{"secretKey": name, "remoteRef": {"key": key, "property": "password"}} for name, key in keys.items()]
    store, target = {"name": "openbao", "kind": "SecretStore"}, {"name": service.name, "creationPolicy": "Owner"}
    spec = {"refreshInterval": "1m", "secretStoreRef": store, "target": target, "data": data}
    ready = {"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced"}
    status = {"refreshTime": at, "conditions": [{**ready, "lastTransitionTime": at}]}
    yield named(ESO, "ExternalSecret", service.namespace, service.name, spec=spec, status=status)
    yield named("v1", "Secret", service.namespace, service.name, type="Opaque", data={})


def _class(service: Service) -> Object:
    files = [{"objectName": short(name), "secretPath": api_path(name), "secretKey": "password"}
             for name in service.secrets]  # fmt: skip
    parameters = {"roleName": service.name, "vaultAddress": ADDRESS, "objects": json.dumps(files)}
    spec = {"provider": "vault", "parameters": parameters}
    return named(CSI, "SecretProviderClass", service.namespace, service.name, spec=spec)


def mount(service: Service, pod: Pod) -> Object:
    """Return what the driver says of the files that it mounted into a pod."""
    name = f"{pod.name}-{service.namespace}-{service.name}"
    files = [{"id": short(secret), "version": mark()} for secret in service.secrets]
    status = {"podName": pod.name, "secretProviderClassName": service.name, "mounted": True, "objects": files}
    found = named(CSI, "SecretProviderClassPodStatus", service.namespace, name, status=status)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
    labels = {"internal.secrets-store.csi.k8s.io/node-name": pod.node}
    found["metadata"] |= {"ownerReferences": [owner], "labels": labels}
    return found
