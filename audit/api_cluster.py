"""The present of the clusters, through the API: pods, workloads, and who gets one secret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api_door import Door
from accounts.scope import Scope
from audit import consuming, queries
from audit.answers import NotOneSecret
from audit.api_lists import Listing
from audit.item import moment
from inventory import cluster_questions, freshness
from inventory.cluster_models import PodState, SecretConsumer, SecretTrouble, Workload
from inventory.cluster_questions import Filter
from inventory.freshness import ClusterFreshness
from inventory.models import Cluster
from kit.parameters import Parameters
from kit.problem import Problem


class _Clustered(Listing):
    """A list of what exists in the clusters."""

    parameters: ClassVar[tuple[str, ...]] = ("cursor", "limit", "cluster", "namespace", "account", "troubled")

    def wish(self, given: Parameters, scope: Scope) -> Filter:
        """Return what is asked for; a cluster that is not there has nothing."""
        name = given.text("cluster")
        known = Cluster.objects.filter(name=name).first() if name else None
        return Filter(
            cluster_id=known.pk if known else -1 if name else 0,
            namespace=given.text("namespace"),
            service_account=given.text("account"),
            troubled=given.choice("troubled", ["false", "true"]) == "true",
        )

    def pictures(self) -> dict[int, ClusterFreshness]:
        """Return how old the picture of each cluster is, by its key."""
        return {one.cluster_id: one for one in freshness.clusters()}


class Pods(_Clustered):
    """Pods that exist, with what keeps each from its secrets; `picture` says how old that knowledge is."""

    scope, letter = "secrets:read", "o"
    parameters: ClassVar[tuple[str, ...]] = (*_Clustered.parameters, "old")

    def rows(self, given: Parameters, scope: Scope) -> QuerySet[PodState]:
        """Return those that are asked for; a limited view has those that get a secret in scope."""
        old = given.choice("old", ["false", "true"]) == "true"
        return consuming.pod_rows(replace(self.wish(given, scope), old=old), scope=scope)

    def told_of(self, rows: Iterable[PodState]) -> list[dict[str, object]]:
        """Return them as they stand now."""
        some, whole = list(rows), self.caller.scope.everything
        stuck = [one.uid for one in some if one.troubles] if whole else []
        troubles = list(cluster_questions.troubles_of_pods(stuck)) if stuck else []
        pictures = self.pictures()
        return [
            _pod(one, [each for each in troubles if one.uid in each.pods], pictures.get(one.cluster_id), whole=whole)
            for one in some
        ]


class Workloads(_Clustered):
    """Workloads that exist: how many pods each has, by which ways they get secrets, how many causes keep them."""

    scope, letter = "secrets:read", "w"

    def rows(self, given: Parameters, scope: Scope) -> QuerySet[Workload]:
        """Return those that are asked for; a limited view has those that get a secret in scope."""
        return consuming.workload_rows(self.wish(given, scope), scope=scope)

    def told_of(self, rows: Iterable[Workload]) -> list[dict[str, object]]:
        """Return them as they stand now."""
        whole, pictures = self.caller.scope.everything, self.pictures()
        return [_workload(one, pictures.get(one.cluster_id), whole=whole) for one in rows]


class Consumers(Door):
    """Who gets one secret, by what the clusters show: each container, by which way, and what a new value needs."""

    scope, limits = "secrets:read", True

    def get(self, request: Request, secret_id: int) -> HttpResponse:
        """Give at most 500 of them, by namespace and pod."""
        self.asked(request)
        try:
            secret = queries.secret(secret_id, scope=self.caller.scope)
        except NotOneSecret:
            raise Problem("not-found", f"There is no secret {secret_id}. /api/v1/secrets lists them.") from None
        found = consuming.consumers_of(secret_id, scope=self.caller.scope)
        return self.document(
            {
                "secret": {"id": secret.id, "name": secret.name, "vault": secret.vault},
                "pictures": [_picture(one) for one in consuming.pictures(found, scope=self.caller.scope)],
                "consumers": [_consumer(one) for one in found],
            }
        )


def _picture(one: ClusterFreshness | None) -> dict[str, object] | None:
    """Return how old a picture is; None where its cluster is not connected any more."""
    if one is None:
        return None
    return {"cluster": one.name, "state": one.whole.state, "at": _moment(one.whole.at), "why": one.whole.why or None}


def _pod(
    one: PodState, troubles: list[SecretTrouble], picture: ClusterFreshness | None, *, whole: bool
) -> dict[str, object]:
    return {
        "id": one.pk,
        "uid": one.uid,
        "cluster": one.cluster.name,
        "namespace": one.namespace,
        "name": one.name,
        "state": one.state,
        "reason": one.reason or None,
        "node": one.node or None,
        "service_account": one.service_account,
        "made": _moment(one.made_at),
        "workload": _workload_of(one),
        "methods": list(one.methods) if whole else [],
        "troubles": [_trouble(each) for each in troubles],
        "picture": _picture(picture),
    }


def _workload_of(one: PodState | SecretConsumer) -> dict[str, object]:
    return {"kind": one.workload_kind, "name": one.workload_name, "uid": one.workload_uid}


def _trouble(one: SecretTrouble) -> dict[str, object]:
    return {
        "symptom": one.symptom,
        "cause": one.cause,
        "says": one.says,
        "mend": one.mend,
        "sure": one.sure,
        "also": list(one.also),
        "evidence": one.evidence,
    }


def _workload(one: Workload, picture: ClusterFreshness | None, *, whole: bool) -> dict[str, object]:
    return {
        "id": one.pk,
        "uid": one.uid,
        "cluster": one.cluster.name,
        "namespace": one.namespace,
        "kind": one.kind,
        "name": one.name,
        "wanted": one.wanted,
        "pods": one.pods,
        "ready": one.ready,
        "service_account": one.service_account or None,
        "methods": list(one.methods) if whole else [],
        "troubles": one.troubles if whole else None,
        "picture": _picture(picture),
    }


def _consumer(one: SecretConsumer) -> dict[str, Any]:
    return {
        "cluster": one.cluster.name,
        "namespace": one.namespace,
        "pod": one.pod_name,
        "pod_uid": one.pod_uid,
        "container": one.container or None,
        "workload": _workload_of(one),
        "method": one.method,
        "path": one.path or None,
        "role": one.role or None,
        "auth_mount": one.auth_mount or None,
        "k8s_secret": one.k8s_secret or None,
        "uses": list(one.uses),
        "lease_id": one.lease_id or None,
        "last_sync": _moment(one.last_sync),
        "needs_restart": one.needs_restart,
        "restarted_by": one.restarted_by or None,
        "why": one.why or None,
        "ended": one.ended,
    }


def _moment(at: datetime | None) -> str | None:
    return moment(at.astimezone(UTC)) if at else None
