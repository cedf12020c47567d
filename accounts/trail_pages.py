"""Reads the trail in the order in which entries were accepted: forward as a stream, backward as a page.

Positions are 1, 2, 3 ... without a gap, given under a lock that is held until the commit is seen by all. So "everything
after position N" never misses an entry and never gives one twice, whoever writes meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import TrailEntry

MOST = 10_000  # entries that one call gives


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted entry, with its place in the chain.

    `position` is the cursor of a stream. `at` is in UTC. `actor_id` and `subject_id` are None for who or what has no
    number. `details` holds texts, whole numbers, yes, no, None, and lists of texts or of numbers. `previous` and
    `hash` have 64 hex digits; what they cover is in `accounts.trail_chain`, and `id` is part of it.
    """

    position: int
    id: int
    at: datetime
    actor_id: int | None
    actor_name: str
    verb: str
    subject_kind: str
    subject_id: int | None
    subject_text: str
    details: dict[str, object]
    address: str
    session: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Query:
    """What entries are asked for; an empty part asks for nothing.

    `actor` is a whole name. `verb` is a verb or the begin of one up to a dot (`accounts.user` finds
    `accounts.user.created`). `subject` is a part of the subject's text or exactly its kind, in any case of letters.
    The window holds `since` and not `until`.
    """

    actor: str = ""
    verb: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Query()
FIELDS = tuple(Entry.__dataclass_fields__)


def after(position: int, limit: int, query: Query = EVERYTHING) -> list[Entry]:
    """Return the next entries after a position (0: from the first), oldest first; fewer than `limit` means the end.

    The caller's next cursor is the last entry's position, or, when the list is empty, the position that it gave.
    """
    return _entries(matching(query).filter(position__gt=position).order_by("position"), limit)


def before(position: int | None, limit: int, query: Query = EVERYTHING) -> list[Entry]:
    """Return the entries before a position (None: from the newest), newest first."""
    rows = matching(query).order_by("-position")
    return _entries(rows if position is None else rows.filter(position__lt=position), limit)


def head() -> int:
    """Return the newest entry's position, 0 for an empty trail: a stream that begins now begins after it."""
    newest = TrailEntry.objects.filter(position__isnull=False).order_by("-position")
    return newest.values_list("position", flat=True).first() or 0


def matching(query: Query) -> QuerySet[TrailEntry]:
    """Return the accepted entries that a query asks for, in no order."""
    rows = TrailEntry.objects.filter(position__isnull=False)
    if query.actor:
        rows = rows.filter(actor_name=query.actor)
    if query.verb:
        rows = rows.filter(Q(verb=query.verb) | Q(verb__startswith=f"{query.verb.rstrip('.*')}."))
    if query.subject:
        rows = rows.filter(Q(subject_text__icontains=query.subject) | Q(subject_kind__iexact=query.subject))
    if query.since:
        rows = rows.filter(at__gte=query.since)
    return rows.filter(at__lt=query.until) if query.until else rows


def _entries(rows: QuerySet[TrailEntry], limit: int) -> list[Entry]:
    return [Entry(*row) for row in rows.values_list(*FIELDS)[: min(limit, MOST)]]
