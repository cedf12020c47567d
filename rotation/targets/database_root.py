"""Rotates the root password of a database's connection: afterwards only Vault knows it."""

from __future__ import annotations

import msgspec

from rotation.estate import Estate
from rotation.planning import Blast, Drawn, Refused, StepSpec, Wish
from vault.enrolment import Want

TITLE = "Rotate a database root"
FAMILY = "rotate"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The connection: `database/config/ledger-pg`."""

    database: str


def risk(args: Args) -> str:
    """There is no way back, and whatever else uses this user breaks."""
    return "highest"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step."""
    place = estate.place(args.database, wish.vault, type="database")
    kind, _, name = place.path.partition("/")
    if kind != "config" or not name:
        raise Refused(
            f"{args.database} is no database.", f"Name it as {place.mount}/config/NAME.", field="args.database"
        )
    need = estate.need(place.connection, Want("database_root", "rotate", place.mount, name))
    step = StepSpec(
        "rotate_root", {"mount": place.mount, "name": name, "role": need.role, "namespace": place.namespace}
    )
    doubt = "Another mount, namespace or person that uses the same database user is refused from then on."
    return Drawn("Rotate root of", args.database.strip("/"), [step], place.vault, "", Blast(doubts=(doubt,)), [need])
