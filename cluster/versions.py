"""The versions of a secret over time: which one was the newest at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Version(NamedTuple):
    """A version and when it was made; None when that is not known, and then only for the oldest."""

    number: int
    created: datetime | None = None


class Span(NamedTuple):
    """The versions between which what somebody holds must lie, both included."""

    oldest: int
    newest: int


class History:
    """All known versions of one secret; at least one."""

    def __init__(self, versions: Sequence[Version]) -> None:
        """Keep the versions in the order of their numbers."""
        self._versions = sorted(versions)

    @property
    def current(self) -> int:
        """The newest version."""
        return self._versions[-1].number

    @property
    def first(self) -> int:
        """The oldest version that is known."""
        return self._versions[0].number

    def at(self, when: datetime | None) -> int:
        """Return the version that was the newest at a time; without a time the current one."""
        if when is None:
            return self.current
        made = [each.number for each in self._versions if each.created is None or each.created <= when]
        return made[-1] if made else self.first

    def between(self, earliest: datetime | None, latest: datetime | None, skew: timedelta) -> Span:
        """Return what a read between two times can have got; an unknown earliest time means any version until then.

        `skew` is how far the clocks of the vault and of the cluster may be apart.
        """
        oldest = self.first if earliest is None else self.at(earliest - skew)
        newest = self.at(latest + skew if latest is not None else None)
        return Span(min(oldest, newest), newest)
