"""Keeps a row of each call of our own identities, in the transaction that appends its event: the table's only writer.

A forged token claims what ours claim: whatever claims it is kept, and who made the token is kept with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from audit.event import OPERATIONS, Event
from audit.normalise import bounded
from vault.audit_line import EMPTY, Line, decode_auth
from vault.lease_calls import Verb, call_of
from vault.our_tokens import NO_MARK, SHOWN, Mark, mark_of, role_minted
from vault.reads import Outcome

Connection = psycopg.Connection[tuple[Any, ...]]
_LONG, _SHORT, _MOST = 1_000, 200, 100  # bytes of a path or a lease id, of a claim; policies and versions of one call
_LARGEST = 2_147_483_647  # no vault counts further
_COLUMNS = (
    "event_id, seq, vault_id, time, request_id, kind, change, step, plan, head, role, policies, principal_id, "
    "address_id, operation, namespace, path, secret_id, version, versions, lease, prefix, outcome"
)
_LEARNED = "seq kind change step plan head role policies principal_id secret_id version versions lease prefix outcome"
_ADD = f"""
    INSERT INTO audit_ourcall ({_COLUMNS}) VALUES (
        %s, %s, %s, to_timestamp(%s / 1e6), %s::uuid, {", ".join(["%s"] * 18)}) ON CONFLICT (event_id) DO
"""  # noqa: S608 - our own text
_NEW = f"{_ADD} NOTHING"
_LATER = f"{_ADD} UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _LEARNED.split())}"
_SIGHT = """
    INSERT INTO audit_oursight (call_id, device_id, accessor, made, about, lease) VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (call_id, device_id) DO UPDATE SET made = excluded.made WHERE audit_oursight.made = ''
"""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the store filed it: its number and time there, the number of the item that tells of it now.

    `late` tells that it is the response of an event that was accepted without one.
    """

    event: Event
    id: int
    micros: int
    seq: int
    late: bool = False


def is_ours(event: Event) -> bool:
    """Whether a call was made with a token that claims to be ours, by one of our token roles, or gave such a token."""
    if event.who.mark is not None or event.target.mints:
        return True
    given = _given(event)
    return SHOWN in given and mark_of(decode_auth(given)) is not None


def keep(connection: Connection, vault_id: int, device_id: int, told: Iterable[Told]) -> None:
    """Keep those of some events that are ours, each once however often and on however many devices it is shown."""
    for one in told:
        if is_ours(one.event):
            connection.execute(_LATER if one.late else _NEW, _row(vault_id, one))
            connection.execute(_SIGHT, [one.id, device_id, *_sight(one.event)])


def _line(event: Event) -> Line:
    held = event.response or event.request
    assert held is not None  # noqa: S101 - an event has a line
    return held.line


def _given(event: Event) -> bytes:
    """Return the `auth` of the token that the call gave, empty for none."""
    answer = event.response.line.response if event.response is not None else None
    return b"" if answer is None or answer.auth is EMPTY else bytes(answer.auth)


def _row(vault_id: int, told: Told) -> list[Any]:
    event, target = told.event, told.event.target
    line = _line(event)
    mark, kind = _mark(event)
    about = call_of(line)
    return [
        told.id, told.seq, vault_id, told.micros, event.key.hex(), kind,
        *(bounded(text, _SHORT) for text in (mark.change, mark.step, mark.plan, mark.head, role_minted(target.path))),
        [bounded(one, _SHORT) for one in mark.policies[:_MOST]],
        event.who.principal_id, event.address.id, OPERATIONS[event.operation], target.namespace, target.path,
        event.secret_id or target.secret_id or None, event.version if target.writes else 0, _versions(line),
        bounded(about.lease, _LONG) if about and about.verb is not Verb.ISSUE else "",
        bounded(about.prefix, _LONG) if about else "", Outcome(event.outcome).label,
    ]  # fmt: skip


def _mark(event: Event) -> tuple[Mark, str]:
    """Return what is claimed and by whom: of a mint or a login, what the token claims that was made."""
    own = event.who.mark or NO_MARK
    made = mark_of(decode_auth(_given(event))) or NO_MARK
    if event.target.login:
        return (made if made is not NO_MARK else own), "login"
    if event.target.path.startswith("auth/token/create"):
        return Mark(made.change, made.step, made.plan, made.head, made.policies or own.policies), "mint"
    return own, "call"


def _sight(event: Event) -> list[str]:
    line = _line(event)
    caller = decode_auth(line.auth).accessor or line.request.client_token_accessor
    about = call_of(line)
    subject = about.token.accessor if about and about.verb in (Verb.REVOKE_TOKEN, Verb.RENEW_TOKEN) else ""
    given = decode_auth(_given(event)).accessor
    return [bounded(text, _SHORT) for text in (caller, given, subject, about.hmac if about else "")]


class _Versions(msgspec.Struct, gc=False):
    versions: list[int] = []


def _versions(line: Line) -> Sequence[int]:
    """Return the versions that a call names, as a destroy does; numbers stand in the log in plain."""
    try:
        asked = (
            msgspec.json.decode(line.request.data, type=_Versions) if line.request.data is not EMPTY else _Versions()
        )
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [one for one in asked.versions if 0 < one <= _LARGEST][:_MOST]
