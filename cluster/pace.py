"""How fast a cluster is asked: page sizes, time-outs and waits, with the back-off that grows and is forgotten."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, unless it says otherwise; tests give shorter ones."""

    page: int = 500  # objects
    first: float = 0.8  # the first wait after a failure; each next one doubles
    most: float = 30.0  # the longest wait, before chance is added
    jitter: float = 1.0  # up to this share is added to a wait, so that many watches don't come back at once
    calm: float = 120.0  # what worked for so long forgets the failures before it
    silence: float = 90.0  # an open watch that gives nothing for so long is opened anew
    shortest_watch: float = 240.0
    longest_watch: float = 480.0
    longest_list: float = 300.0  # a list may be finished after a turn's end, but not for ever
    not_permitted: float = 60.0  # a missing right is looked for again
    not_installed: float = 600.0  # and a missing resource
    most_asked_wait: float = 120.0  # however long a server says that it wants to be left alone
    patience: int = 4  # answers that can't be read, one after the other, before everything is listed again


class Backoff:
    """The waits after failures in a row: 0.8 s, doubled up to 30 s, each with chance added, as client-go does."""

    def __init__(self, pace: Pace, clock: Callable[[], float], chance: Callable[[], float] = random.random) -> None:
        self._pace, self._clock, self._chance = pace, clock, chance
        self._next, self._last = pace.first, float("-inf")

    def wait(self, asked: float = 0) -> float:
        """Return how long to wait now, at least what a server asked for; `calm` after the last one it begins anew."""
        if self._clock() - self._last > self._pace.calm:
            self._next = self._pace.first
        wait = max(min(asked, self._pace.most_asked_wait), self._next * (1 + self._pace.jitter * self._chance()))
        self._next = min(self._next * 2, self._pace.most)
        self._last = self._clock() + wait
        return wait


def due(state: str, since: float, pace: Pace | None = None) -> bool:
    """Whether a resource is to be looked at again, `since` seconds after it got its state."""
    known = pace or Pace()
    return since >= {"not_installed": known.not_installed, "not_permitted": known.not_permitted}.get(state, 0)
