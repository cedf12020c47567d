"""What a step may touch and what a target may ask: Protocols, so that rotation knows neither the record nor a library.

`config.witness` fulfils `Books` and `Witness` with the record's questions; `rotation.doors` opens the executor's own
connections. Tests give their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from inventory.sightings import (
    HeldLease,
    LeaseEnd,
    OurCall,
    Reach,
    Rotatable,
    Rotated,
    VersionRead,
    Written,
)
from rotation.present import Getting

# `vault.operating.Operator` and `cluster.operating.Operator`: pages reach this module, and may reach no wire by it.
Operator: TypeAlias = Any
Restarter: TypeAlias = Any


class Books(Protocol):
    """What the record knows that a plan needs; asked by the web process."""

    def leases(self, **which: str) -> Sequence[HeldLease]:
        """Return live leases by `pod` (its uid), `service_account`, `principal`, `role`, `prefix` or `lease_id`."""
        ...

    def versions(self, vault: str, namespace: str, mount: str, path: str) -> int:
        """Return the newest version of a secret that the record shows, 0 when it shows none."""
        ...


class Witness(Protocol):
    """What Vault's own audit log says: asked by the operations worker."""

    def calls(self, change: str) -> Sequence[OurCall]:
        """Return what identities of ours did for one change, in the order of acceptance."""
        ...

    def calls_since(self, seq: int, limit: int) -> Sequence[OurCall]:
        """Return what became known of our calls after an item's number, at most so many, in that order."""
        ...

    def reach(self, vault: str, since: datetime) -> Reach:
        """Return how far the record of a vault is known, with its holes since a time."""
        ...

    def written(self, vault: str, namespace: str, mount: str, path: str, since: datetime) -> Sequence[Written]:
        """Return who wrote which version of a secret since then."""
        ...

    def ends(self, vault: str, leases: Sequence[str]) -> Sequence[LeaseEnd]:
        """Return what the record knows of the end of leases."""
        ...

    def reads(
        self, vault: str, namespace: str, mount: str, path: str, version: int, since: datetime
    ) -> Sequence[VersionRead]:
        """Return who read a version since then, each pod with its grade of proof."""
        ...


class Almanac(Protocol):
    """What the record knows of the age of secrets; asked by the operations worker for schedules."""

    def rotatable(self, target: str, pattern: str, vault: str) -> Sequence[Rotatable]:
        """Return the secrets of a target that a glob fits, in the order of their names; `vault` may be empty."""
        ...

    def rotated(self, target: str, vault: str, name: str, since: datetime) -> Rotated | None:
        """Return the last call after a moment that gave a secret another value; None where the log shows none."""
        ...


class Doors(Protocol):
    """The executor's connections, opened when a step needs them and shut after it."""

    def vault(self, vault: str, namespace: str, role: str, uses: int) -> AbstractContextManager[Operator]:
        """Return an operator with a fresh token of an enrolled role, good for `uses` calls and revoked at the end."""
        ...

    def cluster(self, cluster: str) -> AbstractContextManager[Restarter]:
        """Return what changes a cluster, as the restarter."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """What a step gets besides its arguments. `change` is `C-215`; `intent` what was committed before the call.

    `began` is when the first attempt of this step began, `tried` when the last did, `started` when the change did.
    """

    change: str
    step: int
    plan_hash: str
    vault: str
    cluster: str
    intent: Mapping[str, Any]
    began: datetime
    tried: datetime
    started: datetime
    doors: Doors
    witness: Witness
    now: Callable[[], datetime]
    present: Callable[[str, str, str, str], Sequence[Getting]]  # vault, namespace, mount, path: who gets it now
    progress: Callable[[int, int], None] = field(default=lambda _done, _of: None)
    earlier: Mapping[str, Any] = field(default_factory=dict)  # receipts of the steps before, by their kind
