"""Finds where a secret's name leads: the connected vault, the namespace, the mount and the path below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inventory.holders import home
from inventory.models import Connection, Mount


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """One place that a name fits: `mount` and `path` without slashes at their ends, `namespace` empty or with none."""

    connection: Connection
    namespace: str
    mount: str
    path: str
    type: str
    kv_version: int

    @property
    def vault(self) -> str:
        """The vault's name."""
        return self.connection.vault


def find(name: str, *, vault: str = "") -> list[SecretPlace]:
    """Return the places that a name such as `team-a/secret/prod/key` fits, by the mounts that are there now."""
    some = Connection.objects.order_by("vault", "namespace")
    return [one for each in (some.filter(vault=vault) if vault else some) for one in _in(each, name.strip("/"))]


def _in(connection: Connection, name: str) -> Iterator[SecretPlace]:
    space = home(connection)
    if not name.startswith(space):
        return
    rest = name.removeprefix(space)
    mounts = Mount.objects.filter(connection=connection, gone_at=None).exclude(path__startswith="auth/")
    fits = [one for one in mounts if rest.startswith(one.path)]
    if fits:
        best = max(fits, key=lambda one: len(one.path))
        path = rest.removeprefix(best.path)
        yield SecretPlace(connection, space.rstrip("/"), best.path.rstrip("/"), path, best.type, best.kv_version)
