"""What the simulated Kubernetes API says of itself: version, groups and resources."""

from __future__ import annotations

from typing import Any

from sandbox.kube_call import REVIEWS, SUBRESOURCES, Reply
from sandbox.kube_resources import KINDS, Kind
from sandbox.kube_status import Unrouted
from sandbox.kube_store import encode

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2",
    "gitCommit": "",
    "gitTreeState": "clean",
    "platform": "linux/amd64",
}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def answer(path: str, uninstalled: set[str]) -> Reply:
    """Answer a path that is no resource's. Raises Unrouted when nothing is there."""
    if path in ("/livez", "/readyz", "/healthz"):
        return Reply(200, b"ok", "text/plain; charset=utf-8")
    served = [kind for kind in [*KINDS, *REVIEWS] if kind.group not in uninstalled]
    found = VERSION if path == "/version" else _document(path.strip("/").split("/"), served)
    if not found:
        raise Unrouted
    return Reply(200, encode(found))


def _document(parts: list[str], served: list[Kind]) -> dict[str, Any]:
    groups = {group: sorted({kind.version for kind in served if kind.group == group}) for group in _groups(served)}
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ["apis"]:
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*item) for item in groups.items()]}
    if parts == ["api", "v1"]:
        return _resources("v1", served)
    if parts[0] != "apis" or parts[1] not in groups or (parts[2:] and parts[2] not in groups[parts[1]]):
        return {}
    if parts[2:]:
        return _resources(f"{parts[1]}/{parts[2]}", served)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], groups[parts[1]])}


def _groups(served: list[Kind]) -> list[str]:
    return list(dict.fromkeys(kind.group for kind in served if kind.group))


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    found = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": found, "preferredVersion": found[0]}


def _resources(api_version: str, served: list[Kind]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for kind in (kind for kind in served if kind.api_version == api_version):
        stored = kind in KINDS
        row = {"name": kind.plural, "singularName": kind.name.lower(), "namespaced": kind.namespaced, "kind": kind.name}
        rows.append({**row, "verbs": VERBS if stored else ["create"]})
        below = [*(["status"] if stored and kind.has_status else []), *SUBRESOURCES.get(kind.plural, ())]
        rows += [{**row, "name": f"{kind.plural}/{sub}", "singularName": "", "verbs": ["get"]} for sub in below]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": rows}
