"""How far somebody's view reaches: areas of vaults, namespaces and paths. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """Secrets of one vault, of one namespace and those below it, under one path; an empty part means any.

    `namespace` has no slash at its ends. `prefix` is a path relative to the namespace (`secret/prod`), and ends at a
    segment: it covers `secret/prod` and `secret/prod/db`, never `secret/production`.
    """

    vault: str = ""
    namespace: str = ""
    prefix: str = ""

    def covers(self, vault: str, namespace: str, path: str) -> bool:
        """Return whether a secret lies in it; `path` is relative to the namespace."""
        return (
            self.vault in ("", vault)
            and _below(namespace.strip("/"), self.namespace)
            and _below(path.strip("/"), self.prefix)
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """What somebody may see: a secret is in it if each group of areas has one that covers it; no group is no limit.

    A group comes from a person, another from their token: the token never reaches further than its owner.
    """

    groups: tuple[tuple[Area, ...], ...] = ()

    @classmethod
    def of(cls, areas: Iterable[Area]) -> Scope:
        """Return the scope of somebody with these areas; nobody without areas is limited."""
        group = tuple(areas)
        return cls((group,)) if group else EVERYTHING

    @property
    def everything(self) -> bool:
        """Whether nothing is hidden."""
        return not self.groups

    def narrowed(self, other: Scope) -> Scope:
        """Return what lies in both."""
        return Scope(self.groups + other.groups)

    def covers(self, vault: str, namespace: str, path: str) -> bool:
        """Return whether a secret may be seen."""
        return all(any(area.covers(vault, namespace, path) for area in group) for group in self.groups)


EVERYTHING = Scope()


def _below(path: str, top: str) -> bool:
    return not top or path == top or path.startswith(top + "/")
