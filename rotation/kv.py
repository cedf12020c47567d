"""A KV v2 secret as steps name it, and the question that only the audit log answers: who wrote this version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rotation.outcomes import Drifted
from rotation.world import World

SOURCES = "If that lasts, see on the page Sources how far the log is read."
SETTLED = timedelta(seconds=10)  # the record may show a call so much later than the clocks say


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret stands: the mount without slash at its end, the path below it, the vault's namespace or empty."""

    mount: str
    path: str
    namespace: str = ""

    @property
    def name(self) -> str:
        """The secret as people write it."""
        return "/".join(part for part in (self.namespace.strip("/"), self.mount, self.path) if part)


@dataclass(frozen=True, slots=True)
class Whose:
    """Who wrote a version, as the audit log says it."""

    ours: bool
    by: str


def ours(place: Place, world: World, version: int, created: datetime | None) -> Whose | None:
    """Return who wrote a version that Vault says was made at `created`; None while the record can't tell yet."""
    since = world.began - SETTLED
    for one in world.witness.written(world.vault, place.namespace, place.mount, place.path, since):
        if one.did == "write" and one.version == version:
            mine = one.change == world.change and one.call is not None and one.call.step == str(world.step)
            return Whose(mine, one.change or one.principal)
    known = world.witness.reach(world.vault, since)
    if known.covers((created or world.now()) + SETTLED):
        return Whose(False, "somebody whom the audit log does not show")
    return None


def replaced(place: Place, world: World) -> Mapping[str, Any]:
    """Return what the step of this change that made a version of this very secret left, empty if there is none."""
    at = msgspec.to_builtins(place)
    made = [one.receipt for one in world.earlier if one.args.get("place") == at and one.receipt.get("version")]
    return made[-1] if made else {}


def drifted(place: Place, version: int, by: str) -> Drifted:
    """Return the sentence about a version that somebody else wrote."""
    return Drifted(
        f"Version {version} of {place.name} was written by {by}, not by this change. Nothing of it was overwritten. "
        "Look at it; ask for a new change if the value should still be replaced."
    )
