"""The trail: what people did in Keybook, one entry for each verb, written with the verb or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection
from django.http import HttpRequest

from accounts.address import client_address
from accounts.models import TrailEntry, User
from kit import tokens as forms
from vault.plain_text import scrub_tokens

Detail = str | int | bool | None | list[str] | list[int]

# Names under which secrets travel; an entry that carries one is a defect of its writer.
NEVER = {"password", "code", "token", "secret_value", "otp", "cookie", "authorization", "link"}
LONGEST = 500  # characters of a subject's text or of a detail


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verb was done to: its kind (`user`, `source` ...), its key if it has one, and its name as it was."""

    kind: str
    id: int | None
    text: str


def person(user: User) -> Subject:
    """Return a person as a subject."""
    return Subject("user", user.pk, user.username)


def record(
    actor: User | str,
    verb: str,
    subject: Subject,
    *,
    details: Mapping[str, Detail] | None = None,
    request: HttpRequest | None = None,
) -> TrailEntry:
    """Write that `actor` did `verb` (dotted, past participle, `accounts.user.created`) to `subject`.

    `actor` is a person, or the words for whoever is not signed in ("command line: root", "nobody"). `details` holds
    plain facts and never a secret. `request`, where there is one, gives the client's address and the session.
    Outside of a transaction this raises `RuntimeError`: the entry and what it tells of stand or fall together.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"{verb} was recorded outside of its transaction. Put both into transaction.atomic().")
    if leaked := NEVER & set(details or {}):
        raise ValueError(f"{verb} would put {', '.join(sorted(leaked))} into the trail. Leave it out.")
    return TrailEntry.objects.create(
        actor_id=actor.pk if isinstance(actor, User) else None,
        actor_name=_plain(actor.username if isinstance(actor, User) else actor),
        verb=verb,
        subject_kind=subject.kind,
        subject_id=subject.id,
        subject_text=_plain(subject.text),
        details={name: _detail(value) for name, value in (details or {}).items()},
        address=client_address(request) if request else "",
        session=_session(request) if request else "",
    )


def without_tokens(text: str) -> str:
    """Return a text without tokens of a vault's or of ours: people paste them anywhere, and an entry stays for ever."""
    return forms.scrub(scrub_tokens(text))


def _detail(value: Detail) -> Detail:
    if isinstance(value, str):
        return _plain(value)
    return [_plain(one) if isinstance(one, str) else one for one in value] if isinstance(value, list) else value  # type: ignore[return-value]


def _plain(text: str) -> str:
    """Return the text without tokens and NUL, which PostgreSQL does not take, and no longer than an entry needs."""
    return without_tokens(text).replace("\0", "\N{REPLACEMENT CHARACTER}")[:LONGEST]


def _session(request: HttpRequest) -> str:
    """Return 16 hex digits that are the same for every act of one session and let nobody into it."""
    key = request.session.session_key if hasattr(request, "session") else None
    return hashlib.sha256(key.encode()).hexdigest()[:16] if key else ""
