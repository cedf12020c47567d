"""Rotates the password of a database's static role, and restarts who would keep the old one."""

from __future__ import annotations

import msgspec

from rotation.estate import Estate
from rotation.planning import Drawn, Refused, StepSpec, Wish
from rotation.restarting import restarts, without
from rotation.syncing import syncs
from vault.enrolment import Want

TITLE = "Rotate a database role"
FAMILY = "rotate"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The static role by the path that its password is read at: `database/static-creds/ledger`.

    `cordoned` are service accounts (`namespace/name`) that can't log in: what runs as them is not restarted.
    """

    secret: str
    restart: bool = True
    cordoned: tuple[str, ...] = ()


def risk(args: Args) -> str:
    """Whoever holds the old password is refused at once."""
    return "high"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the steps: rotate, have it copied anew, then restart who holds the old password."""
    place = estate.place(args.secret, wish.vault, type="database")
    kind, _, name = place.path.partition("/")
    if kind != "static-creds" or not name:
        raise Refused(
            f"{args.secret} is no static role.",
            f"Name it as {place.mount}/static-creds/ROLE; leases of a dynamic role are revoked.",
            field="args.secret",
        )  # fmt: skip
    need = estate.need(place.connection, Want("database_role", "rotate", place.mount, name))
    rotate = StepSpec(
        "rotate_role", {"mount": place.mount, "name": name, "role": need.role, "namespace": place.namespace}
    )
    rows, kept_out = without(estate.consumers(place), args.cordoned)
    copying, asking, unread = syncs(rows)
    touched, needs = restarts(estate, estate.eaters(rows), restart=args.restart)
    touched.doubts += [*unread, *kept_out, *estate.strangers(place, rows)]
    return Drawn(
        "Rotate", args.secret.strip("/"), [rotate, *copying, *touched.staged()], place.vault, "",
        touched.blast(leases_caveat="a static role has none"), [need, *asking, *needs],
    )  # fmt: skip
