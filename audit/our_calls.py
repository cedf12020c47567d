"""What our own identities did, asked by change and in the order in which it became known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from inventory.sightings import OurCall

MOST = 5_000
_CALLS = """
    SELECT c.event_id, c.seq, v.name, c.time, c.request_id::text, c.kind, c.change, c.step, c.plan, c.head,
           coalesce(nullif(c.role, ''), m.role, ''), m.event_id, coalesce(m.name, ''),
           p.name, p.kind, p.entity_id, c.policies, a.address, c.operation, c.namespace, c.path, coalesce(s.name, ''),
           c.version, c.versions, coalesce(nullif(c.lease, ''), (
               SELECT l.lease_id FROM audit_oursight o JOIN audit_leasehash h ON h.device_id = o.device_id
                      AND h.hmac = o.lease JOIN audit_lease l ON l.id = h.lease_id
               WHERE o.call_id = c.event_id AND o.lease <> '' LIMIT 1), ''),
           c.prefix, c.outcome,
           ARRAY(SELECT accessor FROM audit_oursight WHERE call_id = c.event_id AND accessor <> '' ORDER BY device_id),
           ARRAY(SELECT about FROM audit_oursight WHERE call_id = c.event_id AND about <> '' ORDER BY device_id),
           coalesce(m.entity_id, '')
    FROM audit_ourcall c JOIN audit_vault v ON v.id = c.vault_id JOIN audit_principal p ON p.id = c.principal_id
    JOIN audit_address a ON a.id = c.address_id LEFT JOIN audit_secret s ON s.id = c.secret_id
    LEFT JOIN LATERAL (
        SELECT k.event_id, k.role, w.name, w.entity_id FROM audit_oursight o
        JOIN audit_oursight t ON t.device_id = o.device_id AND t.made = o.accessor AND t.made <> ''
        JOIN audit_ourcall k ON k.event_id = t.call_id AND k.vault_id = c.vault_id
        JOIN audit_principal w ON w.id = k.principal_id
        WHERE o.call_id = c.event_id AND c.kind = 'call' ORDER BY k.event_id LIMIT 1) m ON true
"""


def calls_of(change: str) -> list[OurCall]:
    """Return the calls that claim to be for a change (`C-215`), and the mints of its tokens, in order of acceptance."""
    if not change:
        return []
    return _calls("WHERE c.change = %s ORDER BY c.event_id LIMIT %s", [change, MOST])


def calls_since(seq: int, limit: int) -> list[OurCall]:
    """Return what became known of our calls after an item's number, at most so many, in that order.

    A call whose response came late comes again, with its outcome. Begin with 0 and go on with the last one's `seq`.
    """
    return _calls("WHERE c.seq > %s ORDER BY c.seq LIMIT %s", [seq, limit])


def calls_by_event(events: Sequence[int]) -> dict[int, OurCall]:
    """Return those of some events that are calls of ours, by the event's number."""
    found = _calls("WHERE c.event_id = ANY(%s) ORDER BY c.event_id LIMIT %s", [list(events), MOST]) if events else []
    return {one.event: one for one in found}


def _calls(which: str, values: Sequence[Any]) -> list[OurCall]:
    with connection.cursor() as cursor:
        cursor.execute(_CALLS + which, values)
        return [OurCall(*row) for row in cursor.fetchall()]
