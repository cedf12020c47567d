"""Which workloads a plan restarts after a value has changed: those that keep the old one and are nobody else's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from inventory.cluster_models import SecretConsumer
from rotation.estate import Eater, Estate
from rotation.planning import Need
from rotation.touching import Touched


def without(rows: Sequence[SecretConsumer], cordoned: Collection[str]) -> tuple[list[SecretConsumer], list[str]]:
    """Return the consumers that can log in, and a sentence for each workload that can't, whose account is cordoned."""
    out = [row for row in rows if account_of(row) in cordoned]
    names = sorted({(f"{row.workload_kind} {row.namespace}/{row.workload_name}", account_of(row)) for row in out})
    said = [
        f"{name} is not restarted: {account} can't log in. Restart it once that is let in again."
        for name, account in names
    ]
    return [row for row in rows if row not in out], said


def account_of(row: SecretConsumer) -> str:
    """Return the service account of a consumer, `namespace/name`."""
    name = row.service_account or "default"
    return name if "/" in name else f"{row.namespace}/{name}"


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
