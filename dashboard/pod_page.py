"""What the pages of one pod and of one workload show: what they get and how, what they read, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from accounts.scope import Scope
from audit import consuming, lease_questions, pod_holdings
from audit.consuming import PodRead
from audit.lease_questions import Wish
from audit.refused import Refused, refused_logins
from cluster.kinds.meta import moment
from dashboard import cluster_words
from dashboard.cluster_words import Advice, Delivery, Picture
from dashboard.lease_words import Said
from dashboard.leases_page import Item, item
from inventory import freshness
from inventory.cluster_models import PodState
from inventory.cluster_questions import ContainerView, PodView, WorkloadView
from inventory.models import PodLife

LEASES = 100


@dataclass(frozen=True, slots=True)
class ContainerLine:
    """One container with its words."""

    row: ContainerView
    state: Said
    since: datetime | None


@dataclass
class PodPage:
    """One pod now, or as it was last seen."""

    cluster: str
    view: PodView
    now: datetime
    scope: Scope

    tells_versions = True

    @property
    def name(self) -> str:
        """Return its name."""
        return self._known.name

    @property
    def namespace(self) -> str:
        """Return its namespace."""
        return self._known.namespace

    @property
    def account(self) -> str:
        """Return its service account, `namespace/name`."""
        return f"{self._known.namespace}/{self._known.service_account}"

    @property
    def node(self) -> str:
        """Return its node, empty where it has none."""
        return self._known.node

    @property
    def _known(self) -> PodState | PodLife:
        known = self.view.state or self.view.life
        if known is None:
            raise LookupError(f"Of the pod {self.view.uid} nothing is kept.")
        return known

    @property
    def began(self) -> datetime | None:
        """Return when it was made."""
        return self.view.state.made_at if self.view.state else self.view.life.started if self.view.life else None

    @property
    def ended(self) -> datetime | None:
        """Return when it ended; None while it exists."""
        return None if self.view.state or not self.view.life else self.view.life.ended

    @property
    def state(self) -> Said:
        """Return its state; one that is gone is told so."""
        return cluster_words.state(self.view.state) if self.view.state else Said("dashed", "gone", "quiet")

    @cached_property
    def picture(self) -> Picture | None:
        """Return how old the picture of its cluster is; None where the cluster is not connected any more."""
        return _picture(self.view.cluster_id, self.now)

    @cached_property
    def advice(self) -> list[Advice]:
        """Return what keeps it from its secrets."""
        some = [cluster_words.advice(one, self.began, self.now) for one in self.view.troubles]
        return [cluster_words.by_the_log(one, self.refused, self.account) for one in some]

    @cached_property
    def refused(self) -> list[Refused]:
        """Return the log-ins from its addresses that a vault refused, where something keeps it from its secrets."""
        return refused_logins(self.view) if self.scope.everything and self.view.troubles else []

    @cached_property
    def containers(self) -> list[ContainerLine]:
        """Return its containers, in the order in which they start."""
        return [
            ContainerLine(one, cluster_words.CONTAINERS[one.state], moment(one.since) if one.since else None)
            for one in self.view.containers
        ]

    @cached_property
    def deliveries(self) -> list[Delivery]:
        """Return what its containers get, and which version of it each holds."""
        held = pod_holdings.holdings(self.view, self.reads, scope=self.scope)
        return [cluster_words.delivery(one, held.get((one.container, one.path))) for one in self.view.consumers]

    @cached_property
    def reads(self) -> list[PodRead]:
        """Return what its calls did, the latest first."""
        return consuming.reads_of(self.cluster, self.view.uid, self.account, scope=self.scope)

    @property
    def old(self) -> int:
        """Return of how many secrets it holds an older version, or read one last."""
        read = {one.secret_id for one in self.reads if one.old and not one.delivered_by}
        return len(read | {one.held.secret_id for one in self.deliveries if one.held and one.held.old})

    @cached_property
    def leases(self) -> list[Item]:
        """Return the leases that it took, newest first."""
        rows = lease_questions.leases(Wish(pod_uid=self.view.uid), scope=self.scope, now=self.now)
        return [item(one, self.now) for one in lease_questions.shown(rows.order_by("-pk")[:LEASES], self.now)]

    @property
    def limited(self) -> bool:
        """Whether a part of it may lie outside of the reader's view."""
        return not self.scope.everything


@dataclass
class WorkloadPage:
    """One workload now."""

    view: WorkloadView
    now: datetime
    scope: Scope

    tells_versions = False  # each pod's page does

    @cached_property
    def picture(self) -> Picture | None:
        """Return how old the picture of its cluster is."""
        return _picture(self.view.row.cluster_id, self.now)

    @cached_property
    def advice(self) -> list[Advice]:
        """Return what keeps its pods from their secrets."""
        return [cluster_words.advice(one, None, self.now) for one in self.view.troubles]

    @property
    def pods(self) -> Sequence[tuple[object, Said]]:
        """Return its first pods with their states."""
        return [(one, cluster_words.state(one)) for one in self.view.pods.rows]

    @cached_property
    def deliveries(self) -> list[Delivery]:
        """Return what its containers get, each way once whatever the number of pods."""
        seen: dict[tuple[object, ...], Delivery] = {}
        for one in self.view.consumers:
            key = (one.container, one.method, one.path, one.k8s_secret, tuple(one.uses))
            seen.setdefault(key, cluster_words.delivery(one))
        return list(seen.values())


def _picture(cluster_id: int, now: datetime) -> Picture | None:
    found = (one for one in freshness.clusters(now) if one.cluster_id == cluster_id)
    return next((cluster_words.picture(one, now) for one in found), None)
