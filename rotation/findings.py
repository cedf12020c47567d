"""What somebody has to look into: Vault's log against the journal, an executor without identity, an overdue review."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from accounts import trail
from accounts.models import User
from accounts.not_done import NotDone
from accounts.scope import Scope
from accounts.trail import Subject, without_tokens
from rotation import queries
from rotation.models import Change, Mismatch
from rotation.notice_models import ExecutorTrouble
from rotation.telling import tell

MISMATCH, IDENTITY, REVIEW = "mismatch", "identity", "review"
FORGOTTEN = timedelta(minutes=2)  # after which a trouble that nobody met again has ended
LONGEST_NOTE = 2_000
MOST = 500  # of one kind
_MENDS = {
    MISMATCH: "Look at the call and at who made its token. If it was not Keybook, freeze everything and revoke the "
    "token; then write down what it was.",
    IDENTITY: "No change runs at this vault until a person gives the executor an identity again.",
    REVIEW: "Somebody else than who broke the glass opens the change and reviews it.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look into: `name` is its letter and number, `event` a call of the record, `change` a change's name.

    It is over since `ended_at`, None while it stands; `ended_by` is empty where nobody had to look.
    """

    name: str
    kind: str
    severity: str
    says: str
    vault: str
    change: str
    event: int | None
    found_at: datetime
    ended_at: datetime | None
    ended_by: str
    note: str

    @property
    def mend(self) -> str:
        """Return what to do."""
        return _MENDS[self.kind]


def standing(scope: Scope, now: datetime | None = None) -> list[Finding]:
    """Return what nobody has looked into, the newest first; who has a limited view sees the reviews within it alone."""
    found = [_review(one) for one in queries.overdue(now or timezone.now()).filter(pk__in=queries.seen(scope))[:MOST]]
    if scope.everything:
        found += [_mismatch(one) for one in Mismatch.objects.filter(ended_at=None).order_by("-pk")[:MOST]]
        found += [_identity(one) for one in ExecutorTrouble.objects.filter(ended_at=None).order_by("-pk")[:MOST]]
    return sorted(found, key=lambda one: one.found_at, reverse=True)


def over(scope: Scope, most: int = 50) -> list[Finding]:
    """Return what was looked into, or ended, the last first."""
    if not scope.everything:
        return []
    some = [_mismatch(one) for one in Mismatch.objects.exclude(ended_at=None).order_by("-ended_at")[:most]]
    some += [_identity(one) for one in ExecutorTrouble.objects.exclude(ended_at=None).order_by("-ended_at")[:most]]
    return sorted(some, key=lambda one: one.ended_at or one.found_at, reverse=True)[:most]


def one(name: str, scope: Scope) -> Finding | None:
    """Return the finding of this name, if it may be seen; a review's is its change's page."""
    row = _row(name) if scope.everything else None
    return (_mismatch(row) if isinstance(row, Mismatch) else _identity(row)) if row else None


@transaction.atomic
def look_into(name: str, note: str, *, actor: User, request: HttpRequest | None = None) -> None:
    """Keep that somebody looked into a finding, and what it was. Raises `NotDone`."""
    row, note = _row(name), without_tokens(note.replace("\0", "").strip())[:LONGEST_NOTE]
    if row is None:
        raise NotDone(f"There is no finding {name[:20]}.")
    if not note:
        raise NotDone("Write what it was: the note is kept with the finding.")
    values = {"ended_at": Now(), "ended_by": actor.username, "note": note}
    if not type(row).objects.filter(pk=row.pk, ended_at=None).update(**values):
        raise NotDone(f"Somebody has looked into {name} already.")
    subject = Subject("finding", row.pk, f"{name} {row.says}")
    trail.record(actor, "rotation.finding.looked_into", subject, details={"note": note}, request=request)


def meet(troubles: Iterable[tuple[str, str]]) -> None:
    """Keep at which vaults the executor has no identity, as (vault, sentence): the worker says so at each turn."""
    for vault, says in troubles:
        if not ExecutorTrouble.objects.filter(vault=vault, ended_at=None).update(seen_at=Now(), says=says):
            _begin(vault, says)
    gone = ExecutorTrouble.objects.filter(ended_at=None, seen_at__lt=timezone.now() - FORGOTTEN)
    gone.update(ended_at=Now())


def _begin(vault: str, says: str) -> None:
    """Keep a new trouble and tell people, unless somebody has looked into the same one and it never ended since."""
    last = ExecutorTrouble.objects.filter(vault=vault).order_by("-pk").first()
    if last is not None and last.says == says and last.ended_by and last.seen_at >= timezone.now() - FORGOTTEN:
        ExecutorTrouble.objects.filter(pk=last.pk).update(seen_at=Now())
        return
    try:
        with transaction.atomic():
            ExecutorTrouble.objects.create(vault=vault, says=says)
            tell("no_identity", None, says=f"At the vault {vault}: {says}")
    except IntegrityError:  # another worker met it in this moment
        return


def _row(name: str) -> Mismatch | ExecutorTrouble | None:
    letter, _, number = name.partition("-")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        return None
    if letter == "M":
        return Mismatch.objects.filter(pk=int(number)).first()
    return ExecutorTrouble.objects.filter(pk=int(number)).first() if letter == "E" else None


def _mismatch(row: Mismatch) -> Finding:
    return Finding(
        f"M-{row.pk}", MISMATCH, "critical", row.says, row.vault, row.change, row.event or None, row.found_at,
        row.ended_at, row.ended_by, row.note,
    )  # fmt: skip


def _identity(row: ExecutorTrouble) -> Finding:
    says = f"The executor has no identity at the vault {row.vault}: {row.says.rstrip('.')}."
    return Finding(
        f"E-{row.pk}", IDENTITY, "high", says, row.vault, "", None, row.found_at, row.ended_at, row.ended_by, row.note
    )


def _review(change: Change) -> Finding:
    due = change.review_due or change.asked_at
    says = (
        f"Nobody has reviewed {change.name}, for which {change.asker_name} broke the glass: "
        f"{change.verb[:1].lower()}{change.verb[1:]} {change.subject}."
    )
    return Finding(f"R-{change.pk}", REVIEW, "high", says, change.vault, change.name, None, due, None, "", "")
