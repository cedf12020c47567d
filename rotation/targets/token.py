"""Revokes a token by its accessor, and with it the leases that it made."""

from __future__ import annotations

import msgspec

from rotation.estate import Estate
from rotation.planning import Blast, Drawn, StepSpec, Wish
from vault.enrolment import Want

TITLE = "Revoke a token"
FAMILY = "revoke"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The accessor in clear, as a device that shows it or Vault itself tells it."""

    accessor: str


def risk(args: Args) -> str:
    """Whoever holds it is refused at once."""
    return "high"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step; whose token it is the worker tells before anybody approves."""
    connection = estate.connection(wish.vault, wish.namespace)
    need = estate.need(connection, Want("token", "revoke", ""))
    namespace = connection.namespace.strip("/")
    step = StepSpec("revoke_token", {"accessor": args.accessor, "role": need.role, "namespace": namespace})
    doubt = "Its leases end a little later, and not while their database is away."
    return Drawn("Revoke token", args.accessor, [step], connection.vault, "", Blast(doubts=(doubt,)), [need])
