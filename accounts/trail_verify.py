"""Checks the whole trail, as it stands in the database, against its anchor, and says what that does not prove."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.db import connection, transaction

from accounts import anchor, anchor_file
from accounts.trail_proof import Row, Verdict, verify

CHUNK = 5_000  # rows that are fetched at a time

# Times as microseconds and details as text, so that nothing that was put in can keep the walk from reading on.
ROWS = """
    SELECT position, previous, id,
           CASE WHEN isfinite(at) THEN (extract(epoch FROM at) * 1000000)::bigint END,
           actor_id, actor_name, verb, subject_kind, subject_id, subject_text, details::text, address, session, hash
    FROM accounts_trailentry ORDER BY position NULLS LAST, id
"""


WITHOUT = (
    "Without an anchor this can't prove that no entry is missing from the end, nor that nobody wrote all of it, or all "
    "from some place on, anew."
)


def verify_trail(anchors: Sequence[Path] = ()) -> Verdict:
    """Check every entry; `anchors` are files that belong together, such as one that was moved aside and its successor.

    Without any, the one that KEYBOOK_ANCHOR names is taken, if it is there. Raises `AnchorTrouble` for a file that
    can't be read. The memory that it takes does not grow with the trail.
    """
    paths, missing = (list(anchors), "") if anchors else _named()
    # Heads first: what is accepted while we read is in the rows, and no head of it among ours.
    found = [anchor_file.heads(path) for path in paths]
    verdict = verify(rows(), heapq.merge(*found, key=lambda head: head.position) if found else None)
    nothing_anchored = verdict.ok and not verdict.anchored_until
    verdict.said += filter(
        None, (missing, _not_anchored_yet(verdict), WITHOUT if nothing_anchored or not found else "")
    )
    return verdict


def _named() -> tuple[list[Path], str]:
    path = anchor.place()
    if path is None:
        return [], ""
    if path.exists() or path.is_symlink():
        return [path], ""
    return [], f"The anchor {path} that KEYBOOK_ANCHOR names is not there: it was not written yet, or it was removed."


def _not_anchored_yet(verdict: Verdict) -> str:
    ahead = 0 if verdict.anchored_until is None else verdict.entries - verdict.anchored_until
    if not verdict.ok or ahead <= 0:
        return ""
    return (
        f"The anchor does not cover the newest {ahead} of {verdict.entries} entries: of these only the chain is proven."
    )


def rows() -> Iterator[Row]:
    """Give every row as it stood at one moment, by position, those without one last."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(ROWS)
        while got := cursor.fetchmany(CHUNK):
            yield from got
