"""The form by which a change is asked for: its fields are the arguments of the target, and its plan is seen first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from secrets import token_urlsafe
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from django.http import QueryDict

from accounts.models import User
from dashboard import field_words
from dashboard.change_page import PlanRow, plan_row
from dashboard.change_words import deed_of, leaf
from dashboard.words import visible
from rotation import glass, targets
from rotation.actions import LONGEST_REASON
from rotation.asking import Want
from rotation.effects import leases_of
from rotation.glass import Bounds
from rotation.plan import Plan
from rotation.planning import Refused

WHERE = ("vault", "namespace", "cluster")
FAMILIES = {"rotate": "Rotate", "revoke": "Revoke", "restart": "Restart", "govern": "Who may do what"}
ASKS = {
    "approval_policy": (
        "Say which changes the policy is about, who must approve them and with which proof. Ending it needs "
        "its name alone."
    ),
    "database_role": (
        "Name the static role by the path at which its password is read, such as "
        "database/static-creds/ledger. Vault draws the new password."
    ),
    "database_root": (
        "Name the database's connection, such as database/config/ledger-pg. Afterwards only Vault knows its password."
    ),
    "enrol_key": "A passkey is registered on its owner's own page; what it sent stands here.",
    "end_key": (
        "Name its owner, and the passkey by its fingerprint as the owner's page shows it. It stays ended, and what it "
        "approved and has not begun needs another approval."
    ),
    "entity": (
        "Name the entity by its id, or by its name where only one has it. Its tokens are refused until it is "
        "let in again."
    ),
    "freeze_off": "Say which freeze, by its number in the list of freezes.",
    "grant_role": "Name the person, and the role: approver or administrator.",
    "kv": (
        "Name the secret. Either somebody else writes the new version in Vault and this change goes on from there, "
        "or Keybook chooses new values for the keys that you name."
    ),
    "lease": (
        "Say in one of these ways which leases. They are frozen in the plan: what is issued later is not touched."
    ),
    "playbook": "A playbook is opened on its own page, filled in, and shows there what it would do.",
    "restart": "Name the workload by its cluster, kind, namespace and name.",
    "resync": (
        "Name the operator's resource by its cluster, kind, namespace and name. Its copy is read anew, and "
        "who keeps the old one is restarted."
    ),
    "token": "Give the accessor in clear, as Vault tells it. The token itself belongs on no page.",
    "transit": "Name the key, such as transit/keys/ledger. What older versions encrypted can still be decrypted.",
}
LONGEST = 4_000
# What the form of a broken glass does not begin with: all that belongs to the plan, and a reason may be too long.
NOT_TAKEN_ALONG = ("csrfmiddlewaretoken", "once", "plan_hash", "looked_at", "action", "reason")
BREAKABLE = frozenset({"revoke", "restart"})  # families for which the glass may be broken
OPEN_TO = {"govern": "administrator"}  # who finds these among the targets; the plan itself is open to any operator


@dataclass(frozen=True, slots=True)
class Field:
    """One argument as the form asks for it; `kind` is text, number, lines, yes or one."""

    name: str
    kind: str
    value: str
    needed: bool
    choices: tuple[str, ...] = ()
    target: str = ""

    @property
    def words(self) -> str:
        """Return its name as people say it."""
        return field_words.name_of(self.name)

    @property
    def hint(self) -> str:
        """Return what belongs in it: an example, how many lines, whether it may stay empty."""
        lines = "one a line" if self.kind == "lines" else ""
        told = [field_words.hint_of(self.target, self.name), lines, "" if self.needed else "optional"]
        return "; ".join(part for part in told if part)

    @property
    def options(self) -> list[tuple[str, str]]:
        """Return the choices with what each means."""
        return [(one, field_words.CHOICES.get(one, one)) for one in self.choices]


@dataclass(frozen=True, slots=True)
class Offer:
    """A target that can be chosen, with the address of its form."""

    kind: str
    title: str
    family: str
    fits: bool


@dataclass
class ChangeForm:
    """What somebody wants, as far as they have said it, with the plan once it was drawn."""

    given: QueryDict
    person: User
    plan: Plan | None = None
    why: Refused | None = None
    sent: bool = False
    renewed: bool = False  # its key was used for something else: what is sent now is another wish
    _fresh_key: str = field(default_factory=lambda: token_urlsafe(18))

    @property
    def target(self) -> str:
        """Return the chosen target, empty for none or one that is not there."""
        asked = self.given.get("target", "")
        return asked if asked in targets.kinds() else ""

    @property
    def title(self) -> str:
        """Return what the target does."""
        return str(targets.kinds()[self.target].TITLE) if self.target else "New change"

    @property
    def help(self) -> str:
        """Return what the target asks for, as it is said to people."""
        return ASKS.get(self.target, "")

    @property
    def fields(self) -> list[Field]:
        """Return what the form asks for: the arguments of the target."""
        return self.arguments

    @cached_property
    def arguments(self) -> list[Field]:
        """Return the arguments of the target, with what was given."""
        return [self._field(name, hint, needed) for name, hint, needed in _arguments(self.target)]

    def _field(self, name: str, hint: Any, needed: bool) -> Field:
        kind, choices = _kind(hint)
        if kind == "lines":
            value = "\n".join(line for one in self.given.getlist(name) for line in one.splitlines())
        elif kind == "yes":
            told = name in self.given if self.sent else bool(self.given.get(name, getattr(self._default, name, False)))
            value = "yes" if told else ""
        else:
            value = self.given.get(name, "")
        return Field(name, kind, value.replace("\0", "")[:LONGEST], needed, choices, self.target)

    @property
    def _default(self) -> Any:
        return _defaults(targets.kinds()[self.target].Args)

    @property
    def where(self) -> list[Field]:
        """Return what tells apart things of one name; only what the target does not ask for itself."""
        own = {one.name for one in self.fields}
        return [Field(name, "text", self.text(name, 200), False) for name in WHERE if name not in own]

    @property
    def offers(self) -> dict[str, list[Offer]]:
        """Return the targets by family; those that take what is given already come first."""
        found: dict[str, list[Offer]] = {words: [] for words in FAMILIES.values()}
        for kind, module in targets.kinds().items():
            if OPEN_TO.get(module.FAMILY, self.person.role) != self.person.role:
                continue
            if self.glass and module.FAMILY not in BREAKABLE:
                continue
            takes = {name for name, _, _ in _arguments(kind)} & set(self.given)
            found.setdefault(FAMILIES.get(module.FAMILY, module.FAMILY), []).append(
                Offer(kind, module.TITLE, module.FAMILY, bool(takes - set(WHERE)))
            )
        return {words: offers for words, offers in found.items() if offers}

    def address(self, kind: str) -> str:
        """Return the query of the form of another target, with what was given already."""
        query = self.given.copy()
        query["target"] = kind
        return f"?{query.urlencode()}"

    @property
    def glass_address(self) -> str:
        """Return the query of this form for who can't wait, with what was given already."""
        query = self.given.copy()
        for name in NOT_TAKEN_ALONG:
            query.pop(name, None)
        query["glass"] = "yes"
        return f"?{query.urlencode()}"

    @property
    def reason(self) -> str:
        """Return why, as far as it was said."""
        return self.text("reason", LONGEST_REASON + 1)

    @property
    def evidence(self) -> str:
        """Return what it is asked for by: an event, a finding, a ticket."""
        return self.text("evidence", 200)

    @property
    def glass(self) -> bool:
        """Whether it is to start at once, without a second person: only for what the glass may be broken for."""
        family = targets.kinds()[self.target].FAMILY if self.target else ""
        return bool(self.given.get("glass")) and (not self.target or family in BREAKABLE)

    @property
    def breakable(self) -> bool:
        """Whether the form offers to break the glass."""
        return bool(self.target) and not self.glass and targets.kinds()[self.target].FAMILY in BREAKABLE

    @cached_property
    def bounds(self) -> Bounds | None:
        """Return how the plan stands to what may be done without a second person; None before there is a plan."""
        return glass.bounds(self.person, self.plan, self.evidence) if self.glass and self.plan else None

    @property
    def typed(self) -> str:
        """Return what is typed before the glass is broken: the end of the subject's name."""
        return leaf(self.plan.document["subject"]) if self.plan else ""

    @property
    def deed(self) -> str:
        """Return what the plan does, to stand in a button."""
        return deed_of(self.plan.document["verb"], self.plan.document["subject"]) if self.plan else ""

    @property
    def body(self) -> dict[str, Any]:
        """Return what sending it twice with one key must have in common."""
        body = {**asdict(self.want), "reason": self.reason, "evidence": self.evidence}
        return {**body, "glass": True} if self.glass else body

    @property
    def key(self) -> str:
        """Return the key by which sending the form twice asks once."""
        return ("" if self.renewed else self.text("once", 100)) or self._fresh_key

    def text(self, name: str, most: int = LONGEST) -> str:
        """Return what stands in a field, without what no text has."""
        return self.given.get(name, "").replace("\0", "").strip()[:most]

    @property
    def want(self) -> Want:
        """Return what is wanted, as targets take it."""
        args = {one.name: _value(one) for one in self.fields if one.value or one.kind == "yes"}
        return Want(self.target, args, **{one.name: one.value for one in self.where})

    @property
    def looked_at(self) -> frozenset[str]:
        """Return the leases of the plan that was looked at; nothing before it is asked for."""
        return leases_looked_at(self.given) if self.given.get("action") == "ask" else frozenset()

    @property
    def error(self) -> str:
        """Return what is wrong, as a sentence."""
        return visible(str(self.why), keep="\n") if self.why else ""

    @property
    def rows(self) -> list[PlanRow]:
        """Return the plan's steps."""
        return [plan_row(one) for one in self.plan.document["steps"]] if self.plan else []

    @property
    def blast(self) -> Mapping[str, Any]:
        """Return what it would touch."""
        return self.plan.document["blast_radius"] if self.plan else {}

    @property
    def leases(self) -> str:
        """Return the leases that the plan revokes, one a line: by them it is asked for as it was looked at."""
        return "\n".join(leases_of(self.plan.document)) if self.plan else ""


def leases_looked_at(given: QueryDict) -> frozenset[str]:
    """Return the leases that a form sends back of the plan that it showed."""
    lines = given.get("looked_at", "").replace("\0", "").replace("\r", "").split("\n")
    return frozenset(line for line in lines if line)


def _arguments(kind: str) -> list[tuple[str, Any, bool]]:
    """Return the arguments of a target: name, type, and whether one must be given."""
    if not kind:
        return []
    args = targets.kinds()[kind].Args
    hints = get_type_hints(args)
    return [(one.name, hints[one.name], one.required) for one in msgspec.structs.fields(args)]


def _defaults(args: Any) -> Any:
    found = {one.name: one.default for one in msgspec.structs.fields(args) if not one.required}
    return type("Defaults", (), found)


def _kind(hint: Any) -> tuple[str, tuple[str, ...]]:
    if hint is bool:
        return "yes", ()
    if get_origin(hint) is Literal:
        return "one", tuple(map(str, get_args(hint)))
    if hint is int:
        return "number", ()
    return ("lines" if get_origin(hint) in (tuple, list) else "text"), ()


def _value(one: Field) -> Any:
    if one.kind == "yes":
        return bool(one.value)
    if one.kind == "lines":
        return [line.strip() for line in one.value.replace(",", "\n").splitlines() if line.strip()]
    plain = one.value.strip()
    return int(plain) if one.kind == "number" and plain.isascii() and plain.isdecimal() and len(plain) < 10 else plain
