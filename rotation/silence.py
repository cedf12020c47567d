"""How long nobody could tell whether a call happened: kept beside its answer, from the first look that told nothing.

A step may have waited for days before Vault is away for a moment: only the silence itself counts, never the waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rotation.outcomes import Outcome, Unknown

LONG = timedelta(minutes=15)  # for which it is looked into before a person decides
SINCE = "no answer since"  # a key of an attempt's receipt: UTC, ISO 8601
WHY = (
    f"For {LONG // timedelta(minutes=1)} min nobody could tell whether it happened. "
    "Look there yourself, then resume: the step looks again before it does anything."
)


def kept(receipt: Mapping[str, Any], outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Return what is kept of an attempt after an outcome: with the moment since when nothing is known, if so."""
    whole = {**receipt, **outcome.receipt}
    since = whole.pop(SINCE, now.isoformat(timespec="seconds"))
    return {**whole, SINCE: since} if isinstance(outcome, Unknown) else whole


def too_long(receipt: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a person has to look."""
    return SINCE in receipt and now - datetime.fromisoformat(receipt[SINCE]) > LONG


def broken(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept once it stopped for a person: whoever resumes it gets as long again."""
    return {name: value for name, value in receipt.items() if name != SINCE}
