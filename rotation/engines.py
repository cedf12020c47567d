"""Rotations that Vault makes by itself: it draws the value, and the audit log alone tells whose call it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from inventory.sightings import OurCall
from rotation.kv import SOURCES
from rotation.outcomes import Done, NotDone, Outcome, Unknown
from rotation.world import World

ARRIVES = timedelta(seconds=25)  # a call of an attempt can't reach Vault later: its token has ended by then


def by_the_log(world: World, path: str, says: str, receipt: dict[str, Any]) -> Outcome:
    """Tell by our own line in the audit log whether the call of this step was carried out.

    A rotation can't be guarded by a precondition, so it is never repeated before the record covers the whole time in
    which the call could have arrived and shows none of ours.
    """
    found = [one for one in world.witness.calls(world.change) if _is(one, world, path)]
    for one in found:
        if one.outcome == "ok":
            return Done(says, {**receipt, "event": one.event})
    if any(one.outcome in ("error", "no_response") for one in found):
        return Unknown("Vault's log shows our call without a clear answer: it may have been done.", seconds=2.0)
    if world.witness.reach(world.vault, world.began).covers(world.tried + ARRIVES):
        return NotDone("The audit log shows no such call of ours.")
    return Unknown(f"The audit log is not read so far yet that it could tell. {SOURCES}")


def _is(call: OurCall, world: World, path: str) -> bool:
    made = call.kind == "call" and call.minted is not None  # whoever may make tokens can claim a change
    return made and call.step == str(world.step) and call.path == path and call.writes


def text(moment: datetime | None) -> str:
    """Return a time as an intent keeps it."""
    return moment.isoformat() if moment else ""
