"""What people do with schedules: make, change, end, let go on; each one transaction with its entry in the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest

from accounts.models import User
from accounts.scope import Scope
from accounts.trail import Subject, record, without_tokens
from rotation import asking, due, lifecycle, queries, targets, windows
from rotation.actions import LONGEST_REASON
from rotation.asking import Want
from rotation.models import Change
from rotation.planning import Refused
from rotation.schedule_models import Asking, Schedule

# What can be rotated again and again, and the argument that names the secret.
NAMED = MappingProxyType({"kv": "secret", "database_role": "secret", "database_root": "database", "transit": "key"})
LONGEST = 100
LONGEST_PATTERN = 1_000
MOST = 500  # schedules that hold at a time


@dataclass(frozen=True, slots=True)
class Terms:
    """What somebody wants to be asked for again and again; `window` is a line of `rotation.windows`, or empty."""

    name: str
    target: str
    pattern: str
    days: int
    reason: str
    args: Mapping[str, Any] = field(default_factory=dict)
    vault: str = ""
    window: str = ""
    lead_hours: int = 12
    enabled: bool = True


class Changed(Exception):
    """Somebody else changed or ended the schedule first."""


def subject_of(row: Schedule) -> Subject:
    """Return a schedule as a subject of the trail."""
    return Subject("schedule", row.pk, row.name)


def make(terms: Terms, actor: User, scope: Scope, *, request: HttpRequest | None = None) -> Schedule:
    """Make a schedule and return it; it asks in the name of who makes it. Raises `Refused`."""
    kept = _read(terms, scope)
    if Schedule.objects.filter(ended_at=None).count() >= MOST:
        raise Refused(f"{MOST} schedules hold already.", "End one, or let a pattern stand for several.")
    try:
        with transaction.atomic():
            row = Schedule.objects.create(**kept, owner_id=actor.pk, owner_name=actor.username)
            record(actor, "rotation.schedule.made", subject_of(row), details=_told(row), request=request)
    except IntegrityError:
        raise _taken(terms.name) from None
    row.refresh_from_db()
    return row


def change(
    row: Schedule, terms: Terms, actor: User, scope: Scope, *, edition: int, request: HttpRequest | None = None
) -> Schedule:
    """Change a schedule, that was read as `edition`; who changes it is its owner from then on.

    Raises `Refused`, and `Changed` when somebody else changed or ended it first.
    """
    kept = {**_read(terms, scope), "owner_id": actor.pk, "owner_name": actor.username, "says": ""}
    held = Schedule.objects.filter(pk=row.pk, edition=edition, ended_at=None)
    try:
        with transaction.atomic():
            if not held.update(**kept, edition=F("edition") + 1, changed_at=Now()):
                raise Changed(f"{row.name} was changed or ended meanwhile. Look at it again before you change it.")
            row.refresh_from_db()
            record(actor, "rotation.schedule.changed", subject_of(row), details=_told(row), request=request)
    except IntegrityError:
        raise _taken(terms.name) from None
    return row


@transaction.atomic
def end(row: Schedule, actor: User, *, request: HttpRequest | None = None) -> None:
    """End a schedule: it asks for nothing more; what it asked for stays as it is. Raises `Changed`."""
    if not Schedule.objects.filter(pk=row.pk, ended_at=None).update(ended_at=Now(), enabled=False):
        raise Changed(f"{row.name} has ended already.")
    record(actor, "rotation.schedule.ended", subject_of(row), request=request)


@transaction.atomic
def go_on(row: Schedule, asked: Change, actor: User, *, request: HttpRequest | None = None) -> None:
    """Let a schedule ask for the next secret although one change of it did not succeed. Raises `Changed`."""
    if asked.state in lifecycle.WORK or asked.state in (lifecycle.REQUESTED, lifecycle.SUCCEEDED):
        raise Changed(f"{asked.name} is {asked.state}: it keeps nothing back.")
    found = Asking.objects.filter(schedule=row, change=asked, passed_at=None)
    if not found.update(passed_at=Now(), passed_by=actor.username):
        raise Changed(f"{asked.name} keeps {row.name} back no more.")
    told = {"change": asked.name, "state": asked.state}
    record(actor, "rotation.schedule.went_on", subject_of(row), details=told, request=request)


def _taken(name: str) -> Refused:
    return Refused(
        f"Another schedule is called {name.strip()}.", "Change that one, or choose another name.", code="bad_args",
        field="name",
    )  # fmt: skip


def _told(row: Schedule) -> dict[str, str | int | bool]:
    return {
        "target": row.target, "pattern": row.pattern, "vault": row.vault, "days": row.days, "window": row.window,
        "lead_hours": row.lead_hours, "enabled": row.enabled, "edition": row.edition, "reason": row.reason[:200],
        "args": msgspec.json.encode(row.args).decode()[:400],
    }  # fmt: skip


def _read(terms: Terms, scope: Scope) -> dict[str, Any]:
    """Return the columns of what somebody wants; raises `Refused` for the first thing that is wrong."""
    kept = {**asdict(terms), "args": dict(terms.args)}
    for name, most in (("name", LONGEST), ("pattern", LONGEST_PATTERN), ("reason", LONGEST_REASON), ("vault", 200)):
        kept[name] = _text(name, kept[name], most, needed=name != "vault")
    kept["pattern"], kept["reason"] = kept["pattern"].strip("/"), without_tokens(kept["reason"])
    _within("days", terms.days, due.LEAST_DAYS, due.MOST_DAYS)
    _within("lead_hours", terms.lead_hours, 0, due.MOST_LEAD)
    if terms.window.strip():
        kept["window"] = _window(terms.window)
    if terms.target not in NAMED:
        known = ", ".join(NAMED)
        raise Refused(
            f"“{terms.target[:40]}” is nothing that a schedule rotates.", f"It rotates {known}.", code="unknown_target",
            field="target",
        )  # fmt: skip
    _arguments(terms, kept["pattern"])
    if not due.globbed(kept["pattern"]):
        kept["vault"] = _one(terms, kept, scope)
    elif not queries.covers(scope, kept["vault"], kept["pattern"]):
        raise Refused(
            "This pattern reaches beyond what you may see.", "Name the vault, and begin with a path that you see.",
            code="not_there", field="pattern",
        )  # fmt: skip
    elif terms.target == "database_root":
        raise Refused(
            "The record shows no database connections, so no pattern can find them.", "Name one.", code="bad_args",
            field="pattern",
        )  # fmt: skip
    return kept


def _text(name: str, given: str, most: int, *, needed: bool) -> str:
    text = given.strip()
    if (needed and not text) or len(text) > most or "\0" in text:
        raise Refused(f"A schedule needs a {name} of 1 to {most:,} characters.", code="bad_args", field=name)
    return text


def _within(name: str, given: int, least: int, most: int) -> None:
    if not least <= given <= most:
        words = name.replace("_", " ")
        raise Refused(f"{given} {words} can't be.", f"Choose {least} to {most:,}.", code="bad_args", field=name)


def _window(line: str) -> str:
    try:
        return windows.read(line).text
    except ValueError as why:
        raise Refused(str(why), code="bad_args", field="window") from None


def _arguments(terms: Terms, pattern: str) -> None:
    """See that the target takes the arguments, with a secret's name among them."""
    named = NAMED[terms.target]
    if named in terms.args:
        raise Refused(f"{named} is what the pattern names.", "Leave it out.", code="bad_args", field=f"args.{named}")
    kind = targets.kinds()[terms.target].Args
    try:
        msgspec.convert({**terms.args, named: pattern}, kind)
    except msgspec.ValidationError as error:
        takes = ", ".join(one for one in kind.__struct_fields__ if one != named)
        said = str(error).replace("`", "")
        raise Refused(
            f"The arguments of {terms.target} are wrong: {said}.", f"It takes {takes or 'none'}.", code="bad_args",
            field="args",
        ) from None  # fmt: skip


def _one(terms: Terms, kept: Mapping[str, Any], scope: Scope) -> str:
    """Return the vault of the one secret, by the plan that could be asked for now; raises `Refused`."""
    args = {**terms.args, NAMED[terms.target]: kept["pattern"]}
    drawn = asking.draw(Want(terms.target, args, kept["vault"], window=kept["window"]), scope)
    return str(drawn.document["vault"])


def terms_of(row: Schedule) -> due.Terms:
    """Return the times of a schedule, as `rotation.due` takes them."""
    window = windows.read(row.window) if row.window else None
    return due.Terms(row.days, timedelta(hours=row.lead_hours), row.made_at, window)
