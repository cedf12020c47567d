"""What the operations worker works with: its doors, the witness that the settings name, and what may stop a step."""

from __future__ import annotations

from django.conf import settings

from accounts.models import TrailEntry
from rotation import freeze, newcomers, preflight, redraw, standing, waiting
from rotation.approvers import database_time
from rotation.approving import party
from rotation.books import books, witness
from rotation.doors import OpenDoors
from rotation.models import Change
from rotation.surroundings import Hands


def hands(worker: str) -> Hands:
    """Return the hands of this worker."""
    ours: Hands

    def unsure(change: Change) -> tuple[str, str]:
        """Judge the approvals anew, and hold the plan against what is there, right before the first effect."""
        verb, why = standing.unsure(change, database_time(), party())
        return (verb, why) if verb else preflight.drift(change, ours)

    ours = Hands(
        worker, _doors, witness(), freeze.over, unsure, drawn=lambda change: redraw.differs(change, books()),
        revived=standing.revived, lapsed=lambda change: standing.lapsed(change, party()), shut=waiting.shut,
        came=lambda change: newcomers.leases(change, books()),
    )  # fmt: skip
    return ours


def _doors(change: Change, step: int) -> OpenDoors:
    anchored = TrailEntry.objects.filter(position__isnull=False).order_by("-position")
    head = anchored.values_list("hash", flat=True).first() or ""
    names = settings.KEYBOOK
    return OpenDoors(
        names.executor, names.restarter, change.name, step, change.plan_hash, head, names.witness, names.seal
    )
