"""The form by which a playbook is run: its fields are the playbook's inputs, filled in by what a page is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from secrets import token_urlsafe
from typing import Any

from django.http import QueryDict

from accounts.models import User
from dashboard import change_offers, field_words
from dashboard.change_form import leases_looked_at
from dashboard.change_offers import Way
from dashboard.change_page import PlanRow, plan_row
from dashboard.words import visible
from rotation import playbooks
from rotation.actions import LONGEST_REASON
from rotation.asking import Want
from rotation.effects import leases_of
from rotation.plan import Plan
from rotation.planning import Refused
from rotation.playbook import Input, Playbook

LONGEST = 4_000
FILLS = ("secret", "pod", "principal", "entity", "time")  # kinds of inputs that a page knows
WHERE = ("vault", "namespace")


@dataclass(frozen=True, slots=True)
class Asked:
    """One input as the form asks for it; `kind` is text, lines, yes or one."""

    name: str
    kind: str
    value: str
    words: str
    help: str
    needed: bool
    choices: tuple[tuple[str, str], ...] = ()  # each with its words


@dataclass
class PlaybookForm:
    """One playbook with what was said to it, and the plan once it was drawn; `sent` tells that somebody sent it."""

    book: Playbook
    given: QueryDict
    person: User
    sent: bool = False
    plan: Plan | None = None
    why: Refused | None = None
    _fresh_key: str = field(default_factory=lambda: token_urlsafe(18))

    @cached_property
    def fields(self) -> list[Asked]:
        """Return its inputs, with what was given: by their own names, or by what a page is about."""
        return [self._field(name, one) for name, one in self.book.inputs.items()]

    def _field(self, name: str, one: Input) -> Asked:
        kind = {"names": "lines", "yes": "yes", "choice": "one"}.get(one.kind, "text")
        needed = one.default is None and one.kind not in ("names", "yes")
        choices = tuple((each, field_words.CHOICES.get(each, each)) for each in one.of)
        return Asked(name, kind, self._value(name, one), one.title, one.help, needed, choices)

    def _value(self, name: str, one: Input) -> str:
        if one.kind == "yes":
            told = name in self.given if self.sent else self.given.get(name, "yes" if one.default else "") == "yes"
            return "yes" if told else ""
        given = self.text(name) or ("" if self.sent or one.kind not in FILLS else self.text(one.kind))
        return given or ("" if self.sent else str(one.default or ""))

    @property
    def where(self) -> list[tuple[str, str]]:
        """Return what tells apart things of one name."""
        return [(name, self.text(name, 200)) for name in WHERE]

    @property
    def filled(self) -> bool:
        """Whether enough is known to show a plan at once."""
        return all(one.value for one in self.fields if one.needed)

    @property
    def reason(self) -> str:
        """Return why, as far as it was said."""
        return self.text("reason", LONGEST_REASON + 1)

    @property
    def evidence(self) -> str:
        """Return what it is asked for by."""
        return self.text("evidence", 200)

    @property
    def key(self) -> str:
        """Return the key by which sending the form twice asks once."""
        return self.text("once", 100) or self._fresh_key

    @property
    def asks(self) -> bool:
        """Whether it is to be asked for, and not only looked at."""
        return self.sent and self.given.get("action") == "ask"

    def text(self, name: str, most: int = LONGEST) -> str:
        """Return what stands in a field, without what no text has."""
        return self.given.get(name, "").replace("\0", "").strip()[:most]

    @property
    def want(self) -> Want:
        """Return what is wanted; a plan that was looked at is asked for as of the same moment."""
        inputs: dict[str, Any] = {one.name: bool(one.value) if one.kind == "yes" else one.value for one in self.fields}
        args = {"playbook": self.book.name, "inputs": inputs}
        if self.asks:
            args |= {"at": self.text("at", 60), "sha256": self.text("sha256", 64)}
        return Want(playbooks.TARGET, args, **dict(self.where))

    @property
    def looked_at(self) -> frozenset[str]:
        """Return the leases of the plan that was looked at; nothing before it is asked for."""
        return leases_looked_at(self.given) if self.asks else frozenset()

    @property
    def leases(self) -> str:
        """Return the leases that the plan revokes, one a line: by them it is asked for as it was looked at."""
        return "\n".join(leases_of(self.whole)) if self.plan else ""

    @property
    def error(self) -> str:
        """Return what is wrong, as a sentence."""
        return visible(str(self.why), keep="\n") if self.why else ""

    @property
    def rows(self) -> list[PlanRow]:
        """Return the plan's steps."""
        return [plan_row(one) for one in self.plan.document["steps"]] if self.plan else []

    @property
    def glass(self) -> list[Way]:
        """Return the buttons by which each of its cuts is asked for behind a broken glass, if nobody is there."""
        if self.plan is None:
            return []
        return change_offers.broken_glass(self.whole["steps"], str(self.whole.get("vault", "")), self.evidence)

    @property
    def whole(self) -> Mapping[str, Any]:
        """Return the plan as a document."""
        return self.plan.document if self.plan else {}

    @property
    def blast(self) -> Mapping[str, Any]:
        """Return what it would touch."""
        found: Mapping[str, Any] = self.whole.get("blast_radius", {})
        return found


def fitting(given: Mapping[str, str], some: Sequence[Playbook]) -> list[Playbook]:
    """Return the playbooks that are run for something that is known here."""
    return [one for one in some if given.get(one.first.kind)]
