"""A pause before a step: heeded between two steps, never inside of one, and ended by a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import TrailEntry
from rotation import actions, moves, queries, runner
from rotation.lifecycle import Forbidden
from rotation.models import Change
from tests.rotation.asked import person
from tests.rotation.toys import Toy, approved, hands, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def toy(monkeypatch):
    made = Toy()
    use(monkeypatch, toy=made)
    return made


def turn(change):
    Change.objects.filter(pk=change.pk).update(due_at=None)
    assert runner.turn(change.pk, hands())
    change.refresh_from_db()
    return change


def test_it_waits_before_that_step_until_a_person_resumes_it(toy):
    ann, change = person("ann"), approved("toy", "toy", "toy")
    actions.pause(change, ann, 3)
    assert "resume" in queries.possible(change, ann, approves=False, asks=True)
    turn(change)
    assert (change.state, toy.happened) == ("running", 2)
    assert change.says == "Paused before step 3 by ann. It waits to be resumed." and change.owner == ""
    assert change.due_at > datetime.now(UTC)
    assert turn(change).state == "running" and toy.happened == 2
    actions.resume(change, ann)
    assert turn(change).state == "succeeded" and toy.happened == 3
    verbs = list(TrailEntry.objects.filter(verb__contains="pause").order_by("pk").values_list("verb", "details"))
    assert verbs == [
        ("rotation.change.pause_wanted", {"before": 3}), ("rotation.change.pause_ended", {"before": 3}),
    ]  # fmt: skip


def test_before_the_first_step_it_does_not_even_start(toy):
    ann, change = person("ann"), approved("toy")
    actions.pause(change, ann, 1)
    assert turn(change).state == "approved" and toy.happened == 0
    actions.resume(change, ann)
    assert turn(change).state == "succeeded"


def test_a_pause_that_nobody_ends_for_a_day_stops_it_and_a_resume_goes_on_there(toy):
    ann, change = person("ann"), approved("toy", "toy")
    actions.pause(change, ann, 2)
    turn(change)
    almost, day = timedelta(hours=23, minutes=59), timedelta(hours=24, minutes=1)
    change.steps.filter(number=1).update(ended_at=datetime.now(UTC) - almost)
    assert turn(change).state == "running"
    change.steps.filter(number=1).update(ended_at=datetime.now(UTC) - day)
    assert turn(change).state == "failed" and toy.happened == 1
    assert change.says.startswith("Stopped at step 2 of 2. ann paused it before this step, and for 24 h nobody resumed")
    assert (change.pause_before, change.paused_by) == (None, "")
    actions.resume(change, ann)
    assert turn(change).state == "succeeded" and toy.happened == 2


def test_a_pause_before_the_first_step_ends_with_the_approval_s_own_time(toy):
    change = approved("toy")
    actions.pause(change, person("ann"), 1)
    Change.objects.filter(pk=change.pk).update(asked_at=datetime.now(UTC) - timedelta(days=2))
    assert turn(change).state in ("approved", "expired") and toy.happened == 0


def test_a_paused_change_can_be_cancelled(toy):
    ann, change = person("ann"), approved("toy", "toy")
    actions.pause(change, ann, 2)
    turn(change)
    actions.cancel(change, ann)
    assert turn(change).says == "Cancelled before step 2 of 2. What was done stays done."


def test_a_wish_that_comes_too_late_or_for_no_step_is_refused(toy):
    ann, change = person("ann"), approved("toy", "toy")
    actions.pause(change, ann, 2)
    turn(change)
    for number, why in ((1, "Step 1 of C-.* has begun"), (3, "has no step 3. It has steps 1 to 2")):
        with pytest.raises(Forbidden, match=why):
            actions.pause(change, ann, number)
    change.refresh_from_db()
    assert change.pause_before == 2, "the wish before stands"
    stale = Change.objects.get(pk=change.pk)
    actions.resume(change, ann)
    with pytest.raises(moves.LostRace, match="stands elsewhere meanwhile"):
        actions.resume(stale, ann)
    turn(change)
    with pytest.raises(Forbidden, match="only one that is approved or runs can be paused"):
        actions.pause(change, ann, 2)


def test_a_wish_to_pause_before_a_step_that_is_under_way_holds_nothing_up(toy):
    change = approved("toy", "toy")

    def while_it_works(_toy):
        Change.objects.filter(pk=change.pk).update(pause_before=1, paused_by="ann")

    toy.script["run"] = [while_it_works]
    assert turn(change).state == "succeeded" and toy.happened == 2
