"""A plan as a document: what a target draws, its canonical JSON, and the SHA-256 that approvals bind to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
    """One step of a plan: its kind (a module of `rotation.steps`) and its arguments as JSON.

    `holds_up` says what waits for it, as `rotation.apart` has it; empty for all that comes after it.
    """

    step: str
    args: Mapping[str, Any]
    holds_up: str = ""


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
class Part:
    """One thing of several that a plan does: approvals need what the rules say of every part, not of the whole alone.

    `family` is that of its target.
    """

    target: str
    subject: str
    risk: str
    family: str


@dataclass(frozen=True, slots=True)
class Left:
    """What a plan does not do though it was looked for: to what, why not, and what to do about it."""

    subject: str
    says: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the record says to a question that a plan stands on: `rows` have one text for each of `columns`.

    `says` tells how far the record is known.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    says: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a target makes of what was asked; `verb` and `subject` name it on pages.

    A plan of several `parts` names each, with the `answers` that it stands on and what is `left` undone; `question` is
    what its report answers. `args` are the
    arguments as they were settled, where a plan that is drawn anew from what was given could be another.
    """

    verb: str
    subject: str
    steps: Sequence[StepSpec]
    vault: str = ""
    cluster: str = ""
    blast: Blast = field(default_factory=Blast)
    needs: Sequence[Need] = ()
    parts: Sequence[Part] = ()
    left: Sequence[Left] = ()
    answers: Sequence[Answer] = ()
    question: str = ""
    args: Mapping[str, Any] | None = None


def document(
    target: str, args: Mapping[str, Any], drawn: Drawn, described: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the plan: a mapping of texts, whole numbers, yes, no and lists; `described` is a step's own words."""
    blast = drawn.blast
    return {
        "form": FORM,
        "target": target,
        "args": dict(args if drawn.args is None else drawn.args),
        "vault": drawn.vault,
        "cluster": drawn.cluster,
        "verb": drawn.verb,
        "subject": drawn.subject,
        "steps": [
            {
                "number": number,
                "step": one.step,
                "args": dict(one.args),
                "describe": dict(words),
                **({"holds_up": one.holds_up} if one.holds_up else {}),
            }
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
        **_several(drawn),
    }


def _several(drawn: Drawn) -> dict[str, Any]:
    """Return what only a plan of several parts has."""
    if not drawn.parts:
        return {}
    return {
        "question": drawn.question,
        "parts": [asdict(one) for one in drawn.parts],
        "left": [asdict(one) for one in drawn.left],
        "answers": [
            {"title": one.title, "columns": list(one.columns), "rows": [list(row) for row in one.rows],
             "says": list(one.says)}
            for one in drawn.answers
        ],
    }  # fmt: skip


def parts_of(document: Mapping[str, Any]) -> list[Part]:
    """Return the parts of a plan, none for one that does a single thing; what can't be read raises `TypeError`."""
    return [Part(**one) for one in document.get("parts", ())]


def canonical(document: Any) -> str:
    """Return a document as the one text that stands for it: names sorted, no spaces, text as it is."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(document: Any) -> str:
    """Return the SHA-256 of a document's canonical text, 64 hex digits."""
    return sha256(canonical(document).encode()).hexdigest()
