"""Lifts a freeze: one person may freeze, lifting takes a second one."""

from __future__ import annotations

import msgspec

from rotation.estate import Estate
from rotation.freeze import subject_of
from rotation.governing import GOVERN
from rotation.models import Freeze
from rotation.planning import Drawn, Refused, StepSpec, Wish

TITLE = "Lift a freeze"
FAMILY = GOVERN


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which freeze, by its number."""

    freeze: int


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step. Raises `Refused` for one that does not hold."""
    row = Freeze.objects.filter(pk=args.freeze, lifted_at=None).first()
    if row is None:
        raise Refused(f"No freeze with the number {args.freeze} holds.", "Look at the list again.", code="not_there")
    step = StepSpec("lift_freeze", {"freeze": row.pk, "of": subject_of(row).text, "reason": row.reason})
    return Drawn("Lift", f"freeze of {subject_of(row).text}", [step])


def risk(args: Args) -> str:
    """Return high: it lets happen only what others approved."""
    return "high"
