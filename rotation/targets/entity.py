"""Disables an entity, or lets it in again."""

from __future__ import annotations

import msgspec

from rotation.estate import Estate
from rotation.planning import Blast, Drawn, StepSpec, Wish
from vault.enrolment import Want

TITLE = "Disable an entity"
FAMILY = "revoke"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The entity's id, or its name where only one has it."""

    entity: str
    enable: bool = False


def risk(args: Args) -> str:
    """Every pod of a service account shares one entity."""
    return "high"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step."""
    connection = estate.connection(wish.vault, wish.namespace)
    found = estate.entity(connection, args.entity)
    need = estate.need(connection, Want("entity", "disable", "", found.entity_id))
    step = StepSpec(
        "disable_entity",
        {
            "entity": found.entity_id, "name": found.name, "role": need.role, "enable": args.enable,
            "namespace": connection.namespace.strip("/"), "who": estate.known_as(found),
        },
    )  # fmt: skip
    doubts = () if args.enable else (
        "Leases of it that no step here revokes live on.",
        "All pods of a service account share one entity: all of them are refused.",
    )  # fmt: skip
    verb = "Let in again" if args.enable else "Disable"
    return Drawn(verb, found.name, [step], connection.vault, "", Blast(doubts=doubts), [need])
