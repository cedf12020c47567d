"""The freeze switch: one person stops what is to happen, by scope; only a change that somebody approves lifts it."""

from __future__ import annotations

from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.http import HttpRequest

from accounts.models import User
from accounts.trail import Subject, without_tokens
from inventory.models import Cluster, Connection
from rotation.models import Change, Freeze
from rotation.planning import Refused
from rotation.telling import record

EVERYTHING, VAULT, CLUSTER, PERSON = SCOPES = ("everything", "vault", "cluster", "person")
LIFTS = "freeze_off"  # the target that is never frozen
LONGEST_REASON = 2_000
LONGEST_SUBJECT = 200


@transaction.atomic
def freeze(scope: str, subject: str, reason: str, *, actor: User, request: HttpRequest | None = None) -> Freeze:
    """Freeze everything, a vault, a cluster (by name) or what a person asked for (by name); one person is enough.

    It holds before the next step of every change, running ones too. Raises `rotation.planning.Refused`.
    """
    subject, reason = subject.strip(), without_tokens(reason.strip())
    _readable(scope, subject, reason)
    made = Freeze.objects.create(scope=scope, subject=subject, reason=reason, by_id=actor.pk, by_name=actor.username)
    told = {"reason": reason[:200]}
    record(actor, "rotation.freeze.set", subject_of(made), about=made, details=told, request=request)
    return made


def subject_of(row: Freeze) -> Subject:
    """Return a freeze as a subject of the trail."""
    return Subject("freeze", row.pk, " ".join(part for part in (row.scope, row.subject) if part))


def _readable(scope: str, subject: str, reason: str) -> None:
    if scope not in SCOPES:
        raise Refused(
            f"“{scope[:40]}” is no scope of a freeze.", f"The scopes are {', '.join(SCOPES)}.", code="bad_args"
        )
    if (scope == EVERYTHING) == bool(subject) or len(subject) > LONGEST_SUBJECT:
        mend = "Name nothing else." if scope == EVERYTHING else f"Name one {scope}."
        raise Refused(f"A freeze of {scope} can't be of “{subject[:40]}”.", mend, code="bad_args")
    if not reason or len(reason) > LONGEST_REASON:
        raise Refused("A freeze needs a reason that others can judge.", f"Write 1 to {LONGEST_REASON:,} characters.",
                      code="bad_args")  # fmt: skip
    if scope != EVERYTHING and not _is_there(scope, subject):
        known = ", ".join(_known(scope)) or "none"
        raise Refused(
            f"No {scope} is called “{subject[:40]}”, so nothing would be frozen.", f"Known are {known}.",
            code="not_there",
        )  # fmt: skip


def _is_there(scope: str, subject: str) -> bool:
    """Whether a change could lie under a freeze of this name, or one that was asked for does."""
    asked = {VAULT: "vault", CLUSTER: "cluster", PERSON: "asker_name"}[scope]
    return subject in _known(scope) or Change.objects.filter(**{asked: subject}).exists()


def _known(scope: str) -> list[str]:
    """Return the names of a scope as changes carry them."""
    named = {VAULT: Connection.objects.values_list("vault"), CLUSTER: Cluster.objects.values_list("name"),
             PERSON: User.objects.filter(is_active=True).values_list("username")}  # fmt: skip
    return sorted({one for (one,) in named[scope]})


def over(change: Change) -> str:
    """Return the sentence of a freeze that lies over a change, "" for none; what can't be known counts as frozen.

    For the runner: asked before every step. What lifts a freeze goes on.
    """
    if change.target == LIFTS:
        return ""
    fits = Q(scope=EVERYTHING) | Q(scope=PERSON, subject=change.asker_name)
    fits |= Q(scope=VAULT, subject=change.vault) if change.vault else Q()
    fits |= Q(scope=CLUSTER, subject__in=_clusters(change))
    try:
        row = Freeze.objects.filter(fits | ~Q(scope__in=SCOPES), lifted_at=None).order_by("since", "pk").first()
    except DatabaseError:
        return "Whether Keybook is frozen can't be read, so it counts as frozen. It goes on when PostgreSQL answers."
    return sentence(row) if row else ""


def _clusters(change: Change) -> set[str]:
    """Return every cluster in which the change would do something: a rotation restarts what gets the secret."""
    needs = (one["path"] for one in (change.plan or {}).get("needs", ()) if one["where"] == "cluster")
    return {change.cluster, *(path.partition("/")[0] for path in needs)} - {""}


def sentence(row: Freeze) -> str:
    """Return who froze what since when and why."""
    what = {EVERYTHING: "Everything", PERSON: f"What {row.subject} asks for"}.get(
        row.scope, f"{row.scope} {row.subject}"
    )
    return f"{what} is frozen since {row.since:%Y-%m-%d %H:%M:%S} UTC by {row.by_name}: {row.reason}"


def standing() -> list[Freeze]:
    """Return the freezes that hold, the oldest first."""
    return list(Freeze.objects.filter(lifted_at=None).order_by("since", "pk"))


def lift(row_id: int, change: Change, at: datetime) -> bool:
    """Lift a freeze by an approved change, within the caller's transaction; tells whether it held until then."""
    values = {"lifted_at": at, "lifted_by": change.asker_name, "lifted_by_change": change.pk}
    return bool(Freeze.objects.filter(pk=row_id, lifted_at=None).update(**values))
