"""The agent injector of the simulated cluster: pods that ask for it get an agent beside their application."""

from __future__ import annotations

import base64
import json
from typing import Any

from sandbox.kube_resources import Kind
from sandbox.kube_selectors import Object

ADDRESS = "http://openbao.openbao.svc:8200"
DOMAIN = "vault.hashicorp.com/"
FILE = "agent-inject-secret-"
ONCE = f"{DOMAIN}agent-pre-populate-only"  # the agent runs before the start alone, so nobody renews what it wrote
INIT, SIDECAR, IMAGE = "vault-agent-init", "vault-agent", "registry.example/openbao:2.7.2"
_MOUNT = {"name": "vault-secrets", "mountPath": "/vault/secrets"}


def admit(kind: Kind, found: Object) -> None:
    """Change a new pod that asks for the injector, as its webhook would; leave all else alone."""
    notes = found["metadata"].get("annotations") or {}
    if kind.name != "Pod" or notes.get(f"{DOMAIN}agent-inject") != "true" or f"{DOMAIN}agent-inject-status" in notes:
        return
    spec = found["spec"]
    for container in spec["containers"]:
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), dict(_MOUNT)]
    spec["initContainers"] = [_agent(INIT, notes, once=True), *(spec.get("initContainers") or ())]
    if notes.get(ONCE) != "true":
        spec["containers"] = [*spec["containers"], _agent(SIDECAR, notes, once=False)]
    names = ("home-init", "home-sidecar", "vault-secrets")
    memory = [{"name": name, "emptyDir": {"medium": "Memory"}} for name in names]
    spec["volumes"] = [*(spec.get("volumes") or ()), *memory]
    found["metadata"]["annotations"] = {**notes, f"{DOMAIN}agent-inject-status": "injected"}


def _agent(name: str, notes: dict[str, str], *, once: bool) -> Object:
    told = base64.b64encode(json.dumps(_config(notes, once=once)).encode()).decode()
    home = {"name": "home-init" if once else "home-sidecar", "mountPath": "/home/vault"}
    return {
        "name": name,
        "image": IMAGE,
        "env": [{"name": "VAULT_CONFIG", "value": told}],
        "volumeMounts": [home, dict(_MOUNT)],
    }


def _config(notes: dict[str, str], *, once: bool) -> dict[str, Any]:
    paths = {key.removeprefix(DOMAIN + FILE): path for key, path in notes.items() if key.startswith(DOMAIN + FILE)}
    text = '{{ with secret "%s" }}{{ range $k, $v := .Data }}{{ $k }}: {{ $v }}\n{{ end }}{{ end }}'
    method = {"type": "kubernetes", "mount_path": "auth/kubernetes", "config": {"role": notes[f"{DOMAIN}role"]}}
    return {
        "auto_auth": {
            "method": method,
            "sink": [{"type": "file", "config": {"path": "/home/vault/.vault-token"}}],
        },
        "exit_after_auth": once,
        "vault": {"address": ADDRESS},
        "template": [
            {"destination": f"/vault/secrets/{name}", "contents": text % path} for name, path in sorted(paths.items())
        ],
        "template_config": {"static_secret_render_interval": "5m"},
    }
