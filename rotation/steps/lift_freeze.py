"""Lifts one freeze; what waited for it goes on by itself."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import transaction

from rotation.approvers import database_time
from rotation.freeze import lift, sentence, subject_of
from rotation.governing import asker_of, change_of
from rotation.models import Freeze
from rotation.outcomes import Checked, Done, NotDone, Outcome, Refused, Sentence
from rotation.telling import record
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The freeze's number, what it is of, and why it was set."""

    freeze: int
    of: str
    reason: str


def describe(args: Args) -> Sentence:
    """Say what goes on then."""
    return Sentence(
        f"Lift the freeze of {args.of}", f"frozen: {args.reason}", "changes that wait for it go on",
        "anybody who may freeze can freeze it again",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that it holds."""
    row = Freeze.objects.filter(pk=args.freeze, lifted_at=None).first()
    if row is None:
        return Checked({}, ("This freeze holds no more.",))
    return Checked({"freeze": row.pk}, (), (sentence(row),))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Nothing but its number is needed."""
    return {"freeze": args.freeze}


def done(args: Args, world: World) -> Outcome:
    """Look whether it holds."""
    if Freeze.objects.filter(pk=args.freeze, lifted_at=None).exists():
        return NotDone("The freeze holds.")
    return Done(f"The freeze of {args.of} is lifted.")


def run(args: Args, world: World) -> Outcome:
    """Lift it."""
    change = change_of(world)
    with transaction.atomic():
        if not lift(args.freeze, change, database_time()):
            return Refused("This freeze holds no more: somebody else lifted it.")
        row = Freeze.objects.get(pk=args.freeze)
        told = {"change": change.name}
        record(asker_of(change), "rotation.freeze.lifted", subject_of(row), about=row, details=told)
    return done(args, world)
