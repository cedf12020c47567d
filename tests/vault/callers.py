"""What the callers of the recorded logs say that they did, by the principal that each must show as."""

from __future__ import annotations

from collections import Counter, defaultdict


def principal_of(truth, identity):
    """The (kind, name) that a caller must show as."""
    known = truth["identities"][identity]
    kind = known["kind"]
    if kind == "pod":
        return "service_account", f"{known['k8s_namespace']}/{known['service_account']}"
    if kind == "stolen-token":
        return principal_of(truth, known["stolen_from"])
    if kind == "ci":
        branch = "refs/pull/7/merge" if identity == "ci/run-3" else "refs/heads/main"
        return "ci", f"repo:{known['repository']}:ref:{branch}"
    if kind == "approle":
        return "approle", known["role_name"]
    if kind == "token":
        return "token", "token-handmade"
    return ("human", known["username"]) if kind == "person" and "username" in known else ("root", "root")


def happened(truth, part):
    """{principal: {name: count}} of a part of the truth."""
    wanted = defaultdict(Counter)
    for identity, counts in truth[part].items():
        wanted[principal_of(truth, identity)].update(counts)
    return wanted
