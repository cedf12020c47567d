"""Lets rotation ask the record: what `rotation.world` wants to know, answered by audit's questions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from audit import ages, exposure, lease_proofs, our_calls, proofs
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
    TokenUse,
    VersionRead,
    Written,
)
from rotation.world import Almanac, Books, Witness

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class AuditLog(Books, Witness, Almanac):
    """The record of all vaults: `rotation.world.Witness`, `Books`, `Almanac`. A vault goes by its record's name."""

    # --- Books

    def leases(self, **which: str) -> Sequence[HeldLease]:
        """Return live leases by `pod` (its uid), `service_account`, `principal`, `role` or `prefix`.

        `vault` and `namespace` narrow them. Raises `ValueError` when nothing else is given.
        """
        return lease_proofs.held_leases(datetime.now(UTC), ended=False, **which)

    def leases_among(self, leases: Collection[str], *, ended: bool, **which: str) -> Sequence[HeldLease]:
        """Return those of some leases, by their ids, that what `leases` takes fits; `ended` ones too, or live ones."""
        return lease_proofs.held_leases(datetime.now(UTC), among=leases, ended=ended, **which)

    def versions(self, vault: str, namespace: str, mount: str, path: str) -> int:
        """Return the newest version of a secret that the record shows, 0 when it shows none."""
        return proofs.newest_version(proofs.secret_ids(vault, namespace, mount, path))

    def had(self, vault: str, namespace: str, mount: str, path: str, since: datetime, until: datetime) -> Sequence[Had]:
        """Return who was given a secret, or was denied it, in [since, until), most reads first."""
        return exposure.had(proofs.secret_ids(vault, namespace, mount, path), since, until)

    def taken(self, since: datetime, until: datetime, *, pod: str = "", principal: str = "") -> Sequence[Taken]:
        """Return which secrets a pod (by uid) or a principal (by name) was given in [since, until)."""
        return exposure.taken(since, until, pod=pod, principal=principal)

    def tokens(self, since: datetime, until: datetime, *, pod: str = "", principal: str = "") -> Sequence[HeldToken]:
        """Return with which tokens a pod (by uid) or a principal (by name) called in [since, until)."""
        return exposure.tokens(since, until, pod=pod, principal=principal)

    def entities(self, vault: str, principal: str) -> Sequence[str]:
        """Return the ids of the entities that principals of a name ever were in a vault."""
        return exposure.entities(vault, principal)

    # --- Witness

    def calls(self, change: str) -> Sequence[OurCall]:
        """Return the calls that claim to be for a change, with the mints of their tokens, in order of acceptance."""
        return our_calls.calls_of(change)

    def calls_since(self, seq: int, limit: int = 1_000) -> Sequence[OurCall]:
        """Return what became known of our calls after an item's number; with a late answer, a call comes again."""
        return our_calls.calls_since(seq, limit)

    def complete_until(self, vault: str) -> datetime | None:
        """Return until when the record of a vault is complete; None while nothing is known."""
        return proofs.reach(vault, datetime.now(UTC)).complete_until

    def reach(self, vault: str, since: datetime) -> Reach:
        """Return how far the record of a vault is known, with its holes since a moment."""
        return proofs.reach(vault, since)

    def written(
        self, vault: str, namespace: str, mount: str, path: str, since: datetime = _LONG_AGO
    ) -> Sequence[Written]:
        """Return what changed a KV secret since a moment, or may have, the oldest first."""
        return proofs.written_versions(proofs.secret_ids(vault, namespace, mount, path), since)

    def reads(
        self, vault: str, namespace: str, mount: str, path: str, version: int, since: datetime = _LONG_AGO
    ) -> Sequence[VersionRead]:
        """Return who read a version of a secret since a moment, each pod with its grade of proof."""
        return proofs.reads_from_version(proofs.secret_ids(vault, namespace, mount, path), version, since)

    def ends(self, vault: str, leases: Sequence[str]) -> Sequence[LeaseEnd]:
        """Return what is known of some leases' ends; one that the record never showed is not among them."""
        return lease_proofs.ends_of(vault, leases)

    def token_use(self, vault: str, accessors: Sequence[str], since: datetime) -> TokenUse:
        """Return what tokens did after a moment, by accessors as the vault's devices show them (`OurCall.abouts`)."""
        return lease_proofs.token_use(vault, accessors, since)

    def login_hashes(self, vault: str, leases: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return how devices show the user name that leases came with, as (device, HMAC), where the record tells it."""
        return lease_proofs.login_hashes(vault, leases)

    # --- Almanac

    def rotatable(self, target: str, pattern: str, vault: str) -> Sequence[Rotatable]:
        """Return the secrets of a target that a glob fits, by vault and name."""
        return ages.rotatable(target, pattern, vault)

    def rotated(self, target: str, vault: str, name: str, since: datetime) -> Rotated | None:
        """Return the last call since a moment that gave a secret another value."""
        return ages.rotated(target, vault, name, since)
