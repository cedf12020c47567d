"""Two verbs at once on PostgreSQL: for each pair, however they meet, the moves are those of the table and one wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import combinations_with_replacement

import pytest
from django.db import connection

from accounts.models import TrailEntry
from rotation import actions, lifecycle, moves, policy
from rotation.approving import NotApproved, approve, reject
from rotation.models import Change, Verdict
from tests.rotation.asked import ask, fresh, person, toys

REFUSALS = (NotApproved, moves.LostRace, lifecycle.Forbidden)
DONE = {move.done: verb for verb, move in lifecycle.MOVES.items() if verb != "stop"}  # no pair stops a run
assert policy  # the counting that these verbs ask


class Meeting:
    """One change at which two threads arrive at the same moment."""

    def __init__(self, people: dict, state: str) -> None:
        self.people = people
        self.change = ask(people["ann"])
        if state == "approved":
            approve(self.change, people["bob"], self.change.plan_hash, fresh())
        self.start = state

    def act(self, verb: str, who: str) -> None:
        change = Change.objects.get(pk=self.change.pk)
        if verb in {"approve", "reject"}:
            decide = approve if verb == "approve" else reject
            decide(change, self.people[who], change.plan_hash, fresh())
        elif verb == "cancel":
            actions.cancel(change, self.people["ann"])
        else:
            moves.make(change, verb, "a worker")

    def meet(self, *verbs: str) -> list[bool]:
        """Let each verb be done by a thread of its own, from one barrier; tells which were done."""
        barrier, done = threading.Barrier(len(verbs)), [False] * len(verbs)

        def one(place: int, verb: str) -> None:
            try:
                barrier.wait(10)
                self.act(verb, ("eve", "mia")[place])
                done[place] = True
            except REFUSALS:
                pass
            finally:
                connection.close()

        threads = [threading.Thread(target=one, args=pair) for pair in enumerate(verbs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return done

    def path(self) -> list[str]:
        """Return the verbs that moved the change, in the order of the trail."""
        entries = TrailEntry.objects.filter(subject_kind="change", subject_id=self.change.pk).order_by("position")
        found = [verb.removeprefix("rotation.change.") for verb in entries.values_list("verb", flat=True)]
        return [DONE[one] for one in found if one in DONE]


def legal(path: list[str], end: str) -> bool:
    """Return whether these verbs lead from asked to `end` by the table."""
    state = "requested"
    for verb in path:
        if state not in lifecycle.MOVES[verb].before:
            return False
        state = lifecycle.MOVES[verb].after
    return state == end


VERBS = {
    "requested": ["approve", "reject", "cancel", "expire"],
    "approved": ["reject", "cancel", "expire", "start", "void"],
}
PAIRS = [(state, pair) for state, verbs in VERBS.items() for pair in combinations_with_replacement(verbs, 2)]


def _meet(pairs, trials: int, each: Callable[[Meeting, list[bool]], None]) -> None:
    people = {name: person(name) for name in ("ann", "bob", "eve")} | {"mia": person("mia", role="administrator")}
    for state, pair in pairs:
        for _ in range(trials):
            meeting = Meeting(people, state)
            each(meeting, meeting.meet(*pair))


def _judge(meeting: Meeting, done: list[bool]) -> None:
    meeting.change.refresh_from_db()
    path, state = meeting.path(), meeting.change.state
    assert legal(path, state), (path, state)
    assert any(done), (path, state)
    assert len(path) - (meeting.start == "approved") <= sum(done)  # whoever lost the race left no move
    votes = Verdict.objects.filter(change=meeting.change)
    assert ("reject" in path) == votes.filter(verdict="reject").exists()  # no vote is kept that moved nothing
    if "start" in path:
        assert path.index("start") == len(path) - 1 and "reject" not in path


@pytest.mark.django_db(transaction=True)
def test_two_verbs_at_once_make_only_moves_of_the_table(monkeypatch):
    toys(monkeypatch)
    _meet(PAIRS, 4, _judge)


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_two_verbs_at_once_200_times_for_each_pair(monkeypatch):
    toys(monkeypatch)
    _meet(PAIRS, 200, _judge)
