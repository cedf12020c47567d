"""How long a step has waited, and how much of that in silence: from look to look, without the time of an outage.

A step is promised its time. What passes while no worker looks (it is down, the change is frozen or paused) is no time
that the step had, so of the time between two looks no more counts than until the second was due.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rotation.outcomes import Outcome, Unknown, Waiting

LONG = timedelta(minutes=15)  # of silence, for which it is looked into before a person decides
SLACK = timedelta(seconds=30)  # a worker that runs takes a look within seconds of when it is due
CLOCK = "clock"  # a key of an attempt's receipt: {"looked", "again": UTC, ISO 8601; "waited", "silent": seconds}
WHY = (
    f"For {LONG // timedelta(minutes=1)} min nobody could tell whether it happened. "
    "Look there yourself, then resume: the step looks again before it does anything."
)


def kept(receipt: Mapping[str, Any], outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Return what is kept of an attempt after an outcome: with its clock while it is not decided."""
    whole = {name: value for name, value in {**receipt, **outcome.receipt}.items() if name != CLOCK}
    if not isinstance(outcome, Waiting | Unknown):
        return whole
    again = now + timedelta(seconds=outcome.seconds)
    clock: dict[str, Any] = {
        "looked": now.isoformat(), "again": again.isoformat(), "waited": waited(receipt, now).total_seconds(),
    }  # fmt: skip
    if isinstance(outcome, Unknown):
        clock["silent"] = _silent(receipt, now).total_seconds()
    return {**whole, CLOCK: clock}


def waited(receipt: Mapping[str, Any], now: datetime) -> timedelta:
    """Return how long an attempt was waited for, its looks being what `kept` kept."""
    clock = receipt.get(CLOCK)
    return timedelta(seconds=clock["waited"]) + _since(clock, now) if clock else timedelta()


def too_long(receipt: Mapping[str, Any]) -> bool:
    """Tell whether a person has to look: for so long nobody could tell whether it happened."""
    return timedelta(seconds=receipt.get(CLOCK, {}).get("silent", 0)) > LONG


def broken(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept once it stopped for a person: whoever resumes it gets as long again."""
    return {name: value for name, value in receipt.items() if name != CLOCK}


def _silent(receipt: Mapping[str, Any], now: datetime) -> timedelta:
    """Return for how long nothing is known: an answer of a look before ends a silence."""
    clock = receipt.get(CLOCK, {})
    return timedelta(seconds=clock["silent"]) + _since(clock, now) if "silent" in clock else timedelta()


def _since(clock: Mapping[str, Any], now: datetime) -> timedelta:
    looked, again = datetime.fromisoformat(clock["looked"]), datetime.fromisoformat(clock["again"])
    return max(timedelta(), min(now, again + SLACK) - looked)
