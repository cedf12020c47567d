"""Schedules: they ask in their owner's name and never twice; what they ask for starts in its window alone."""

from __future__ import annotations

import re
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.utils import ProgrammingError

from accounts.models import PersonArea, TrailEntry, User
from accounts.scope import EVERYTHING, Area, Scope
from accounts.trail import person as subject
from accounts.trail import record
from config import roles
from rotation import ages, approvers, approving, repeating, runner, scheduling, waiting
from rotation.approving import NotApproved
from rotation.asking_now import Who, ask_now
from rotation.models import Change
from rotation.planning import Refused
from rotation.schedule_models import Age, Asking, Schedule
from rotation.scheduling import Terms
from tests.rotation import toy_targets
from tests.rotation.asked import as_role, fresh, person
from tests.rotation.schedules import DAY, HOUR, NOW, SECRET, WINDOW, Almanac, ends, look, schedule
from tests.rotation.toys import hands


@pytest.fixture
def toys(monkeypatch):
    toy_targets.use(monkeypatch)


@pytest.fixture
def ann(db, toys):
    return person("ann")


# -- asking ------------------------------------------------------------------------------------------------------------


def test_it_asks_for_what_is_due_in_the_name_of_who_made_it_with_its_window_in_the_plan(ann):
    row = schedule(ann, window=WINDOW)
    (change,) = look(row)
    assert (change.asker_name, change.asked_by, change.state) == ("ann", "schedule", "requested")
    assert change.plan["wish"]["window"] == WINDOW and change.evidence == f"schedule:{row.pk}"
    assert change.reason == "PCI 8.6.3 (schedule bank, every 90 days; never seen to change)"
    asking = Asking.objects.get()
    assert (asking.period, asking.opens) == (1, datetime(2026, 11, 29, 1, tzinfo=UTC))
    verbs = list(TrailEntry.objects.order_by("pk").values_list("verb", "actor_name"))
    assert verbs == [
        ("rotation.schedule.made", "ann"), ("rotation.change.requested", "ann"),
        ("rotation.schedule.asked", "schedule bank"),
    ]  # fmt: skip


def test_nothing_is_asked_before_it_is_due_or_far_from_its_window(ann):
    row = schedule(ann, window=WINDOW)
    assert look(row, now=NOW - 4 * DAY) == []
    assert look(row, **{"bank-sftp": NOW - 30 * DAY}) == []
    assert row.says == "" and row.looked_at == NOW


def test_however_often_it_is_rung_it_asks_once_and_after_a_refusal_a_period_later(ann):
    row = schedule(ann)
    (change,) = [look(row) for _ in range(5)][-1]
    ends(change, "rejected")
    assert len(look(row, now=NOW + 5 * DAY)) == 1
    assert len(look(row, now=NOW + 90 * DAY)) == 2


def test_what_is_asked_for_already_is_not_asked_for_again_by_a_schedule(ann):
    toy_targets.asked(ann, SECRET)
    assert look(schedule(ann)) == []


def test_a_rotation_of_ours_counts_where_the_log_is_behind(ann):
    change = toy_targets.asked(ann, SECRET)
    ends(change, "succeeded")
    row = schedule(ann)
    assert look(row) == []
    (known,) = ages.known(row)
    assert (known.rotated, known.by) == (NOW, change.name)


@pytest.mark.django_db(transaction=True)
def test_eight_looks_at_once_ask_once(toys):
    row = schedule(person("ann"), pattern="secret/*")
    almanac = Almanac(SECRET, "secret/other")
    start = threading.Barrier(8)

    def one():
        try:
            start.wait(10)
            repeating.look(row.pk, almanac, NOW)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    [each.start() for each in threads]
    [each.join(30) for each in threads]
    assert Change.objects.count() == Asking.objects.count() == 1


def test_a_look_that_dies_has_asked_nothing_and_the_next_one_asks(ann, monkeypatch):
    class Killed(BaseException):
        """As a SIGKILL is: nothing after it runs."""

    row = schedule(ann)
    with monkeypatch.context() as broken, pytest.raises(Killed), transaction.atomic():
        broken.setattr(repeating, "record", lambda *_, **__: (_ for _ in ()).throw(Killed()))
        repeating.look(row.pk, Almanac(SECRET), NOW)
    assert Change.objects.count() == Asking.objects.count() == 0
    assert len(look(row)) == 1


def test_a_second_asking_of_a_period_is_refused_by_the_table_itself(ann):
    row = schedule(ann)
    (change,) = look(row)
    one = Asking.objects.get()
    one.pk = None
    with pytest.raises(Exception, match="rotation_asking_once"), transaction.atomic():
        one.save(force_insert=True)
    assert change.pk == one.change_id


def test_a_key_that_its_owner_used_for_something_else_keeps_back_one_secret_and_no_look(ann):
    row = schedule(ann)
    key = sha256(f"{row.pk} demo {SECRET} 1".encode()).hexdigest()
    other = toy_targets.asked(ann, "secret/other")
    Change.objects.filter(pk=other.pk).update(key=f"schedule {key}")
    assert look(row) == []
    assert row.says == (
        f"{SECRET}: This Idempotency-Key was used for {other.name}, with another body. Use a new key for a new change."
    )
    assert row.looked_at == NOW


# -- many secrets ------------------------------------------------------------------------------------------------------


def test_of_many_secrets_one_goes_first_and_the_others_follow_its_success(ann):
    names = [f"secret/prod/{one}" for one in "abc"]
    row = schedule(ann, pattern="secret/prod/*")
    (first,) = look(row, *names, b=NOW - 100 * DAY, a=NOW - 95 * DAY)
    assert first.subject == "secret/prod/b" or first.subject == "secret/prod/c"
    assert len(look(row, *names)) == 1, "it has to succeed first"
    ends(first, "succeeded")
    assert Counter(one.subject for one in look(row, *names)) == Counter(names)


def test_one_that_does_not_succeed_stops_the_others_until_a_person_lets_them_go_on(ann):
    names = [f"secret/prod/{one}" for one in "abc"]
    row = schedule(ann, pattern="secret/prod/*")
    (first,) = look(row, *names)
    ends(first, "failed")
    assert len(look(row, *names)) == 1
    assert row.says.startswith(f"{first.name} of secret/prod/a stopped, so nothing more is asked for")
    scheduling.go_on(row, Change.objects.get(pk=first.pk), ann)
    assert len(look(row, *names)) == 1, "a failed change is still open: it may be resumed and prove the others"
    ends(first, "cancelled")
    assert [one.subject for one in look(row, *names)] == ["secret/prod/a", "secret/prod/b"]
    assert row.says == ""
    with pytest.raises(scheduling.Changed, match="keeps bank back no more"):
        scheduling.go_on(row, Change.objects.get(pk=first.pk), ann)


def test_one_that_cannot_be_asked_for_is_told_and_none_takes_its_place_as_the_first(ann):
    row = schedule(ann, pattern="secret/prod/*")
    assert look(row, "secret/prod/foreign", "secret/prod/ok") == []
    assert row.says.startswith("secret/prod/foreign: secret/prod/foreign is not enrolled.")


# -- asking now --------------------------------------------------------------------------------------------------------


def test_a_person_has_it_ask_now_in_their_name_and_it_counts_as_its_own(ann, made_roles):
    bob = person("bob")
    row = schedule(ann, window=WINDOW)
    assert look(row, **{"bank-sftp": NOW - 30 * DAY}) == [], "it is not due"
    with as_role(roles.WEB):
        change = ask_now(row, "demo", SECRET, Who(bob, EVERYTHING), NOW)
    asking = Asking.objects.get(change=change)
    assert (change.asker_name, change.plan["wish"]["window"]) == ("bob", WINDOW)
    assert change.reason == "PCI 8.6.3 (schedule bank, asked for by hand)"
    assert (asking.period, asking.opens) == (1, datetime(2026, 11, 29, 1, tzinfo=UTC))
    assert approvers.schedulers(change) == {ann.pk}, "nor does who made the schedule approve it"
    entry = TrailEntry.objects.get(verb="rotation.schedule.asked_now")
    assert (entry.actor_name, entry.details["change"], entry.subject_text) == ("bob", change.name, "bank")
    with pytest.raises(Refused, match=rf"{change.name} of {SECRET} is requested\. End that one first"):
        ask_now(row, "", SECRET, Who(ann, EVERYTHING), NOW)
    ends(change, "rejected")
    assert len(look(row, now=NOW + 89 * DAY)) == 1, "and it asks anew a period later, as after its own"


@pytest.mark.parametrize(
    "terms, says",
    [
        ({"enabled": False}, "bank is off, so it asks for nothing. Turn it on, or rotate the secret from its page."),
        ({"window": "fri 02:00-04:00 UTC"}, "opens at 2026-12-04 02:00 UTC, and an approval is good for 24 h"),
        ({"pattern": "secret/test/*"}, f"bank has no secret {SECRET}."),
    ],
)
def test_what_its_rules_do_not_allow_is_not_asked_for_now_either(ann, terms, says):
    row = schedule(ann, **terms)
    look(row)
    with pytest.raises(Refused, match=re.escape(says)):
        ask_now(row, "demo", SECRET, Who(ann, EVERYTHING), NOW)
    scheduling.end(row, ann)
    with pytest.raises(scheduling.Changed, match="bank has ended"):
        ask_now(row, "demo", SECRET, Who(ann, EVERYTHING), NOW)
    assert not Change.objects.exists()


def test_what_is_asked_now_keeps_the_order_of_a_pattern_and_the_view_of_who_asks(ann):
    row, fresh_ = schedule(ann, pattern="secret/prod/*"), {"a": NOW - DAY, "b": NOW - DAY}
    assert look(row, "secret/prod/a", "secret/prod/b", **fresh_) == []
    first = ask_now(row, "demo", "secret/prod/b", Who(ann, EVERYTHING), NOW)
    with pytest.raises(Refused, match="asks for no other one now: of several secrets one goes first"):
        ask_now(row, "demo", "secret/prod/a", Who(ann, EVERYTHING), NOW)
    ends(first, "rejected")
    with pytest.raises(Refused, match=rf"{first.name} of secret/prod/b was rejected"):
        ask_now(row, "demo", "secret/prod/a", Who(ann, EVERYTHING), NOW)
    scheduling.go_on(row, Change.objects.get(pk=first.pk), ann)
    beside = Scope(((Area("demo", "", "secret/prod/b"),),))
    with pytest.raises(Refused, match="has no secret secret/prod/a"):
        ask_now(row, "demo", "secret/prod/a", Who(ann, beside), NOW)
    assert ask_now(row, "demo", "secret/prod/a", Who(ann, EVERYTHING), NOW).subject == "secret/prod/a"


# -- the owner ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lost, says",
    [
        ({"is_active": False}, "ann is disabled, so nothing is asked for in their name."),
        ({"role": "reader"}, "ann is reader now and may ask for nothing, so nothing is asked for."),
    ],
)
def test_an_owner_who_may_ask_no_more_asks_nothing_and_the_schedule_says_so(ann, lost, says):
    row = schedule(ann)
    User.objects.filter(pk=ann.pk).update(**lost)
    assert look(row) == [] and row.says == says
    User.objects.filter(pk=ann.pk).update(is_active=True, role="operator")
    assert len(look(row)) == 1 and row.says == ""


def test_a_schedule_asks_within_the_view_of_its_owner(ann):
    row = schedule(ann, pattern="secret/*")
    PersonArea.objects.create(user=ann, vault="demo", prefix="secret/prod")
    assert [one.subject for one in look(row, "secret/a", "secret/prod/b")] == ["secret/prod/b"]


def test_neither_the_owner_nor_who_changed_it_before_approves_what_it_asks_for(ann):
    bob, eve = person("bob"), person("eve")
    row = schedule(bob)
    row = scheduling.change(row, Terms("bank", "kv", SECRET, 60, "PCI"), eve, EVERYTHING, edition=1)
    maker = person("maker", role="approver")
    record(maker, "accounts.link.made", subject(bob))
    (change,) = look(row)
    assert change.asker_name == "eve" and approvers.schedulers(change) == {bob.pk, eve.pk}
    toy_targets.looked(change)
    for one, way in ((eve, "own_account"), (bob, "editor")):
        with pytest.raises(NotApproved) as no:
            approving.approve(change, one, change.plan_hash, fresh())
        assert no.value.way == way
    same = person("bob2", role="approver", email="bob@example.com")
    made = person("made", role="approver")
    User.objects.filter(pk=bob.pk).update(email="bob@example.com")
    record(bob, "accounts.user.created", subject(made))
    for one, way in ((same, "tied_email"), (made, "tied_created"), (maker, "tied_linked")):
        with pytest.raises(NotApproved) as no:
            approving.approve(change, one, change.plan_hash, fresh())
        assert no.value.way == way and "bob" in str(no.value)
    approver = person("carol", role="approver")
    assert approving.approve(change, approver, change.plan_hash, fresh()).state == "approved"


# -- people's verbs ----------------------------------------------------------------------------------------------------


def test_a_schedule_that_was_changed_meanwhile_is_not_changed_by_who_read_it_before(ann):
    row = schedule(ann)
    scheduling.change(row, Terms("bank", "kv", SECRET, 60, "PCI"), ann, EVERYTHING, edition=1)
    with pytest.raises(scheduling.Changed, match="changed or ended meanwhile"):
        scheduling.change(row, Terms("bank", "kv", SECRET, 30, "PCI"), ann, EVERYTHING, edition=1)
    scheduling.end(row, ann)
    with pytest.raises(scheduling.Changed, match="has ended already"):
        scheduling.end(row, ann)
    assert look(row) == [] and repeating.live() == []
    verbs = list(TrailEntry.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["rotation.schedule.made", "rotation.schedule.changed", "rotation.schedule.ended"]


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"name": " "}, "A schedule needs a name of 1 to 100 characters."),
        ({"target": "restart"}, "“restart” is nothing that a schedule rotates."),
        ({"days": 0}, "0 days can't be. Choose 1 to 3,650."),
        ({"lead_hours": 999}, "999 lead hours can't be. Choose 0 to 336."),
        ({"window": "sun 2-4"}, "“sun 2-4” is no window."),
        ({"args": {"way": 7}}, "The arguments of kv are wrong: Expected str, got int - at $.way."),
        ({"args": {"secret": "x"}}, "secret is what the pattern names."),
        ({"pattern": "secret/prod/missing"}, "No secret is called secret/prod/missing."),
        ({"pattern": "secret/prod/foreign"}, "secret/prod/foreign is not enrolled."),
    ],
)
def test_what_can_be_no_schedule_is_refused_with_what_and_the_mend(ann, wrong, says):
    with pytest.raises(Refused) as refused:
        schedule(ann, **wrong)
    assert says in str(refused.value)
    assert not Schedule.objects.exists() and not TrailEntry.objects.exists()


def test_two_schedules_of_one_name_do_not_hold_at_a_time(ann):
    row = schedule(ann)
    with pytest.raises(Refused, match="Another schedule is called bank"):
        schedule(ann)
    scheduling.end(row, ann)
    assert schedule(ann).pk != row.pk


# -- ages --------------------------------------------------------------------------------------------------------------


def test_the_log_is_looked_through_once_a_day_and_then_only_what_is_new(ann):
    row, almanac = schedule(ann), Almanac(SECRET, **{"bank-sftp": NOW - 10 * DAY})
    repeating.look(row.pk, almanac, NOW)
    repeating.look(row.pk, almanac, NOW + HOUR)
    assert almanac.asked == [ages.BEGIN, NOW - ages.BACK]
    repeating.look(row.pk, almanac, NOW + DAY)
    assert almanac.asked[2] == ages.BEGIN, "old logs may have been imported meanwhile"
    age = Age.objects.get()
    assert (age.rotated, age.by, age.version, age.event) == (NOW - 10 * DAY, "human/dora", 7, 41)
    assert age.heard == NOW + DAY


def test_one_that_is_off_asks_nothing_and_learns_how_old_its_secrets_are(ann):
    row = schedule(ann, enabled=False)
    assert look(row, **{"bank-sftp": NOW - 100 * DAY}) == []
    assert Age.objects.get().rotated == NOW - 100 * DAY and repeating.live() == [row.pk]


# -- the window --------------------------------------------------------------------------------------------------------


def test_what_a_schedule_asked_for_starts_in_its_window_alone_and_says_until_when_it_waits(ann, monkeypatch):
    (change,) = look(schedule(ann, window=WINDOW))
    Change.objects.filter(pk=change.pk).update(state="approved", expires_at=NOW + DAY)
    started = []
    monkeypatch.setattr(runner, "_take", lambda change, step, hands: started.append(step.number))
    assert runner.turn(change.pk, hands(shut=waiting.shut, now=lambda: NOW))
    change.refresh_from_db()
    opens = datetime(2026, 11, 29, 1, tzinfo=UTC)
    assert (change.state, change.due_at, change.owner) == ("approved", opens, "")
    assert change.says == (
        f"Outside of its window ({WINDOW}), which opens at 2026-11-29 01:00:00 UTC. It starts then by itself."
    )
    assert not runner.turn(change.pk, hands(shut=waiting.shut, now=lambda: opens - timedelta(seconds=1)))
    assert runner.turn(change.pk, hands(shut=waiting.shut, now=lambda: opens + timedelta(seconds=1)))
    change.refresh_from_db()
    assert (change.state, started) == ("running", [1])


def test_a_window_after_the_approval_ends_is_told_so(ann):
    (change,) = look(schedule(ann, window=WINDOW))
    opens, says = waiting.shut(change, NOW + 3 * DAY)
    assert opens == datetime(2026, 12, 6, 1, tzinfo=UTC) and "it will have to be asked anew" in says
    change.plan = {**change.plan, "wish": {"window": "never"}}
    assert "can't be read, so it does not start" in waiting.shut(change, NOW)[1]


# -- rights ------------------------------------------------------------------------------------------------------------


def test_the_worker_asks_with_its_own_rights_and_pages_cannot_say_what_was_asked(ann, made_roles):
    row = schedule(ann)
    with as_role(roles.OPERATIONS):
        repeating.look(row.pk, Almanac(SECRET), NOW)
    assert Asking.objects.count() == 1
    with as_role(roles.WEB):
        Schedule.objects.filter(pk=row.pk).update(enabled=False, window="", edition=F("edition") + 1)
        for forbidden in (lambda: Asking.objects.update(period=9), lambda: Age.objects.update(version=9)):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                forbidden()
