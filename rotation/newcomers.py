"""Leases that came after a plan was made: they are frozen in it, so these were neither approved nor revoked."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation import plan
from rotation.models import Change
from rotation.planning import Refused, Wish, parts_of
from rotation.steps.revoke_leases import Args
from rotation.world import Books


def leases(change: Change, books: Books) -> list[str]:
    """Return the leases that a plan drawn now would revoke and this one does not, in the order of their ids.

    It is the record's word: a lease of the last seconds may not be known yet.
    """
    if not _asks_for_leases(change):
        return []
    try:
        wish = msgspec.convert(change.plan.get("wish", {"target": change.target}), Wish)
        again = plan.make(change.target, change.args, books, wish).document
    except (Refused, msgspec.ValidationError):  # nothing is there any more that could be revoked
        return []
    return sorted(_of(again) - _of(change.plan))


def _asks_for_leases(change: Change) -> bool:
    """Tell whether it revokes what lives: a copy that was made anew holds a new lease by right."""
    parts = {one.target for one in parts_of(change.plan)} or {change.target}
    return change.target in ("lease", "playbook") and "resync" not in parts


def _of(document: dict[str, Any]) -> set[str]:
    found = (one["args"] for one in document["steps"] if one["step"] == "revoke_leases")
    return {lease for args in found for lease in msgspec.convert(dict(args), Args).leases}
