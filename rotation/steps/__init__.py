"""SEAM: one outside effect a file. The file's name is the step's kind in plans, in YAML and in the API.

The runner commits the intent, then calls `run`, then commits the result. After a crash with an intent alone it asks
`done` first: a step must be able to tell, without reading any value, whether it happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any, Protocol

from kit import seam
from rotation.outcomes import Checked, Outcome, Sentence
from rotation.world import World


class Step(Protocol):
    """What a module of this folder has."""

    Args: type[Any]
    """A frozen msgspec Struct that forbids unknown fields."""

    def describe(self, args: Any) -> Sentence:
        """Say what it does, what is now, what is after, and whether it can be undone. Pure."""
        ...

    def check(self, args: Any, world: World) -> Checked:
        """Look whether it could be done now, without doing it: rights, a dry run, the facts that it relies on."""
        ...

    def intend(self, args: Any, world: World) -> dict[str, Any] | Outcome:
        """Look, and return the precondition that `run` and `done` are held to; it is committed before the call.

        An outcome instead of it (`Refused`, `NotDone`, `Drifted`) says why there can be no call.
        """
        ...

    def done(self, args: Any, world: World) -> Outcome:
        """Tell whether `world.intent` happened: `Done`, `NotDone`, `Waiting` (it can't be told yet) or `Drifted`."""
        ...

    def run(self, args: Any, world: World) -> Outcome:
        """Make it happen, under the precondition of `world.intent`."""
        ...


@cache
def kinds() -> Mapping[str, ModuleType]:
    """Return the steps by kind; raises `kit.seam.HalfDone` when one lacks a part."""
    return seam.complete(__name__, Step)
