"""What a step can say of itself, before and after it was tried. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Sentence:
    """A step as people read it before they approve: what, what is now, what is after, and the way back."""

    title: str
    now: str = ""
    after: str = ""
    undo: str = "reads only"  # "cannot be undone" is drawn as a warning

    @property
    def final(self) -> bool:
        """Whether there is no way back."""
        return self.undo == "cannot be undone"


@dataclass(frozen=True, slots=True)
class ProofLine:
    """One line of proof; `state` is proven, waiting or short (of proof), `at` when what it says was so.

    Without `at` it is the moment in which the line came to say so.
    """

    kind: str
    subject: str
    state: str
    says: str = ""
    holds: str = ""
    grade: str = ""
    event: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The least that every outcome has: a sentence, what may be kept of request and answer, and lines of proof."""

    says: str = ""
    receipt: dict[str, Any] = field(default_factory=dict)
    proofs: tuple[ProofLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Done(Outcome):
    """It happened."""


@dataclass(frozen=True, slots=True)
class NotDone(Outcome):
    """It surely did not happen: it may be tried again with the same intent."""


@dataclass(frozen=True, slots=True)
class Waiting(Outcome):
    """It is not decided yet: look again in `seconds`. `done` and `of` are progress, 0 where there is none to tell."""

    seconds: float = 2.0
    done: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class Refused(Outcome):
    """It did not happen and will not by itself: the change stops here, and the sentence names the next step."""


@dataclass(frozen=True, slots=True)
class Unknown(Outcome):
    """It may have happened: the call went out and no answer came. The runner asks `done` before anything else."""

    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Drifted(Outcome):
    """Somebody else changed what the intent was held to: the change stops and a person decides."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a step saw when it was only looked at. `facts` must still be so at the first effect; `troubles` stop it.

    `facts` hold texts, whole numbers, yes and no. `lines` say in sentences what was found to be well.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
