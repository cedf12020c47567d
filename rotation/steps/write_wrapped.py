"""Writes into a KV v2 secret what somebody wrapped for this change: opened once, written at once, kept nowhere.

The value lives in `_carry` alone. A worker that is killed between opening and writing loses it; the change says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rotation.engines import ARRIVES, text
from rotation.failures import of_call
from rotation.kv import Place, begun, made, nothing, strangers, written
from rotation.outcomes import Checked, NotDone, Outcome, Refused, Sentence, Unknown, Waiting
from rotation.sealing import Unsealable
from rotation.world import Given, World
from vault.errors import Spent, VaultError
from vault.errors import Unknown as NoAnswer
from vault.operated import WRAPPED_BY_HAND

UNWRAP = "sys/wrapping/unwrap"
USES = 4  # a look at the token, opening it, PATCH, and POST where PATCH finds nothing
ASK = "Hand over a new one, then resume."
NONE = "Nobody has handed over a wrapping token: whoever asked does, on the page of this change or through the API."


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret, and the keys that the wrapped value must hold, no more and no fewer."""

    place: Place
    role: str
    keys: tuple[str, ...]


def describe(args: Args) -> Sentence:
    """Say which keys change, and that nobody sees the value."""
    return Sentence(
        f"Write a new version of {args.place.name}", "the newest version",
        f"what the asker wrapped for {', '.join(args.keys)}, opened once by the worker; other keys stay",
        "the old version can be read until it is destroyed",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """Look at the versions, and whether the token that was handed over still wraps what it was made for."""
    with world.doors.vault(world.vault, args.place.namespace, args.role, 3) as operator:
        state = operator.kv_state(args.place.mount, args.place.path)
        facts = {"current_version": state.current_version}
        troubles, lines = _looked(operator, world)
        troubles = (*troubles, *strangers(operator, args.place, args.keys))
    if not state.current_version:
        troubles = (nothing(args.place), *troubles)
    return Checked(facts, troubles, (f"Version {state.current_version} is the newest.", *lines))


def _looked(operator: Any, world: World) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what stands against opening the token, and what was found of it."""
    given = world.doors.given()
    if given is None:
        return (NONE,), ()
    try:
        found = operator.wrapped(given.token())
    except Unsealable as why:
        return (f"{why} {ASK}",), ()
    except Spent:
        world.alarm(
            f"The wrapping token that {given.by} handed over wraps nothing: it was opened, or its time is over."
        )
        return (f"{_LOST} {ASK}",), ()
    if found.creation_path != WRAPPED_BY_HAND:
        return (f"The token was made at {found.creation_path}, not at {WRAPPED_BY_HAND}. {ASK}",), ()
    until = (found.created or world.now()) + timedelta(seconds=found.ttl)
    return (), (
        f"{given.by} handed over a wrapping token that nobody opened; it ends at {until:%Y-%m-%d %H:%M:%S} UTC.",
    )


_LOST = (
    "The wrapping token wraps nothing any more: somebody opened it before us, or its time is over. If nobody of yours "
    "did, what was in it is known to somebody: let it be another value."
)


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Hold the write to the newest version, and to the one token that was looked at."""
    given = world.doors.given()
    if given is None:
        return Waiting(NONE, seconds=5.0)
    with world.doors.vault(world.vault, args.place.namespace, args.role, 2) as operator:
        intent = begun(args.place, world, operator.kv_state(args.place.mount, args.place.path))
        try:
            found = operator.wrapped(given.token())
        except Spent:
            given.used()
            world.alarm(f"The wrapping token that {given.by} handed over was opened before us, or its time is over.")
            return Refused(f"{_LOST} {ASK}")
        except Unsealable as why:
            return Refused(f"{why} {ASK}")
    until = text((found.created or world.now()) + timedelta(seconds=found.ttl))
    return intent if isinstance(intent, Outcome) else {**intent, "handed": given.number, "until": until}


def done(args: Args, world: World) -> Outcome:
    """Tell by versions and log whether it was written; if not, whether the token was opened, and by whom."""
    if "cas" not in world.intent:
        return NotDone("Nothing was begun.")
    with world.doors.vault(world.vault, args.place.namespace, args.role, 2) as operator:
        state = operator.kv_state(args.place.mount, args.place.path)
        found = written(args.place, world, state)
        if found is None and _still_wraps(operator, world):
            return NotDone("The wrapping token was not opened, and nothing was written.")
    if found is None:
        return _opened(world)
    _used(world)
    return found


def run(args: Args, world: World) -> Outcome:
    """Open the token and write what it holds, under check-and-set."""
    given = _given(world)
    if given is None:
        return Refused(f"The token that this was begun with is not there any more; nothing was opened. {ASK}")
    with world.doors.vault(world.vault, args.place.namespace, args.role, USES) as operator:
        try:
            return _carry(args, given, operator, world.intent["cas"])
        except Unsealable as why:
            return Refused(f"{why} Nothing was opened. {ASK}")
        except Spent:
            return Unknown("The wrapping token wraps nothing any more; the audit log tells who opened it.")


def _carry(args: Args, given: Given, operator: Any, cas: int) -> Outcome:
    """Carry the value from the one call to the other: it is in this function and nowhere else."""
    value = operator.unwrap(given.token())
    if not _fits(value, args.keys):
        given.used()
        return Refused(f"What was wrapped is not one text for each of {', '.join(args.keys)}. {_WASTED}")
    try:
        version = operator.kv_write(args.place.mount, args.place.path, value, cas)
    except NoAnswer:
        raise
    except VaultError as error:  # surely not written, and the token is spent
        given.used()
        refused = of_call(error)
        return Refused(f"{refused.says if refused else ''} {_WASTED}".strip())
    given.used()
    return made(version, cas)


_WASTED = f"The wrapping token was used by us, and nothing was written. {ASK}"


def _fits(value: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return set(value) == set(keys) and all(isinstance(one, str) and one for one in value.values())


def _given(world: World) -> Given | None:
    """Return the token that the intent was made with; one that was handed over later needs an intent of its own."""
    given = world.doors.given()
    return given if given is not None and given.number == world.intent["handed"] else None


def _still_wraps(operator: Any, world: World) -> bool:
    given = _given(world)
    if given is None:
        return False
    try:
        operator.wrapped(given.token())
    except (Spent, Unsealable):
        return False
    return True


def _used(world: World) -> None:
    if (given := _given(world)) is not None:
        given.used()


def _opened(world: World) -> Outcome:
    """Tell who opened a token that wraps nothing, by the audit log, once no write of ours can come any more."""
    if not world.witness.reach(world.vault, world.began).covers(world.tried + ARRIVES):
        return Waiting(
            "The wrapping token was opened; the audit log has not come so far yet to tell by whom.", seconds=2.0
        )
    mine = [one for one in world.witness.calls(world.change) if _is_our_opening(one, world)]
    _used(world)
    if mine:
        return Refused(f"The wrapping token was used by us at {mine[-1].at:%Y-%m-%d %H:%M:%S} UTC, and nothing was "
                       f"written: the value in it is lost. {ASK}")  # fmt: skip
    if datetime.fromisoformat(world.intent["until"]) > world.tried + ARRIVES:
        world.alarm(
            "The wrapping token that was handed over was opened by somebody else: the log shows no call of ours."
        )
    return Refused(f"{_LOST} {ASK}")


def _is_our_opening(call: Any, world: World) -> bool:
    made = call.path == UNWRAP and call.minted is not None and call.happened
    return made and call.step == str(world.step) and call.at >= world.tried - _SLACK


_SLACK = timedelta(seconds=5)  # between the clocks of Vault and PostgreSQL
