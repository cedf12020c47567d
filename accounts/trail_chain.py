"""What an entry's hash covers: every field of it and the hash of the entry before, in one fixed form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from accounts.trail_pages import Entry
from kit import chain

FORM = "keybook.trail.1"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def hash_of(fields: Sequence[chain.Field]) -> str:
    """Return the hash of fields in the order that `fields_of` gives; PostgreSQL's `accounts_trail_hash` is the same."""
    return chain.digest(FORM, fields)


def fields_of(entry: Entry) -> tuple[chain.Field, ...]:
    """Return what an entry's hash covers; times are whole microseconds since 1970, details as `jsonb` prints them."""
    return (
        entry.position,
        entry.previous,
        entry.id,
        (entry.at - EPOCH) // timedelta(microseconds=1),
        entry.actor_id,
        entry.actor_name,
        entry.verb,
        entry.subject_kind,
        entry.subject_id,
        entry.subject_text,
        chain.json_text(entry.details),
        entry.address,
        entry.session,
    )
