"""Turns long repeated names into small numbers: principals, tokens, paths, secrets, mounts, addresses and wraps.

Entries are written in their own short transactions before the batch that uses them: an entry without an event is
harmless, an event without its entry is not. Each process keeps a bounded memory of what it has looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from kit.arrays import binaries, numbers, texts
from vault.data_masking import Form
from vault.our_tokens import Mark
from vault.shapes import Memory

Connection = psycopg.Connection[tuple[Any, ...]]
_SECRETS = """
    SELECT namespace, mount, mount_accessor, path, s.id FROM audit_secret s
    JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS g(namespace, mount, mount_accessor, path)
    USING (namespace, mount, mount_accessor, path) WHERE s.vault_id = %s
"""
_NEW_SECRETS = """
    INSERT INTO audit_secret (vault_id, namespace, mount, mount_accessor, path, engine, name)
    SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    ON CONFLICT DO NOTHING RETURNING namespace, mount, mount_accessor, path, id
"""
_ENGINE_LEARNED = """
    UPDATE audit_secret SET engine = %s
    WHERE vault_id = %s AND namespace = %s AND mount = %s AND mount_accessor = %s AND engine LIKE 'KV v_'
"""
_TOKENS = "SELECT hmac, id FROM audit_token WHERE device_id = %s AND hmac = ANY(%s::bytea[])"
_NEW_TOKENS = """
    INSERT INTO audit_token (device_id, hmac, principal_id, accessor, first_time)
    SELECT %s, hmac, principal_id, accessor, to_timestamp(micros / 1e6)
    FROM unnest(%s::bytea[], %s::int[], %s::text[], %s::bigint[]) AS g(hmac, principal_id, accessor, micros)
    ON CONFLICT DO NOTHING RETURNING hmac, id
"""
_NEW_PODS = """
    INSERT INTO audit_podclaim (token_id, namespace, pod, uid, node)
    SELECT * FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING
"""
_ADDRESSES = "SELECT address, id FROM audit_address WHERE address = ANY(%s::text[])"
_NEW_ADDRESSES = """
    INSERT INTO audit_address (address) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING RETURNING address, id
"""
_Key = tuple[Any, ...]
_Asked = Callable[[Sequence[_Key]], Sequence[Any]]


# One `data` object: masked, and if it is a response its outcome, disclosure and KV version.
Answer = tuple[bytes, int, int, int]
# The same of all objects of one shape: how they are masked, outcome, disclosure, whether they tell a version.
Told = tuple[Form | None, int, int, bool]


@dataclass(slots=True, eq=False)
class Who:
    """One caller as one `auth` block shows it; the ids are 0 until looked up."""

    kind: str
    name: str
    namespace: str
    entity_id: str
    hmac: bytes
    accessor: str
    first: int = 0
    safe: bool = False
    unsigned: bool = False
    principal_id: int = 0
    token_id: int = 0
    pod: tuple[str, str, str, str] | None = None  # namespace, name, uid and node, where the token is bound to one
    mark: Mark | None = None  # of a token that claims to be ours

    @property
    def nameless(self) -> bool:
        """Whether nobody is known behind it: such callers may never make a dictionary grow."""
        return self.name in ("", "anonymous")


@dataclass(slots=True, eq=False)
class MountInfo:
    """What is known of one mount: the accessor seen last and the KV version (0 = not learned)."""

    namespace: str
    path: str
    type: str = ""
    accessor: str = ""
    kv_version: int = 0
    stored: tuple[str, str, int] | None = None


@dataclass(slots=True, eq=False)
class Target:
    """One (mount, path, operation) that calls go to; ids are 0 until looked up (or for ever, if no secret)."""

    mount: MountInfo
    namespace: str
    path: str
    logical: str | None
    print_name: str
    engine: str
    login: bool
    named_login: bool
    secretive: bool
    rest: str
    operation: int
    path_id: int = 0
    secret_id: int = 0
    kv2: bool = False
    writes: bool = False  # a version of KV 2
    nameless: bool = False
    collapsed: bool = False
    refused: bool = False
    mints: bool = False  # tokens of ours
    forms: dict[str, Memory[Told]] | None = None
    memory: dict[str, dict[bytes, Answer]] = field(default_factory=lambda: {"request": {}, "response": {}})


@dataclass(slots=True, eq=False)
class Address:
    """One remote address."""

    text: str
    id: int = 0
    secretive: bool = False


class Dictionary:
    """The ids of one vault and one device, on a connection of its own in autocommit."""

    def __init__(self, connection: Connection, vault_id: int, device_id: int) -> None:
        self.connection, self.vault_id, self.device_id = connection, vault_id, device_id

    def settle_principals(self, whos: Sequence[Who]) -> None:
        """Give every caller its principal id and, if it has a token HMAC, its token id."""
        self._settle_owners([who for who in whos if not who.kind])
        whos = [who for who in whos if who.kind]
        if not whos:
            return
        keys = {(w.kind, w.name, w.namespace, w.entity_id) for w in whos}
        ids = self._upsert("audit_principal", ("kind", "name", "namespace", "entity_id"), keys)
        for who in whos:
            who.principal_id = ids[who.kind, who.name, who.namespace, who.entity_id]
        self._settle_tokens([who for who in whos if who.hmac])

    def _settle_tokens(self, whos: Sequence[Who]) -> None:
        if not whos:
            return
        first = {(who.hmac,): who for who in reversed(whos)}

        def insert(keys: Sequence[_Key]) -> list[Any]:
            some = [first[key] for key in keys]
            hmacs, owners = [who.hmac for who in some], [who.principal_id for who in some]
            accessors, times = [who.accessor for who in some], [who.first for who in some]
            return [self.device_id, binaries(hmacs), numbers(owners), texts(accessors), numbers(times)]

        def select(keys: Sequence[_Key]) -> list[Any]:
            return [self.device_id, binaries([key[0] for key in keys])]

        ids = self._settle(_TOKENS, select, _NEW_TOKENS, insert, first)
        for who in whos:
            who.token_id = ids[who.hmac,]
        self._settle_pods([who for who in whos if who.pod is not None])

    def _settle_pods(self, whos: Sequence[Who]) -> None:
        if whos:
            pods = {who.token_id: who.pod for who in whos if who.pod is not None}
            columns = [texts(column) for column in zip(*pods.values(), strict=True)]
            self.connection.execute(_NEW_PODS, [numbers(list(pods)), *columns])

    def _settle_owners(self, whos: Sequence[Who]) -> None:
        """Callers of whom only a token HMAC shows: whoever logged in with it, else nobody."""
        if not whos:
            return
        owners, nobody = self.owners({who.hmac for who in whos}), self.anonymous()
        for who in whos:
            who.token_id, who.principal_id = owners.get(who.hmac, (0, nobody))

    def owners(self, hmacs: Iterable[bytes]) -> dict[bytes, tuple[int, int]]:
        """Return {token HMAC: (token id, principal id)} for tokens whose holder was seen before on this device."""
        sql = "SELECT hmac, id, principal_id FROM audit_token WHERE device_id = %s AND hmac = ANY(%s::bytea[])"
        rows = self.connection.execute(sql, [self.device_id, binaries(list(hmacs))])
        return {hmac: (token, principal) for hmac, token, principal in rows}

    def anonymous(self) -> int:
        """Return the id of the principal that stands for calls without any identity."""
        key = ("anonymous", "anonymous", "", "")
        return self._upsert("audit_principal", ("kind", "name", "namespace", "entity_id"), {key})[key]

    def settle_addresses(self, addresses: Sequence[Address]) -> None:
        """Give every address its id."""
        if not addresses:
            return

        def asked(keys: Sequence[_Key]) -> list[Any]:
            return [texts([key[0] for key in keys])]

        keys = {(address.text,) for address in addresses}
        ids = self._settle(_ADDRESSES, asked, _NEW_ADDRESSES, asked, keys)
        for address in addresses:
            address.id = ids[address.text,]

    def settle_targets(self, targets: Sequence[Target]) -> None:
        """Give every target its path id and, where it names a secret, its secret id."""
        self._settle_nameless([target for target in targets if target.nameless])
        known = [target for target in targets if not target.nameless]
        if known:
            paths = self._upsert("audit_path", ("namespace", "path"), {(t.namespace, t.path) for t in known})
            for target in known:
                target.path_id = paths[target.namespace, target.path]
            self._settle_secrets([target for target in known if target.logical is not None])

    def _settle_nameless(self, targets: Sequence[Target]) -> None:
        """Paths that only nameless callers used are looked up, never added: the rest is filed under the mount's `*`.

        Otherwise anybody who can reach the vault could fill the dictionaries with endless different paths.
        """
        if not targets:
            return
        sql = """SELECT namespace, path, t.id FROM audit_path t
                 JOIN unnest(%s::text[], %s::text[]) AS g(namespace, path) USING (namespace, path)
                 WHERE t.vault_id = %s"""
        asked = [texts([t.namespace for t in targets]), texts([t.path for t in targets]), self.vault_id]
        paths = {row[:2]: row[2] for row in self.connection.execute(sql, asked)}
        others = {("", f"{t.mount.path if t.mount.type else ''}*") for t in targets}
        rest = self._upsert("audit_path", ("namespace", "path"), others)
        for target in targets:
            target.path_id = paths.get((target.namespace, target.path), 0)
            target.collapsed = not target.path_id
            target.path_id = target.path_id or rest["", f"{target.mount.path if target.mount.type else ''}*"]
        self._find_secrets([target for target in targets if target.logical is not None])

    def _find_secrets(self, targets: Sequence[Target]) -> None:
        if targets:
            keys = [(t.namespace, t.mount.path, t.mount.accessor, t.logical) for t in targets]
            rows = self.connection.execute(_SECRETS, [*_columns(keys), self.vault_id]).fetchall()
            ids = {row[:4]: row[4] for row in rows}
            for target, key in zip(targets, keys, strict=True):
                target.secret_id = ids.get(key, 0)

    def _settle_secrets(self, targets: Sequence[Target]) -> None:
        if not targets:
            return
        rows = {(t.namespace, t.mount.path, t.mount.accessor, t.logical): (t.engine, t.print_name) for t in targets}
        ids = self._settle(
            _SECRETS,
            lambda keys: [*_columns(keys), self.vault_id],
            _NEW_SECRETS,
            lambda keys: [self.vault_id, *_columns([key + rows[key] for key in keys])],
            rows,
        )
        for target in targets:
            target.secret_id = ids[target.namespace, target.mount.path, target.mount.accessor, target.logical]

    def mounts(self) -> list[MountInfo]:
        """Return the mounts known so far, the newest accessor of each path."""
        sql = """
            SELECT DISTINCT ON (namespace, path) namespace, path, type, accessor, kv_version FROM audit_mount
            WHERE vault_id = %s ORDER BY namespace, path, id DESC
        """
        rows = self.connection.execute(sql, [self.vault_id]).fetchall()
        return [
            MountInfo(namespace, path, kind, accessor, version, (accessor, kind, version))
            for namespace, path, kind, accessor, version in rows
        ]

    def settle_mounts(self, mounts: Iterable[MountInfo]) -> None:
        """Write down mounts that are new or better known; secrets named before their accessor was known adopt it."""
        for mount in mounts:
            known = (mount.accessor, mount.type, mount.kv_version)
            if mount.stored == known:
                continue
            with self.connection.transaction():
                self._write_mount(mount)
            mount.stored = known

    def _write_mount(self, mount: MountInfo) -> None:
        key = [self.vault_id, mount.namespace, mount.path]
        if mount.accessor:
            adopt = """UPDATE {} t SET {} = %s WHERE vault_id = %s AND namespace = %s AND {} = %s AND {} = ''
                       AND NOT EXISTS (SELECT FROM {} u WHERE u.vault_id = t.vault_id AND u.namespace = t.namespace
                       AND u.{} = t.{} AND u.{} = %s {})"""
            self.connection.execute(
                adopt.format(
                    *["audit_mount", "accessor", "path", "accessor", "audit_mount", "path", "path", "accessor", ""]
                ),
                [mount.accessor, *key, mount.accessor],
            )
            self.connection.execute(
                adopt.format(
                    *["audit_secret", "mount_accessor", "mount", "mount_accessor"],
                    *["audit_secret", "mount", "mount", "mount_accessor", "AND u.path = t.path"],
                ),
                [mount.accessor, *key, mount.accessor],
            )
        self.connection.execute(
            """INSERT INTO audit_mount (vault_id, namespace, path, accessor, type, kv_version)
               VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (vault_id, namespace, path, accessor)
               DO UPDATE SET type = excluded.type, kv_version = excluded.kv_version""",
            [*key, mount.accessor, mount.type, mount.kv_version],
        )
        if mount.kv_version:  # secrets that calls named before an answer told the version
            self.connection.execute(_ENGINE_LEARNED, [f"KV v{mount.kv_version}", *key, mount.accessor])

    def remember_wraps(self, wraps: Sequence[tuple[bytes, int, int, int]]) -> None:
        """Keep (wrapping token HMAC, secret id, disclosure, time in µs) so that the unwrap can be named."""
        if wraps:
            hmacs, *others = zip(*wraps, strict=True)
            columns = [binaries(hmacs), *(numbers(column) for column in others)]
            sql = """
                INSERT INTO audit_wrap (device_id, hmac, secret_id, disclosed, time)
                SELECT %s, h, s, d, to_timestamp(t / 1e6)
                FROM unnest(%s::bytea[], %s::int[], %s::smallint[], %s::bigint[]) AS g(h, s, d, t)
                ON CONFLICT DO NOTHING
            """
            self.connection.execute(sql, [self.device_id, *columns])

    def wrapped(self, hmacs: Iterable[bytes]) -> dict[bytes, tuple[int, int]]:
        """Return {wrapping token HMAC: (secret id, disclosure)} for wraps that this device showed before."""
        sql = "SELECT hmac, secret_id, disclosed FROM audit_wrap WHERE device_id = %s AND hmac = ANY(%s::bytea[])"
        rows = self.connection.execute(sql, [self.device_id, binaries(list(hmacs))])
        return {hmac: (secret, disclosed) for hmac, secret, disclosed in rows}

    def _upsert(
        self, table: str, names: tuple[str, ...], keys: Collection[tuple[str, ...]]
    ) -> dict[tuple[str, ...], int]:
        """Return {key: id} for keys of text columns in a table that also has the vault's id."""
        listed = ", ".join(names)
        given = f"unnest({', '.join(['%s::text[]'] * len(names))}) AS g({listed})"
        select = f"SELECT {listed}, t.id FROM {table} t JOIN {given} USING ({listed}) WHERE t.vault_id = %s"  # noqa: S608
        insert = f"""INSERT INTO {table} (vault_id, {listed}) SELECT %s, * FROM {given}
                     ON CONFLICT DO NOTHING RETURNING {listed}, id"""  # noqa: S608
        return self._settle(
            select,
            lambda some: [*_columns(some), self.vault_id],
            insert,
            lambda some: [self.vault_id, *_columns(some)],
            keys,
        )

    def _settle(
        self, select: str, asked: _Asked, insert: str, given: _Asked, keys: Collection[_Key]
    ) -> dict[_Key, int]:
        """Look up, insert what is missing, and look up what another writer inserted meanwhile: {key: id}.

        Both statements give rows of key and id; `asked` and `given` make their parameters. Keys are inserted in order,
        so that two writers never wait for each other crosswise.
        """
        missing = sorted(keys)
        found: dict[_Key, int] = {}
        for statement, parameters in ((select, asked), (insert, given), (select, asked)):
            rows = self.connection.execute(statement, parameters(missing)).fetchall()
            found.update([(row[:-1], row[-1]) for row in rows])
            if len(found) == len(keys):
                break
            missing = [key for key in missing if key not in found]
        return found


def _columns(keys: Sequence[_Key]) -> list[str]:
    """Rows of texts as one array literal per column."""
    return [texts(column) for column in zip(*keys, strict=True)]


def moment(micros: int) -> datetime:
    """Return the UTC time of µs since the epoch."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
