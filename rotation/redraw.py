"""Draws a plan a second time, in the worker: what the web process made up has other steps than its target draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rotation import plan
from rotation.models import Change
from rotation.planning import Refused, Wish
from rotation.world import Books

_TOLD = {"answers"}  # the record learns more of the past every second; what is done to what may not change


def differs(change: Change, books: Books) -> str:
    """Return in a sentence how the plan differs from what its target draws now, "" if it does not."""
    try:
        wish = msgspec.convert(change.plan.get("wish", {"target": change.target}), Wish)
        again = plan.make(change.target, change.args, books, wish)
    except (Refused, msgspec.ValidationError) as why:
        return f"The plan can't be drawn again: {why}"
    parts = sorted(
        name for name in {*again.document, *change.plan} - _TOLD if _part(again.document, name) != change.plan.get(name)
    )
    if not parts:
        return ""
    return f"What would happen has changed since it was asked for ({', '.join(parts)}). Ask for it anew."


def _part(document: Mapping[str, Any], name: str) -> Any:
    """Return a part of a plan as JSON keeps it."""
    return msgspec.json.decode(msgspec.json.encode(document.get(name)))
