"""Which steps of a plan hold up which: what cuts somebody off stands apart, so one refusal keeps no other back. Pure.

A step holds up all that comes after it, if its plan does not say otherwise. One that stands apart is tried in its
turn, and whatever becomes of it those behind it are tried too. It says what still waits for it: nothing, or the
rotations, since whoever can still read the vault would read what is new as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from rotation.planning import StepSpec

NOTHING, ROTATIONS = "nothing", "rotations"
PROOF, NOTE = "verify_revoked", "notify"
# A lease reads nothing in a vault; an entity and a token do.
_CUTS: Mapping[str, str] = MappingProxyType(
    {"disable_entity": ROTATIONS, "revoke_token": ROTATIONS, "revoke_leases": NOTHING, PROOF: NOTHING, NOTE: NOTHING}
)


def apart(step: StepSpec) -> StepSpec:
    """Return a step of a revocation, or a note, as one that stands apart, if it cuts somebody off or tells of it."""
    holds = "" if step.args.get("enable") else _CUTS.get(step.step, "")
    return replace(step, holds_up=holds)


def of_one(steps: Sequence[StepSpec]) -> list[StepSpec]:
    """Return the steps of a revocation that is asked for alone: of one cut with its proof, nothing is apart."""
    cuts = sum(one.step in _CUTS and one.step not in (PROOF, NOTE) for one in steps)
    return [apart(one) for one in steps] if cuts > 1 else list(steps)


def holds_up(planned: Mapping[str, Any]) -> str:
    """Return what waits for a step of a plan's document: NOTHING, ROTATIONS, or "" for all that comes after it.

    A kind that is none of a cut holds up everything, whatever its row says.
    """
    said = str(planned.get("holds_up", ""))
    return said if said in (NOTHING, ROTATIONS) and planned.get("step") in _CUTS else ""


def by_number(document: Mapping[str, Any]) -> dict[int, str]:
    """Return what waits for each step of a plan, by its number."""
    return {int(one["number"]): holds_up(one) for one in document.get("steps", ())}
