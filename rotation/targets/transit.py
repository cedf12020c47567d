"""Rotates a transit key: one more version, and the old ones still decrypt."""

from __future__ import annotations

import msgspec

from rotation.estate import Estate
from rotation.planning import Blast, Drawn, Refused, StepSpec, Wish
from vault.enrolment import Want

TITLE = "Rotate a transit key"
FAMILY = "rotate"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key: `transit/keys/ledger`."""

    key: str


def risk(args: Args) -> str:
    """Nobody is refused by it."""
    return "routine"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step."""
    place = estate.place(args.key, wish.vault, type="transit")
    kind, _, name = place.path.partition("/")
    if kind != "keys" or not name or "/" in name:
        raise Refused(f"{args.key} is no transit key.", f"Name it as {place.mount}/keys/NAME.", field="args.key")
    need = estate.need(place.connection, Want("transit", "rotate", place.mount, name))
    step = StepSpec(
        "rotate_transit", {"mount": place.mount, "name": name, "role": need.role, "namespace": place.namespace}
    )
    doubt = "Text that old versions encrypted stays readable with them: encrypt it anew if the key leaked."
    return Drawn("Rotate", args.key.strip("/"), [step], place.vault, "", Blast(doubts=(doubt,)), [need])
