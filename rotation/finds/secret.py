"""What a secret is: where it stands, and what takes its value back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rotation import taking_back
from rotation.finds import Found, Scene
from rotation.planning import Left
from rotation.taking_back import group_of

FACTS: Mapping[str, Any] = {"vault": "x", "mount": "x", "engine": "x"}
GROUPS: Mapping[str, Mapping[str, Any]] = {name: {"secret": "x"} for name in taking_back.GROUPS}


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret by its name."""

    secret: str


def find(args: Args, scene: Scene) -> Found:
    """Ask the mirror of the vault; a name that leads nowhere is refused."""
    place = scene.estate.place(args.secret, scene.vault)
    group = group_of(args.secret, scene.vault, scene.estate)
    groups = {name: [{"secret": args.secret}] if group == name else [] for name in GROUPS}
    facts = {"vault": place.vault, "mount": place.mount, "engine": place.type}
    return Found(facts, groups, left=[group] if isinstance(group, Left) else [])
