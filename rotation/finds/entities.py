"""Which entities a principal is in the vault: what is disabled to keep it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inventory.models import Entity
from rotation.finds import Found, Scene
from rotation.planning import Left

FACTS: Mapping[str, Any] = {}
GROUPS: Mapping[str, Mapping[str, Any]] = {"here": {"id": "x", "name": "x"}}


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The principal; a service account is `namespace/name`."""

    principal: str


def find(args: Args, scene: Scene) -> Found:
    """Take what the record shows of it, as far as the vault still has it."""
    connection = scene.estate.connection(scene.vault, scene.namespace)
    ids = scene.estate.books.entities(scene.vault, args.principal)
    rows = Entity.objects.filter(connection=connection, entity_id__in=ids, gone_at=None).order_by("entity_id")
    here = [{"id": one.entity_id, "name": one.name} for one in rows]
    none = Left(
        f"The entity of {args.principal}", "The vault did not have it when it was looked at last.",
        "Have the vault looked at again (Settings, Sources) and plan anew; until it is disabled, it can log in again.",
    )  # fmt: skip
    if not ids:
        none = Left(
            f"The entity of {args.principal}", "No call of it shows one: a root token, or one made by hand, has none.",
            "Revoke its tokens in the vault by their accessors; if it logs in somewhere, end that login.",
        )  # fmt: skip
    return Found(groups={"here": here}, left=[] if here else [none])
