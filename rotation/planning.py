"""A plan as a document: what a target draws, its canonical JSON, and the SHA-256 that approvals bind to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

FORM = "keybook.plan.1"


class Refused(Exception):
    """What was asked can't be planned. `what` and `why` make one sentence, `mend` says what to do; all are for people.

    `code` tells a caller which it is: unknown_target, bad_args, not_there, not_enrolled, not_possible.
    """

    def __init__(self, sentence: str, mend: str = "", *, code: str = "not_possible", field: str = "") -> None:
        super().__init__(f"{sentence} {mend}".strip())
        self.sentence, self.mend, self.code, self.field = sentence, mend, code, field


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked besides the target's own arguments: the vault or cluster where the name alone is ambiguous.

    `window` is a line of `rotation.windows` outside of which the change must not start; empty for none.
    """

    target: str
    vault: str = ""
    namespace: str = ""
    cluster: str = ""
    window: str = ""


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step of a plan: its kind (a module of `rotation.steps`) and its arguments as JSON."""

    step: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the blast radius: 37, "leases", and the caveat under it."""

    count: int
    what: str
    caveat: str = ""


@dataclass(frozen=True, slots=True)
class Blast:
    """What it would touch. `figures` are the five numbers, `doubts` sentences that an approver must have read."""

    figures: Sequence[Figure] = ()
    pods: Sequence[str] = ()
    workloads: Sequence[str] = ()
    leases: Sequence[str] = ()
    budgets: Sequence[str] = ()
    doubts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """A right of the executor that the plan needs: in Vault a capability at a path, in a cluster a verb on a place."""

    where: str  # vault or cluster
    role: str  # the token role that gives it, such as keybook-op-kv-write; empty in a cluster
    path: str
    capability: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a target makes of what was asked; `verb` and `subject` name it on pages."""

    verb: str
    subject: str
    steps: Sequence[StepSpec]
    vault: str = ""
    cluster: str = ""
    blast: Blast = field(default_factory=Blast)
    needs: Sequence[Need] = ()


def document(
    target: str, args: Mapping[str, Any], drawn: Drawn, described: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the plan: a mapping of texts, whole numbers, yes, no and lists; `described` is a step's own words."""
    blast = drawn.blast
    return {
        "form": FORM,
        "target": target,
        "args": dict(args),
        "vault": drawn.vault,
        "cluster": drawn.cluster,
        "verb": drawn.verb,
        "subject": drawn.subject,
        "steps": [
            {"number": number, "step": one.step, "args": dict(one.args), "describe": dict(words)}
            for number, (one, words) in enumerate(zip(drawn.steps, described, strict=True), 1)
        ],
        "blast_radius": {
            "figures": [{"count": one.count, "what": one.what, "caveat": one.caveat} for one in blast.figures],
            "pods": list(blast.pods),
            "workloads": list(blast.workloads),
            "leases": list(blast.leases),
            "budgets": list(blast.budgets),
            "doubts": list(blast.doubts),
        },
        "needs": [
            {"where": one.where, "role": one.role, "path": one.path, "capability": one.capability}
            for one in drawn.needs
        ],
    }


def canonical(document: Any) -> str:
    """Return a document as the one text that stands for it: names sorted, no spaces, text as it is."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(document: Any) -> str:
    """Return the SHA-256 of a document's canonical text, 64 hex digits."""
    return sha256(canonical(document).encode()).hexdigest()
