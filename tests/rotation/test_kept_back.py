"""A schedule that is kept back tells people: once for each cause, and again when a cause comes again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts.models import User
from config import roles
from rotation import freeze
from rotation.notice_models import Notice
from rotation.schedule_models import Schedule
from tests.rotation import toy_targets
from tests.rotation.asked import as_role, person
from tests.rotation.schedules import DAY, HOUR, NOW, SECRET, WINDOW, ends, look, schedule


@pytest.fixture
def ann(db, monkeypatch):
    toy_targets.use(monkeypatch)
    return person("ann")


def told(row):
    some = Notice.objects.filter(kind="kept_back", told__schedule=str(row.pk)).order_by("pk")
    return [one.told["says"] for one in some]


def test_what_keeps_it_back_is_told_once_a_cause_and_again_when_it_comes_again(ann, made_roles):
    row, names = schedule(ann, pattern="secret/prod/*"), ("secret/prod/foreign",)
    with as_role(roles.OPERATIONS):
        for minute in range(3):
            look(row, *names, now=NOW + minute * HOUR / 60)
    (says,) = told(row)
    assert says.startswith("secret/prod/foreign: secret/prod/foreign is not enrolled. Apply this policy")
    notice = Notice.objects.get(kind="kept_back")
    assert notice.people == [ann.pk] and notice.told["name"] == "schedule bank"
    User.objects.filter(pk=ann.pk).update(is_active=False)
    look(row, *names, now=NOW + HOUR)
    assert told(row)[1:] == ["ann is disabled, so nothing is asked for in their name."]
    User.objects.filter(pk=ann.pk).update(is_active=True)
    look(row, *names, now=NOW + 2 * HOUR)
    assert len(told(row)) == 2, "what comes and goes is told once a day"
    User.objects.filter(pk=ann.pk).update(is_active=False)
    look(row, *names, now=NOW + DAY)
    User.objects.filter(pk=ann.pk).update(is_active=True)
    look(row, *names, now=NOW + DAY + HOUR)
    assert len(told(row)) == 4


def test_a_change_that_misses_its_window_is_told_by_how_it_stands_then(ann):
    row = schedule(ann, window=WINDOW)
    (change,) = look(row)
    shut = datetime(2026, 11, 29, 3, tzinfo=UTC)
    look(row, now=shut - HOUR / 60)
    assert told(row) == [], "its window is open"
    for minute in range(2):
        look(row, now=shut + minute * HOUR / 60)
    said = f"Its window closed at 2026-11-29 03:00 UTC, and {change.name} of {SECRET} still waits for approval."
    assert told(row) == [said]
    freeze.freeze("everything", "", "An incident.", actor=ann)
    look(row, now=shut + HOUR)
    assert told(row)[1].startswith(f"{change.name} of {SECRET} waits: Everything is frozen since")
    ends(change, "expired")
    look(row, now=shut + 2 * HOUR)
    assert told(row)[2:] == [f"{change.name} of {SECRET} is expired, and it is asked for again on 2027-02-27."]
    row.refresh_from_db()
    assert row.says == "" and row.kept_by == [f"over {change.pk}"]
    ends(change, "succeeded")
    look(row, now=shut + 3 * HOUR, **{"bank-sftp": shut})
    assert Schedule.objects.get().kept_by == [] and len(told(row)) == 3


def test_a_change_that_somebody_else_asked_for_and_left_open_is_told(ann):
    change = toy_targets.asked(ann, SECRET)
    row = schedule(ann)
    look(row)
    assert told(row) == [row.says] == [f"{SECRET} is not asked for: {change.name} of it is open."]
