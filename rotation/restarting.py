"""Which workloads a plan restarts after a value has changed: those that keep the old one and are nobody else's."""

from __future__ import annotations

from collections.abc import Iterable

from rotation.estate import Eater, Estate
from rotation.planning import Need
from rotation.touching import Touched


def restarts(estate: Estate, eaters: Iterable[Eater], *, restart: bool) -> tuple[Touched, list[Need]]:
    """Return what is touched, with the steps that restart what is ours to restart, and the rights for them."""
    touched, needs = Touched(), []
    for one in eaters:
        touched.reach(one.kind, one.namespace, one.name, one.pods)
        name = f"{one.kind} {one.namespace}/{one.name}"
        if not restart or one.needs_restart == "never":
            continue
        if one.restarted_by:
            touched.doubts.append(f"{name} is restarted by {one.restarted_by}, not by this change.")
            continue
        found = estate.restart(one.cluster, one.kind, one.namespace, one.name, one.k8s_secret)
        touched.restart(one.cluster, found.blast, found.fingerprint)
        needs.append(Need("cluster", "", f"{one.cluster}/{one.namespace}/{one.kind}/{one.name}", "patch"))
    return touched, needs
