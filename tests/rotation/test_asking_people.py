"""A step that asks a person parks its change until one answers, and a step that tells is done once its row is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from accounts.models import TrailEntry, User
from config import roles
from rotation import actions, asking_people, runner
from rotation.approvers import database_time
from rotation.approving import Given, NotApproved
from rotation.ballot import Channel
from rotation.models import Change
from rotation.notice_models import Answer, Notice
from rotation.plan import describe
from rotation.planning import StepSpec, digest
from tests.rotation.asked import as_role, fresh, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_roles")]
QUESTION = "Has the provider revoked the old key?"


@pytest.fixture
def ann() -> User:
    return person("ann", email="ann@example.com")


def planned(*steps: StepSpec) -> Change:
    """Return an approved change of these steps."""
    plan = {"steps": [
        {"number": at, "step": one.step, "args": dict(one.args), "describe": describe(one)}
        for at, one in enumerate(steps, 1)
    ]}  # fmt: skip
    return Change.objects.create(
        target="toy", args={}, verb="Toy", subject="toys", reason="to see", asker_name="ann", asker_id=1,
        state="approved", plan=plan, plan_hash=digest(plan), expires_at=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip


def asks(**more) -> Change:
    """Return a change that asks, then tells."""
    return planned(
        StepSpec("ask_person", {"question": QUESTION, **more}), StepSpec("notify", {"text": "The key is gone."})
    )


def run(change: Change) -> Change:
    """Let the worker take a change as far as it goes, with its own rights."""
    hands = runner.Hands(
        "one", lambda _change, _step: SimpleNamespace(), SimpleNamespace(), lambda _change: "", lambda _change: ("", "")
    )
    Change.objects.filter(pk=change.pk).update(due_at=None)
    with as_role(roles.OPERATIONS):
        assert runner.turn(change.pk, hands)
    change.refresh_from_db()
    return change


def said(change: Change, user: User, word: str = "go_on", **more) -> Answer:
    with as_role(roles.WEB):
        return asking_people.give(change, user, word, change.plan_hash, more.pop("given", fresh()), **more)


def test_a_change_waits_parked_until_somebody_says_to_go_on(ann):
    change = run(asks())
    step = change.steps.get(number=1)
    assert (change.state, change.owner, change.lease_until) == ("running", "", None)
    assert step.state == "waiting" and QUESTION in step.says and change.due_at > database_time()
    told = Notice.objects.get(kind="question")
    assert told.people == [ann.pk] and told.told["says"] == QUESTION
    said(change, ann, note="They wrote so.")
    assert Change.objects.get(pk=change.pk).due_at is None, "the worker is let look at once"
    change = run(change)
    assert change.state == "succeeded"
    assert change.steps.get(number=1).says == "ann said to go on. “They wrote so.”"
    entry = TrailEntry.objects.get(verb="rotation.step.answered")
    assert (entry.actor_name, entry.details["word"], entry.details["step"]) == ("ann", "go_on", 1)


def test_a_note_is_kept_once_however_often_its_step_is_tried(ann):
    change = planned(StepSpec("notify", {"text": "The key is gone."}))
    assert run(change).state == "succeeded"
    told = Notice.objects.get(kind="note")
    assert (told.told["says"], told.change_id) == ("The key is gone.", change.pk)
    change.steps.update(state="planned")
    change.steps.get().attempts.update(outcome="")
    Change.objects.filter(pk=change.pk).update(state="running")
    assert run(change).state == "succeeded"
    assert Notice.objects.filter(kind="note").count() == 1


def test_who_says_to_stop_ends_it_there_and_after_a_resume_it_is_asked_anew(ann):
    change = run(asks())
    said(change, ann, "stop", note="Not yet.")
    change = run(change)
    assert change.state == "failed" and "ann said to stop. “Not yet.”" in change.says
    change = run(actions.resume(change, ann))
    assert change.state == "running" and change.steps.get(number=1).state == "waiting"
    assert Notice.objects.filter(kind="question").count() == 2
    said(change, ann)
    assert run(change).state == "succeeded"


@pytest.mark.parametrize(
    ("who", "given", "way"),
    [
        ("cat", {}, "role"),
        ("ann", {"given": Given(Channel.PAGE, proved_at=None)}, "stale"),
        ("ann", {"word": "perhaps"}, "word"),
    ],
)
def test_an_answer_that_does_not_count_is_not_kept(ann, who, given, way):
    change = run(asks())
    user = ann if who == "ann" else person(who)
    with pytest.raises(NotApproved) as why:
        said(change, user, **given)
    assert why.value.way == way and not Answer.objects.exists()


def test_only_the_roles_that_are_asked_answer_and_only_one_of_them(ann):
    bob, eve = person("bob"), person("eve")
    change = run(asks(roles=["approver"]))
    with pytest.raises(NotApproved, match="You are operator; approver is asked"):
        said(change, ann)
    said(change, bob)
    with pytest.raises(NotApproved, match="You are administrator"):
        said(change, eve)
    with pytest.raises(NotApproved, match="answered step 1"):
        said(change, bob, "stop")
    assert run(change).state == "succeeded"


def test_an_answer_belongs_to_its_change_step_and_plan(ann):
    one, other = run(asks()), run(asks())
    said(one, ann)
    assert run(other).state == "running", "an answer to one change is none to another"
    with pytest.raises(NotApproved, match="another plan"), as_role(roles.WEB):
        asking_people.give(other, ann, "go_on", "0" * 64, fresh())
    Answer.objects.create(
        change=other, step=1, attempt=1, plan_hash="0" * 64, word="go_on", person_id=ann.pk, person_name="ann",
        proof="step_up",
    )  # fmt: skip
    other = run(other)
    assert other.state == "failed" and "answered another plan" in other.says


def test_who_has_lost_the_role_since_has_not_answered(ann):
    change = run(asks())
    said(change, ann)
    User.objects.filter(pk=ann.pk).update(role="reader")
    change = run(change)
    assert change.state == "failed" and "ann answered and is reader now" in change.says


def test_a_question_that_nobody_could_answer_stops_the_change_with_the_mend():
    change = run(asks(roles=["approver"]))
    assert change.state == "failed" and "Give somebody the role" in change.says
