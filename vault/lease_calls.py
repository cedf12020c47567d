"""What a call did to leases and to the tokens that hold them, read from its response line. Pure.

The response line repeats the request, so it is enough. A lease's id is plain where it is issued and renewed, and in the
address of a call; in the body of a call it is the device's HMAC, as tokens and accessors are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

from vault.audit_line import EMPTY, Line, microseconds
from vault.errors import NotAnAuditLine

_HMAC = "hmac-sha256:"


class Verb(StrEnum):
    """What was done."""

    ISSUE = "issue"
    RENEW = "renew"
    REVOKE = "revoke"
    PREFIX = "prefix"
    FORCE = "force"
    REVOKE_TOKEN = "revoke_token"  # noqa: S105 - of a call, no password
    RENEW_TOKEN = "renew_token"  # noqa: S105
    MAKE_TOKEN = "make_token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Caller:
    """A token as one device shows it: its HMAC, its accessor (an HMAC, or plain where the device is set to).

    `born` is its issue, in whole seconds; `ends` is None for a token without an end. Neither may be told.
    """

    token: str = ""
    accessor: str = ""
    ends: datetime | None = None
    born: datetime | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `ok` is False if the vault refused it or failed, `by` the token that made it.

    What it is about is in one of `lease` (a plain id), `hmac` (of an id), `prefix` and `token` (which is revoked, was
    renewed or is new). `namespace` is where ids and prefixes belong, with a slash at its end or empty.
    """

    verb: Verb
    ok: bool
    namespace: str
    by: Caller
    lease: str = ""
    hmac: str = ""
    prefix: str = ""
    token: Caller = Caller()


# The beginnings of the paths, relative to the namespace, that a reader of the log has to look at beside issues.
BEGINNINGS = (
    "sys/leases/renew", "sys/leases/revoke", "sys/renew", "sys/revoke",
    "auth/token/revoke", "auth/token/renew", "auth/token/create",
)  # fmt: skip
_VERBS = {
    "renew": Verb.RENEW,
    "revoke": Verb.REVOKE,
    "revoke-prefix": Verb.PREFIX,
    "revoke-force": Verb.FORCE,
}
_TOKEN_VERBS = {
    "revoke": Verb.REVOKE_TOKEN,
    "revoke-self": Verb.REVOKE_TOKEN,
    "revoke-accessor": Verb.REVOKE_TOKEN,
    "revoke-orphan": Verb.REVOKE_TOKEN,
    "renew": Verb.RENEW_TOKEN,
    "renew-self": Verb.RENEW_TOKEN,
    "renew-accessor": Verb.RENEW_TOKEN,
    "create": Verb.MAKE_TOKEN,
}


class _Auth(msgspec.Struct, gc=False):
    client_token: str = ""
    accessor: str = ""
    token_ttl: int = 0
    token_issue_time: str = ""


class _Asked(msgspec.Struct, gc=False):
    lease_id: str = ""
    url_lease_id: str = ""
    prefix: str = ""
    token: str = ""
    accessor: str = ""
    no_parent: object = None


def call_of(line: Line) -> Call | None:
    """Return what a response line tells of leases, None if it is about something else."""
    path = line.request.path
    if path.startswith("sys/"):
        found = _of_leases(line, path.removeprefix("sys/").removeprefix("leases/"))
        if found is not None:
            return found
    if path.startswith("auth/token/"):
        return _of_tokens(line, path.removeprefix("auth/token/"))
    lease = line.response.secret.lease_id if line.response and line.response.secret else ""
    if not lease or line.error:
        return None
    return Call(Verb.ISSUE, True, line.request.namespace.path, _caller(line), lease=lease)


def lease_namespace(lease: str) -> str:
    """Return the id of the namespace that a lease id names at its end, "" for the root namespace."""
    _, dot, tail = lease.rpartition("/")[2].partition(".")
    return tail if dot else ""


def _of_leases(line: Line, rest: str) -> Call | None:
    word, _, tail = rest.partition("/")
    verb = _VERBS.get(word)
    if verb is None or line.request.operation not in ("update", "create"):
        return None
    namespace, by, ok = line.request.namespace.path, _caller(line), _succeeded(line)
    asked = _asked(line)
    if verb in (Verb.PREFIX, Verb.FORCE):
        prefix = tail or ("" if asked.prefix.startswith(_HMAC) else asked.prefix)
        return Call(verb, ok, namespace, by, prefix=prefix) if prefix else None
    given = line.response.secret.lease_id if line.response and line.response.secret else ""
    lease = given or tail
    hmac = next((one for one in (asked.lease_id, asked.url_lease_id) if one.startswith(_HMAC)), "")
    return Call(verb, ok, namespace, by, lease=lease, hmac=hmac) if lease or hmac else None


def _of_tokens(line: Line, rest: str) -> Call | None:
    word, _, _ = rest.partition("/")
    verb = _TOKEN_VERBS.get(word)
    if verb is None or line.request.operation not in ("update", "create"):
        return None
    by, ok = _caller(line), _succeeded(line)
    if verb is Verb.REVOKE_TOKEN:
        asked = _asked(line)
        token = by if word == "revoke-self" else Caller(asked.token, asked.accessor)
    elif line.response is None or not len(line.response.auth):
        return None
    else:
        if verb is Verb.MAKE_TOKEN and _asked(line).no_parent is not None:
            return None  # an orphan: it ends with nobody else
        token = _token(bytes(line.response.auth), _moment(line.time))
    if not token.token and not token.accessor:
        return None
    return Call(verb, ok, line.request.namespace.path, by, token=token)


def _succeeded(line: Line) -> bool:
    return line.response is not None and not line.error


def _asked(line: Line) -> _Asked:
    data = line.request.data
    if data is EMPTY or not len(data):
        return _Asked()
    try:
        return msgspec.json.decode(data, type=_Asked)
    except msgspec.DecodeError:
        return _Asked()


def _caller(line: Line) -> Caller:
    return _token(bytes(line.auth), None)


def _token(raw: bytes, now: datetime | None) -> Caller:
    """Read an `auth` object; the time that is left counts from the token's issue, or from `now` if it is given."""
    try:
        auth = msgspec.json.decode(raw, type=_Auth) if raw else _Auth()
    except msgspec.DecodeError:
        auth = _Auth()
    born = _moment(auth.token_issue_time)
    begun = now or born
    ends = begun + timedelta(seconds=min(auth.token_ttl, 10**9)) if begun and auth.token_ttl > 0 else None
    return Caller(auth.client_token, auth.accessor, ends, born)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromtimestamp(microseconds(text) / 1e6, UTC)
    except (NotAnAuditLine, OverflowError, OSError, ValueError):
        return None
