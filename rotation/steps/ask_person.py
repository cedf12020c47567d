"""Asks a person whether to go on, and waits until one has answered on the change's page or by the API."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation import asking_people
from rotation.governing import change_of
from rotation.outcomes import Checked, Done, Drifted, Outcome, Refused, Sentence, Waiting
from rotation.world import World

AGAIN = 10.0  # seconds between two looks; an answer rings at once


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked, and which roles may answer."""

    question: str
    roles: tuple[str, ...] = asking_people.ROLES


def describe(args: Args) -> Sentence:
    """Say what is asked of whom."""
    return Sentence(
        f"Ask {' or '.join(args.roles)}: {args.question}", "nobody is asked yet",
        "somebody said to go on; one who says to stop ends it here",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that somebody could answer."""
    if trouble := asking_people.nobody(args.question, args.roles):
        return Checked({}, (trouble,))
    return Checked({}, (), ("Somebody has the role that answers.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """An answer that was given to an earlier try of this step is none to this one."""
    if trouble := asking_people.nobody(args.question, args.roles):
        return Refused(trouble)
    return {"asked": args.question, "after": asking_people.last(change_of(world), world.step)}


def done(args: Args, world: World) -> Outcome:
    """Look whether somebody has answered."""
    change = change_of(world)
    answer = asking_people.answer(change, world.step, world.intent["after"])
    if answer is None:
        return _ask(args, world)
    if answer.plan_hash != world.plan_hash:
        return Drifted(f"{answer.person_name} answered another plan. Resume it to ask anew.")
    if why := asking_people.unfit(answer, args.roles):
        return Drifted(f"{why} Resume it to ask anew.")
    note = f" “{answer.note}”" if answer.note else ""
    if answer.word == asking_people.GO_ON:
        return Done(f"{answer.person_name} said to go on.{note}", {"answered_by": answer.person_name})
    return Refused(f"{answer.person_name} said to stop.{note} Cancel the rest, or resume to ask anew.")


run = done


def _ask(args: Args, world: World) -> Outcome:
    asking_people.ask(change_of(world), world.step, world.intent["after"], args.question, args.roles)
    return Waiting(f"Waits for an answer by {' or '.join(args.roles)}: {args.question}", seconds=AGAIN)
