"""Revokes a token by its accessor, and with it the leases that it made."""

from __future__ import annotations

import msgspec

from rotation.estate import Estate
from rotation.planning import Blast, Drawn, StepSpec, Wish
from vault.enrolment import Want

TITLE = "Revoke a token"
FAMILY = "revoke"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The accessor in clear, as a device that shows it or Vault itself tells it.

    One that `may_be_gone` is no trouble if it has ended: it was found in a past in which it lived.
    """

    accessor: str
    may_be_gone: bool = False


def risk(args: Args) -> str:
    """Whoever holds it is refused at once."""
    return "high"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step; whose token it is the worker tells before anybody approves."""
    connection = estate.connection(wish.vault, wish.namespace)
    need = estate.need(connection, Want("token", "revoke", ""))
    namespace = connection.namespace.strip("/")
    given = {"accessor": args.accessor, "role": need.role, "namespace": namespace}
    step = StepSpec("revoke_token", {**given, **({"may_be_gone": True} if args.may_be_gone else {})})
    doubt = "Its leases end a little later, and not while their database is away."
    return Drawn("Revoke token", args.accessor, [step], connection.vault, "", Blast(doubts=(doubt,)), [need])
