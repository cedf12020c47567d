"""Asks a vault who may do what: policies, roles of auth methods, groups; and says what of them it can't see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from vault.errors import NotPermitted
from vault.roles import PLACES, place
from vault.server import AuthRole, Group, Mount, PolicyText, Server

LIMIT = 2_000  # policies, groups, and roles of one method: each is a call of its own


@dataclass(slots=True)
class Access:
    """What was seen; None, or a method that is missing in `roles`, was not seen, and `unseen` says why, by path."""

    policies: list[PolicyText] | None = None
    roles: dict[str, list[AuthRole]] = field(default_factory=dict)
    groups: list[Group] | None = None
    unseen: dict[str, str] = field(default_factory=dict)


def _policies(server: Server, access: Access, _: Sequence[Mount]) -> str:
    access.policies = server.policies(LIMIT)
    _limited(access, "sys/policies/acl", len(access.policies))
    return f"{len(access.policies)} policies"


def _groups(server: Server, access: Access, _: Sequence[Mount]) -> str:
    access.groups = server.groups(LIMIT)
    _limited(access, "identity/group/id", len(access.groups))
    return f"{len(access.groups)} groups"


def _roles_at(below: str) -> Callable[[Server, Access, Sequence[Mount]], str]:
    """Return the call for the methods whose roles are listed below one word; refused by all of them, it is refused."""

    def ask(server: Server, access: Access, mounts: Sequence[Mount]) -> str:
        ours = [one for one in mounts if one.path.startswith("auth/") and PLACES.get(one.type) == below]
        refused = [one for one in ours if not _roles_of(server, access, one)]
        if refused and len(refused) == len(ours):
            raise NotPermitted("the token may not do this", place(refused[0]))
        count = sum(len(access.roles.get(one.path, ())) for one in ours)
        words = f"{count} of {len(ours)} auth method{'' if len(ours) == 1 else 's'}"
        return words + (f", not of {', '.join(one.path for one in refused)}" if refused else "")

    return ask


def _roles_of(server: Server, access: Access, method: Mount) -> bool:
    """Read one method's roles; tells whether that is allowed."""
    try:
        access.roles[method.path] = server.roles(method, LIMIT)
    except NotPermitted:
        access.unseen[place(method)] = "no right"
        return False
    _limited(access, place(method), len(access.roles[method.path]))
    return True


def _limited(access: Access, path: str, count: int) -> None:
    if count >= LIMIT:
        access.unseen[path] = f"only the first {LIMIT} are read"


CALLS: dict[str, Callable[[Server, Access, Sequence[Mount]], str]] = {
    "sys/policies/acl/*": _policies,
    "auth/+/role/+": _roles_at("role"),
    "auth/+/users/+": _roles_at("users"),
    "auth/+/certs/+": _roles_at("certs"),
    "auth/+/roles/+": _roles_at("roles"),
    "identity/group/id/+": _groups,
}


def note_unseen(access: Access, mounts: Sequence[Mount]) -> None:
    """Write down what was not seen and is not noted yet: questions that were refused, and kinds that are not known."""
    found = dict(_missing(access, mounts))
    access.unseen = found | access.unseen


def _missing(access: Access, mounts: Sequence[Mount]) -> Iterator[tuple[str, str]]:
    if access.policies is None:
        yield "sys/policies/acl", "no right"
    if access.groups is None:
        yield "identity/group/id", "no right"
    for one in mounts:
        if one.path.startswith("auth/") and one.path not in access.roles:
            why = "no right" if one.type in PLACES else f"Keybook does not know auth methods of the kind {one.type}"
            yield place(one) or one.path, why
