"""What a plan does things to, by its steps and as approval policies name it: `lease:database/creds/app/x`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rotation.ballot import Risk


def leases_of(document: Mapping[str, Any]) -> list[str]:
    """Return the leases that a plan revokes, in its order."""
    some = (one["args"] for one in document["steps"] if one["step"] == "revoke_leases")
    return [lease for args in some for lease in args.get("leases", ())]


def touched(document: Mapping[str, Any]) -> Iterator[tuple[str, Risk]]:
    """Yield each thing that a plan cuts off or restarts, with the class of the target that does so by itself.

    A plan may be named after a pod, a principal or the first of many: what a policy says of one of them holds too.
    """
    for one in document["steps"]:
        yield from _of(one["step"], one["args"])


def _of(kind: str, args: Mapping[str, Any]) -> Iterator[tuple[str, Risk]]:
    if kind == "revoke_leases":
        roles = dict.fromkeys(lease.rpartition("/")[0] for lease in args.get("leases", ()))
        yield from ((f"lease:{one}", Risk.HIGH) for one in [*roles, *args.get("leases", ())])
    elif kind == "restart_batch":
        yield from (each for one in args.get("workloads", ()) for each in _of("restart_rollout", one))
    elif kind == "restart_rollout":
        yield f"restart:{args.get('namespace', '')}/{args.get('name', '')}", Risk.ROUTINE
    elif kind == "force_sync":
        yield f"resync:{args.get('namespace', '')}/{args.get('name', '')}", Risk.ROUTINE
    elif kind == "revoke_token":
        yield f"token:{args.get('accessor', '')}", Risk.HIGH
    elif kind == "disable_entity":
        yield f"entity:{args.get('name', '')}", Risk.HIGH
