"""How a path and a principal's name are printed: the leaf loud, the way to it quiet, whole segments left out."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.words import visible

ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Print:
    """A name in two voices: `quiet` segments, each before a slash, and `loud`; `whole` is what a copy carries."""

    quiet: list[str]
    loud: str
    whole: str


def secret_print(name: str, limit: int = 0) -> Print:
    """Return a secret's name for printing, in `limit` characters where leaving out whole middle segments allows it.

    The mount (first segment) and the leaf are never left out and never cut. `limit` 0 means: print the whole.
    """
    whole = visible(name)
    segments = whole.split("/")
    leaf = segments.pop() or f"{segments.pop()}/" if len(segments) > 1 else segments.pop()
    if limit:
        segments = _elide(segments, limit - len(leaf))
    return Print(segments, leaf, whole)


def _elide(segments: list[str], room: int) -> list[str]:
    """Leave out segments after the first, from the left, until they fit into `room` characters with their slashes."""
    if sum(len(s) + 1 for s in segments) <= room or len(segments) < 2:
        return segments
    for start in range(2, len(segments) + 1):
        short = [segments[0], ELLIPSIS, *segments[start:]]
        if sum(len(s) + 1 for s in short) <= room:
            break
    return short


def principal_print(name: str, kind: str, limit: int = 0) -> Print:
    """Return a principal's name for printing: a service account's namespace is quiet, and `…/` where it is too long."""
    whole = visible(name)
    if kind != "service_account" or "/" not in whole:
        return Print([], whole, whole)
    namespace, _, leaf = whole.rpartition("/")
    short = ELLIPSIS if limit and len(whole) > limit else namespace
    return Print([short], leaf, whole)


def middle(text: str, head: int = 6, tail: int = 6) -> str:
    """Return a digest or id as its first and last characters, `9f3c1b…e41a07`; short ones stay whole."""
    plain = visible(text)
    return plain if len(plain) <= head + tail + 1 else f"{plain[:head]}{ELLIPSIS}{plain[-tail:]}"
