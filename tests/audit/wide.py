"""A made-up log of two vaults with namespaces and prefixes that look alike, and every event of it as plain Python."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from accounts.scope import Area, Scope
from audit.event import OPERATIONS
from audit.principal import Kind
from tests.audit.lines import Call, hmac
from tests.audit.past import Past
from vault.reads import Disclosure, Outcome

NOW = datetime.now(UTC).replace(microsecond=0)
BEGIN = NOW - timedelta(days=12)
VAULTS = ("eu", "lab")
NAMESPACES = ("", "team/", "team/child/", "teams/")
PATHS = [
    *(f"secret/data/{top}/key-{n}" for top in ("prod", "production", "prod/db", "dev") for n in range(2)),
    "secret/data/prod",
    "database/creds/rw",
    "database/creds/rw-all",
]
LOGINS = ["auth/kubernetes/login", "auth/deep/er/login", "auth/userpass/login/mira"]
OTHERS = ["sys/mounts", "secret/metadata/prod/", "auth/kubernetes/role/login", "auth/token/lookup-self"]
MOUNTS = {"secret/": "kv", "database/": "database", "sys/": "system", "auth/token/": "token"} | {
    f"auth/{name}/": kind for name, kind in (("kubernetes", "kubernetes"), ("deep/er", "jwt"), ("userpass", "userpass"))
}
REFUSED = "1 error occurred:\n\t* permission denied\n\n"


def write(folder: Path, events: int = 1_400, seed: int = 7) -> dict[str, Path]:
    """Write the log of each vault; returns the files by vault."""
    dice = random.Random(seed)
    files = {}
    for vault in VAULTS:
        files[vault] = folder / f"{vault}.log"
        step = (NOW - timedelta(minutes=1) - BEGIN) / events
        lines = [line for n in range(events) for line in _call(dice, vault, n, BEGIN + step * n)]
        files[vault].write_bytes(b"".join(line + b"\n" for line in lines))
    return files


def _call(dice: random.Random, vault: str, number: int, at: datetime) -> list[bytes]:
    """Return the lines of one call: a read mostly, else a login, something without a secret, a denial."""
    sort = dice.random()
    path = dice.choice(PATHS if sort < 0.6 else LOGINS if sort < 0.8 else OTHERS)
    namespace = dice.choice(NAMESPACES)
    # Each caller has its part of the secrets, so that scopes differ in whom they show.
    who = dice.randrange(12) if sort > 0.6 else (sum(map(ord, path + namespace)) + dice.randrange(3)) % 12
    call = Call(number, who, "", at, f"{vault} {number}", f"10.{who % 3}.{dice.randrange(4)}.1")
    mount = next(mount for mount in MOUNTS if path.startswith(mount))
    writes = path.startswith("auth/") and path != "auth/token/lookup-self"
    asked = {
        "request__path": path,
        "request__operation": "list" if path.endswith("/") else "update" if writes else "read",
        "request__mount_point": namespace + mount,
        "request__mount_type": MOUNTS[mount],
        "request__namespace": {"id": namespace.strip("/").replace("/", "-") or "root", "path": namespace},
    }
    if not namespace:
        asked["request__namespace"] = {"id": "root"}
    outcome = dice.random()
    if outcome < 0.15:
        return [call.request(**asked), call.response(data={}, error=REFUSED, **asked)]
    if outcome < 0.2:
        return [call.request(**asked)]
    if path in LOGINS:
        return [call.request(**asked), _logged_in(call, asked)]
    if path.startswith("database/"):
        return [call.request(**asked), call.response(data={"password": hmac("file", "p")}, **asked)]
    given = None if path.startswith("secret/data") else {"keys": [hmac("file", "k")]}
    return [call.request(**asked), call.response(data=given, **asked)]


def _logged_in(call: Call, asked: dict) -> bytes:
    entry = json.loads(call.response(data={}, **asked))
    entry["response"]["auth"] = {"client_token": hmac("file", "new"), "accessor": hmac("file", "new accessor")}
    return json.dumps(entry, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Seen:
    """One event with all that somebody may see of it; what is hidden is empty."""

    id: int
    time: datetime
    outcome: str
    vault: str
    principal_id: int
    principal: str
    kind: str
    address: str
    disclosed: str = ""
    operation: str = ""
    path: str = ""
    secret_id: int = 0
    secret: str = ""
    version: int | None = None
    request_id: str = ""
    devices: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def redacted(self) -> Seen:
        """Return what of it may be seen beside a scope."""
        return Seen(self.id, self.time, self.outcome, self.vault, self.principal_id, self.principal, self.kind,
                    self.address, hidden=True)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """One event of the store, whole, with where its secret lies."""

    seen: Seen
    namespace: str
    relative: str
    login: bool


def everything(past: Past) -> list[Stored]:
    """Return every event of the store that is not superseded, by id, read without any of the questions under test."""
    rows = past.rows(
        """SELECT e.id, e.time, e.outcome, v.name, e.principal, p.name, p.kind, d.address, e.disclosed, e.operation,
                  a.namespace, a.path, e.secret, s.name, s.namespace, e.version, e.request_id,
                  ARRAY(SELECT name FROM audit_device WHERE id = e.device UNION
                        SELECT o.name FROM audit_sighting g JOIN audit_device o ON o.id = g.device
                        WHERE g.event_id = e.id AND g.time = e.time ORDER BY 1)
           FROM audit_event e JOIN audit_vault v ON v.id = e.vault JOIN audit_principal p ON p.id = e.principal
           JOIN audit_address d ON d.id = e.address LEFT JOIN audit_path a ON a.id = e.path
           LEFT JOIN audit_secret s ON s.id = e.secret WHERE e.flags & 4 = 0 ORDER BY e.time DESC, e.id DESC"""
    )
    mounts = {(vault, namespace, path) for vault, namespace, path in past.rows(
        "SELECT v.name, m.namespace, m.path FROM audit_mount m JOIN audit_vault v ON v.id = m.vault_id"
        " WHERE m.path LIKE 'auth/%%'"
    )}  # fmt: skip
    return [_stored(row, mounts) for row in rows]


def _stored(row: tuple, mounts: set[tuple[str, str, str]]) -> Stored:
    operation, namespace, path = OPERATIONS[row[9]], row[10], row[11]
    own = Seen(row[0], row[1], Outcome(row[2]).label, *row[3:8],
               disclosed=Disclosure(row[8]).label if row[8] else "", operation=operation, path=namespace + path,
               secret_id=row[12], secret=row[13] or "", version=row[15] or None, request_id=str(row[16]),
               devices=tuple(row[17]))  # fmt: skip
    rests = [path.removeprefix(m) for v, n, m in mounts if (v, n) == (row[3], namespace) and path.startswith(m)]
    login = operation in ("create", "update") and any(r == "login" or r.startswith("login/") for r in rests)
    where = (row[14] or "").strip("/")
    return Stored(own, where, own.secret.removeprefix(f"{where}/") if where else own.secret, login)


def inside(scope: Scope, one: Stored) -> bool:
    """Whether an event's secret is in scope."""
    return one.seen.secret_id > 0 and scope.covers(one.seen.vault, one.namespace, one.relative)


def visible(scope: Scope, events: Iterable[Stored], since: datetime, until: datetime) -> list[Seen]:
    """Return the events that somebody sees of a window, in the order given: the definition, said naively."""
    there = [one for one in events if since <= one.seen.time < until]
    if scope.everything:
        return [one.seen for one in there]
    who = {one.seen.principal_id for one in there if inside(scope, one)}
    return [
        one.seen if inside(scope, one) else one.seen.redacted
        for one in there
        if inside(scope, one) or (one.seen.principal_id in who and (one.login or one.seen.outcome == "denied"))
    ]


def scopes(count: int, seed: int, secrets: Iterable[tuple[str, str, str]]) -> list[Scope]:
    """Return made-up scopes over these secrets (vault, namespace, name without it): narrow ones, wide ones, pairs."""
    dice, known = random.Random(seed), sorted(secrets)

    def area() -> Area:
        vault, namespace, path = dice.choice(known)
        segments = path.split("/")
        prefix = "/".join(segments[: dice.randrange(0, len(segments) + 1)])
        some: list[Callable[[Area], Area]] = [
            lambda a: replace(a, vault=""), lambda a: replace(a, namespace=""), lambda a: replace(a, prefix=""),
            lambda a: replace(a, prefix=a.prefix[:-1]), lambda a: a, lambda a: replace(a, vault="none"),
        ]  # fmt: skip
        return dice.choice(some[:-1] * 3 + some[-1:])(Area(vault, namespace, prefix))

    found = [Scope.of([area() for _ in range(dice.choice((1, 1, 2, 3)))]) for _ in range(count)]
    return [one.narrowed(dice.choice(found)) if dice.random() < 0.3 else one for one in found]


KINDS = [kind.value for kind in Kind]
