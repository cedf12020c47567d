"""The seven kinds of tampering, on rows as a proof reads them, and what a proof should say of each.

Whoever does this owns the tables: no trigger, no right and no constraint is in the way. `Case.first` is the first
position that does not hold what was accepted, found by comparing with the rows as they were.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from accounts.trail_chain import hash_of
from accounts.trail_proof import HASH, POSITION, PREVIOUS, Head, Row
from kit.chain import NOTHING_BEFORE, json_text

EDITABLE = {
    "position": lambda rng: rng.choice([None, 0, -3, rng.randint(1, 80)]),
    "previous": lambda rng: f"{rng.getrandbits(256):064x}",
    "id": lambda rng: rng.randint(10**6, 10**7),
    "at": lambda rng: rng.choice([None, 10**15 + rng.randint(1, 10**9)]),
    "actor_id": lambda rng: rng.choice([None, rng.randint(100, 999)]),
    "actor_name": lambda rng: f"somebody {rng.random()}",
    "verb": lambda rng: "audit.nothing.done",
    "subject_kind": lambda rng: "nothing",
    "subject_id": lambda rng: rng.choice([None, rng.randint(100, 999)]),
    "subject_text": lambda rng: f"nothing {rng.random()}",
    "details": lambda rng: json_text({"minutes": rng.randint(100, 999)}),
    "address": lambda rng: f"198.51.100.{rng.randint(1, 250)}",
    "session": lambda rng: f"{rng.getrandbits(60):x}"[:16],
    "hash": lambda rng: f"{rng.getrandbits(256):064x}",
}
NAMES = list(EDITABLE)


def rehashed(row: Row, **new) -> Row:
    """Return a row with other fields and a hash that fits them."""
    changed = changed_row(row, **new)
    return (*changed[:HASH], hash_of(changed[:HASH]))


def changed_row(row: Row, **new) -> Row:
    """Return a row with other fields and the hash that it had."""
    return tuple(new.get(name, value) for name, value in zip(NAMES, row, strict=True))


def some_entry(rng: random.Random, number: int) -> Row:
    """Return an entry without its place."""
    details = {"minutes": rng.randint(1, 99), "role": "reader"}
    who, whom = (rng.choice([None, 7]), rng.choice(["ann", "bob", "cat"])), ("user", number, f"person {number}")
    at = 10**15 + number
    return (None, "", number, at, *who, "accounts.user.created", *whom, json_text(details), "203.0.113.9", "", "")


def chained(rows: list[Row], entries: list[Row]) -> list[Row]:
    """Return the rows with entries after them, each in its place with its hash, as Keybook does it."""
    whole = list(rows)
    for entry in entries:
        previous = whole[-1][HASH] if whole else NOTHING_BEFORE
        whole.append(rehashed(entry, position=len(whole) + 1, previous=previous))
    return whole


@dataclass
class Case:
    """A trail as it was, its heads, the rows after a tampering, and where they first differ."""

    kind: str
    was: list[Row]
    heads: list[Head]
    rows: list[Row]

    @property
    def first(self) -> int:
        held: dict[object, list[Row]] = {}
        for row in self.rows:
            held.setdefault(row[POSITION], []).append(row)
        for position, row in enumerate(self.was, 1):
            if held.get(position) != [row]:
                return position
        return len(self.was) + 1

    @property
    def agreed(self) -> int:
        """The last head before the first difference."""
        return max((head.position for head in self.heads if head.position < self.first), default=0)

    @property
    def ambiguous(self) -> bool:
        """Whether the first wrong row fits itself, so that it or the one before may be the wrong one."""
        found = [row for row in self.rows if row[POSITION] == self.first]
        return len(found) == 1 and found[0][HASH] == hash_of(found[0][:HASH])

    @property
    def consistent(self) -> bool:
        """Whether the rows are a whole chain by themselves."""
        return self.rows == chained([], self.rows)


def edit(rng: random.Random, was: list[Row]) -> list[Row]:
    """Change a field, or three, of one entry; one in three gives the entry the hash that fits."""
    at, rows = rng.randrange(len(was)), list(was)
    new = {name: EDITABLE[name](rng) for name in rng.sample(NAMES, rng.choice([1, 1, 3]))}
    fitting = rng.random() < 1 / 3 and "hash" not in new
    rows[at] = (rehashed if fitting else changed_row)(was[at], **new)
    return rows


def delete(rng: random.Random, was: list[Row]) -> list[Row]:
    """Take entries out of the middle, and close the gap in one of three ways."""
    at = rng.randrange(len(was) - 4)
    after = was[at + rng.randint(1, 3) :]
    way = rng.randrange(3)
    if way == 1:
        after = [changed_row(row, position=at + n) for n, row in enumerate(after, 1)]
    if way == 2:  # renumber, and let each entry fit itself
        after = [rehashed(row, position=at + n) for n, row in enumerate(after, 1)]
    return was[:at] + after


def insert(rng: random.Random, was: list[Row]) -> list[Row]:
    """Put an entry between two, in one of four ways."""
    at = rng.randrange(1, len(was) - 1)
    forged = rehashed(some_entry(rng, 10**6), position=at + 1, previous=was[at - 1][HASH])
    way = rng.randrange(4)
    if way == 0:
        return [*was[:at], forged, *was[at:]]
    if way == 1:
        return [*was, changed_row(forged, position=None)]
    make = rehashed if way == 3 else changed_row
    return [*was[:at], forged, *(make(row, position=row[POSITION] + 1) for row in was[at:])]


def reorder(rng: random.Random, was: list[Row]) -> list[Row]:
    """Exchange two entries: whole, or without their links, with or without hashes that fit."""
    one, other = sorted(rng.sample(range(len(was)), 2))
    rows, way = list(was), rng.randrange(3)
    for here, there in ((one, other), (other, one)):
        row = changed_row(was[there], position=was[here][POSITION])
        if way:
            row = changed_row(row, previous=was[here][PREVIOUS], hash=was[here][HASH])
        rows[here] = rehashed(row) if way == 2 else row
    return rows


def truncate(rng: random.Random, was: list[Row]) -> list[Row]:
    """Cut the newest entries off."""
    return was[: -rng.randint(1, len(was) - 1)]


def fork(rng: random.Random, was: list[Row]) -> list[Row]:
    """Change an entry and write everything after it anew, as one whole chain."""
    at = rng.randrange(len(was))
    entries = [changed_row(was[at], actor_name="somebody else"), *was[at + 1 :]]
    return chained(was[:at], entries)


def roll_back(rng: random.Random, was: list[Row]) -> list[Row]:
    """Set the trail back to an older state and let it go on from there, shorter, as long or longer."""
    at = rng.randrange(1, len(was))
    return chained(was[:at], [some_entry(rng, 2 * 10**6 + n) for n in range(rng.randint(0, 2 * (len(was) - at)))])


KINDS: dict[str, Callable[[random.Random, list[Row]], list[Row]]] = {
    "edit": edit, "delete": delete, "insert": insert, "reorder": reorder, "truncate": truncate, "fork": fork,
    "roll back": roll_back,
}  # fmt: skip


def by_position(rows: list[Row]) -> list[Row]:
    """Return rows in the order in which the database gives them."""
    return sorted(rows, key=lambda row: (row[POSITION] is None, row[POSITION] or 0, row[2]))


def case(seed: int, kind: str) -> Case:
    """Make a trail with heads at some of its entries and at its last, and tamper with it."""
    rng = random.Random(f"{seed} {kind}")
    was = chained([], [some_entry(rng, number) for number in range(1, rng.randint(8, 40))])
    places = sorted({*rng.sample(range(1, len(was)), rng.randint(0, len(was) // 3)), len(was)})
    heads = [Head(place, str(was[place - 1][HASH]), place, "2026-11-18T02:00:00Z") for place in places]
    while True:
        rows = by_position(KINDS[kind](rng, was))
        if rows != was:
            return Case(kind, was, heads, rows)
