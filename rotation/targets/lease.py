"""Revokes leases: by their ids, or all of a pod, service account, principal, role or prefix, frozen in the plan."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inventory.sightings import HeldLease
from rotation import revoking
from rotation.estate import Estate
from rotation.planning import Drawn, Refused, StepSpec, Wish
from rotation.touching import Touched
from vault.enrolment import Want

TITLE = "Revoke leases"
FAMILY = "revoke"
MOST = 5_000  # leases of one change
SURE = ("exact", "strong")
_NAMED = 3  # roles whose leases a subject names
_WRONG = "If we are wrong, another pod is hit."
_LOST = "of these leases have no known pod."
_AGAIN = "A pod that asks Vault itself logs in again; one that got a copy keeps failing until it is restarted."


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which leases: exactly one way to say it."""

    leases: tuple[str, ...] = ()
    pod: str = ""
    service_account: str = ""
    principal: str = ""
    role: str = ""
    prefix: str = ""


def risk(args: Args) -> str:
    """Whoever holds one is refused at once."""
    return "high"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the steps: revoke those that live now, by this very list, and look them up."""
    held = _held(args, wish, estate)
    vaults = {(one.vault, one.namespace) for one in held}
    if len(vaults) > 1:
        known = ", ".join(sorted(f"{vault}/{namespace}".rstrip("/") for vault, namespace in vaults))
        raise Refused(f"These leases are of {known}.", "Ask for one vault at a time.", field="vault")
    vault, namespace = vaults.pop()
    connection = estate.connection(vault, namespace)
    steps, needs = [], []
    for mount, ids in _by_mount(held):
        need = estate.need(connection, Want("lease", "revoke", mount))
        given = {"leases": ids, "role": need.role, "namespace": namespace, "proven_later": True}
        steps.append(StepSpec(revoking.STEP, given))
        needs.append(need)
    steps.append(revoking.proving(steps, namespace))
    many = len(held)
    return Drawn(
        f"Revoke {many:,} leases" if many > 1 else "Revoke lease", _subject(args, held), steps, vault, "",
        _blast(held, estate).blast(leases_caveat=_caveat(held)), needs,
    )  # fmt: skip


def _held(args: Args, wish: Wish, estate: Estate) -> Sequence[HeldLease]:
    given = {name: value for name, value in msgspec.structs.asdict(args).items() if value}
    if len(given) != 1:
        known = ", ".join(Args.__struct_fields__)
        raise Refused(
            "It takes exactly one way to say which leases.", f"Give one of {known}.", code="bad_args", field="args"
        )
    narrow = {"vault": wish.vault, "namespace": wish.namespace}
    if args.leases:
        _few(len(set(args.leases)))
        return _named(list(dict.fromkeys(args.leases)), narrow, estate)
    found = estate.leases(**given, **narrow)
    if not found:
        raise Refused("No live lease is known there.", "It may have ended: look at the lease's page.", code="not_there")
    _few(len(found))
    return found


def _few(many: int) -> None:
    if many > MOST:
        raise Refused(f"{many:,} leases are more than the {MOST:,} of one change.", "Narrow it.")


def _named(leases: Sequence[str], narrow: dict[str, str], estate: Estate) -> Sequence[HeldLease]:
    found: dict[str, list[HeldLease]] = {}
    for one in estate.leases_by_id(leases, **narrow):
        found.setdefault(one.lease_id, []).append(one)
    missing = next((lease for lease in leases if lease not in found), None)
    if missing is not None:
        raise Refused(
            f"No live lease {missing} is known.",
            "It is gone already, or its id is mistyped.",
            code="not_there",
            field="args.leases",
        )
    return [one for lease in leases for one in found[lease]]


def _by_mount(held: Sequence[HeldLease]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for one in held:
        found.setdefault(one.lease_id.rsplit("/", 1)[0], []).append(one.lease_id)
    return sorted(found.items())


def _blast(held: Sequence[HeldLease], estate: Estate) -> Touched:
    touched = Touched(leases=[one.lease_id for one in held])
    pods: dict[str, set[str]] = {}
    for one in held:
        if one.pod:
            pods.setdefault(one.pod, set()).add(one.grade)
    touched.pods = sorted(pods)
    unsure = [pod for pod, grades in sorted(pods.items()) if not grades & set(SURE)]
    if unsure:
        touched.doubts.append(f"{len(unsure)} holders are not sure: {', '.join(unsure[:5])}. {_WRONG}")
    if lost := sum(1 for one in held if not one.pod):
        touched.doubts.append(f"{lost} {_LOST}")
    if pods:
        touched.doubts.append(_AGAIN)
    return touched


def about_holders(doubt: str) -> bool:
    """Tell whether a doubt of a plan is about who holds its leases, of which more may be known a moment later."""
    return doubt.endswith((_WRONG, _LOST, _AGAIN))


def _caveat(held: Sequence[HeldLease]) -> str:
    sure = sum(1 for one in held if one.grade in SURE)
    return f"{sure} with a sure holder"


def _subject(args: Args, held: Sequence[HeldLease]) -> str:
    named = next(
        (str(value) for value in msgspec.structs.asdict(args).values() if value and not isinstance(value, tuple)), ""
    )
    if named or len(held) == 1:
        return named or held[0].lease_id
    roles = list(dict.fromkeys(one.secret for one in held))
    if len(roles) == 1:
        return roles[0]
    # It must not begin with the first one's name: views and policies would take all of them for that one.
    more = f" and {len(roles) - _NAMED} more" if len(roles) > _NAMED else ""
    return f"leases of {', '.join(roles[:_NAMED])}{more}"
