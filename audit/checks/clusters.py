"""Each connected cluster: how old its picture is, what was never seen, and every right, where we have a kubeconfig."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cluster import access
from inventory import freshness
from inventory.cluster_models import ClusterLink
from inventory.freshness import ABSENT, CURRENT, NEVER, ClusterFreshness
from kit.check import Check

# Opens a cluster: a server to ask, or None where we have no kubeconfig. Raises `CannotAsk`.
Ask = Callable[[ClusterLink], access.Server | None]
_TURN = "Start the worker `cluster` (celery -Q cluster) with KEYBOOK_KUBECONFIG, and beat."


class CannotAsk(Exception):
    """A cluster can't be asked; the message says why and what to do."""


def clusters(ask: Ask | None = None) -> Iterator[Check]:
    """One look at every cluster; without `ask`, or a kubeconfig, what the last look said."""
    known = {one.cluster_id: one for one in freshness.clusters()}
    for link in ClusterLink.objects.select_related("cluster").order_by("cluster__name"):
        for check in (*_picture(known[link.cluster_id]), *_rights(link, ask)):
            yield replace(check, name=f"cluster {link.cluster.name}: {check.name}")


def _picture(found: ClusterFreshness) -> Iterator[Check]:
    whole = found.whole
    mend = _TURN if "worker" in whole.why or whole.state == NEVER else "See its rights and its API server below."
    yield Check("picture", whole.state == CURRENT, whole.says, "" if whole.state == CURRENT else mend)
    absent = [one.name for one in found.resources if one.state == ABSENT and "not installed" in one.why]
    if absent:
        yield Check("not installed", True, f"{', '.join(absent)}: what they would show is not looked for")


def _rights(link: ClusterLink, ask: Ask | None) -> Iterator[Check]:
    try:
        server = ask(link) if ask is not None else None
    except CannotAsk as error:
        yield Check("kubeconfig", False, str(error), "Correct the file, or KEYBOOK_KUBECONFIG.")
        return
    if server is not None:
        yield from access.look(server, secrets=link.secrets).checks
        return
    ago = f"at the last look, {link.looked_at:%Y-%m-%d %H:%M} UTC" if link.looked_at else "no look was ever taken"
    wrong = [line for line in link.lines.all() if not line.ok]
    for line in wrong:
        yield Check(line.name, False, f"{ago}: {line.detail}", line.mend)
    if not wrong and link.looked_at:
        yield Check("rights", True, f"{ago}, every right was there; no kubeconfig here to look again")
