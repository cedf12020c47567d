"""What a pod or a principal was given since a time, sorted by what takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inventory.sightings import Taken
from rotation import taking_back
from rotation.finds import Found, Scene
from rotation.planning import Answer, Left
from rotation.playbook_reach import coverage
from rotation.playbook_times import moment, shown
from rotation.taking_back import group_of

COLUMNS = ("secret", "engine", "proof", "reads", "first (UTC)", "last (UTC)", "newest version read")
FACTS: Mapping[str, Any] = {"count": "1"}
GROUPS: Mapping[str, Mapping[str, Any]] = {name: {"secret": "x"} for name in taking_back.GROUPS}


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pod (its uid) or the principal, and since when."""

    since: str
    pod: str = ""
    principal: str = ""


def find(args: Args, scene: Scene) -> Found:
    """Ask the record; each secret is in one group, or is told to be left."""
    since = moment(args.since, scene.at)
    rows = scene.estate.books.taken(since, scene.at, pod=args.pod, principal=args.principal)
    says = coverage(scene.estate.books.reach(scene.vault, since), since, scene.at)
    answer = Answer("What it was given", COLUMNS, [_row(one, scene.vault) for one in rows], says)
    sorted_out = {secret: _group(*secret, scene) for secret in sorted({(one.vault, one.secret) for one in rows})}
    groups = {
        name: [{"secret": secret} for (_, secret), found in sorted_out.items() if found == name] for name in GROUPS
    }
    left = [found for found in sorted_out.values() if isinstance(found, Left)]
    return Found({"count": str(len(sorted_out))}, groups, [answer], left)


def _group(vault: str, secret: str, scene: Scene) -> str | Left:
    if vault != scene.vault:
        return Left(secret, f"It is of the vault {vault}, and this plan is for {scene.vault}.", "Run it there too.")
    return group_of(secret, vault, scene.estate)


def _row(one: Taken, vault: str) -> tuple[str, ...]:
    name = one.secret if one.vault == vault else f"{one.secret} in {one.vault}"
    version = f"v{one.version}" if one.version else ""
    return (name, one.engine, one.grade, str(one.reads), shown(one.first), shown(one.last), version)
