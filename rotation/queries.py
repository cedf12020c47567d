"""Reads changes for pages and API: what waits for whom, what runs, one change with all that was tried, and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.scope import Area, Scope
from rotation import lifecycle
from rotation.models import Attempt, Change, Freeze, Proof, Step, Verdict
from rotation.planning import parts_of

OPEN = (lifecycle.REQUESTED, lifecycle.APPROVED)
# Of a plan's parts: those whose subject is no secret in an area.
_BEYOND = frozenset({"entity", "token", "lease", "restart", "resync"})
# Targets whose subject is no secret; and of leases the ways to say whose they are.
_OTHERS = ("entity", "token", "restart", "resync")
_HOLDERS = ("pod", "service_account", "principal")
MOVING = (lifecycle.APPROVED, lifecycle.RUNNING, lifecycle.FAILED)


@dataclass(frozen=True, slots=True)
class Inbox:
    """What a person has to look at: changes that need them, those that wait for others, and what was decided lately."""

    needs_me: Sequence[Change]
    waits: Sequence[Change]
    decided: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Told:
    """One change with its steps (each with its attempts), proofs and verdicts, oldest first."""

    change: Change
    steps: Sequence[Step]
    proofs: Sequence[Proof]
    verdicts: Sequence[Verdict]


def covers(scope: Scope, vault: str, subject: str) -> bool:
    """Return whether a change of this subject may be seen; `subject` begins with the vault's namespace if it has one.

    What is of no vault, such as a restart, lies in nobody's limited view.
    """
    return scope.everything or (
        bool(vault) and all(any(_in_area(area, vault, subject) for area in group) for group in scope.groups)
    )


def shows(scope: Scope, document: Mapping[str, Any]) -> bool:
    """Return whether a change of this plan may be seen, by its target and what that calls its subject.

    A pod's `database/app` is no path of a vault: what is no secret lies only in the view of a whole vault.
    """
    if not _unlike(document["target"], document["args"]):
        return covers(scope, document["vault"], document["subject"])
    whole = (any(not _top(area) and area.vault in ("", document["vault"]) for area in group) for group in scope.groups)
    return scope.everything or (bool(document["vault"]) and all(whole))


def tells_beyond(scope: Scope, pattern: str) -> bool:
    """Return whether a glob over `target:subject` names what lies outside of a limited view.

    It names no vault, so in the view of a whole vault only what begins every subject tells nothing.
    """
    subject = pattern.partition(":")[2]
    begins = subject[: min((subject.index(sign) for sign in "*?[" if sign in subject), default=len(subject))]
    open_ended = not subject[len(begins) :].strip("*?")
    return not all(any(_told(_top(area), begins, open_ended) for area in group) for group in scope.groups)


def _told(top: str, begins: str, open_ended: bool) -> bool:
    inside = bool(top) and (begins == top or begins.startswith(f"{top}/"))
    return inside or (open_ended and f"{top}/".startswith(begins))


def _unlike(target: str, args: Mapping[str, Any]) -> bool:
    """Whether the subject of a target with these arguments is named otherwise than secrets are."""
    return target in _OTHERS or (target == "lease" and any(args.get(one) for one in _HOLDERS))


def reaches_beyond(document: Mapping[str, Any]) -> bool:
    """Return whether a plan names what its subject does not cover: what a pod or a principal was given, or holds."""
    asked = any("secret" in one["columns"] for one in document.get("answers", ()))
    return asked or any(one.target in _BEYOND for one in parts_of(document))


def _in_area(area: Area, vault: str, subject: str) -> bool:
    top, name = _top(area), subject.strip("/")
    return area.vault in ("", vault) and (not top or name == top or name.startswith(f"{top}/"))


def _top(area: Area) -> str:
    return "/".join(part for part in (area.namespace.strip("/"), area.prefix.strip("/")) if part)


def seen(scope: Scope) -> QuerySet[Change]:
    """Return the changes that may be seen: of a limited view those whose subject lies in it."""
    found = Change.objects.all()
    for group in scope.groups:
        found = found.exclude(vault="").filter(_any([_area(area) for area in group]))
    return found if scope.everything else found.exclude(_beyond())


def _beyond() -> Q:
    """Return the condition of `reaches_beyond`, in the database."""
    parts = [Q(plan__contains={"parts": [{"target": one}]}) for one in sorted(_BEYOND)]
    return _any([Q(plan__contains={"answers": [{"columns": ["secret"]}]}), *parts])


def _area(area: Area) -> Q:
    top, vault = _top(area), Q(vault=area.vault) if area.vault else Q()
    return vault & (Q(subject=top) | Q(subject__startswith=f"{top}/")) & ~_unlike_secrets() if top else vault


def _unlike_secrets() -> Q:
    """Return the condition of `_unlike`, in the database."""
    held = _any([Q(args__has_key=one) & ~Q(**{f"args__{one}": ""}) for one in _HOLDERS])
    return Q(target__in=_OTHERS) | (Q(target="lease") & held)


def _any(parts: Sequence[Q]) -> Q:
    found = parts[0]
    for part in parts[1:]:
        found |= part
    return found


def for_me(person: User, scope: Scope, now: datetime | None = None) -> QuerySet[Change]:
    """Return what waits for a word of this person, what ends soonest first: asked by others, not voted on by them.

    So does a broken glass that nobody has reviewed. Whoever asked is also waited for: a change of theirs that stopped
    needs a decision.
    """
    voted = Verdict.objects.filter(change=OuterRef("pk"), person_id=person.pk, void=False)
    open_ = Q(state=lifecycle.REQUESTED, expires_at__gt=now or timezone.now(), rule__roles__contains=[person.role])
    named = Q(rule__people=[]) | Q(rule__people__isnull=True) | Q(rule__people__contains=[person.pk])
    decide = open_ & named & ~Q(asker_id=person.pk) & ~Exists(voted)
    stopped = Q(state=lifecycle.FAILED, asker_id=person.pk)
    review = Q(break_glass=True, reviewed_at=None, rule__roles__contains=[person.role]) & named
    review &= ~Q(asker_id=person.pk)
    return seen(scope).filter(decide | stopped | review).order_by("expires_at", "pk")


def inbox(person: User, scope: Scope, *, most: int = 50) -> Inbox:
    """Return the three parts of the inbox, at most so many of each."""
    mine = list(for_me(person, scope)[:most])
    others = seen(scope).filter(state__in=OPEN).exclude(pk__in=[one.pk for one in mine])
    ended = seen(scope).exclude(state__in=(*OPEN, lifecycle.RUNNING)).exclude(pk__in=[one.pk for one in mine])
    return Inbox(mine, list(_voted(others.order_by("expires_at", "pk"))[:most]), list(ended.order_by("-pk")[:10]))


def _voted(found: QuerySet[Change]) -> QuerySet[Change]:
    yes = Q(verdicts__void=False, verdicts__verdict="approve")
    return found.annotate(yes=Count("verdicts", filter=yes))


def moving(scope: Scope) -> QuerySet[Change]:
    """Return what is about to run, runs, or stopped on its way."""
    return seen(scope).filter(state__in=MOVING)


def listed(scope: Scope, *, state: str = "", target: str = "", subject: str = "") -> QuerySet[Change]:
    """Return changes by what is asked for, in any order; an empty text asks for nothing."""
    asked = {"state": state, "target": target, "subject": subject}
    return seen(scope).filter(**{name: value for name, value in asked.items() if value})


def with_steps(found: QuerySet[Change]) -> QuerySet[Change]:
    """Return the same with `done` and `of`: how many steps are done, of how many."""
    return found.annotate(done=Count("steps", filter=Q(steps__state="done")), of=Count("steps"))


def one(change_id: int, scope: Scope) -> Told:
    """Return one change with all that belongs to it; one that may not be seen raises `Change.DoesNotExist`."""
    change = seen(scope).get(pk=change_id)
    attempts = Prefetch("attempts", Attempt.objects.order_by("number"))
    steps = list(change.steps.order_by("number").prefetch_related(attempts))
    proofs = list(Proof.objects.filter(change=change).order_by("step", "pk"))
    return Told(change, steps, proofs, list(Verdict.objects.filter(change=change).order_by("at", "pk")))


def earlier(change: Change, scope: Scope, most: int = 5) -> list[Change]:
    """Return what was done to the same subject before, the newest first."""
    found = seen(scope).filter(vault=change.vault, subject=change.subject, pk__lt=change.pk)
    return list(found.exclude(started_at=None).order_by("-pk")[:most])


def of_subject(vault: str, subject: str, scope: Scope, most: int = 5) -> list[Change]:
    """Return the newest changes of a subject."""
    return list(seen(scope).filter(vault__in=("", vault), subject=subject).order_by("-pk")[:most])


def overdue(now: datetime) -> QuerySet[Change]:
    """Return the changes for which the glass was broken and that nobody has reviewed in time, the oldest first."""
    return Change.objects.filter(break_glass=True, reviewed_at=None, review_due__lte=now).order_by("review_due", "pk")


def freezes() -> list[Freeze]:
    """Return what is frozen now, the oldest first."""
    return list(Freeze.objects.filter(lifted_at=None).order_by("since"))


def eligible(change: Change) -> list[User]:
    """Return who may approve by the rule that was frozen with it, by name; never who asked."""
    return list(may_approve(change))


def may_approve(change: Change) -> QuerySet[User]:
    """Return the same to be narrowed: the worker may not read all of a person."""
    roles, named = change.rule.get("roles", []), change.rule.get("people") or []
    some = User.objects.filter(is_active=True, role__in=roles).exclude(pk=change.asker_id or 0)
    return (some.filter(pk__in=named) if named else some).order_by("username")


def word_of(change: Change, person: User, plan_hash: str) -> str:
    """Return what a person has said to this plan, empty if they have not."""
    said = Verdict.objects.filter(change=change, person_id=person.pk, plan_hash=plan_hash, void=False)
    return said.values_list("verdict", flat=True).first() or ""


def possible(change: Change, person: User, *, approves: bool, asks: bool) -> tuple[str, ...]:
    """Return which verbs of people could be done next: by its state, and by what a person or their token may do."""
    verbs = set(lifecycle.verbs(change.state)) | ({"cancel"} if change.state == lifecycle.RUNNING else set())
    if change.state in lifecycle.WORK:
        verbs |= {"pause"} if change.pause_before is None else {"pause", "resume"}
    own = change.asker_id == person.pk
    allowed = {
        "approve": approves and not own,
        "reject": approves,
        "cancel": asks and (own or approves) and not change.cancel_wanted,
        "pause": asks and not change.cancel_wanted,
        "resume": asks,
        "review": approves and not own and unreviewed(change),
        "answer": asks and change.state == lifecycle.RUNNING and asking(change) is not None,
    }
    verbs |= {"review", "answer"}
    return tuple(verb for verb, may in allowed.items() if may and verb in verbs)


def asking(change: Change) -> Step | None:
    """Return the step that waits for a person's answer, None if none does."""
    return change.steps.filter(state="waiting", kind="ask_person").first()


def unreviewed(change: Change) -> bool:
    """Whether the glass was broken for it and nobody has reviewed that."""
    return change.break_glass and change.reviewed_at is None
