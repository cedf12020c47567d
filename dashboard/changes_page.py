"""What the lists of changes show: what needs the person who reads, what waits for others, what runs, and all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.urls import reverse

from accounts.models import User
from accounts.scope import Scope
from dashboard import change_words
from dashboard.change_page import ChangePage
from dashboard.change_words import Left
from dashboard.closing import Closing
from dashboard.keys import key_of
from dashboard.lease_words import Said
from dashboard.words import counted
from rotation import lifecycle, queries
from rotation.models import Change, Freeze

SHOWN = 100
LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Item:
    """A change as a list shows it."""

    change: Change
    said: Said
    note: str
    left: Left


def item(change: Change, now: datetime) -> Item:
    """Return a change with its words."""
    done, of = getattr(change, "done", 0), getattr(change, "of", 0)
    note = change_words.decided(change, done, of)
    return Item(change, change_words.STATES[change.state], note, change_words.left(change, now))


@dataclass
class InboxPage:
    """What waits for a person, with one change beside the list."""

    person: User
    scope: Scope
    now: datetime
    asked: int | None = None
    fresh: bool = True

    @cached_property
    def _inbox(self) -> queries.Inbox:
        return queries.inbox(self.person, self.scope)

    @property
    def parts(self) -> list[tuple[str, list[Item], bool]]:
        """Return the parts of the list that hold anything: head, items, and whether their time is running out."""
        inbox = self._inbox
        told = (
            ("Needs me", inbox.needs_me, True),
            ("Waits for others", inbox.waits, True),
            ("Decided", inbox.decided, False),
        )
        return [(head, [self._item(one) for one in rows], open_) for head, rows, open_ in told if rows]

    def _item(self, change: Change) -> Item:
        found = item(change, self.now)
        if change.state in queries.OPEN and change.asker_id == self.person.pk:
            wanted = int(change.rule.get("approvers", 1))
            return Item(change, found.said, f"asked by me, {getattr(change, 'yes', 0)} of {wanted}", found.left)
        if queries.unreviewed(change):
            by = f"{change.asker_name} broke the glass, {found.said.words}"
        else:
            by = f"asked by {change.asker_name}" if change.state in queries.OPEN else found.note
        return Item(change, found.said, by, found.left)

    @property
    def needs(self) -> int:
        """Return how many need the person."""
        return len(self._inbox.needs_me)

    @cached_property
    def running(self) -> int:
        """Return how many run, are about to, or stopped."""
        return queries.moving(self.scope).count()

    @cached_property
    def freezes(self) -> list[Freeze]:
        """Return what is frozen."""
        return queries.freezes()

    @cached_property
    def page(self) -> ChangePage | None:
        """Return the change beside the list: the one that is asked for, else the first that needs the person."""
        inbox = self._inbox
        first = next(iter([*inbox.needs_me, *inbox.waits, *inbox.decided]), None)
        key = self.asked or (first.pk if first else None)
        if key is None:
            return None
        try:
            told = queries.one(key, self.scope)
        except Change.DoesNotExist:
            return None
        return ChangePage(told, self.person, self.scope, self.now, fresh=self.fresh)


@dataclass
class ChangeList:
    """Changes by what the address asks for, the newest first: `moving` are those that run or are about to."""

    asked: dict[str, str]
    before: int | None
    now: datetime
    person: User
    scope: Scope
    moving: bool = False

    @classmethod
    def read(cls, query: Mapping[str, str], now: datetime, person: User, scope: Scope, *, moving: bool) -> ChangeList:
        """Read a page's query; a state that no change can have asks for nothing."""
        names = ("state", "subject", "target")
        given = {name: str(query.get(name, "")).replace("\0", "").strip()[:LONGEST] for name in names}
        given["state"] = given["state"] if given["state"] in lifecycle.STATES else ""
        asked = {name: value for name, value in given.items() if value}
        return cls(asked, key_of(query.get("before", "")), now, person, scope, moving)

    @property
    def states(self) -> list[tuple[str, str]]:
        """Return the states that a change may have: key and words."""
        return [(key, said.words) for key, said in change_words.STATES.items()]

    @cached_property
    def _rows(self) -> list[Change]:
        found = queries.moving(self.scope) if self.moving else queries.listed(self.scope, **self.asked)
        rows = queries.with_steps(found).order_by("-pk")
        return list((rows.filter(pk__lt=self.before) if self.before else rows)[: SHOWN + 1])

    @cached_property
    def items(self) -> list[Item]:
        """Return this page's changes."""
        return [item(one, self.now) for one in self._rows[:SHOWN]]

    @property
    def older(self) -> str:
        """Return the address of those before these, empty where there are none."""
        return self._at(before=str(self.items[-1].change.pk)) if len(self._rows) > SHOWN else ""

    @property
    def newest(self) -> str:
        """Return the address of the newest, empty on their own page."""
        return self._at() if self.before else ""

    @property
    def closing(self) -> Closing:
        """Return the closing line."""
        counts = counted(len(self.items), "change")
        if self.older or self.newest:
            return Closing(False, f"{counts}. {'Older ones follow.' if self.older else 'These are the oldest.'}")
        hidden = "" if self.scope.everything else " in your view"
        return Closing(True, f"{counts}. These are all{hidden}{' that fit' if self.asked else ''}.")

    @cached_property
    def counts(self) -> tuple[int, int]:
        """Return how many need the person, and how many run."""
        return queries.for_me(self.person, self.scope).count(), queries.moving(self.scope).count()

    @property
    def freezes(self) -> Sequence[Freeze]:
        """Return what is frozen."""
        return queries.freezes()

    def _at(self, **more: str) -> str:
        pairs = {name: value for name, value in {**self.asked, **more}.items() if value}
        page = reverse("change-running" if self.moving else "change-list")
        return f"?{urlencode(pairs)}" if pairs else page
