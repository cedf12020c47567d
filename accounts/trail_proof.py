"""Walks the trail from its first entry and says where it stops being what was accepted, as far as can be proven.

The chain alone shows an entry that was changed, removed, added or moved. It can't show that the newest entries are
missing, or that everything from some place on was written anew: for that heads are needed that were kept outside of
the database. Rows are the fields of `trail_chain.fields_of` and the hash; they are read once, whatever their number.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from accounts.trail_chain import hash_of
from kit.chain import NOTHING_BEFORE, Field

Row = tuple[Field, ...]
POSITION, PREVIOUS, HASH = 0, 1, -1
REMEMBERED = 1_000  # hashes behind us, by which a stretch that was put in between is recognised


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry as it was at some time: its position and hash, and how many entries there were."""

    position: int
    hash: str
    entries: int
    at: str


class BrokenAnchor(Exception):
    """The heads can't be believed from some line on; the message says which and why."""


@dataclass(slots=True)
class Verdict:
    """What a walk found.

    `first_bad` is the first position that does not hold what was accepted there, and never a later one: where nothing
    but a head shows it, the first one after the last head that agrees; of two neighbours that don't fit, the first.
    `anchored_until` is the position of the last head that agrees: whatever stands up to it is what stood there when
    that head was written; 0 when none agrees, None when there were no heads.
    """

    entries: int = 0
    first_bad: int | None = None
    anchored_until: int | None = None
    said: list[str] = field(default_factory=list)
    broken_anchor: bool = False
    until: str = ""

    @property
    def ok(self) -> bool:
        """Return whether nothing is wrong with what could be looked at."""
        return self.first_bad is None and not self.broken_anchor


class _Bad(Exception):
    """The first bad position, and the sentence about it."""

    def __init__(self, position: int, sentence: str) -> None:
        super().__init__(sentence)
        self.position = position


def verify(rows: Iterable[Row], heads: Iterable[Head] | None = None) -> Verdict:
    """Walk over rows in the order of their positions (those without one last), beside heads in theirs."""
    verdict = Verdict(anchored_until=None if heads is None else 0)
    counted = _counted(rows, verdict)
    walk = _Walk(_Heads(heads, verdict), verdict)
    try:
        walk.all(counted)
    except _Bad as bad:
        verdict.first_bad = bad.position
        verdict.said.insert(0, str(bad))
    for _ in counted:
        pass  # what follows is counted, no more
    return verdict


def _counted(rows: Iterable[Row], verdict: Verdict) -> Iterator[Row]:
    for row in rows:
        verdict.entries += 1
        yield row


class _Heads:
    """Heads one by one; where they break, those before still count."""

    def __init__(self, heads: Iterable[Head] | None, verdict: Verdict) -> None:
        self._heads = iter(heads or ())
        self._verdict = verdict
        self.next = self._read()

    def _read(self) -> Head | None:
        try:
            return next(self._heads, None)
        except BrokenAnchor as error:
            self._verdict.broken_anchor = True
            self._verdict.said.append(str(error))
            return None

    def at(self, position: int) -> Iterator[Head]:
        """Give every head of this position, and drop those of positions before."""
        while self.next is not None and self.next.position <= position:
            if self.next.position == position:
                yield self.next
            self.next = self._read()

    def last(self) -> Head | None:
        """Return the last of the heads that are left."""
        last = None
        while self.next is not None:
            last, self.next = self.next, self._read()
        return last


class _Walk:
    """One pass: the entry before, the last head that agrees, and the hashes lately passed."""

    def __init__(self, heads: _Heads, verdict: Verdict) -> None:
        self.heads = heads
        self.verdict = verdict
        self.place = 0
        self.hash = NOTHING_BEFORE
        self.passed: OrderedDict[str, int] = OrderedDict({NOTHING_BEFORE: 0})
        self.strays = 0

    @property
    def agreed(self) -> int:
        return self.verdict.anchored_until or 0

    def all(self, rows: Iterator[Row]) -> None:
        """Look at every row; raises `_Bad` at the first that is wrong."""
        for row in rows:
            self.look(row)
        self.end()

    def look(self, row: Row) -> None:
        """Look at one row; raises `_Bad`."""
        position = row[POSITION]
        if not isinstance(position, int) or position < 1:
            self.strays += 1  # entries have places from 1 on; this one was not put in by Keybook
            return
        self._in_place(position)
        self._whole(row)
        self._anchored(row)
        self.place, self.hash = position, str(row[HASH])
        self.passed[self.hash] = self.place
        if len(self.passed) > REMEMBERED:
            self.passed.popitem(last=False)

    def _in_place(self, position: int) -> None:
        if position > self.place + 1:
            missing = _stretch(self.place + 1, position - 1)
            raise _Bad(self.place + 1, f"{missing} missing: somebody removed or moved what stood there.")
        if position <= self.place:
            raise _Bad(position, f"Position {position} holds more than one entry: one of them was put in.")

    def _whole(self, row: Row) -> None:
        place = self.place + 1
        linked, whole = row[PREVIOUS] == self.hash, hash_of(row[:HASH]) == row[HASH]
        if linked and whole:
            return
        known = None if linked or self._only_the_link(row) else self.passed.get(str(row[PREVIOUS]))
        if known is not None:
            first = max(known, self.agreed) + 1
            raise _Bad(first, f"{_stretch(first, self.place)} put in: entry {place} follows on entry {known}.")
        if whole and self.agreed < self.place:
            pair = f"Entry {self.place} is not what entry {place} follows on"
            raise _Bad(self.place, f"{pair}: one of the two, or both, are not what was accepted.")
        raise _Bad(place, f"Entry {place} is not what was accepted: its hash, or its entry, was changed.")

    def _only_the_link(self, row: Row) -> bool:
        """Return whether the row is whole with the link that it should have: then only its link was changed."""
        return hash_of((row[POSITION], self.hash, *row[PREVIOUS + 1 : HASH])) == row[HASH]

    def _anchored(self, row: Row) -> None:
        for head in self.heads.at(self.place + 1):
            if head.hash != row[HASH]:
                since = _stretch(self.agreed + 1, head.position)
                raise _Bad(
                    self.agreed + 1,
                    f"{since} not what the anchor saw at {head.at}: all from some place among them was written anew.",
                )
            self.verdict.anchored_until, self.verdict.until = head.position, head.at

    def end(self) -> None:
        """Look at what should have followed."""
        last = self.heads.last()
        if last is not None:
            missing = (
                f"{_stretch(self.place + 1, last.position)} missing from the end, which the anchor saw at {last.at}"
            )
            unproven = (
                f"; {_stretch(self.agreed + 1, self.place)} not proven either" if self.agreed < self.place else ""
            )
            why = "The trail was cut, or the database was set back to an older state."
            raise _Bad(self.agreed + 1, f"{missing}{unproven}. {why}")
        if self.strays:
            raise _Bad(self.place + 1, f"{self.strays} entries stand outside of the chain: Keybook did not write them.")


def _stretch(first: int, last: int) -> str:
    return f"Entry {first} is" if first >= last else f"Entries {first} to {last} are"
