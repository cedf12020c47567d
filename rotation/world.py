"""What a step may touch and what a target may ask: Protocols, so that rotation knows neither the record nor a library.

`config.witness` fulfils `Books` and `Witness` with the record's questions; `rotation.doors` opens the executor's own
connections. Tests give their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from inventory.freshness import Freshness
from inventory.sightings import (
    Had,
    HeldLease,
    HeldToken,
    LeaseEnd,
    OurCall,
    Reach,
    Rotatable,
    Rotated,
    Taken,
    VersionRead,
    Written,
)
from rotation.logins import Logins
from rotation.present import Getting

# `vault.operating.Operator` and `cluster.operating.Operator`: pages reach this module, and may reach no wire by it.
Operator: TypeAlias = Any
Restarter: TypeAlias = Any


class Books(Protocol):
    """What the record knows that a plan needs; asked by the web process."""

    def leases(self, **which: str) -> Sequence[HeldLease]:
        """Return live leases by `pod` (its uid), `service_account`, `principal`, `role` or `prefix`."""
        ...

    def leases_among(self, leases: Collection[str], *, ended: bool, **which: str) -> Sequence[HeldLease]:
        """Return those of some leases, by their ids, that what `leases` takes fits; `ended` ones too, or live ones."""
        ...

    def versions(self, vault: str, namespace: str, mount: str, path: str) -> int:
        """Return the newest version of a secret that the record shows, 0 when it shows none."""
        ...

    def had(self, vault: str, namespace: str, mount: str, path: str, since: datetime, until: datetime) -> Sequence[Had]:
        """Return who was given a secret, or was denied it, in [since, until)."""
        ...

    def taken(self, since: datetime, until: datetime, *, pod: str = "", principal: str = "") -> Sequence[Taken]:
        """Return which secrets a pod (by uid) or a principal (by name) was given in [since, until)."""
        ...

    def tokens(self, since: datetime, until: datetime, *, pod: str = "", principal: str = "") -> Sequence[HeldToken]:
        """Return with which tokens a pod (by uid) or a principal (by name) called in [since, until)."""
        ...

    def entities(self, vault: str, principal: str) -> Sequence[str]:
        """Return the ids of the entities that principals of a name ever were in a vault."""
        ...

    def reach(self, vault: str, since: datetime) -> Reach:
        """Return how far the record of a vault is known, with its holes since a time."""
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

    def login_hashes(self, vault: str, leases: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return how devices show the user name that leases came with, as (device, HMAC), where the record tells it."""
        ...

    def reads(
        self, vault: str, namespace: str, mount: str, path: str, version: int, since: datetime
    ) -> Sequence[VersionRead]:
        """Return who read a version or a newer one since then, each pod with its grade of proof."""
        ...


class Almanac(Protocol):
    """What the record knows of the age of secrets; asked by the operations worker for schedules."""

    def rotatable(self, target: str, pattern: str, vault: str) -> Sequence[Rotatable]:
        """Return the secrets of a target that a glob fits, in the order of their names; `vault` may be empty."""
        ...

    def rotated(self, target: str, vault: str, name: str, since: datetime) -> Rotated | None:
        """Return the last call after a moment that gave a secret another value; None where the log shows none."""
        ...


class Given(Protocol):
    """A wrapping token that somebody handed over for a change."""

    @property
    def number(self) -> int:
        """Which one it is, as rows name it."""
        ...

    @property
    def by(self) -> str:
        """Who handed it over."""
        ...

    def token(self) -> str:
        """Return the token; raises `rotation.sealing.Unsealable`."""
        ...

    def used(self) -> None:
        """Note that it wraps nothing any more, and keep no more of it."""
        ...


class Doors(Protocol):
    """The executor's connections, opened when a step needs them and shut after it."""

    def vault(self, vault: str, namespace: str, role: str, uses: int) -> AbstractContextManager[Operator]:
        """Return an operator with a fresh token of an enrolled role, good for `uses` calls and revoked at the end."""
        ...

    def cluster(self, cluster: str) -> AbstractContextManager[Restarter]:
        """Return what changes a cluster, as the restarter."""
        ...

    def logins(self, vault: str, namespace: str, path: str) -> Logins | None:
        """Return the logins of the databases behind a mount, by a path in it; None where no witness is set.

        Raises `rotation.logins.Away`.
        """
        ...

    def given(self) -> Given | None:
        """Return the wrapping token that was handed over last for this change and not used yet, None for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Earlier:
    """A step of the same change that was done before: its number, kind and arguments, and what it left."""

    number: int
    kind: str
    args: Mapping[str, Any]
    receipt: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """What a step gets besides its arguments. `change` is `C-215`; `intent` what was committed before the call.

    `began` is when the first attempt of this step began, `tried` when the last did, `started` when the change did.
    `waited` is how long the last attempt was waited for, without the time in which no worker looked.
    `facts` is what was found of this step when the change was looked at last before it started.
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
    behind: Callable[[], Sequence[Freshness]] = field(default=list)  # clusters whose picture is not current
    waited: timedelta = timedelta()
    progress: Callable[[int, int], None] = field(default=lambda _done, _of: None)
    halted: Callable[[], str] = field(default=lambda: "")  # why a long step should stop at its next border
    facts: Mapping[str, Any] = field(default_factory=dict)  # what this step's `check` found, as it was approved
    earlier: Sequence[Earlier] = ()  # the steps before that are done, in their order
    # By a step's number: its arguments, then of each attempt what it was held to with what it brought back.
    kept: Callable[[], Mapping[int, Sequence[Mapping[str, Any]]]] = field(default=dict)
    alarm: Callable[[str], None] = field(default=lambda _says: None)  # tells a person of what can't wait
