"""Tells who holds which policies in a vault, from the mirror: roles, users, service accounts, entities and groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache

from inventory.models import Alias, AuthRole, Connection, Entity, Group, Policy
from vault import acl
from vault.policy_text import rules
from vault.roles import PLACES
from vault.templates import Identity, Membership, Name


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with policies. `kind` is group, entity, role, token_role, user, service_account; `via` a role's path.

    Where `identity` is None it is not known who will come (any service account that a role binds), so templates make
    an answer depend. `bound` says in print whom a role takes, or who is in a group.
    """

    kind: str
    name: str
    namespace: str
    policies: tuple[str, ...]
    via: str = ""
    identity: Identity | None = None
    bound: tuple[str, ...] = ()


@dataclass(slots=True)
class Rights:
    """The policies of one connection that could be read, by name, and of those that could not the reason."""

    namespace: str
    readable: dict[str, acl.Policy] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def of(self, names: Iterable[str]) -> list[acl.Policy]:
        """Return the readable ones among the names; a name without a policy grants nothing in the vault either."""
        return [self.readable[name] for name in names if name in self.readable]


def home(connection: Connection) -> str:
    """Return a connection's namespace as paths begin with it: empty, or ending in `/`."""
    bare = connection.namespace.strip("/")
    return f"{bare}/" if bare else ""


def rights(connection: Connection, at: datetime) -> Rights:
    """Return the policies of one connection that are there at a time."""
    found = Rights(home(connection), {"root": acl.Policy("root", namespace=home(connection))})
    for row in Policy.objects.filter(connection=connection, gone_at=None).order_by("name"):
        if row.expires is not None and row.expires <= at:
            continue
        if row.unreadable:
            found.unreadable[row.name] = row.unreadable
        else:
            free = (row.slashes, row.wildcards)
            found.readable[row.name] = acl.Policy(row.name, _rules(row.text), found.namespace, *free)
    return found


_rules = lru_cache(maxsize=4096)(rules)  # the same text is asked about again and again, and reading it costs most


def holders(connection: Connection, names: Iterable[str]) -> Iterator[Holder]:
    """Yield everybody who holds a policy; among `names`, all policies there are, globs of token roles choose."""
    groups = list(Group.objects.filter(connection=connection, gone_at=None))
    entities = list(
        Entity.objects.filter(connection=connection, gone_at=None, disabled=False).prefetch_related("aliases")
    )
    roles = list(AuthRole.objects.filter(connection=connection, gone_at=None))
    space = home(connection)
    above = _above(groups)
    yield from _of_groups(groups, above, entities, space)
    known, doors = set(), _Doors(roles)
    for entity in entities:
        mine = _groups_of(entity.entity_id, groups, above)
        own = _together(entity.policies, *(group.policies for group in mine))
        identity = _identity(entity, mine, space)
        if own:
            yield Holder("entity", entity.name, space, own, identity=identity)
        for alias in entity.aliases.all():
            for role in doors.taking(alias):
                known.add((role.pk, PLACES.get(role.type) == "users"))
                kind, name = _caller(alias, role)
                yield Holder(kind, name, space, _together(_given(role), own), role_path(role), identity)
    for role in roles:
        if (role.pk, True) not in known:
            yield _of_role(role, names, space)


def role_path(role: AuthRole) -> str:
    """Return where a role stands in the vault: `auth/kubernetes/role/ledger`."""
    return f"{role.method}{PLACES.get(role.type, 'role')}/{role.name}"


def _together(*lists: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for one in lists for name in one))


def _given(role: AuthRole) -> tuple[str, ...]:
    return _together(role.policies, () if role.no_default else ("default",))


def _above(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Return for each group the groups that it is in, directly or through others."""
    parents: dict[str, list[Group]] = {}
    for group in groups:
        for member in group.groups:
            parents.setdefault(member, []).append(group)
    return {group.group_id: _climb(group, parents) for group in groups}


def _climb(group: Group, parents: Mapping[str, list[Group]]) -> list[Group]:
    found: dict[str, Group] = {}
    waiting = list(parents.get(group.group_id, ()))
    while waiting:
        one = waiting.pop()
        if one.group_id not in found and one.group_id != group.group_id:
            found[one.group_id] = one
            waiting += parents.get(one.group_id, ())
    return list(found.values())


def _groups_of(entity: str, groups: Sequence[Group], above: Mapping[str, list[Group]]) -> list[Group]:
    direct = [group for group in groups if entity in group.entities]
    inherited = [one for group in direct for one in above[group.group_id]]
    return list({one.group_id: one for one in [*direct, *inherited]}.values())


def _of_groups(
    groups: Sequence[Group], above: Mapping[str, list[Group]], entities: Sequence[Entity], space: str
) -> Iterator[Holder]:
    names = {one.entity_id: one.name for one in entities}
    for group in groups:
        given = _together(group.policies, *(one.policies for one in above[group.group_id]))
        inside = [
            *(names.get(one, one) for one in group.entities),
            *(f"group {_named(one, groups)}" for one in group.groups),
        ]
        if given:
            yield Holder("group", group.name, space, given, bound=tuple(inside))


def _named(group_id: str, groups: Sequence[Group]) -> str:
    return next((one.name for one in groups if one.group_id == group_id), group_id)


def _of_role(role: AuthRole, names: Iterable[str], space: str) -> Holder:
    bound = tuple(f"{name}: {', '.join(values)}" for name, values in role.binds.items())
    if role.type == "token":
        globs = role.binds.get("allowed_policies_glob", ())
        given = _together(role.policies, [name for name in names if any(fnmatchcase(name, one) for one in globs)])
        return Holder("token_role", role.name, space, given, role_path(role), bound=bound)
    kind = "user" if PLACES.get(role.type) == "users" else "role"
    return Holder(kind, role.name, space, _given(role), role_path(role), bound=bound)


class _Doors:
    """The roles by which aliases may come in, where the mirror can tell: its user, or what binds its account."""

    def __init__(self, roles: Sequence[AuthRole]) -> None:
        self._named: dict[tuple[str, str], list[AuthRole]] = {}
        for role in roles:
            for name in _names(role):
                self._named.setdefault((role.method, "*" if "*" in name else name), []).append(role)

    def taking(self, alias: Alias) -> list[AuthRole]:
        """Return the roles that take an alias, each once."""
        short = account(alias).partition("/")[2] or alias.name
        found = self._named.get((alias.mount_path, short), []) + self._named.get((alias.mount_path, "*"), [])
        return [one for one in {role.pk: role for role in found}.values() if _takes(one, alias)]


def _names(role: AuthRole) -> list[str]:
    if role.type == "kubernetes":
        return list(role.binds.get("bound_service_account_names", ()))
    return [role.name] if role.type == "userpass" else []


def _takes(role: AuthRole, alias: Alias) -> bool:
    return role.name == alias.name if role.type == "userpass" else takes_account(role, account(alias))


def account(alias: Alias) -> str:
    """Return the service account of an alias as `namespace/name`, empty for another kind."""
    space, name = (alias.metadata.get(f"service_account_{one}", "") for one in ("namespace", "name"))
    return f"{space}/{name}" if space and name else ""


def takes_account(role: AuthRole, name: str) -> bool:
    """Whether a Kubernetes role binds a service account, `namespace/name`; its patterns may hold `*`."""
    space, _, short = name.partition("/")
    wanted = (("bound_service_account_namespaces", space), ("bound_service_account_names", short))
    return bool(name) and all(any(fnmatchcase(given, one) for one in role.binds.get(key, ())) for key, given in wanted)


def _caller(alias: Alias, role: AuthRole) -> tuple[str, str]:
    return ("service_account", account(alias)) if role.type == "kubernetes" else ("user", alias.name)


def _identity(entity: Entity, groups: Sequence[Group], space: str) -> Identity:
    aliases = [Name(a.mount_accessor, a.alias_id, a.name, a.metadata, a.custom_metadata) for a in entity.aliases.all()]
    inside = [Membership(one.group_id, one.name, one.metadata, space) for one in groups]
    return Identity(entity.entity_id, entity.name, entity.metadata, aliases, inside)
