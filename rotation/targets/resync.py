"""Has an operator copy a secret anew, restarts who keeps the old copy, and revokes the lease that it leaves alive."""

from __future__ import annotations

from typing import Literal

import msgspec

from inventory.cluster_models import SecretConsumer
from rotation import revoking
from rotation.estate import Estate
from rotation.planning import Drawn, Need, Refused, StepSpec, Wish
from rotation.restarting import restarts
from rotation.syncing import syncs
from vault.enrolment import Want

TITLE = "Copy a secret anew"
FAMILY = "rotate"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's resource by cluster, kind, namespace and name; `vault` is whose lease it holds."""

    cluster: str
    kind: Literal["ExternalSecret", "VaultStaticSecret", "VaultDynamicSecret"]
    namespace: str
    name: str
    vault: str = ""
    restart: bool = True


def risk(args: Args) -> str:
    """New credentials end the old ones."""
    return "high" if args.kind == "VaultDynamicSecret" else "routine"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the steps: sync, restart, and for a dynamic secret revoke the lease of before."""
    rows = _consumers(args)
    steps, needs, doubts = syncs(rows)
    if not steps:
        raise Refused(doubts[0] if doubts else "There is nothing to copy anew.", "Change its resource first.")
    touched, restarting = restarts(estate, estate.eaters(rows), restart=args.restart)
    touched.doubts += doubts
    steps, needs = [*steps, *touched.staged()], [*needs, *restarting]
    leases = sorted({row.lease_id for row in rows if row.lease_id})
    vault, ended = _revocation(args, wish, estate, leases, rows)
    touched.leases += leases
    subject = f"{args.namespace}/{args.name}"
    steps = [*steps, *ended[0]]
    if ended[0]:
        steps.append(revoking.proving(steps, rows[0].vault_namespace.strip("/")))
    return Drawn("Copy anew", subject, steps, vault, args.cluster, touched.blast(), [*needs, *ended[1]])


def _consumers(args: Args) -> list[SecretConsumer]:
    found = SecretConsumer.objects.select_related("cluster").filter(
        cluster__name=args.cluster, made_by_kind=args.kind, made_by_namespace=args.namespace, made_by_name=args.name,
        ended=False,
    )  # fmt: skip
    rows = list(found.order_by("namespace", "pod_name", "container", "id"))
    if not rows:
        raise Refused(
            f"No live pod of {args.cluster} gets anything from {args.kind} {args.namespace}/{args.name}.",
            "Check kind, namespace and name.", code="not_there",
        )  # fmt: skip
    return rows


def _revocation(
    args: Args, wish: Wish, estate: Estate, leases: list[str], rows: list[SecretConsumer]
) -> tuple[str, tuple[list[StepSpec], list[Need]]]:
    """Return the vault, and the step that revokes what the operator leaves alive, with its right."""
    if not leases:
        return "", ([], [])
    namespace = rows[0].vault_namespace.strip("/")
    connection = estate.connection(args.vault or wish.vault, namespace)
    need = estate.need(connection, Want("lease", "revoke", leases[0].rsplit("/", 1)[0]))
    given = {"leases": leases, "role": need.role, "namespace": namespace, "proven_later": True}
    return connection.vault, ([StepSpec(revoking.STEP, given)], [need])
