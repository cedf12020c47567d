"""Answers who may read a secret, by which policy and rule, and what somebody may read; never without what is not known.

An answer is as of the last time that policies, roles and groups were read, and names what could not be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from inventory.holders import Holder, Rights, holders, home, rights, role_path, takes_account
from inventory.models import AuthRole, Connection, Mount, Unseen
from vault.acl import Answer, Call, Policy, may_read
from vault.giving import calls
from vault.paths import print_name

MOST = 1_000  # secrets that are asked about for one principal


class UnknownMount(Exception):
    """The mirror has no such mount; the message says so."""


@dataclass(frozen=True, slots=True)
class Way:
    """One call by which a secret, or something about it, may be had; `may` is yes, depends, or unknown.

    `answer` names the pattern that counts and the policies that grant it; `unreadable` those that could not be read.
    """

    call: Call
    may: str
    answer: Answer
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who holds policies, and the ways these open."""

    holder: Holder
    ways: tuple[Way, ...]


@dataclass(slots=True)
class Known:
    """How far an answer reaches: the oldest look that it rests on (None: never looked), and what was not seen."""

    as_of: datetime | None = None
    unseen: list[str] = field(default_factory=list)


@dataclass(slots=True)
class WhoMayRead:
    """Who may read one secret: each policy that opens a way by itself, and each holder of policies.

    Whoever has a root token may, too; no mirror shows those.
    """

    secret: str
    known: Known
    policies: list[tuple[str, str, tuple[Way, ...]]] = field(default_factory=list)  # namespace, name, ways
    readers: list[Reader] = field(default_factory=list)


@dataclass(slots=True)
class WhatMayRead:
    """What somebody may read, of the secrets that were asked about; `more` tells that there were more than `MOST`."""

    known: Known
    holders: list[Holder] = field(default_factory=list)
    secrets: list[tuple[str, tuple[Reader, ...]]] = field(default_factory=list)
    more: bool = False


def who_may_read(
    vault: str, namespace: str, mount: str, logical: str, *, kind: str = "", kv_version: int = 0
) -> WhoMayRead:
    """Return who may read the secret `logical` below a mount (`secret/`) of a namespace (empty, or ending in `/`).

    `kind` and `kv_version` are the mount's; without them the mirror is asked, which raises `UnknownMount`.
    """
    ways = calls(*(kind, kv_version) if kind else _mount(vault, namespace, mount), mount, logical)
    above = _above(vault, namespace)
    found = WhoMayRead(print_name(namespace, mount, logical), _known(vault, above))
    now = datetime.now(UTC)
    for connection in above:
        has = rights(connection, now)
        touching = _policies(found, has, ways, namespace, now)
        for holder in holders(connection, has.readable):
            if reader := _reader(holder, has, ways, namespace, now, touching):
                found.readers.append(reader)
    return found


def what_may_read(
    vault: str, kind: str, name: str, secrets: Iterable[tuple[str, str, str]], *, namespace: str = ""
) -> WhatMayRead:
    """Return which of some secrets (namespace, mount, logical) a principal may read, the first `MOST` of them.

    `kind` and `name` are those of a principal: `service_account` with `namespace/name`, `human`, `approle`, ...;
    `namespace` is the vault's in which it logs in.
    """
    connections = [one for one in _above(vault, namespace) if home(one) == namespace]
    asked = list(islice(secrets, MOST + 1))
    found, now = WhatMayRead(_known(vault, connections), more=len(asked) > MOST), datetime.now(UTC)
    for connection in connections:
        has = rights(connection, now)
        mine = list(_named(connection, has, kind, name))
        found.holders += mine
        for space, mount, logical in asked[:MOST]:
            ways = calls(*_mount(vault, space, mount), mount, logical)
            opened = [_reader(one, has, ways, space, now) for one in mine]
            if any(opened):
                found.secrets.append((print_name(space, mount, logical), tuple(filter(None, opened))))
    return found


_KINDS = {"service_account": ("service_account",), "human": ("user", "entity"), "approle": ("role",)}


def _named(connection: Connection, has: Rights, kind: str, name: str) -> Iterator[Holder]:
    """Yield what the mirror knows of a principal; an account that never came in still has the roles that bind it."""
    every, wanted = list(holders(connection, has.readable)), _KINDS.get(kind, ("role", "entity"))
    mine = [one for one in every if one.kind in wanted and one.name == name]
    yield from mine
    if kind == "service_account":
        roles = AuthRole.objects.filter(connection=connection, gone_at=None, type="kubernetes")
        binding = {role_path(row) for row in roles if takes_account(row, name)} - {one.via for one in mine}
        for one in every:
            if one.kind == "role" and one.via in binding:
                yield replace(one, kind=kind, name=name)


def _above(vault: str, namespace: str) -> list[Connection]:
    """Return the connections of a namespace and of those above it: their policies may reach down into it."""
    every = Connection.objects.filter(vault=vault).order_by("namespace")
    return [one for one in every if namespace.startswith(home(one))]


def _mount(vault: str, namespace: str, mount: str) -> tuple[str, int]:
    for row in Mount.objects.filter(connection__vault=vault, path=mount, gone_at=None).select_related("connection"):
        if home(row.connection) == namespace:
            return row.type, row.kv_version
    raise UnknownMount(f"The mirror of {vault} has no mount {namespace}{mount}; look at the vault's connection first.")


def _known(vault: str, connections: Sequence[Connection]) -> Known:
    if not connections:
        return Known(None, [f"{vault} is not connected for this namespace"])
    times = [one.access_at for one in connections]
    rows = Unseen.objects.filter(connection__in=connections).select_related("connection").order_by("path")
    unseen = [f"{home(one.connection)}{one.path} ({one.why})" for one in rows]
    unseen += [f"{one}: policies were never read" for one in connections if one.access_at is None]
    return Known(min((one for one in times if one is not None), default=None), unseen)


def _policies(found: WhoMayRead, has: Rights, ways: Sequence[Call], namespace: str, now: datetime) -> set[str]:
    """Note each policy that opens a way by itself; returns the names of those that help to open one."""
    touching = set()
    for name, policy in has.readable.items():
        if name == "root":
            continue
        opened = tuple(_ways([policy], ways, namespace, None, now))
        if opened:
            found.policies.append((has.namespace, name, opened))
        partly = [Call(one.gives, one.path, one.needs[:1]) for one in ways if len(one.needs) > 1]
        if opened or any(_ways([policy], partly, namespace, None, now)):
            touching.add(name)
    found.known.unseen += [f"{has.namespace}policy {name}: {why}" for name, why in has.unreadable.items()]
    return touching


def _reader(
    holder: Holder, has: Rights, ways: Sequence[Call], namespace: str, now: datetime, touching: set[str] | None = None
) -> Reader | None:
    """Return the ways that a holder's policies open together, None if there is none.

    A set of policies opens a way only if one of them has the pattern that counts, so only those `touching` are asked.
    """
    blind = tuple(name for name in holder.policies if name in has.unreadable)
    opened: tuple[Way, ...] = ()
    if touching is None or touching & {*holder.policies} or "root" in holder.policies:
        opened = tuple(_opened(holder, has, ways, namespace, now, blind))
    if blind and not opened:
        opened = tuple(Way(one, "unknown", Answer("no"), blind) for one in ways)
    return Reader(holder, opened) if opened else None


def _opened(
    holder: Holder, has: Rights, ways: Sequence[Call], namespace: str, now: datetime, blind: tuple[str, ...]
) -> Iterator[Way]:
    policies = has.of(holder.policies)
    if holder.kind != "token_role":
        yield from _ways(policies, ways, namespace, holder, now, blind)
        return
    for call in ways:  # whoever makes the token chooses among the role's policies: one that opens the way is enough
        alone = (way for one in policies for way in _ways([one], [call], namespace, holder, now, blind))
        best = sorted(alone, key=lambda way: way.may != "yes")
        yield from best[:1]


def _ways(
    policies: Sequence[Policy],
    ways: Sequence[Call],
    namespace: str,
    holder: Holder | None,
    now: datetime,
    blind: tuple[str, ...] = (),
) -> Iterator[Way]:
    identity = holder.identity if holder is not None else None
    for call in ways:
        answer = may_read(
            policies, call, at=now, namespace=namespace, identity=identity, anybody=identity is None
        )  # fmt: skip
        if answer.may != "no":
            yield Way(call, answer.may, answer, blind)
