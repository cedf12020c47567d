"""Makes one plan of what several targets draw: every value first, then each workload restarts once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from rotation.apart import NOTE, apart
from rotation.planning import Blast, Drawn, Need, StepSpec
from rotation.touching import Touched, alone, staged

# Rotations that follow each other are done together, in these turns; what is not named here makes a new value.
TURNS = {
    "force_sync": 1,
    "restart_rollout": 2,
    "restart_batch": 2,
    "verify_delivery": 3,
    "revoke_leases": 4,
    "retire_version": 5,
}
TOGETHER = ("rotate", "restart")
REVOKES, PROOF = "revoke_leases", "verify_revoked"
CUTS = (REVOKES, "revoke_token", "disable_entity", NOTE)  # never behind a proof that waits for a database


@dataclass(frozen=True, slots=True)
class Piece:
    """What one entry of a playbook comes to; `family` is its target's, empty for a single step."""

    family: str
    drawn: Drawn


def steps_of(pieces: Sequence[Piece]) -> list[StepSpec]:
    """Return all steps in order: rotations next to each other in turns, no lease revoked and nothing done twice."""
    found: list[StepSpec] = []
    for together, some in groupby(pieces, lambda one: one.family in TOGETHER):
        block = [_stands(step, piece) for piece in some for step in piece.drawn.steps]
        found += _together(block) if together else block
    return _proven(_leases_once(found))


def _stands(step: StepSpec, piece: Piece) -> StepSpec:
    return apart(step) if piece.family == "revoke" or step.step == NOTE else step


def _together(block: Iterable[StepSpec]) -> list[StepSpec]:
    """Return rotations in turns; of all the workloads of all of them one restarts first, and then the others."""
    steps = _once(each for one in block for each in alone(one))
    others = [one for one in steps if one.step != "restart_rollout"]
    found = others + staged([one for one in steps if one.step == "restart_rollout"])
    return sorted(found, key=lambda one: TURNS.get(one.step, 0))


def _proven(steps: Sequence[StepSpec]) -> list[StepSpec]:
    """Put one proof for each of Vault's namespaces behind the last revocation of leases; it names them by number.

    What else cuts somebody off at once goes before it: a proof may wait for hours while a database is away.
    """
    last = {one.args.get("namespace", ""): _cut_off(steps, at) for at, one in enumerate(steps) if one.step == REVOKES}
    wanted = {one.args["namespace"] for one in steps if one.step == PROOF} & set(last)
    found: list[StepSpec] = []
    for at, one in enumerate(steps):
        found += [one] if one.step != PROOF else []
        found += [StepSpec(PROOF, {"namespace": space}) for space in sorted(wanted) if last[space] == at]
    return [_numbered(one, found) if one.step == PROOF else one for one in found]


def _cut_off(steps: Sequence[StepSpec], at: int) -> int:
    """Return the place of the last step that follows another without a pause and cuts somebody off too."""
    after = next((n for n in range(at + 1, len(steps)) if steps[n].step not in (*CUTS, PROOF)), len(steps))
    return max(n for n in range(at, after) if n == at or steps[n].step != PROOF)


def _numbered(proof: StepSpec, steps: Sequence[StepSpec]) -> StepSpec:
    space = proof.args["namespace"]
    told = [
        number for number, one in enumerate(steps, 1)
        if one.step == REVOKES and one.args.get("namespace", "") == space
    ]  # fmt: skip
    made = StepSpec(PROOF, {"revoked_by": told, "namespace": space})
    return apart(made) if all(steps[number - 1].holds_up for number in told) else made


def _once(steps: Iterable[StepSpec]) -> list[StepSpec]:
    found: list[StepSpec] = []
    for one in steps:
        if one not in found:
            found.append(one)
    return found


def _leases_once(steps: Sequence[StepSpec]) -> list[StepSpec]:
    """Take out of later steps the leases that an earlier one revokes; a step without any left is dropped."""
    seen: set[str] = set()
    found = []
    for one in steps:
        if one.step != REVOKES:
            found.append(one)
            continue
        left = [lease for lease in one.args["leases"] if lease not in seen]
        seen |= set(left)
        if left:
            found.append(replace(one, args={**one.args, "leases": left}))
    return found


def needs_of(pieces: Iterable[Piece]) -> list[Need]:
    """Return every right that is needed, once."""
    return _distinct(need for piece in pieces for need in piece.drawn.needs)


def blast_of(pieces: Sequence[Piece], steps: Sequence[StepSpec]) -> Blast:
    """Return what all of it touches, each thing counted once."""
    every = [piece.drawn.blast for piece in pieces]
    return Touched(
        pods=_distinct(pod for one in every for pod in one.pods),
        workloads=_distinct(name for one in every for name in one.workloads),
        budgets=_distinct(name for one in every for name in one.budgets),
        doubts=_distinct(said for one in every for said in one.doubts),
        leases=_distinct(lease for one in every for lease in one.leases),
        restarted=sum(one.step == "restart_rollout" for step in steps for one in alone(step)),
    ).blast()


def _distinct(some: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(some))
