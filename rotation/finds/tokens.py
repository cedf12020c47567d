"""Which tokens a pod or a principal used since a time: those that can be named to the vault, and the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inventory.sightings import HeldToken
from rotation.finds import Found, Scene
from rotation.planning import Answer, Left
from rotation.playbook_reach import coverage
from rotation.playbook_times import moment, shown

COLUMNS = ("accessor", "principal", "proof", "first (UTC)", "last (UTC)")
FACTS: Mapping[str, Any] = {}
GROUPS: Mapping[str, Mapping[str, Any]] = {"clear": {"accessor": "x"}}
HIDDEN = (
    "The record knows the accessor as an HMAC alone, so the vault can't be told which token. Disabling the entity "
    "refuses it; to revoke it too needs an audit device with hmac_accessor=false, or the accessor from the vault."
)


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pod (its uid) or the principal, and since when."""

    since: str
    pod: str = ""
    principal: str = ""


def find(args: Args, scene: Scene) -> Found:
    """Ask the record."""
    since = moment(args.since, scene.at)
    every = scene.estate.books.tokens(since, scene.at, pod=args.pod, principal=args.principal)
    some = [one for one in every if one.vault == scene.vault]
    clear = sorted({one.accessor for one in some if one.clear})
    hidden = sum(1 for one in some if not one.clear)
    says = coverage(scene.estate.books.reach(scene.vault, since), since, scene.at)
    answer = Answer("Tokens that it used", COLUMNS, [_row(one) for one in some], says)
    left = [Left(f"{hidden} token{'s' if hidden > 1 else ''}", "not revoked by name", HIDDEN)] if hidden else []
    return Found(groups={"clear": [{"accessor": one} for one in clear]}, answers=[answer], left=left)


def _row(one: HeldToken) -> tuple[str, ...]:
    return (one.accessor or "unknown", one.principal, one.grade, shown(one.first), shown(one.last))
