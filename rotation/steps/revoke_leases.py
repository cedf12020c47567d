"""Revokes leases one by one: looks each up, revokes those that live, and looks again."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation import revoking
from rotation.logins import Away, unwatched
from rotation.outcomes import Checked, Done, NotDone, Outcome, Sentence, Unknown, Waiting
from rotation.revoking import Late
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The leases, frozen when the plan was made; `proven_later`: a step after it goes on with what Vault can't end."""

    leases: tuple[str, ...]
    role: str
    namespace: str = ""
    proven_later: bool = False


def describe(args: Args) -> Sentence:
    """Say how many."""
    many = len(args.leases)
    what = f"{many:,} leases" if many > 1 else f"lease {args.leases[0]}"
    return Sentence(f"Revoke {what}", f"{many:,} live when this was planned", "0 found", "cannot be undone")


def check(args: Args, world: World) -> Checked:
    """Look how many of them live; one that has ended meanwhile is no trouble."""
    return Checked({}, (), (f"{len(_live(args, world)):,} of {len(args.leases):,} leases live now.",))


def intend(args: Args, world: World) -> dict[str, Any]:
    """Take down the leases of the plan and, where a witness watches the database, which logins may be theirs.

    A database that gives no answer holds no revocation up: verify_revoked asks again.
    """
    known: dict[str, Any] = {"leases": len(args.leases)}
    try:
        logins = world.doors.logins(world.vault, args.namespace, args.leases[0])
    except Away as why:
        return {**known, "database": str(why)}
    if logins is None:
        return known
    return {**known, "logins": revoking.marks(world, args.namespace, args.role, _live(args, world), logins)}


def done(args: Args, world: World) -> Outcome:
    """Look up all of them."""
    live = _live(args, world)
    return NotDone(f"{len(live):,} of {len(args.leases):,} leases still live.") if live else _ended(args, 0)


def run(args: Args, world: World) -> Outcome:
    """Revoke those that live; a refusal of one does not keep the others alive."""
    trouble: Outcome | None = None
    alive: list[str] = []
    late = seen = 0
    many = len(args.leases)
    for part in revoking.batches(args.leases):
        if seen and (why := world.halted()):
            kept = len(alive)
            says = f"{seen - kept:,} of {many:,} leases are revoked; the next is not begun. {why}"
            return Waiting(says, seconds=1.0, done=seen - kept, of=many)
        with world.doors.vault(world.vault, args.namespace, args.role, 3 * len(part)) as operator:
            for lease in part:
                found = revoking.revoke(operator, lease)
                late += isinstance(found, Late)
                alive += [lease] if found is not None else []
                trouble = found if isinstance(found, Outcome) and not isinstance(trouble, Unknown) else trouble
        seen, kept = seen + len(part), len(alive)
        world.progress(seen - kept, many)
    if trouble is None or (args.proven_later and kept == late):
        return _ended(args, late)
    says = f"{kept:,} of {many:,} leases were not revoked. {trouble.says}"
    if isinstance(trouble, Unknown):
        return Unknown(says)
    return NotDone(says) if late else type(trouble)(says, {revoking.ALIVE: alive})


def _live(args: Args, world: World) -> Any:
    return revoking.listed(world, args.namespace, args.role, args.leases)


def _ended(args: Args, late: int) -> Done:
    many = len(args.leases)
    receipt = {"revoked": many - late, "asked": many}
    if late:
        return Done(f"Revocation was asked for {many:,}; Vault could not end {late:,} of them yet.", receipt)
    lines = () if args.proven_later else tuple(map(unwatched, args.leases))
    says = f"All {many:,} are gone: Vault's lookup says so." if many > 1 else "Vault's lookup says that it is gone."
    return Done(says, receipt, lines)
