"""Which clusters this process may ask, and where the kubeconfig of each lies: `KEYBOOK_KUBECONFIG`, read once."""

from __future__ import annotations

from cluster.place import InCluster, Kubeconfig, Place

IN_CLUSTER = "in-cluster"


class UnusableSetting(Exception):
    """The setting does not say where a cluster is; the message says what to write."""


def places(setting: str) -> dict[str, Place]:
    """Return {cluster's name: place} of `name=path@context` with commas between.

    Without `@context` the kubeconfig's current one is taken; the path `in-cluster` is the cluster that we run in.
    Raises `UnusableSetting`.
    """
    found: dict[str, Place] = {}
    for one in filter(None, map(str.strip, setting.split(","))):
        name, _, rest = one.partition("=")
        path, _, context = rest.partition("@")
        if not name.strip() or not path.strip():
            raise UnusableSetting(
                f"KEYBOOK_KUBECONFIG holds {one!r}: write name=path@context, with commas between clusters."
            )
        inside = path.strip() == IN_CLUSTER
        found[name.strip()] = InCluster() if inside else Kubeconfig(path.strip(), context.strip())
    return found


def place_of(name: str, setting: str) -> Place:
    """Return where a cluster is; raises `UnusableSetting` when the setting does not say it."""
    known = places(setting)
    if name not in known:
        raise UnusableSetting(
            f"KEYBOOK_KUBECONFIG names no kubeconfig for the cluster {name}: add {name}=PATH@CONTEXT."
        )
    return known[name]
