"""How well the pod of a call is proven, in one word, where nothing or not all has been worked out of it yet."""

from __future__ import annotations

NO_POD = "not a pod"  # people and pipelines
_KINDS = {"service_account": "service account only", "anonymous": "unknown", "token": "unknown"}


def grade(kind: str, told: str = "") -> str:
    """Return how well a pod is proven: as worked out, else by the kind of principal alone."""
    by_kind = _KINDS.get(kind, NO_POD)
    return by_kind if told in ("", "unknown") else told
