"""Audit records as an API server writes them, and objects with canaries in every place where values stand."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st

RECEIVED, STAGED = "2026-03-14T09:00:00.000100Z", "2026-03-14T09:00:00.002300Z"
POD = {
    "authentication.kubernetes.io/credential-id": ["JTI=1"],
    "authentication.kubernetes.io/node-name": ["worker-1"],
    "authentication.kubernetes.io/node-uid": ["uid-of-worker-1"],
    "authentication.kubernetes.io/pod-name": ["app-0"],
    "authentication.kubernetes.io/pod-uid": ["uid-of-app-0"],
}
_BASE: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "5ec4100e-dd0e-4886-b789-b301afba0035",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/secrets/db",
    "verb": "get",
    "user": {"username": "mira", "uid": "mira", "groups": ["developers", "system:authenticated"]},
    "sourceIPs": ["6.6.6.6", "10.0.0.7"],
    "userAgent": "kubectl/v1.36.2 (linux/amd64) kubernetes/8e16b12",
    "objectRef": {"resource": "secrets", "namespace": "shop", "name": "db", "apiVersion": "v1"},
    "responseStatus": {"metadata": {}, "code": 200},
    "requestReceivedTimestamp": RECEIVED,
    "stageTimestamp": STAGED,
    "annotations": {
        "authorization.k8s.io/decision": "allow",
        "authorization.k8s.io/reason": 'RBAC: allowed by RoleBinding "oncall/shop" of Role "reader" to User "mira"',
    },
}


def written(document: Any) -> bytes:
    """Return a document as Go writes it, without its newline."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    for sign in "&<>":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "surrogatepass")


def record(**changes: Any) -> bytes:
    """Return a read of shop/db by mira with some members changed; None takes one away, `objectRef` is merged."""
    made = {**_BASE, **changes}
    if isinstance(changes.get("objectRef"), dict):
        made["objectRef"] = {**_BASE["objectRef"], **changes["objectRef"]}
    return written({name: value for name, value in made.items() if value is not None})


_leaves = st.sampled_from(
    ["canary", base64.b64encode(b"canary and more").decode(), 73829165041, 7382916504.5, "x canary y"]
)
_data = st.dictionaries(st.sampled_from(["password", "canary-key", "tls.key"]), _leaves, min_size=1, max_size=3)


def _secret(data: Any) -> dict[str, Any]:
    applied = written({"apiVersion": "v1", "kind": "Secret", "data": data, "stringData": data}).decode()
    return {
        "kind": "Secret", "apiVersion": "v1", "data": data, "stringData": data,
        "metadata": {"name": "db", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}},
    }  # fmt: skip


def object_of() -> st.SearchStrategy[Any]:
    """Objects that may stand in a record of a Secret: itself, a list of them, patches of every kind, text."""
    one = _data.map(_secret)
    patches = _data.map(lambda data: [{"op": "add", "path": "/data/x", "value": each} for each in data.values()])
    merged = _data.map(lambda data: {"data": data})
    lists = st.lists(one, min_size=1, max_size=3).map(lambda some: {"kind": "SecretList", "items": some})
    return st.one_of(one, patches, merged, lists, one.map(lambda each: written(each).decode()))
