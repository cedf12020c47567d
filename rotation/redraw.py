"""Draws a plan a second time, in the worker: what the web process made up has other steps than its target draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rotation import plan, standing
from rotation.approvers import database_time
from rotation.effects import leases_of
from rotation.estate import Listing
from rotation.models import Change
from rotation.planning import Refused, Wish
from rotation.targets.lease import about_holders
from rotation.touching import PODS
from rotation.world import Books

_TOLD = {"answers"}  # the record learns more of the past every second; what is done to what may not change
_HELD = ("pods", "doubts", "figures")  # what of a blast radius tells who holds leases


def differs(change: Change, books: Books) -> str:
    """Return in a sentence how the plan differs from what its target draws now, "" if it does not.

    The leases of a plan are the ones that somebody looked at: more come and some end every second, so it is held to
    those that it names, as `Estate.leases` takes a listing.
    """
    try:
        return _differs(change, books)
    except (LookupError, TypeError, AttributeError):  # a row may hold anything
        return "The plan is not of a plan's form. Ask for it anew."


def _differs(change: Change, books: Books) -> str:
    try:
        wish = msgspec.convert(change.plan.get("wish", {"target": change.target}), Wish)
        again = plan.make(change.target, change.args, books, wish, _listing(change)).document
    except (Refused, msgspec.ValidationError) as why:
        return f"The plan can't be drawn again: {why}"
    parts = sorted(name for name in {*again, *change.plan} - _TOLD if not _same(name, _json(again), change.plan))
    if not parts:
        return ""
    return f"What would happen has changed since it was asked for ({', '.join(parts)}). Ask for it anew."


def _listing(change: Change) -> Listing | None:
    leases = leases_of(change.plan)
    return Listing(frozenset(leases), standing.asked_at(change) or database_time()) if leases else None


def _same(name: str, again: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    if name != "blast_radius" or name not in asked:
        return bool(again.get(name) == asked.get(name))
    some = [{**one, "doubts": _lasting(one["doubts"])} for one in (again[name], asked[name])]
    return _same_touch(*some) if leases_of(asked) else some[0] == some[1]


def _lasting(doubts: Sequence[str]) -> list[str]:
    return [one for one in doubts if not plan.about_pictures(one)]


def _same_touch(again: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Tell whether what is touched is the same, though more may be known by now of who holds the leases.

    A pod that no lease is known of may not be named: a broken glass restarts what lost something.
    """
    if again.keys() != asked.keys() or any(again[name] != asked[name] for name in again.keys() - set(_HELD)):
        return False
    return set(asked["pods"]) <= set(again["pods"]) and _known_before(again) == _known_before(asked)


def _known_before(blast: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the doubts and figures that say nothing of who holds leases."""
    figures = [(one["what"], one["count"]) for one in blast["figures"] if one["what"] != PODS]
    return figures, [one for one in blast["doubts"] if not about_holders(one)]


def _json(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan as JSON keeps it."""
    kept: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return kept
