"""Proves that revoked leases are gone: by Vault's lookup, and where a witness watches, by the logins of the database.

What Vault could not end, because its database was away, is revoked again until it is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from rotation import revoking
from rotation.logins import Away, Fit, Issued, Logins, Said, said, unasked, unwatched
from rotation.outcomes import Checked, Done, NotDone, Outcome, ProofLine, Refused, Sentence, Waiting
from rotation.revoking import Late
from rotation.steps import revoke_leases
from rotation.world import World

SOON, SELDOM = 2.0, 60.0  # seconds between two looks, at the beginning and after ten minutes


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The steps of this plan whose revocations are proven, by their numbers."""

    revoked_by: tuple[int, ...]
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The leases of one step, which logins may be theirs, and which of them Vault still lists."""

    leases: Sequence[str]
    role: str
    fits: dict[str, tuple[Fit, ...]]
    live: dict[str, Issued]


def describe(args: Args) -> Sentence:
    """Say what is proven, and by what."""
    return Sentence(
        "Prove that the leases are gone", "asked for",
        "0 found by the lookup, and no login left where a witness watches the database",
        "revokes again what Vault could not end",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """Nothing has to be so beforehand."""
    return Checked()


def intend(args: Args, world: World) -> dict[str, Any]:
    """Take down which logins may belong to leases that Vault could not end yet."""
    return {"steps": list(args.revoked_by), **_told(args, world, list(_parts(args, world)))}


def done(args: Args, world: World) -> Outcome:
    """Look up every lease, and then its login; what Vault still lists is to be revoked again."""
    parts = list(_parts(args, world))
    live = sum(len(one.live) for one in parts)
    if live:
        says = f"Vault still lists {live:,} of {_many(parts):,} leases."
        return NotDone(says, _told(args, world, parts), tuple(_lines(args, world, parts)[0]))
    return _judged(args, world, parts)


def run(args: Args, world: World) -> Outcome:
    """Revoke again what Vault still lists, and look."""
    why: Outcome | None = None
    for part in _parts(args, world):
        for some in revoking.batches(list(part.live)):
            with world.doors.vault(world.vault, args.namespace, part.role, 3 * len(some)) as operator:
                for lease in some:
                    why = revoking.revoke(operator, lease) or why
    return _judged(args, world, list(_parts(args, world)), why)


def _parts(args: Args, world: World) -> Iterator[Part]:
    kept = world.kept()
    own = kept.get(world.step, [])[1:]
    for number in args.revoked_by:
        planned, *tried = kept[number]
        given = msgspec.convert(planned, revoke_leases.Args)
        live = revoking.listed(world, args.namespace, given.role, given.leases)
        yield Part(given.leases, given.role, revoking.marked([*tried, *own]), live)


def _told(args: Args, world: World, parts: Sequence[Part]) -> dict[str, Any]:
    """Return which logins may belong to what still lives, as far as the databases can be asked now."""
    found: dict[str, Any] = {}
    for part in parts:
        unknown = {lease: one for lease, one in part.live.items() if lease not in part.fits}
        logins = _logins(args, world, part) if unknown else None
        if isinstance(logins, Logins):
            found |= revoking.marks(world, args.namespace, part.role, unknown, logins)
    kept = {lease: [[fit.mark, fit.number] for fit in fits] for part in parts for lease, fits in part.fits.items()}
    return {"logins": {**kept, **found}} if found else {}


def _logins(args: Args, world: World, part: Part) -> Logins | Away | None:
    try:
        return world.doors.logins(world.vault, args.namespace, part.leases[0])
    except Away as why:
        return why


def _judged(args: Args, world: World, parts: Sequence[Part], why: Outcome | None = None) -> Outcome:
    lines, again, alive = _lines(args, world, parts)
    gone = _many(parts) - sum(len(one.live) for one in parts)
    if not again:
        return Done(f"{gone:,} of {_many(parts):,} leases are gone.", {"gone": gone}, tuple(lines))
    says = f"{gone:,} of {_many(parts):,} leases are gone in Vault."
    if isinstance(why, Refused):
        alive_ids = [lease for part in parts for lease in part.live]
        return Refused(f"{says} {why.says}", {revoking.ALIVE: alive_ids}, tuple(lines))
    if why is not None:
        says = f"{says} {why.says} It is asked again." if isinstance(why, Late) else f"{says} {why.says}"
    if alive:
        says = (
            f"Vault says revoked, the database still has roles that can log in: {', '.join(alive[:5])}. "
            "Drop them there, or take their LOGIN away; it is looked at again."
        )
        world.alarm(says)
    sure = sum(1 for line in lines if line.state == "proven")
    waited = (world.now() - world.began) / timedelta(minutes=10)
    return Waiting(says, {}, tuple(lines), min(SELDOM, max(SOON, SELDOM * waited)), sure, len(lines))


def _lines(args: Args, world: World, parts: Sequence[Part]) -> tuple[list[ProofLine], bool, list[str]]:
    """Return a line for each lease, whether one must be looked at again, and the logins that should be gone."""
    told = [one for part in parts for one in _of_part(args, world, part)]
    return [one.line for one in told], any(one.again for one in told), [one.alive for one in told if one.alive]


def _of_part(args: Args, world: World, part: Part) -> Iterator[Said]:
    now = _logins(args, world, part) if len(part.live) < len(part.leases) else None
    alike = Counter(part.fits.get(lease) for lease in part.leases)
    for lease in part.leases:
        fits = part.fits.get(lease, ())
        if lease in part.live:
            line = ProofLine("lease", lease, "waiting", "asked for; Vault still lists it", holds="live")
            yield Said(line, again=True)
        elif now is None:
            yield Said(unwatched(lease))
        elif isinstance(now, Away):
            yield Said(unasked(lease, str(now)), again=True)
        else:
            yield said(lease, fits, alike[fits or None], now)


def _many(parts: Sequence[Part]) -> int:
    return sum(len(one.leases) for one in parts)
