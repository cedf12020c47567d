"""Ends a passkey of somebody, so that it proves no approval any more."""

from __future__ import annotations

import msgspec

from rotation import pinned_keys
from rotation.estate import Estate
from rotation.governing import GOVERN, person
from rotation.planning import Drawn, Refused, StepSpec, Wish

TITLE = "End an approver's passkey"
FAMILY = GOVERN


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose, by name, and which, by its fingerprint."""

    user: str
    fingerprint: str


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step. Raises `Refused` for a passkey that does not stand."""
    found = person(args.user)
    pin = pinned_keys.find(found.pk, args.fingerprint)
    if pin is None or pin.ended_at is not None:
        raise Refused(
            f"No passkey of {found.username} with the fingerprint {args.fingerprint[:60]} stands.",
            "Look at the list on their page.", code="not_there", field="fingerprint",
        )  # fmt: skip
    given = {"key": pin.row.pk, "user": found.username, "name": pin.row.name, "fingerprint": pin.fingerprint}
    return Drawn("End", f"passkey {pin.fingerprint} of {found.username}", [StepSpec("unpin_key", given)])


def risk(args: Args) -> str:
    """Return high: it takes a power away and gives none, and a person whose key is lost could not prove the highest."""
    return "high"
