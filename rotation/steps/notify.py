"""Tells the channels a text; it is done once the notice is kept, and its delivery is not waited for."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import transaction

from rotation.governing import change_of
from rotation.notice_models import Notice
from rotation.outcomes import Checked, Done, NotDone, Outcome, Sentence
from rotation.telling import LONGEST, tell
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is told."""

    text: str


def describe(args: Args) -> Sentence:
    """Say what is told."""
    return Sentence(f"Tell the channels: {args.text}", "nobody is told", "every channel that takes notes gets it")


def check(args: Args, world: World) -> Checked:
    """Anything can be told that has words."""
    if not args.text.strip() or len(args.text) > LONGEST:
        return Checked({}, (f"A note has 1 to {LONGEST:,} characters.",))
    return Checked()


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Nothing but its own place in the change is needed."""
    return {"notice": _key(world)}


def done(args: Args, world: World) -> Outcome:
    """Look whether the notice is kept."""
    if Notice.objects.filter(key=world.intent["notice"]).exists():
        return Done("The notice is kept; its delivery goes on by itself.")
    return NotDone("The notice is not kept yet.")


def run(args: Args, world: World) -> Outcome:
    """Keep it, once."""
    change = change_of(world)
    with transaction.atomic():
        tell("note", change, who=change.asker_name, says=args.text, key=world.intent["notice"])
    return done(args, world)


def _key(world: World) -> str:
    return f"note {world.change} {world.step}"
