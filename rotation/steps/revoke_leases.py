"""Revokes leases one by one: looks each up, revokes those that live, and looks again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from rotation.failures import WIRES, of_call
from rotation.outcomes import Checked, Done, NotDone, Outcome, ProofLine, Refused, Sentence, Unknown, Waiting
from rotation.world import World

BATCH = 50  # leases that one token is good for: look, revoke, look


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The leases, frozen when the plan was made."""

    leases: tuple[str, ...]
    role: str
    namespace: str = ""


def describe(args: Args) -> Sentence:
    """Say how many."""
    many = len(args.leases)
    what = f"{many:,} leases" if many > 1 else f"lease {args.leases[0]}"
    return Sentence(f"Revoke {what}", f"{many:,} live when this was planned", "0 found", "cannot be undone")


def check(args: Args, world: World) -> Checked:
    """Look how many of them live; one that has ended meanwhile is no trouble."""
    live = sum(1 for _ in _live(args, world, args.leases))
    return Checked({}, (), (f"{live:,} of {len(args.leases):,} live now.",))


def intend(args: Args, world: World) -> dict[str, Any]:
    """The leases of the plan are the whole intent."""
    return {"leases": len(args.leases)}


def done(args: Args, world: World) -> Outcome:
    """Look up all of them."""
    live = list(_live(args, world, args.leases))
    return NotDone(f"{len(live):,} of {len(args.leases):,} leases still live.") if live else _gone(args)


def run(args: Args, world: World) -> Outcome:
    """Revoke those that live; a refusal of one does not keep the others alive."""
    trouble: Outcome | None = None
    kept, many = 0, len(args.leases)
    for at in range(0, many, BATCH):
        if at and (why := world.halted()):
            says = f"{at - kept:,} of {many:,} leases are revoked; the next is not begun. {why}"
            return Waiting(says, seconds=1.0, done=at - kept, of=many)
        part = args.leases[at : at + BATCH]
        with world.doors.vault(world.vault, args.namespace, args.role, 3 * len(part)) as operator:
            for lease in part:
                found = _revoke(operator, lease)
                kept += found is not None
                trouble = found or trouble
        world.progress(min(at + BATCH, many) - kept, many)
    if trouble is None:
        return _gone(args)
    says = f"{kept:,} of {many:,} leases were not revoked. {trouble.says}"
    return Unknown(says) if isinstance(trouble, Unknown) else type(trouble)(says)


def _revoke(operator: Any, lease: str) -> Outcome | None:
    """Revoke one lease; None once a lookup says that it is gone."""
    try:
        if operator.lease(lease) is None:
            return None
        operator.revoke_lease(lease)
        return None if operator.lease(lease) is None else NotDone(f"{lease} still lives after Vault said yes.")
    except WIRES as error:  # of one lease: the others are still to be revoked
        found = of_call(error)
        if found is None:
            raise
        return NotDone(found.says) if isinstance(found, Refused) and "lease" in found.says else found


def _live(args: Args, world: World, leases: Sequence[str]) -> Iterator[str]:
    for at in range(0, len(leases), BATCH):
        part = leases[at : at + BATCH]
        with world.doors.vault(world.vault, args.namespace, args.role, len(part)) as operator:
            yield from (lease for lease in part if operator.lease(lease) is not None)


def _gone(args: Args) -> Done:
    many = len(args.leases)
    says = f"All {many:,} are gone: Vault's lookup says so." if many > 1 else "Vault's lookup says that it is gone."
    lines = tuple(ProofLine("lease", lease, "short", "gone in Vault, not confirmed at the database", holds="gone")
                  for lease in args.leases)  # fmt: skip
    return Done(says, {"gone": many}, lines)
