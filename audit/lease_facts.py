"""What the record says of some leases: facts out of stored lines, and which leases a fact is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audit import blocks
from audit.event import AMENDS, OPERATIONS, SEEN_REQUEST, SEEN_RESPONSE, SUPERSEDED
from audit.lease_models import LeaseFact, LeaseHolder
from inventory.leases import Fact, Kind
from vault.audit_line import decode
from vault.errors import NotAnAuditLine
from vault.lease_calls import BEGINNINGS, Call, Verb, call_of

_LONGEST = 1_000  # bytes of a lease id or a prefix; the ids of `audit_leaseissue` are no longer
_KINDS = {
    Verb.RENEW: Kind.RENEWED,
    Verb.REVOKE: Kind.REVOKED,
    Verb.PREFIX: Kind.PREFIX,
    Verb.FORCE: Kind.FORCED,
    Verb.REVOKE_TOKEN: Kind.TOKEN,
    Verb.RENEW_TOKEN: Kind.TOKEN_LIFE,
}


@dataclass(frozen=True, slots=True)
class Sight:
    """One device's record of one event: where its response line stands among the blocks."""

    event_id: int
    vault_id: int
    device_id: int
    time: datetime
    line_time: datetime
    block: int
    line: int


def sights(after: int, upto: int) -> list[Sight]:
    """Return the responses, numbered (after, upto], of every call that may be about leases, on each device."""
    asked: dict[str, Any] = {"after": after, "upto": upto, "seen": SEEN_RESPONSE, "first": SEEN_REQUEST}
    asked["beginnings"] = list(BEGINNINGS)
    with connection.cursor() as cursor:
        cursor.execute(_SIGHTS, asked)
        return [Sight(*row) for row in cursor.fetchall()]


_WRITES = f"({OPERATIONS.index('create')}, {OPERATIONS.index('update')})"
_ABOUT = f"""(e.operation IN {_WRITES} AND EXISTS (SELECT FROM audit_path p WHERE p.id = e.path
                 AND (starts_with(p.path, 'sys/') OR starts_with(p.path, 'auth/token/'))
                 AND EXISTS (SELECT FROM unnest(%(beginnings)s::text[]) b WHERE starts_with(p.path, b)))
             OR EXISTS (SELECT FROM audit_leaseissue i WHERE i.event_id = <id>))"""  # noqa: S608 - our own text
# An event that a late response amended is known by its amendment, whoever shows it.
_SIGHTS = f"""
    SELECT e.id, e.vault, e.device, e.time, e.time, e.block, e.line + (e.flags & %(first)s) FROM audit_event e
    WHERE e.id > %(after)s AND e.id <= %(upto)s AND e.flags & %(seen)s <> 0 AND {_ABOUT.replace("<id>", "e.id")}
    UNION ALL
    SELECT coalesce(a.id, e.id), e.vault, s.device, e.time, s.time + s.delta * interval '1 microsecond', s.block,
           s.line + (s.flags & %(first)s)
    FROM audit_sighting s JOIN audit_event e ON e.id = s.event_id AND e.time = s.time
    LEFT JOIN LATERAL (SELECT id FROM audit_event WHERE time = e.time AND vault = e.vault AND request_id = e.request_id
                       AND flags >= {AMENDS} AND e.flags & {SUPERSEDED} <> 0 ORDER BY id LIMIT 1) a ON true
    WHERE s.seq > %(after)s AND s.seq <= %(upto)s AND s.flags & %(seen)s <> 0
    AND {_ABOUT.replace("<id>", "coalesce(a.id, e.id)")}
"""  # noqa: S608 - our own text


def calls_of(seen: Iterable[Sight]) -> list[tuple[Sight, Call]]:
    """Read the calls in the lines as stored; each block is unpacked once. What is past retention tells nothing."""
    by_block: dict[tuple[int, datetime], list[Sight]] = defaultdict(list)
    for one in seen:
        day = one.line_time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        by_block[one.block, day].append(one)
    found = []
    for (block, day), some in by_block.items():
        bodies = _bodies(block, day)
        found += [(one, call) for one in some if one.line < len(bodies) and (call := _call(bodies[one.line]))]
    return found


def _bodies(block: int, day: datetime) -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT body FROM audit_block WHERE id = %s AND time >= %s AND time < %s",
            [block, day, day + timedelta(days=2)],  # a late response's block is of the day on which it came
        )
        row = cursor.fetchone()
    return blocks.unpack(bytes(row[0])) if row else []


def _call(body: bytes) -> Call | None:
    try:
        return call_of(decode(body)[0])
    except NotAnAuditLine:
        return None


def fact_of(seen: Sight, call: Call) -> LeaseFact | None:
    """Return the row that keeps a call, None for one that can have changed no lease."""
    lost = not call.ok and call.verb not in (Verb.PREFIX, Verb.FORCE)
    if call.verb is Verb.ISSUE or lost:
        return None
    row = LeaseFact(
        vault_id=seen.vault_id, device_id=seen.device_id, event_id=seen.event_id, time=seen.time, kind=call.verb,
        ok=call.ok, namespace=_text(call.namespace), lease=_text(call.lease), hmac=_text(call.hmac),
        prefix=_text(call.prefix.rstrip("/")), token=_text(call.token.token), accessor=_text(call.token.accessor),
        ends=call.token.ends,
    )  # fmt: skip
    if call.verb is Verb.MAKE_TOKEN:
        row.by_token, row.by_accessor = _text(call.by.token), _text(call.by.accessor)
    return row if row.lease or row.hmac or row.prefix or row.token or row.accessor else None


def holder_row(lease: int, seen: Sight, call: Call) -> LeaseHolder:
    """Return the row that says which token took a lease."""
    by = call.by
    return LeaseHolder(
        lease_id=lease, device_id=seen.device_id, token=_text(by.token), accessor=_text(by.accessor), ends=by.ends,
        born=by.born,
    )  # fmt: skip


def _text(text: str) -> str:
    """What PostgreSQL can keep and index; a longer id is none that a vault made."""
    return "" if "\0" in text or len(text.encode("utf-8", "replace")) > _LONGEST else text


def about(facts: Sequence[LeaseFact]) -> set[int]:
    """Return the leases that facts (stored already) are about."""
    if not facts:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_ABOUT_THESE, {"events": [one.event_id for one in facts]})
        return {row[0] for row in cursor.fetchall()}


# A token that was made with another one ends with that one: facts about a token are about the leases of all below it.
_ABOUT_THESE = """
    WITH RECURSIVE news AS MATERIALIZED (SELECT * FROM audit_leasefact WHERE event_id = ANY(%(events)s::bigint[])),
    tokens(device, token, accessor) AS (
        SELECT device_id, token, accessor FROM news WHERE token <> '' OR accessor <> ''
        UNION SELECT f.device_id, f.token, f.accessor FROM tokens t JOIN audit_leasefact f
        ON f.kind = 'make_token' AND f.device_id = t.device AND (f.by_token = t.token AND f.by_token <> ''
                                                                 OR f.by_accessor = t.accessor AND f.by_accessor <> '')
    )
    SELECT l.id FROM news f JOIN audit_lease l ON l.vault_id = f.vault_id AND l.lease_id = f.lease WHERE f.lease <> ''
    UNION SELECT h.lease_id FROM news f JOIN audit_leasehash h ON h.device_id = f.device_id AND h.hmac = f.hmac
    WHERE f.hmac <> ''
    UNION SELECT l.id FROM news f JOIN audit_lease l ON l.vault_id = f.vault_id AND l.namespace = f.namespace
    AND (starts_with(l.lease_id, f.prefix || '/') OR l.lease_id = f.prefix) WHERE f.prefix <> ''
    UNION SELECT l.id FROM news f JOIN audit_lease l ON l.vault_id = f.vault_id AND l.namespace = f.namespace
    WHERE starts_with(f.prefix, 'auth/') AND l.look_at IS NOT NULL
    UNION SELECT h.lease_id FROM tokens t JOIN audit_leaseholder h ON h.device_id = t.device AND h.token = t.token
    WHERE t.token <> ''
    UNION SELECT h.lease_id FROM tokens t JOIN audit_leaseholder h ON h.device_id = t.device AND h.accessor = t.accessor
    WHERE t.accessor <> ''
"""


def known_of(leases: Sequence[int]) -> dict[int, list[Fact]]:
    """Return what the log says of each lease: its calls, those of its token, and until when that token lives.

    An event has its request's time: what ended a lease may seem to begin a little before it was issued.
    """
    told: dict[int, list[Fact]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, {"leases": list(leases)})
        for lease, kind, time, ok, ends, event in cursor.fetchall():
            told[lease].append(Fact(_KINDS[kind], time, ok, ends, event))
        cursor.execute(_LIVES, [list(leases)])
        for lease, time, ends in cursor.fetchall():
            told[lease].append(Fact(Kind.TOKEN_LIFE, time, True, ends))
    return told


_LIVES = """SELECT l.id, l.issued, h.ends FROM audit_lease l JOIN audit_leaseholder h ON h.lease_id = l.id
            WHERE l.id = ANY(%s::bigint[])"""
# A prefix below `auth/` names tokens: those whose login stands under it, at the second in which the token was born.
_BORN_BELOW = """
    EXISTS (SELECT FROM audit_leaseholder h JOIN audit_token t ON t.device_id = h.device_id
            AND t.hmac = decode(substr(h.token, 13), 'hex')
            JOIN audit_event e ON e.token = t.id AND e.principal = t.principal_id
            AND e.time >= h.born - interval '2 s' AND e.time < h.born + interval '3 s'
            JOIN audit_path p ON p.id = e.path
            WHERE h.lease_id = l.id AND h.born IS NOT NULL AND h.token ~ '^hmac-sha256:[0-9a-f]{64}$'
            AND (starts_with(p.path, f.prefix || '/') OR p.path = f.prefix))
"""
_KNOWN = f"""
    WITH RECURSIVE l AS MATERIALIZED (SELECT * FROM audit_lease WHERE id = ANY(%(leases)s::bigint[])),
    kin(lease, issued, device, token, accessor, own) AS (
        SELECT l.id, l.issued, h.device_id, h.token, h.accessor, true
        FROM l JOIN audit_leaseholder h ON h.lease_id = l.id
        UNION SELECT k.lease, k.issued, k.device, f.by_token, f.by_accessor, false FROM kin k JOIN audit_leasefact f
        ON f.kind = 'make_token' AND f.device_id = k.device AND f.token = k.token AND k.token <> ''
    )
    SELECT DISTINCT * FROM (
        SELECT l.id, f.kind, f.time, f.ok, f.ends, f.event_id FROM l
        JOIN audit_leasefact f ON f.vault_id = l.vault_id AND f.lease = l.lease_id AND f.lease <> ''
        UNION ALL
        SELECT l.id, f.kind, f.time, f.ok, f.ends, f.event_id FROM l JOIN audit_leasehash h ON h.lease_id = l.id
        JOIN audit_leasefact f ON f.device_id = h.device_id AND f.hmac = h.hmac AND f.hmac <> ''
        UNION ALL
        SELECT l.id, f.kind, f.time, f.ok, f.ends, f.event_id FROM l
        JOIN audit_leasefact f ON f.prefix <> '' AND f.vault_id = l.vault_id AND f.namespace = l.namespace
        AND f.time >= l.issued - interval '1 s' AND (
            starts_with(l.lease_id, f.prefix || '/') OR l.lease_id = f.prefix
            OR (starts_with(f.prefix, 'auth/') AND {_BORN_BELOW}))
        UNION ALL
        SELECT k.lease, f.kind, f.time, f.ok, f.ends, f.event_id FROM kin k
        JOIN audit_leasefact f ON f.device_id = k.device AND f.token = k.token AND f.token <> ''
        WHERE f.time >= k.issued - interval '1 s' AND (f.kind = 'revoke_token' OR k.own AND f.kind = 'renew_token')
        UNION ALL
        SELECT k.lease, f.kind, f.time, f.ok, f.ends, f.event_id FROM kin k
        JOIN audit_leasefact f ON f.device_id = k.device AND f.accessor = k.accessor AND f.accessor <> ''
        WHERE f.time >= k.issued - interval '1 s' AND (f.kind = 'revoke_token' OR k.own AND f.kind = 'renew_token')
    ) x
"""  # noqa: S608 - our own text


def blind_of(leases: Sequence[int]) -> dict[int, bool]:
    """Return those in whose time lies a hole of the record, or a revocation by id that nobody could read.

    A revocation is read where its HMAC is that of a known id, or where this lease's own HMAC on that device is known
    and is another. The value is True where the record just does not reach to the lookup yet.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BLIND, [list(leases)])
        return {lease: behind for lease, behind, hole in cursor.fetchall() if behind or hole}


_BLIND = """
    SELECT l.id,
        coalesce(l.verified_at, now()) - interval '2 s'
            > (SELECT coalesce(max(d.last_time), 'epoch') FROM audit_device d WHERE d.vault_id = l.vault_id),
        NOT EXISTS (SELECT FROM audit_leaseholder h WHERE h.lease_id = l.id)
        OR EXISTS (SELECT FROM audit_gap g JOIN audit_device d ON d.id = g.device_id
                   WHERE d.vault_id = l.vault_id AND g.kind <> 'missed'
                   AND coalesce(g.start, l.issued) <= coalesce(l.verified_at, now())
                   AND coalesce(g."end", now()) >= l.issued)
        OR EXISTS (SELECT FROM audit_leasefact f
                   WHERE f.vault_id = l.vault_id AND f.kind = 'revoke' AND f.ok AND f.hmac <> '' AND f.lease = ''
                   AND f.time >= l.issued AND f.time <= coalesce(l.verified_at, now())
                   AND NOT EXISTS (SELECT FROM audit_leasefact o JOIN audit_leasehash h ON h.device_id = o.device_id
                                   WHERE o.event_id = f.event_id AND (h.hmac = o.hmac OR h.lease_id = l.id)))
    FROM audit_lease l WHERE l.id = ANY(%s::bigint[])
"""
