"""What the executor's questions and calls bring back: tokens of one operation, versions, rotations; never a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

WRAPPED_BY_HAND = "sys/wrapping/wrap"  # where somebody wraps what they have


@dataclass(frozen=True, slots=True)
class OperationToken:
    """A token of one operation: so many calls of one role, for some seconds; its print shows no token."""

    token: str = field(repr=False)
    accessor: str = ""
    uses: int = 0
    ttl: int = 0


@dataclass(frozen=True, slots=True)
class VersionState:
    """One version of a KV secret; `deleted` is when it was or will be, None for never."""

    created: datetime | None
    deleted: datetime | None = None
    destroyed: bool = False


@dataclass(frozen=True, slots=True)
class KvState:
    """A KV v2 secret by its metadata alone; version 0 and no versions for one that was never written."""

    current_version: int = 0
    versions: Mapping[int, VersionState] = field(default_factory=dict)
    cas_required: bool = False
    max_versions: int = 0


@dataclass(frozen=True, slots=True)
class StaticRole:
    """A static role of a database; `rotated` is when the vault last changed the password, `period` seconds or 0."""

    name: str
    database: str
    username: str
    rotated: datetime | None
    period: int = 0


@dataclass(frozen=True, slots=True)
class Database:
    """A database's connection; when its root password was last changed is told nowhere but in the audit log."""

    name: str
    plugin: str
    username: str
    allowed_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TransitKey:
    """A transit key; `rotated` is when the latest version was made."""

    name: str
    latest_version: int
    rotated: datetime | None = None
    min_decryption_version: int = 0


@dataclass(frozen=True, slots=True)
class TokenState:
    """A token by its accessor; `uses` left, 0 for as many as one likes; `expires` None for never."""

    accessor: str
    display_name: str
    entity_id: str
    role: str
    path: str
    policies: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    ttl: int = 0
    uses: int = 0
    orphan: bool = False
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class EntityState:
    """One entity: whether it is disabled, and the ids of its aliases."""

    id: str
    name: str
    disabled: bool
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What a wrapping token tells before it is opened: who wrapped (the path), when, and for how many seconds."""

    creation_path: str
    created: datetime | None
    ttl: int
