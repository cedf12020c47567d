"""The machine: each step once, intents before calls, a look after every doubt, and no word from a worker that lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, OperationalError

from accounts.models import TrailEntry
from rotation import actions, lifecycle, moves, preflight, runner, silence, surroundings, turns
from rotation.models import Attempt, Change, Step
from rotation.outcomes import Drifted, NotDone, ProofLine, Refused, Unknown, Waiting
from tests.rotation.toys import Toy, approved, hands, use

pytestmark = pytest.mark.django_db


def later(change, **more):
    """Let time pass until a parked change is due, and take another turn."""
    Change.objects.filter(pk=change.pk).update(due_at=None)
    assert runner.turn(change.pk, hands(**more))
    change.refresh_from_db()
    return change


def run(change, **more):
    assert runner.turn(change.pk, hands(**more))
    change.refresh_from_db()
    return change


def looked_at(change, how_long, begins=timedelta()):
    """Let time pass in which a worker looks every half minute."""
    now, end = datetime.now(UTC) + begins, datetime.now(UTC) + begins + how_long
    while now < end and change.state == "running":
        now += timedelta(seconds=25)
        change = later(change, now=lambda at=now: at)
    return change


def attempts(change):
    found = Attempt.objects.filter(step__change=change).order_by("step__number", "number")
    return [(one.step.number, one.number, one.outcome) for one in found]


def test_a_change_takes_its_steps_in_order_and_each_once(monkeypatch):
    first, second = Toy(), Toy()
    use(monkeypatch, first=first, second=second)
    change = run(approved("first", "second", "first"))
    assert (change.state, first.happened, second.happened) == ("succeeded", 2, 1)
    assert attempts(change) == [(1, 1, "done"), (2, 1, "done"), (3, 1, "done")]
    assert (change.owner, change.lease_until, change.due_at) == ("", None, None)
    verbs = list(TrailEntry.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["rotation.change.started", "rotation.change.succeeded"]


def test_a_call_that_died_before_its_result_is_looked_at_and_not_repeated(monkeypatch):
    class Killed(BaseException):
        """As a SIGKILL is: nothing after it runs."""

    def die_after(toy):
        toy.happened += 1
        raise Killed

    toy = Toy({"run": [die_after]})
    use(monkeypatch, toy=toy)
    change = approved("toy")
    with pytest.raises(Killed):
        runner.turn(change.pk, hands())
    assert attempts(change) == [(1, 1, "")]
    Change.objects.filter(pk=change.pk).update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
    assert run(change).state == "succeeded"
    assert (toy.happened, toy.looks) == (1, 1)


def test_what_surely_did_not_happen_is_tried_again_under_the_same_intent(monkeypatch):
    toy = Toy({"run": [Unknown("No answer came.")], "done": [NotDone("It did not happen.")]})
    use(monkeypatch, toy=toy)
    change = run(approved("toy"))
    assert (change.state, attempts(change)) == ("running", [(1, 1, "")])
    assert later(change).state == "succeeded"
    assert attempts(change) == [(1, 1, "not done"), (1, 2, "done")]
    assert len(toy.intents) == 1
    assert {one.intent["before"] for one in Attempt.objects.all()} == {0}


def test_an_unknown_outcome_is_never_followed_by_a_second_call_before_a_look_tells(monkeypatch):
    toy = Toy({"run": [Unknown("No answer came.")], "done": [Unknown("Vault does not answer.")] * 3})
    use(monkeypatch, toy=toy)
    change = run(approved("toy"))
    for _ in range(3):
        assert later(change).state == "running"
    assert (toy.happened, toy.looks, attempts(change)) == (0, 3, [(1, 1, "")])


def test_what_nobody_can_tell_for_long_stops_the_change_with_the_next_step_named(monkeypatch):
    toy = Toy({"run": [Unknown("No answer came.")], "done": [Unknown("Vault does not answer.")] * 99})
    use(monkeypatch, toy=toy)
    change = run(approved("toy"))
    change = looked_at(change, silence.LONG + timedelta(minutes=1))
    assert change.state == "failed"
    assert change.says.startswith("Stopped at step 1 of 1. Vault does not answer. For 15 min nobody could tell")


def test_only_the_silence_counts_however_long_it_waited_before_and_a_resume_has_as_long_again(
    monkeypatch, django_user_model
):
    toy = Toy({"run": [Waiting("Not yet.")], "done": [Waiting("Not yet.")] * 60 + [Unknown("No answer.")] * 99})
    use(monkeypatch, toy=toy)
    change = run(approved("toy"))
    change = looked_at(change, silence.LONG * 1.5)
    assert change.state == "running", "most of that it waited, and an answer came each time"
    change = looked_at(change, silence.LONG * 1.5, begins=silence.LONG * 1.5)
    assert change.state == "failed" and silence.WHY in change.says
    actions.resume(change, django_user_model.objects.create(username="ann"))
    assert looked_at(change, silence.LONG * 0.9, begins=silence.LONG * 3).state == "running"
    toy.script["done"] = []
    assert later(change).state == "succeeded"
    assert not any(silence.CLOCK in one.receipt for one in Attempt.objects.all())


def test_an_outage_of_the_worker_is_no_time_that_a_step_had_to_wait_or_in_which_nobody_could_tell(monkeypatch):
    class Patient(Toy):
        def done(self, args, world):
            self.waited = world.waited
            return super().done(args, world)

    unknown = Unknown("Vault does not answer.", seconds=5.0)
    toy = Patient(
        {"run": [Waiting("Not yet.", seconds=5.0)], "done": [Waiting("Not yet.", seconds=5.0), *[unknown] * 99]}
    )
    use(monkeypatch, toy=toy)
    change = run(approved("toy"))
    now = datetime.now(UTC)
    for hours in range(1, 6):
        assert later(change, now=lambda at=hours: now + timedelta(hours=at)).state == "running"
        assert toy.waited <= hours * (timedelta(seconds=6) + silence.SLACK)
    assert toy.waited >= 4 * silence.SLACK, "a look that is late by so much may have had a busy worker"
    change = looked_at(change, silence.LONG, begins=timedelta(hours=6))
    assert change.state == "failed" and silence.WHY in change.says


@pytest.mark.parametrize(
    "outcome, code", [(Refused("Vault said no."), "refused"), (Drifted("Version 9 is not ours."), "drifted")]
)
def test_a_refusal_or_a_drift_stops_the_change_and_resuming_looks_anew(monkeypatch, outcome, code, django_user_model):
    first, second = Toy(), Toy({"run": [outcome]})
    use(monkeypatch, first=first, second=second)
    change = run(approved("first", "second"))
    assert (change.state, change.says) == ("failed", f"Stopped at step 2 of 2. {outcome.says}")
    assert attempts(change) == [(1, 1, "done"), (2, 1, code)]
    ann = django_user_model.objects.create(username="ann")
    actions.resume(change, ann)
    assert run(change).state == "succeeded"
    assert (first.happened, second.happened, len(second.intents)) == (1, 1, 2)


def test_a_change_that_stopped_longer_ago_than_an_approval_is_good_for_is_not_resumed(monkeypatch, django_user_model):
    use(monkeypatch, toy=Toy({"run": [Refused("Vault said no.")]}))
    change = run(approved("toy"))
    Change.objects.filter(pk=change.pk).update(ended_at=datetime.now(UTC) - timedelta(hours=25), rule={"hours": 24})
    change.refresh_from_db()
    with pytest.raises(lifecycle.Forbidden, match=r"may go on for 24 h after that\. Ask for what is left as a new"):
        actions.resume(change, django_user_model.objects.create(username="ann"))


def test_a_change_goes_on_for_fourteen_days_in_all_however_often_it_stopped(monkeypatch, django_user_model):
    use(monkeypatch, toy=Toy({"run": [Refused("Vault said no.")]}))
    change, ann = run(approved("toy")), django_user_model.objects.create(username="ann")
    Change.objects.filter(pk=change.pk).update(started_at=datetime.now(UTC) - timedelta(days=14, minutes=1))
    change.refresh_from_db()
    with pytest.raises(lifecycle.Forbidden, match=r"may go on for 14 days in all\. Ask for what is left as a new"):
        actions.resume(change, ann)
    Change.objects.filter(pk=change.pk).update(started_at=datetime.now(UTC) - timedelta(days=13, hours=23))
    change.refresh_from_db()
    assert actions.resume(change, ann).state == "running"


def test_a_row_that_says_that_it_runs_and_was_never_begun_does_nothing_and_is_no_success(monkeypatch):
    toy = Toy()
    use(monkeypatch, toy=toy)
    change = approved("toy")
    Change.objects.filter(pk=change.pk).update(state="running")  # as the web process's rights could write it
    change = run(change)
    assert (change.state, toy.happened) == ("failed", 0)
    assert "no worker ever began it" in change.says


def test_a_step_that_waits_parks_the_change_and_no_worker_sleeps(monkeypatch):
    waits = Waiting("2 of 3 pods are ready.", seconds=7, done=2, of=3)
    toy = Toy({"run": [waits], "done": [waits]})
    use(monkeypatch, toy=toy)
    change = run(approved("toy"))
    assert (change.state, change.owner, change.lease_until) == ("running", "", None)
    assert change.due_at > datetime.now(UTC) + timedelta(seconds=5)
    assert not runner.turn(change.pk, hands()), "it is not due yet"
    step = Step.objects.get()
    assert (step.state, step.says, step.progress) == ("waiting", "2 of 3 pods are ready.", {"done": 2, "of": 3})
    later(change)
    toy.happened += 1
    assert later(change).state == "succeeded"
    assert attempts(change) == [(1, 1, "done")]


def test_a_worker_that_lost_its_claim_writes_nothing_more(monkeypatch):
    change = approved("toy", "toy")

    def be_taken_over(toy):
        Change.objects.filter(pk=change.pk).update(epoch=77, owner="two")
        toy.happened += 1
        return

    toy = Toy({"run": [be_taken_over]})
    use(monkeypatch, toy=toy)
    runner.turn(change.pk, hands())
    change.refresh_from_db()
    assert (change.state, change.epoch, change.owner) == ("running", 77, "two")
    assert attempts(change) == [(1, 1, "")]


def test_a_fault_of_a_worker_that_lost_its_claim_takes_nothing_from_the_one_that_has_it():
    change = approved("toy")
    until = datetime.now(UTC) + timedelta(seconds=10)
    held = {"owner": "operations elsewhere:1", "lease_until": until, "says": "", "due_at": None}
    Change.objects.filter(pk=change.pk).update(state="running", **held)
    turns.note_fault(change.pk, "KeyError")
    assert Change.objects.filter(pk=change.pk, **held).exists()
    Change.objects.filter(pk=change.pk).update(owner=turns.worker())
    turns.note_fault(change.pk, "KeyError")
    assert "Keybook itself failed" in Change.objects.get(pk=change.pk).says


def test_a_late_look_changes_nothing_of_what_began_meanwhile(monkeypatch):
    use(monkeypatch, toy=Toy())
    change = approved("toy")
    Change.objects.filter(pk=change.pk).update(state="running", found={"facts": {"1.version": 3}}, facts_hash="x")
    preflight.keep(change, {"ok": True, "facts": {"1.version": 4}, "lines": [], "drawn": True})
    now = Change.objects.get(pk=change.pk)
    assert now.found == {"facts": {"1.version": 3}} and now.facts_hash == "x"


def test_what_was_cancelled_between_the_claim_and_the_start_is_left_alone(monkeypatch, caplog):
    toy = Toy()
    use(monkeypatch, toy=toy)
    change = approved("toy")

    def cancelled(_id, hands):
        Change.objects.filter(pk=change.pk).update(state="cancelled")
        return change

    monkeypatch.setattr(runner, "claim", cancelled)
    assert runner.turn(change.pk, hands()) and toy.happened == 0
    assert f"{change.name} is cancelled meanwhile" in caplog.text


def test_what_postgresql_refuses_of_a_step_is_a_fault_of_ours_and_not_postgresql_being_away(monkeypatch):
    use(monkeypatch, toy=Toy({"run": [DataError("value out of range: canary")], "done": [NotDone()]}))
    change = run(approved("toy"))
    said = Attempt.objects.get().says
    assert change.state == "running" and "Keybook itself failed here (DataError)" in said and "canary" not in said
    use(monkeypatch, toy=Toy({"run": [OperationalError("gone")]}))
    with pytest.raises(OperationalError):
        runner.turn(approved("toy").pk, hands())


def test_two_workers_never_hold_one_change(monkeypatch):
    use(monkeypatch, toy=Toy())
    change = approved("toy")
    one = runner.claim(change.pk, hands())
    assert one is not None and runner.claim(change.pk, hands(worker="two")) is None
    late = datetime.now(UTC) + timedelta(seconds=surroundings.LEASE + 1)
    two = runner.claim(change.pk, hands(worker="two", now=lambda: late))
    assert two is not None and two.epoch == one.epoch + 1


def test_a_freeze_is_heeded_before_every_step(monkeypatch):
    ice = []
    first = Toy({"run": [lambda toy: ice.append("Frozen by eve.")]})
    second = Toy()
    use(monkeypatch, first=first, second=second)
    change = run(approved("first", "second"), frozen=lambda _change: ice[0] if ice else "")
    assert (change.state, change.says, second.happened) == ("running", "Frozen by eve.", 0)
    assert later(change).state == "succeeded"
    assert second.happened == 1


def test_a_wish_to_cancel_takes_effect_between_two_steps(monkeypatch, django_user_model):
    ann = django_user_model.objects.create(username="ann")
    change = approved("first", "second")
    first = Toy({"run": [lambda toy: actions.cancel(Change.objects.get(pk=change.pk), ann) and None]})
    second = Toy()
    use(monkeypatch, first=first, second=second)
    run(change)
    assert (change.state, second.happened) == ("cancelled", 0)
    assert change.says == "Cancelled before step 2 of 2. What was done stays done."


@pytest.mark.parametrize("verb, state", [("void", "requested"), ("reject", "rejected")])
def test_an_approved_change_that_is_no_longer_sure_does_not_start(monkeypatch, verb, state):
    toy = Toy()
    use(monkeypatch, toy=toy)
    change = run(approved("toy"), unsure=lambda _change: (verb, "The plan drifted."))
    assert (change.state, change.says, toy.happened) == (state, "The plan drifted.", 0)


def test_a_fault_of_ours_becomes_a_sentence_and_a_look(monkeypatch):
    toy = Toy({"run": [KeyError("canary-value-of-a-secret")], "done": [NotDone()]})
    use(monkeypatch, toy=toy)
    change = run(approved("toy"))
    said = Attempt.objects.get().says
    assert "Keybook itself failed here (KeyError)" in said and "canary" not in said
    assert later(change).state == "succeeded"


def test_lines_of_proof_are_kept_and_the_end_counts_what_falls_short(monkeypatch):
    class Proven(Toy):
        def run(self, args, world):
            done = super().run(args, world)
            lines = (
                ProofLine("pod", "ledger-1", "proven"),
                ProofLine("pod", "ledger-2", "short", "mounted, unchanged"),
            )
            return type(done)(done.says, done.receipt, lines)

    use(monkeypatch, toy=Proven())
    change = run(approved("toy"))
    assert (change.state, change.says) == ("succeeded", "Done; 1 line falls short of proof.")
    assert list(change.proofs.values_list("subject", "state")) == [("ledger-1", "proven"), ("ledger-2", "short")]


def test_a_move_that_somebody_else_made_first_is_a_lost_race(monkeypatch):
    change = approved("toy")
    Change.objects.filter(pk=change.pk).update(state="cancelled")
    with pytest.raises(moves.LostRace, match="is cancelled meanwhile, so it was not started"):
        moves.make(change, "start", "worker operations")
    assert not TrailEntry.objects.exists()
