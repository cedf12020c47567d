"""Looks at a vault with a token: each right by name and by the call itself, and what exists there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from inventory import look_access
from inventory.look_access import Access
from kit.check import Check
from vault import policy
from vault.errors import NotPermitted, VaultError
from vault.policy import Excess, Right
from vault.server import AuditDevice, Entity, Health, Mount, Reach, Server, Token

ENTITIES = 1_000  # whose metadata is read one by one; of more, names and aliases
SKEW = 60  # seconds between two clocks that are worth a word
SHORT_LIFE = 24 * 3600  # seconds: a token that can't be renewed and ends sooner is worth a word


@dataclass(slots=True)
class Look:
    """What one look found; `usable` is False when the vault or the token could not be used at all."""

    usable: bool = False
    checks: list[Check] = field(default_factory=list)
    health: Health | None = None
    token: Token | None = None
    mounts: list[Mount] = field(default_factory=list)
    entities: list[Entity] | None = None
    devices: list[AuditDevice] | None = None
    excess: list[Excess] = field(default_factory=list)
    access: Access | None = None


def look(server: Server, *, deep: bool = True) -> Look:
    """Ask a vault everything that connecting it needs; never raises a `VaultError`: it becomes a check.

    `deep` reads policies, roles and groups too, which is a call each; else `access` stays None.
    """
    found = Look(access=Access() if deep else None)
    for step in (_reachable, _token, _rights, _excess):
        try:
            found.checks += step(server, found)
        except VaultError as error:
            found.checks.append(failed(_NAMES[step.__name__], error))
            return found
        if found.checks and not found.checks[-1].ok and step is _reachable:
            return found
    found.usable = True
    if found.access is not None:
        look_access.note_unseen(found.access, found.mounts)
        if found.entities is None:
            found.access.unseen["identity/entity/id"] = "no right"
        elif len(found.entities) > ENTITIES:
            found.access.unseen["identity/entity/id"] = f"of {ENTITIES} entities only the policies are read"
    return found


def reachable(server: Server) -> list[Check]:
    """Ask only what needs no token: whether the vault answers, is unsealed, and has our time."""
    try:
        return list(_reachable(server, Look()))
    except VaultError as error:
        return [failed("vault", error)]


_NAMES = {"_reachable": "vault", "_token": "token", "_rights": "rights", "_excess": "no more rights"}


def failed(name: str, error: VaultError) -> Check:
    """The check that a refused or unanswered question is."""
    return Check(name, False, f"{error.what} ({error.where})" if error.where else error.what, _sentence(error.mend))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if not words or words.endswith(".") else ".")


def _reachable(server: Server, found: Look) -> Iterator[Check]:
    health = found.health = server.health()
    if health.server_time and abs(health.server_time - time.time()) > SKEW:
        away = int(health.server_time - time.time())
        detail = f"the vault's clock is {abs(away)} s {'ahead of' if away > 0 else 'behind'} ours"
        yield Check("clock", False, detail, "Let both machines follow a time server; events carry the vault's time.")
    elif health.server_time:
        yield Check("clock", True, f"the vault's clock is within {SKEW} s of ours")
    if health.sealed or not health.initialized:
        yield Check("vault", False, f"{server_name(health)} is sealed or not initialised", "Unseal it.")
        return
    yield Check("vault", True, f"{server_name(health)} answers{', a standby' if health.standby else ''}")


def server_name(health: Health) -> str:
    """Return the server's own name and version, for a sentence."""
    return f"the vault {health.cluster_name} {health.version}".replace("  ", " ").strip()


def _token(server: Server, found: Look) -> Iterator[Check]:
    token = found.token = server.whoami()
    life = f"lives {_span(token.ttl)} more" if token.ttl else "does not expire"
    renewed = token.renewable and bool(token.period)
    detail = f"{token.display_name or 'without a name'}, {life}{', renewed for ever' if renewed else ''}"
    short = 0 < token.ttl < SHORT_LIFE and not renewed
    mend = "Make a periodic token (-period=768h -orphan), or its end is the connection's end." if short else ""
    yield Check("token", not short, detail, mend)


def _span(seconds: int) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"


def _rights(server: Server, found: Look) -> Iterator[Check]:
    try:
        has = server.capabilities([right.probe for right in policy.RIGHTS])
    except NotPermitted:
        has = None  # each is still tried by its call
    for right in policy.RIGHTS:
        yield _right(server, found, right, has)


def _right(server: Server, found: Look, right: Right, has: dict[str, tuple[str, ...]] | None) -> Check:
    """One right by name and by its call; both have to agree before it is called well."""
    name = f"{'' if right.needed else 'optional '}{right.path} ({', '.join(right.capabilities)})"
    told = set((has or {}).get(right.probe, ("root",)))
    lacks = [] if "root" in told else [one for one in right.capabilities if one not in told]
    if has is None and right.path == "sys/capabilities-self":
        lacks = list(right.capabilities)
    call = _call(right.path, found)
    if not lacks and call is not None:
        try:
            return Check(name, True, f"{right.why}: {call(server, found)}")
        except NotPermitted:
            lacks = list(right.capabilities)
        except VaultError as error:
            return failed(name, error)
    if not lacks:
        return Check(name, True, right.why)
    lost = f"; without it, {right.without}" if right.without else ""
    mend = f"Add to the policy:  {right.hcl()}"
    return Check(name, not right.needed, f"missing {', '.join(lacks)} on {right.path}: {right.why}{lost}", mend)


def _call(path: str, found: Look) -> Callable[[Server, Look], str] | None:
    """Return the call that tries a right; policies, roles and groups are only asked for in a deep look."""
    access, ask = found.access, look_access.CALLS.get(path)
    if ask is None or access is None:
        return _CALLS.get(path)
    return lambda server, _: ask(server, access, found.mounts)


def _mounts(server: Server, found: Look) -> str:
    engines = server.mounts()
    found.mounts += engines
    kv = sum(1 for mount in engines if mount.kv_version)
    return f"{len(engines)} secrets engines, {kv} of them KV"


def _methods(server: Server, found: Look) -> str:
    methods = server.auth_methods()
    found.mounts += methods
    return f"{len(methods)} auth methods"


def _entities(server: Server, found: Look) -> str:
    found.entities = server.entities(0)
    return f"{len(found.entities)} entities"


def _described(server: Server, found: Look) -> str:
    if found.entities is None:
        return "not tried, for entities can't be listed"
    found.entities = server.entities(ENTITIES)
    more = len(found.entities) - ENTITIES
    return f"metadata of {min(len(found.entities), ENTITIES)}" + (f", not of {more} more" if more > 0 else "")


def _devices(server: Server, found: Look) -> str:
    found.devices = server.audit_devices()
    return ", ".join(f"{one.name} ({one.type})" for one in found.devices) or "no audit device at all"


def _hash(server: Server, found: Look) -> str:
    if not found.devices:
        return "not tried, for no device is known by name"
    server.audit_hash(found.devices[0].name, "keybook")
    return f"device {found.devices[0].name} answers"


_CALLS: dict[str, Callable[[Server, Look], str]] = {
    "sys/mounts": _mounts,
    "sys/auth": _methods,
    "identity/entity/id": _entities,
    "identity/entity/id/+": _described,
    "sys/audit": _devices,
    "sys/audit-hash/+": _hash,
}


def _excess(server: Server, found: Look) -> Iterator[Check]:
    """What the token may do beyond Keybook's needs, from its list of rules and by probing each mount."""
    name, listed = "no more rights", True
    try:
        found.excess = policy.excess(server.reach(), found.mounts)
    except NotPermitted:
        listed = False
    if not found.excess:
        found.excess = _probed(server, found.mounts)
    if found.excess:
        yield Check(name, False, excess_sentence(found.excess), "Make a token with the printed policy and no other.")
        return
    detail = "the token reaches no secret's value and no policy" if listed else "no probe reached a secret's value"
    yield Check(name, True, detail)


def _probed(server: Server, mounts: list[Mount]) -> list[Excess]:
    paths = policy.probes(mounts)
    try:
        has: dict[str, tuple[str, ...]] = server.capabilities(paths) if paths else {}
    except NotPermitted:
        return []
    return policy.excess(Reach(exact=has), mounts)


def excess_sentence(found: list[Excess]) -> str:
    """Say what the token may do too much, the worst first."""
    if "root" in found[0].capabilities:
        return "this is a root token: it may do everything. Keybook does not need that"
    words: list[Any] = [
        ", ".join(one.path for one in found if one.reads),
        ", ".join(o.path for o in found if not o.reads),
    ]
    if words[0]:
        return f"this token may read secret values ({words[0]}): Keybook does not need that"
    return f"this token may change secrets or rights ({words[1]}): Keybook does not need that"
