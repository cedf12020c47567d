"""Who had a secret since a time: its readers by principal and pod, with the proof of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inventory.sightings import Had
from rotation.finds import Found, Scene
from rotation.planning import Answer
from rotation.playbook_reach import coverage
from rotation.playbook_times import moment, shown

COLUMNS = ("principal", "kind", "pod", "proof", "reads", "denied", "first (UTC)", "last (UTC)", "versions")
FACTS: Mapping[str, Any] = {"count": "1"}
GROUPS: Mapping[str, Mapping[str, Any]] = {"readers": {"principal": "x", "pod": "x"}}


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret, and since when."""

    secret: str
    since: str


def find(args: Args, scene: Scene) -> Found:
    """Ask the record."""
    place = scene.estate.place(args.secret, scene.vault)
    since = moment(args.since, scene.at)
    rows = scene.estate.books.had(place.vault, place.namespace, place.mount, place.path, since, scene.at)
    had = [one for one in rows if one.reads]
    says = coverage(scene.estate.books.reach(place.vault, since), since, scene.at)
    answer = Answer(f"Who had {args.secret.strip('/')}", COLUMNS, [_row(one) for one in rows], says)
    readers = [{"principal": one.principal, "pod": one.pod} for one in had]
    return Found({"count": str(len(had))}, {"readers": readers}, [answer])


def _row(one: Had) -> tuple[str, ...]:
    by = f" (for others: {one.delivered_by})" if one.delivered_by else ""
    versions = " ".join(f"v{version}" for version in one.versions)
    return (one.principal + by, one.kind, one.pod, one.grade, str(one.reads), str(one.denied), shown(one.first),
            shown(one.last), versions)  # fmt: skip
