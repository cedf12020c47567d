"""The trail's anchor: whether there is one, it is written to, and the trail still holds what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from accounts import anchor
from kit.check import Check

LATE = 180  # seconds that an entry may wait for the anchor
NAME = "trail anchor"


def anchored() -> Iterator[Check]:
    """One line about the anchor; the whole chain is `manage.py verify_trail`'s to check."""
    path = anchor.place()
    if path is None:
        detail = "none: whoever can write to the database could cut or rewrite the trail, and nothing would show it"
        mend = "Set KEYBOOK_ANCHOR, for the ingest worker and for this command, to a file outside of the database."
        yield Check(NAME, False, detail, mend)
        return
    try:
        yield _of(path)
    except anchor.AnchorTrouble as trouble:
        yield Check(NAME, False, str(trouble), "Run this as the user of the ingest worker, which must write to it.")


def _of(path: Path) -> Check:
    line = anchor.newest(path)
    if fault := anchor.faults(line):
        return Check(NAME, False, fault, "Run manage.py verify_trail: it says from which entry on.")
    since = anchor.behind(line)
    waits = int((datetime.now(UTC) - since).total_seconds()) if since else 0
    if since and waits > LATE:
        mend = "Run beat and the ingest worker with KEYBOOK_ANCHOR, or manage.py follow; see the worker's log."
        return Check(NAME, False, f"entries of the trail wait for {path} for {waits} s", mend)
    if line is None:
        return Check(NAME, True, f"{path} waits for the first entries")
    return Check(NAME, True, f"{path} has entry {line.head.position}, at {line.head.at}")
