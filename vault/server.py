"""What a vault server tells about itself: the questions that the client and the fake both answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the server that answered; `version` as it names itself (`2.7.2`), `cluster_id` empty if sealed."""

    initialized: bool
    sealed: bool
    standby: bool
    version: str
    cluster_id: str = ""
    cluster_name: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount; `path` ends in `/` and begins with `auth/` for an auth method, `kv_version` is 0 for other types."""

    path: str
    type: str
    accessor: str
    kv_version: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """The token that asks; `ttl` in seconds, 0 for one that does not expire."""

    display_name: str
    policies: tuple[str, ...]
    accessor: str
    entity_id: str
    ttl: int
    renewable: bool


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
