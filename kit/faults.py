"""Tells of an exception what it is and where it came from, and none of its words: they may hold what it was about."""

from __future__ import annotations

import traceback
from pathlib import Path

_MOST = 12  # places


def told(error: BaseException) -> str:
    """Return the kind of an exception and the places that it passed, the innermost first: `KeyError at a.py:7 run`.

    Neither its message nor that of what caused it is in it, and no line of source with a value in it.
    """
    frames = traceback.extract_tb(error.__traceback__)[::-1][:_MOST]
    places = [f"{Path(one.filename).parent.name}/{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
    return f"{type(error).__name__} at {', '.join(places)}" if places else type(error).__name__
