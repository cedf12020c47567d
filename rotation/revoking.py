"""What the steps share that revoke leases and that prove it: looks at Vault, one revocation, whose login was whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rotation.failures import WIRES, of_call
from rotation.logins import Fit, Issued, Logins, fitting
from rotation.outcomes import NotDone, Outcome, Refused
from rotation.planning import StepSpec
from rotation.world import World
from vault.errors import NotPermitted, Unknown

BATCH = 50  # leases that one token is good for: look, revoke, look
STEP = "revoke_leases"
ALIVE = "not revoked"  # in a receipt: the leases that live on


def listed(world: World, namespace: str, role: str, leases: Sequence[str]) -> dict[str, Issued]:
    """Return those of some leases that Vault lists, with their times. Raises what a wire does."""
    found = {}
    for part in batches(leases):
        with world.doors.vault(world.vault, namespace, role, len(part)) as operator:
            for lease in part:
                if (one := operator.lease(lease)) is not None:
                    found[lease] = Issued(lease, one.issued, one.expires)
    return found


def batches(leases: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield leases in the parts that one token is good for."""
    for at in range(0, len(leases), BATCH):
        yield leases[at : at + BATCH]


class Late(NotDone):
    """Vault was asked, still lists the lease and says why: what it belongs to, such as a database, may be away."""


def revoke(operator: Any, lease: str) -> Outcome | None:
    """Revoke one lease; None once a lookup says that it is gone."""
    try:
        if operator.lease(lease) is None:
            return None
        return _revoked(operator, lease)
    except WIRES as error:  # of one lease: the others are still to be revoked
        found = of_call(error)
        if found is None:
            raise
        if isinstance(error, NotPermitted):  # its sentence names the path, sys/leases/revoke: no later try helps
            return found
        return NotDone(found.says) if isinstance(found, Refused) and "lease" in found.says else found


def _revoked(operator: Any, lease: str) -> Outcome | None:
    says = f"{lease} still lives after Vault said yes."
    try:
        operator.revoke_lease(lease)
    except Unknown as error:
        says = f"{error.what}."
    return None if operator.lease(lease) is None else Late(f"{says[:1].upper()}{says[1:]}")


def marks(
    world: World, namespace: str, role: str, live: Mapping[str, Issued], logins: Logins
) -> dict[str, list[list[Any]]]:
    """Return which logins may be whose, as rows keep it: by lease, the marks and numbers of logins, never a name.

    Where the time leaves several, the log tells: it shows a lease's user name as an HMAC, and the vault says how it
    would show each of them.
    """
    found = {lease: fits for lease, one in live.items() if (fits := fitting(one, logins.logins))}
    found |= _told_apart(
        world, namespace, role, {lease: fits for lease, fits in found.items() if len(fits) > 1}, logins
    )
    return {lease: [[fit.mark, fit.number] for fit in fits] for lease, fits in found.items()}


def _told_apart(
    world: World, namespace: str, role: str, several: Mapping[str, Sequence[Fit]], logins: Logins
) -> dict[str, tuple[Fit, ...]]:
    """Return the logins of those leases whose user name the log shows; nothing where the vault may not be asked."""
    shown = world.witness.login_hashes(world.vault, list(several)) if several else {}
    names = {one.mark: one.name for one in logins.logins}
    wanted = sorted({(device, fit.mark) for lease, one in shown.items() for device, _ in one for fit in several[lease]})
    try:
        hashes = _hashes(world, namespace, role, wanted, names)
    except WIRES:
        return {}
    return {
        lease: tuple(fit for fit in several[lease] if any(hashes[device, fit.mark] == hmac for device, hmac in one))
        for lease, one in shown.items()
    }


def _hashes(
    world: World, namespace: str, role: str, wanted: Sequence[tuple[str, str]], names: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for at in range(0, len(wanted), BATCH):
        some = wanted[at : at + BATCH]
        with world.doors.vault(world.vault, namespace, role, len(some)) as operator:
            found |= {(device, mark): operator.audit_hash(device, names[mark]) for device, mark in some}
    return found


def marked(kept: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Fit, ...]]:
    """Return which logins may be whose, by what attempts kept; what was known first stays."""
    found: dict[str, tuple[Fit, ...]] = {}
    for one in kept:
        for lease, fits in (one.get("logins") or {}).items():
            found.setdefault(lease, tuple(Fit(mark, number) for mark, number in fits))
    return found


def proving(steps: Sequence[StepSpec], namespace: str) -> StepSpec:
    """Return the step that proves what the revocations of a plan did; it stands after all of them."""
    numbers = [number for number, one in enumerate(steps, 1) if one.step == STEP]
    return StepSpec("verify_revoked", {"revoked_by": numbers, "namespace": namespace})
