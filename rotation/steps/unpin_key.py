"""Ends one pinned passkey; what it approved and what has not begun counts no more."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from accounts.not_done import NotDone as Ended
from rotation import pinned_keys
from rotation.governing import asker_of, change_of
from rotation.outcomes import Checked, Done, NotDone, Outcome, Refused, Sentence
from rotation.pinned_keys import Pin
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key by its row, with its owner's name, its own and its fingerprint for people."""

    key: int
    user: str
    name: str
    fingerprint: str


def describe(args: Args) -> Sentence:
    """Say what it is good for no more."""
    return Sentence(
        f"End the passkey {args.name or 'without a name'} of {args.user}", f"it proves approvals of {args.user}",
        "it proves nothing, and what it approved and has not begun needs another approval",
        f"it stays ended; {args.user} can register another one",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that it stands."""
    if trouble := _gone(args):
        return Checked({}, (trouble,))
    return Checked({"fingerprint": args.fingerprint}, (), (f"It is the key {args.fingerprint}.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Nothing but the key is needed; one that has ended meanwhile is what was wanted."""
    return {"fingerprint": args.fingerprint}


def done(args: Args, world: World) -> Outcome:
    """Look whether it has ended."""
    pin = _pin(args)
    if pin is not None and pin.row.ended_at is not None:
        return Done(f"The passkey of {args.user} has ended.", {"fingerprint": args.fingerprint})
    return NotDone("It has not ended.")


def run(args: Args, world: World) -> Outcome:
    """End it, in the name of whoever asked."""
    pin, change = _pin(args), change_of(world)
    if pin is None:
        return Refused(_gone(args))
    with suppress(Ended):  # its owner may have been quicker
        pinned_keys.end(pin, asker_of(change), by_change=change.name)
    return done(args, world)


def _pin(args: Args) -> Pin | None:
    found = next((one for one in pinned_keys.known() if one.row.pk == args.key), None)
    return found if found is not None and found.fingerprint == args.fingerprint else None


def _gone(args: Args) -> str:
    pin = _pin(args)
    if pin is None:
        return f"No passkey of {args.user} has the fingerprint {args.fingerprint[:60]}."
    return "" if pin.ended_at is None else f"This passkey of {args.user} has ended already."
