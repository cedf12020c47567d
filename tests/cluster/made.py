"""Objects for tests, as the API server would send them and the wire would read them."""

from __future__ import annotations

import base64
import json
from typing import Any

from cluster.decoding import decode_object
from cluster.resources import RESOURCES
from cluster.scene import Scene

T0 = "2026-11-21T10:00:00Z"
CANARY = "s3cr3t-c4n4ry-value"
Json = dict[str, Any]


def made(plural: str, name: str, namespace: str = "shop", /, **parts: Any) -> Any:
    """Return one object; `meta` is merged into its metadata, the rest stands at its top."""
    meta = {"name": name, "namespace": namespace, "uid": f"{plural}-{namespace}-{name}", "creationTimestamp": T0}
    raw = json.dumps({"metadata": {**meta, **parts.pop("meta", {})}, **parts}).encode()
    return decode_object(RESOURCES[plural], raw)


def owner(kind: str, name: str, uid: str, **more: Any) -> Json:
    """Return an owner reference of a controller."""
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True, **more}


def container(name: str = "app", /, **parts: Any) -> Json:
    """Return a container of a specification."""
    return {"name": name, "image": f"registry.local/{name}:1", **parts}


def status(name: str = "app", /, started: str = T0, **parts: Any) -> Json:
    """Return the status of a container: running, unless `state` says otherwise."""
    return {"name": name, "ready": True, "restartCount": 0, "state": {"running": {"startedAt": started}}, **parts}


def pod(name: str = "web-1", namespace: str = "shop", /, **parts: Any) -> Any:
    """Return a running pod of the StatefulSet `web` with one container, unless told otherwise.

    `spec` and `status` are merged into what it would have.
    """
    spec = {"serviceAccountName": "web", "nodeName": "n1", "containers": [container()], **parts.pop("spec", {})}
    fares = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "startTime": T0,
        "containerStatuses": [status(each["name"]) for each in spec["containers"]],
        **parts.pop("status", {}),
    }
    meta = {"ownerReferences": [owner("StatefulSet", "web", f"statefulsets-{namespace}-web")], **parts.pop("meta", {})}
    return made("pods", name, namespace, meta=meta, spec=spec, status=fares, **parts)


def agent_config(*paths: str, **parts: Any) -> Json:
    """Return what the injector would write into VAULT_CONFIG for these paths."""
    return {
        "auto_auth": {"method": {"type": "kubernetes", "mount_path": "auth/kube", "config": {"role": "web"}}},
        "vault": {"address": "https://vault.example:8200"},
        "template": [
            {"destination": f"/vault/secrets/{n}", "contents": f'{{{{ with secret "{path}" }}}}{CANARY}{{{{ end }}}}'}
            for n, path in enumerate(paths)
        ],
        "template_config": {"static_secret_render_interval": "20s"},
        **parts,
    }


def agent(name: str, config: Json | str) -> Json:
    """Return a container of the agent."""
    text = config if isinstance(config, str) else base64.b64encode(json.dumps(config).encode()).decode()
    return container(name, env=[{"name": "VAULT_CONFIG", "value": text}])


MOUNTED = {"volumeMounts": [{"name": "vault-secrets", "mountPath": "/vault/secrets"}]}


def injected_pod(*paths: str, sidecar: bool = True, config: Json | str | None = None, **parts: Any) -> Any:
    """Return a pod as the injector makes it, and as a kubelet runs it; `notes` are annotations without their prefix."""
    told = config if config is not None else agent_config(*paths)
    notes = {"agent-inject": "true", "agent-inject-status": "injected", **parts.pop("notes", {})}
    spec = {
        "initContainers": [agent("vault-agent-init", told)],
        "containers": [container(**MOUNTED), *([agent("vault-agent", told)] if sidecar else [])],
        **parts.pop("spec", {}),
    }
    done = {"terminated": {"exitCode": 0, "startedAt": T0, "finishedAt": T0}}
    fares = {"initContainerStatuses": [status("vault-agent-init", state=done)], **parts.pop("status", {})}
    meta = {
        "annotations": {f"vault.hashicorp.com/{key}": value for key, value in notes.items()},
        **parts.pop("meta", {}),
    }
    return pod(spec=spec, status=fares, meta=meta, **parts)


def scene(*objects: Any, at: Any = None) -> Scene:
    """Return a scene of these objects."""
    return Scene(objects, at)


def event(about: Any, kind: str, reason: str, message: str = "", at: str = T0, **parts: Any) -> Any:
    """Return an event about an object."""
    meta = about.metadata
    involved = {"kind": kind, "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
    return made(
        "events",
        f"{meta.name}.{reason}.{at}",
        meta.namespace or "default",
        involvedObject=involved,
        reason=reason,
        message=message,
        type="Warning",
        lastTimestamp=at,
        firstTimestamp=at,
        eventTime=None,
        **parts,
    )
