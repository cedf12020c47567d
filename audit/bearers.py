"""What the log tells of a token that a pod may hold: read once, from the line of its login or else its first call."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audit import blocks
from audit.event import OPERATIONS, SEEN_REQUEST, SEEN_RESPONSE
from audit.models import PodClaim, Token
from audit.pod_tables import Bearer
from audit.principal import Kind
from inventory.attribution import Token as Held
from inventory.moments import micros
from vault.audit_line import Line, decode, decode_auth
from vault.errors import NotAnAuditLine

SIGNED = ("kubernetes", "jwt", "oidc")  # auth methods whose metadata comes from a signature that they checked
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST, _LONGEST = 40, 300  # keys of metadata, and characters of one value
# Of an event e and its path a: a successful login to an auth method.
LOGIN = f"""(e.operation IN ({OPERATIONS.index("create")}, {OPERATIONS.index("update")}) AND e.outcome = 1
    AND a.path LIKE 'auth/%%' AND (a.path LIKE '%%/login' OR a.path LIKE '%%/login/%%'))"""
_BOTH = SEEN_REQUEST | SEEN_RESPONSE


@dataclass(frozen=True, slots=True)
class Call:
    """One event as attribution reads it; `login` says that it is a call to a login path."""

    id: int
    time: datetime
    vault: int
    token: int
    address: int
    block: int
    line: int
    flags: int
    login: bool


def tellers(calls: Sequence[Call]) -> list[Call]:
    """Return for each token that is not known yet the call that tells most of it: its login, else its first.

    A login that comes late tells of a token that was known without it.
    """
    best: dict[int, Call] = {}
    for call in calls:
        known = best.get(call.token)
        if known is None or (not call.login, call.time) < (not known.login, known.time):
            best[call.token] = call
    logins: dict[int, datetime | None] = dict(
        Bearer.objects.filter(token_id__in=best).values_list("token_id", "login_at")
    )
    best = {token: call if call.login or token in logins else _login_beside(call) for token, call in best.items()}
    return [call for token, call in best.items() if token not in logins or (call.login and logins[token] is None)]


_LOGINS_THEN = f"""
    SELECT e.id, e.time, e.vault, e.block, e.line, e.flags, e.address, s.block, s.line, s.flags, encode(t.hmac, 'hex')
    FROM audit_token t JOIN audit_device d ON d.id = t.device_id
    JOIN audit_event e ON e.vault = d.vault_id AND e.device <> d.id AND e.principal = t.principal_id
         AND e.time BETWEEN t.first_time - interval '2 seconds' AND t.first_time + interval '2 seconds'
    JOIN audit_path a ON a.id = e.path AND {LOGIN}
    JOIN audit_sighting s ON s.event_id = e.id AND s.device = d.id AND s.time = e.time
    WHERE t.id = %s ORDER BY e.id LIMIT 20
"""  # noqa: S608 - our own text


def _login_beside(call: Call) -> Call:
    """Return the login of a call's token where another device was the first to show it, else the call itself.

    Each device hashes tokens with a salt of its own: the login's line as this device shows it has the token's hash.
    """
    for event, time, vault, block, line, flags, address, own_block, own_line, own_flags, hmac in _rows(
        _LOGINS_THEN, [call.token]
    ):
        own = Call(event, time, vault, call.token, address, own_block, own_line, own_flags, login=True)
        shown = lines_of([own]).get(event)
        if shown is not None and decode_auth(shown.auth).client_token == f"hmac-sha256:{hmac}":
            return Call(event, time, vault, call.token, address, block, line, flags, login=True)
    return call


def learn(calls: Sequence[Call]) -> list[Bearer]:
    """Write down what these calls' lines tell of their tokens; returns the bearers."""
    lines = lines_of(calls)
    addresses = _addresses({call.address for call in calls})
    tokens = Token.objects.select_related("principal").in_bulk([call.token for call in calls])
    pods = PodClaim.objects.in_bulk(list(tokens))
    made = [
        _bearer(tokens[call.token], call, lines.get(call.id), addresses[call.address], pods.get(call.token))
        for call in calls
        if call.token in tokens
    ]
    Bearer.objects.bulk_create(
        made,
        update_conflicts=True,
        unique_fields=["token"],
        update_fields=["mount", "signed", "claims", "uids", "login_address", "login_at"],
    )
    return made


def _addresses(keys: Iterable[int]) -> dict[int, str]:
    return dict(_rows("SELECT id, address FROM audit_address WHERE id = ANY(%s)", [list(keys)]))


def _bearer(token: Token, call: Call, line: Line | None, address: str, pod: PodClaim | None) -> Bearer:
    account = token.principal.kind == Kind.SERVICE_ACCOUNT
    namespace, _, name = token.principal.name.partition("/") if account else ("", "", "")
    claims = _claims(line) if pod is None else {"pod_name": pod.pod, "pod_uid": pod.uid, "node_name": pod.node}
    signed = account if not call.login else bool(line and line.request.mount_type in SIGNED)
    return Bearer(
        token=token, vault_id=call.vault, account_namespace=namespace, account_name=name, signed=signed,
        claims=claims, uids=sorted({value for value in claims.values() if _UID.fullmatch(value)}),
        mount=mount_of(line) if line and call.login else "",
        login_address=address if call.login else "", login_at=call.time if call.login else None,
    )  # fmt: skip


def mount_of(line: Line) -> str:
    """Return the auth mount of a login, with its accessor: another method at the same path is another mount."""
    asked = line.request
    return f"{asked.namespace.path}{asked.mount_point} {asked.mount_accessor}".strip()


def _claims(line: Line | None) -> dict[str, str]:
    """Return the metadata of a token, as far as it is text of a sane size."""
    metadata = decode_auth(line.auth).metadata if line is not None else None
    some = list((metadata or {}).items())[:_MOST]
    return {key[:_LONGEST]: value for key, value in some if isinstance(value, str) and 0 < len(value) <= _LONGEST}


def lines_of(calls: Iterable[Call]) -> dict[int, Line]:
    """Return {event id: its response line, or its only one}, decoded; an event whose line is gone is missing."""
    by_block: dict[tuple[datetime, int], list[Call]] = defaultdict(list)
    for call in calls:
        day = call.time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        by_block[day, call.block].append(call)
    found: dict[int, Line] = {}
    for (day, block), some in by_block.items():
        bodies = _bodies(block, day)
        for call in some:
            place = call.line + (call.flags & _BOTH == _BOTH)
            if place < len(bodies):
                _add(found, call.id, bodies[place])
    return found


def _add(found: dict[int, Line], event: int, raw: bytes) -> None:
    try:
        found[event] = decode(raw)[0]
    except NotAnAuditLine:
        return


def _bodies(block: int, day: datetime) -> list[bytes]:
    found = _rows(
        "SELECT body FROM audit_block WHERE id = %s AND time >= %s AND time < %s",
        [block, day, day + timedelta(days=2)],
    )
    return blocks.unpack(bytes(found[0][0])) if found else []


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def held(bearer: Bearer, last: datetime | None = None) -> Held:
    """Return a bearer as the rules of attribution know it; `last` is its last call from the address of its login."""
    account = (bearer.account_namespace, bearer.account_name) if bearer.account_name else None
    at = micros(bearer.login_at) if bearer.login_at else 0
    return Held(
        account, bearer.claims, bearer.signed, bearer.mount, bearer.login_address, at, micros(last) if last else at
    )
