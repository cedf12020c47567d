"""Pins a passkey by which one person proves their approvals of the highest class."""

from __future__ import annotations

import msgspec

from rotation.assertions import AssertionRefused, Key, fingerprint, readable, unpack
from rotation.estate import Estate
from rotation.governing import GOVERN, person
from rotation.planning import Drawn, Refused, StepSpec, Wish

TITLE = "Enrol an approver's passkey"
FAMILY = GOVERN
LONGEST_NAME = 100


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose, and the key as the browser registered it: credential and public key are base64url."""

    user: str
    credential: str
    public_key: str
    sign_count: int = 0
    name: str = ""


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step; its subject has the key's fingerprint, which two people can compare. Raises `Refused`."""
    found = person(args.user)
    try:
        key = Key(found.pk, unpack(args.credential), unpack(args.public_key), args.sign_count)
        readable(key)
    except AssertionRefused as why:
        raise Refused(str(why), code="bad_args", field="public_key") from None
    if len(args.name) > LONGEST_NAME:
        raise Refused(f"The name has {len(args.name)} characters.", f"Use at most {LONGEST_NAME}.", code="bad_args")
    step = StepSpec("pin_key", {"user_id": found.pk, **msgspec.to_builtins(args)})
    return Drawn("Enrol", f"passkey {fingerprint(key)} of {found.username}", [step])


def risk(args: Args) -> str:
    """Return the highest: a key approves the highest class."""
    return "highest"
