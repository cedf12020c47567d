"""A KV v2 secret as steps name it, and the question that only the audit log answers: who wrote this version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rotation.outcomes import Done, Drifted, Outcome, Refused, Unknown
from rotation.world import World
from vault.errors import NotPermitted

SOURCES = "If that lasts, see on the page Sources how far the log is read."
NAMED = 8  # keys of a secret that a sentence names
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
            claims = one.change == world.change and one.call is not None and one.call.step == str(world.step)
            if claims and one.call is not None and one.call.minted is None:
                return Whose(False, f"a token that claims {one.change} and whose making the audit log does not show")
            return Whose(claims, one.change or one.principal)
    known = world.witness.reach(world.vault, since)
    if known.covers((created or world.now()) + SETTLED):
        return Whose(False, "somebody whom the audit log does not show")
    return None


def nothing(place: Place) -> str:
    """Return the trouble of a secret that is not there."""
    return f"{place.name} has no version in the vault: there is nothing to rotate. Look whether it is written so."


def strangers(operator: Any, place: Place, keys: Sequence[str]) -> tuple[str, ...]:
    """Return as a trouble which keys the newest version has not: a value under a misspelt name replaces none.

    Says nothing where the vault tells no names: it is older than that, the version is deleted, or the role may not ask.
    """
    try:
        there = operator.kv_subkeys(place.mount, place.path)
    except NotPermitted:
        return ()
    some = [key for key in keys if key not in there]
    if not there or not some:
        return ()
    has = f"{', '.join(there[:NAMED])}{f' and {len(there) - NAMED} more' if len(there) > NAMED else ''}"
    return (
        f"{place.name} has no key {', '.join(some)}; it has {has}. Its old value would stay: ask again with names that "
        "are there.",
    )


def replaced(place: Place, world: World) -> Mapping[str, Any]:
    """Return what the step of this change that made a version of this very secret left, empty if there is none."""
    made = [one.receipt for one in world.earlier if one.receipt.get("version") and _is_of(one.args, place)]
    return made[-1] if made else {}


def _is_of(args: Mapping[str, Any], place: Place) -> bool:
    return "place" in args and msgspec.convert(args["place"], Place) == place


def drifted(place: Place, version: int, by: str) -> Drifted:
    """Return the sentence about a version that somebody else wrote."""
    return Drifted(
        f"Version {version} of {place.name} was written by {by}, not by this change. Nothing of it was overwritten. "
        "Look at it; ask for a new change if the value should still be replaced."
    )


def begun(place: Place, world: World, state: Any) -> dict[str, Any] | Outcome:
    """Return what a write over the newest version is held to, by the secret's versions."""
    newest = state.versions.get(state.current_version)
    if newest is None or newest.destroyed or (newest.deleted is not None and newest.deleted <= world.now()):
        return Refused(
            f"The newest version of {place.name} is deleted or there is none, so no key can be changed in it. "
            "Undelete it in Vault, then resume."
        )
    if (approved := world.facts.get("current_version")) not in (None, state.current_version):
        return Drifted(
            f"Version {approved} of {place.name} was to be replaced, and version {state.current_version} is the "
            "newest now. Nothing of it was overwritten. Look who wrote it; ask for a new change if it should be "
            "replaced too."
        )
    return {"cas": state.current_version}


def written(place: Place, world: World, state: Any) -> Outcome | None:
    """Tell by versions and log whether the write of this step happened; None while nothing was written since."""
    cas, current = world.intent["cas"], state.current_version
    if current == cas:
        return None
    if current < cas:
        return Drifted(f"{place.name} was at version {cas} and is at {current} now: it was removed meanwhile.")
    there = state.versions.get(cas + 1)
    return _whose(place, world, cas + 1, current, there.created if there else None)


def _whose(place: Place, world: World, version: int, current: int, created: datetime | None) -> Outcome:
    found = ours(place, world, version, created)
    if found is None:
        return Unknown(f"Version {version} exists; the audit log has not shown yet who wrote it. {SOURCES}")
    if not found.ours:
        return drifted(place, version, found.by)
    if current > version:
        return Drifted(
            f"Version {version} is ours, and version {current} was written after it. Look which one should stay."
        )
    return made(version, version - 1)


def made(version: int, was: int) -> Outcome:
    """Return the outcome of a write that made a version; another than the one after `was` is drift."""
    if version != was + 1:
        return Drifted(f"Vault answered with version {version} instead of {was + 1}.")
    return Done(f"Version {version} is written.", {"version": version, "was": was})
