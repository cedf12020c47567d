"""The life of a change as one table: which verb leads from which states to which. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

REQUESTED, APPROVED, RUNNING = "requested", "approved", "running"
SUCCEEDED, FAILED = "succeeded", "failed"
REJECTED, CANCELLED, EXPIRED = "rejected", "cancelled", "expired"

STATES = (REQUESTED, APPROVED, RUNNING, SUCCEEDED, FAILED, REJECTED, CANCELLED, EXPIRED)
OVER = frozenset({SUCCEEDED, REJECTED, CANCELLED, EXPIRED})  # nothing leads out of these
WORK = frozenset({APPROVED, RUNNING})  # what a worker has to look at


@dataclass(frozen=True, slots=True)
class Move:
    """Where a verb may begin, where it ends, and its past participle: the code of its entry in the trail."""

    before: frozenset[str]
    after: str
    done: str


def _move(done: str, after: str, *before: str) -> Move:
    return Move(frozenset(before), after, done)


MOVES = MappingProxyType({
    "approve": _move("approved", APPROVED, REQUESTED),
    "reject": _move("rejected", REJECTED, REQUESTED, APPROVED),
    "start": _move("started", RUNNING, APPROVED),
    # What was approved is no longer what would happen: it is asked anew.
    "void": _move("voided", REQUESTED, APPROVED),
    "succeed": _move("succeeded", SUCCEEDED, RUNNING),
    "fail": _move("failed", FAILED, RUNNING),
    "resume": _move("resumed", RUNNING, FAILED),
    "cancel": _move("cancelled", CANCELLED, REQUESTED, APPROVED, FAILED),
    # A running change is cancelled by the worker that runs it, between two steps.
    "stop": _move("cancelled", CANCELLED, RUNNING),
    "expire": _move("expired", EXPIRED, REQUESTED, APPROVED),
})  # fmt: skip


class Forbidden(Exception):
    """A verb that doesn't lead anywhere from the state; the message says which state that is, and what is possible."""


def after(verb: str, state: str) -> str:
    """Return the state that `verb` leads to from `state`. Raises `Forbidden`, and `LookupError` for an unknown verb."""
    if verb not in MOVES:
        raise LookupError(f"No verb is called {verb}. The table is rotation.lifecycle.MOVES.")
    move = MOVES[verb]
    if state not in move.before:
        raise Forbidden(f"The change is {state}, so it can't be {move.done}. {_possible(state)}")
    return move.after


def verbs(state: str) -> tuple[str, ...]:
    """Return the verbs that lead out of a state, in the order of the table."""
    return tuple(verb for verb, move in MOVES.items() if state in move.before)


def _possible(state: str) -> str:
    found = [MOVES[verb].done for verb in verbs(state)]
    return f"It can still be {' or '.join(dict.fromkeys(found))}." if found else "It is over: ask for a new one."
