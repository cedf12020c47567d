"""What a vault server tells about itself: the questions that the client and the fake both answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the server that answered; `version` as it names itself (`2.7.2`), `cluster_id` empty if sealed.

    `server_time` is its clock in whole seconds since the epoch, 0 where it does not say.
    """

    initialized: bool
    sealed: bool
    standby: bool
    version: str
    cluster_id: str = ""
    cluster_name: str = ""
    server_time: int = 0


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount; `path` ends in `/` and begins with `auth/` for an auth method, `kv_version` is 0 for other types."""

    path: str
    type: str
    accessor: str
    kv_version: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """The token that asks; `ttl` and `period` in seconds, 0 for one that does not expire or has no period."""

    display_name: str
    policies: tuple[str, ...]
    accessor: str
    entity_id: str
    ttl: int
    renewable: bool
    period: int = 0
    orphan: bool = False


@dataclass(frozen=True, slots=True)
class Alias:
    """One name of an entity at one auth method."""

    name: str
    mount_accessor: str
    mount_path: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    custom_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entity:
    """One person or machine as the vault's identity store knows it."""

    id: str
    name: str
    disabled: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """One group: its policies, the entities in it and the groups in it, by id; `type` is internal or external."""

    id: str
    name: str
    type: str = "internal"
    policies: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyText:
    """One ACL policy as it stands; `slashes` and `wildcards` tell what may fill its templates.

    `expires` is a time as RFC 3339, empty for none.
    """

    name: str
    text: str
    slashes: bool = False
    wildcards: bool = False
    expires: str = ""


@dataclass(frozen=True, slots=True)
class AuthRole:
    """What one role (or user, or certificate) of an auth method gives, and to whom it is bound; no secret is in it.

    `method` is the mount's path, `binds` maps a setting's name to its values in print.
    """

    method: str
    type: str
    name: str
    policies: tuple[str, ...] = ()
    no_default: bool = False
    binds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditDevice:
    """One audit device: its name, kind, and for a file where it writes and with which mode (empty: 0600)."""

    name: str
    type: str
    file_path: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that the vault still lists; `ttl` in whole seconds, below 0 while its revocation waits or fails."""

    id: str
    ttl: int
    expires: datetime | None = None
    renewable: bool = False
    issued: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """What a token may do: capabilities by exact path and by beginning of a path; `root` may do everything.

    Rules with `+` are in neither: the server does not list them.
    """

    root: bool = False
    exact: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    beginnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Server(Protocol):
    """The questions; each raises a `VaultError` that says what to do."""

    def health(self) -> Health:
        """How the server is; needs no token and works on a sealed server."""
        ...

    def mounts(self) -> list[Mount]:
        """The secrets engines of the namespace, by path: all of them, or those that the token may use."""
        ...

    def auth_methods(self) -> list[Mount]:
        """The auth methods of the namespace, by path, with the same limit."""
        ...

    def whoami(self) -> Token:
        """The token itself."""
        ...

    def knock(self) -> str:
        """Make a harmless call that is audited, and return its request id."""
        ...

    def renew(self) -> None:
        """Have the token live its period anew."""
        ...

    def capabilities(self, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What the token may do at each path, `("deny",)` for nothing."""
        ...

    def reach(self) -> Reach:
        """Everything that the token may do, as far as the server lists it."""
        ...

    def entities(self, limit: int) -> list[Entity]:
        """The entities of the namespace; beyond `limit`, names and aliases without metadata."""
        ...

    def policies(self, limit: int) -> list[PolicyText]:
        """The ACL policies of the namespace, by name; beyond `limit` they are left out, and so is `root`."""
        ...

    def roles(self, method: Mount, limit: int) -> list[AuthRole]:
        """The roles of one auth method, by name, up to `limit`; raises `NotThere` for a kind that is not known."""
        ...

    def groups(self, limit: int) -> list[Group]:
        """The groups of the namespace, up to `limit`."""
        ...

    def audit_devices(self) -> list[AuditDevice]:
        """The audit devices, by name; needs sudo."""
        ...

    def audit_hash(self, device: str, text: str) -> str:
        """How a device's HMAC shows a text: `hmac-sha256:...`."""
        ...

    def lease(self, lease_id: str) -> Lease | None:
        """One lease, None if the vault knows none of this id: it ended, or never was."""
        ...

    def irrevocable(self) -> set[str]:
        """The ids of the leases that the vault gave up revoking; needs sudo."""
        ...
