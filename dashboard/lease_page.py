"""What the page of one lease shows: a sentence, its life oldest first, what ends it, and what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from accounts.scope import Scope
from audit import lease_questions
from audit.lease_questions import LeaseRow
from dashboard import lease_words
from dashboard.lease_words import Said
from dashboard.leases_page import Item, item
from inventory.leases import ENDED, Fact, How, Kind, State

FIRST, LAST = 20, 60  # facts of a long life that are shown unless all are asked for


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the life: a fact with its words and how many devices show it, or how many facts are left out."""

    fact: Fact | None = None
    said: Said | None = None
    event: int = 0
    left_out: int = 0


@dataclass
class LeasePage:
    """One lease as it stands now."""

    told: lease_questions.Told
    now: datetime
    scope: Scope
    every: bool = False

    @property
    def row(self) -> LeaseRow:
        """Return the lease."""
        return self.told.row

    @cached_property
    def item(self) -> Item:
        """Return the lease with its words."""
        return item(self.row, self.now)

    @cached_property
    def facts(self) -> list[Fact]:
        """Return what is known, oldest first; one call that several devices show stands once."""
        seen: dict[tuple[object, ...], Fact] = {}
        for fact in self.told.facts:
            at = fact.ends if fact.kind is Kind.TOKEN_LIFE else fact.event or fact.at
            seen.setdefault((fact.kind, at), fact)
        return list(seen.values())

    @cached_property
    def steps(self) -> list[Step]:
        """Return the rows of the life; the middle of a long one is left out, and how much of it is said."""
        facts = self.facts
        if self.every or len(facts) <= FIRST + LAST:
            return [self._step(fact) for fact in facts]
        rest = len(facts) - FIRST - LAST
        return [
            *(self._step(fact) for fact in facts[:FIRST]),
            Step(left_out=rest),
            *(self._step(fact) for fact in facts[-LAST:]),
        ]

    def _step(self, fact: Fact) -> Step:
        """Return a fact's row. A limited view has the page of the issue alone: the other calls name no secret."""
        mine = self.scope.everything or fact.kind is Kind.ISSUED
        return Step(fact, lease_words.happened(fact), fact.event if mine else 0)

    @property
    def means(self) -> str:
        """Return what its state means."""
        if self.row.overdue:
            return "Nobody saw it end, and its time or its token's is over."
        return lease_words.MEANS[self.row.state]

    @property
    def how(self) -> str:
        """Return what ended it, or was asked to, in words."""
        return lease_words.HOWS[How(self.row.how)]

    @property
    def ended(self) -> bool:
        """Whether it is gone for good."""
        return self.row.state in ENDED

    @property
    def stuck(self) -> bool:
        """Whether somebody has to look: the vault can't take it back."""
        return self.row.state in (State.QUEUED, State.IRREVOCABLE)

    @cached_property
    def unknowns(self) -> Sequence[str]:
        """Return what is not known."""
        return lease_words.unknowns(self.row, self.facts)
