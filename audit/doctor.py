"""Looks at every connection, permission and lag, and says how to mend what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from audit.checks import api_tokens, clusters, database, deployment, findings, ingestion, trail, vaults
from kit.check import Check

__all__ = ["Check", "examine"]


def examine(ask: vaults.Ask | None = None, ask_cluster: clusters.Ask | None = None) -> list[Check]:
    """Run every check; when PostgreSQL does not answer or has no tables, those that need them are not tried.

    `ask` opens connected vaults; without it they are left out, as on pages, which hold no token. `ask_cluster` opens
    clusters; without it, and where it has no kubeconfig, what the last look at their rights said is told.
    """
    checks = [database.postgres()]
    if not checks[0].ok:
        return [*checks, *ingestion.broker(), *deployment.deployment()]
    checks += database.tables()
    if not checks[-1].ok:
        return checks
    looks: list[Callable[[], Iterator[Check]]] = [
        database.durability,
        database.days,
        database.room,
        ingestion.broker,
        ingestion.workers,
        ingestion.sources,
        ingestion.receiver,
        api_tokens.api_tokens,
        findings.findings,
        partial(clusters.clusters, ask_cluster),
        trail.anchored,
        deployment.deployment,
    ]
    if ask is not None:
        looks.insert(-2, partial(vaults.vaults, ask))
    for look in looks:
        checks += look()
    return checks
