"""When a schedule asks: before its window and not outside of it, once a period, and of many secrets one first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotation import due
from rotation.due import Before, Past, Terms
from rotation.windows import Slot, read

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
SUNDAYS = read("sun 02:00-04:00 Europe/Vienna")
LASTS = 24 * HOUR


def terms(days=90, lead=12, window=None):
    return Terms(days, lead * HOUR, SINCE, window)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ask(now, rotated=None, before=None, lasts=LASTS, **more):
    return due.ask(terms(**more), rotated, before, lasts, now)


def test_without_a_window_it_asks_some_hours_before_it_is_due():
    rotated = at("2026-06-01T10:00")
    assert ask(at("2026-08-30T09:00") - 12 * HOUR, rotated) is None
    assert ask(at("2026-08-30T10:00") - 12 * HOUR, rotated).slot == Slot(at("2026-08-30T10:00"))


def test_with_a_window_it_takes_the_last_one_before_it_is_due_and_asks_some_hours_before_that():
    rotated = at("2026-06-01T10:00")  # due on Sunday 30 August at ten, after that day's window
    opens = at("2026-08-30T00:00")
    assert ask(opens - 12 * HOUR - HOUR, rotated, window=SUNDAYS) is None
    assert ask(opens - 12 * HOUR, rotated, window=SUNDAYS).slot == Slot(opens, opens + 2 * HOUR)


def test_what_is_overdue_waits_for_the_next_window():
    assert ask(at("2026-11-25T00:00"), window=SUNDAYS) is None
    assert ask(at("2026-11-28T20:00"), window=SUNDAYS).slot.opens == at("2026-11-29T01:00")
    assert ask(at("2026-11-29T02:59"), window=SUNDAYS).slot.opens == at("2026-11-29T01:00")
    assert ask(at("2026-11-29T03:01"), window=SUNDAYS) is None


def test_it_never_asks_so_early_that_an_approval_would_end_before_the_window_does():
    found = ask(at("2026-11-28T20:00"), window=SUNDAYS, lead=14 * 24)
    assert found is not None
    assert ask(at("2026-11-28T02:00"), window=SUNDAYS, lead=14 * 24) is None, "23 h before, and it is good for 24"
    assert ask(at("2026-11-28T03:00"), window=SUNDAYS, lead=14 * 24).slot.closes == at("2026-11-28T03:00") + LASTS


def test_what_led_to_no_rotation_is_asked_for_anew_a_whole_period_later():
    before = Before(3, at("2026-06-01T00:00"), at("2026-05-31T12:00"))
    assert ask(at("2026-06-02T00:00"), None, before) is None
    assert ask(at("2026-08-29T23:00"), None, before) is None
    assert ask(at("2026-08-30T00:00"), None, before).period == 4


def test_what_was_rotated_meanwhile_goes_by_its_own_age():
    before = Before(3, at("2026-06-01T00:00"), at("2026-05-31T12:00"))
    assert ask(at("2026-08-29T12:00"), at("2026-05-31T13:00"), before).period == 4


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3_000), st.sampled_from(["nothing", "rotated", "by hand"])), max_size=60),
    st.sampled_from([None, SUNDAYS, read("mon,thu 22:00-01:00 America/New_York"), read("fri 00:00-00:00 UTC")]),
    st.integers(1, 60),
    st.integers(0, 14 * 24),
)
def test_whatever_rings_when_it_asks_once_a_period_and_only_for_a_window_that_is_still_to_end(
    beats, window, days, lead
):
    now, before, rotated, slots = SINCE, None, None, []
    for minutes, then in beats:
        now += timedelta(minutes=minutes)
        found = due.ask(terms(days, lead, window), rotated, before, LASTS, now)
        if found is None:
            continue
        assert found.slot.closes is None or found.slot.closes > now
        assert now >= found.slot.opens - lead * HOUR and now < found.slot.opens + 30 * DAY
        assert found.slot.opens < now + LASTS, "it could be approved and run"
        assert found.period == (before.period if before else 0) + 1
        if before is not None and not (rotated is not None and rotated > before.at):
            assert found.slot.opens - slots[-1] >= days * DAY
        slots.append(found.slot.opens)
        before = Before(found.period, found.slot.opens, now)
        assert due.ask(terms(days, lead, window), rotated, before, LASTS, now) is None, "a second beat at once"
        if then != "nothing":
            rotated = now + timedelta(minutes=1)


def past(change, state, edition=1, passed=False, ended=SINCE):
    return Past(change, f"secret/{change}", state, ended, edition, passed)


@pytest.mark.parametrize(
    "pasts, asks",
    [
        ([], ["a"]),
        ([past(1, "requested")], []),
        ([past(1, "running")], []),
        ([past(1, "succeeded")], ["a", "b", "c"]),
        ([past(1, "succeeded", edition=0)], ["a"]),
        ([past(1, "succeeded", ended=SINCE - 46 * DAY)], ["a"]),
        ([past(1, "succeeded"), past(2, "failed")], []),
        ([past(1, "succeeded"), past(2, "failed", passed=True)], ["a", "b", "c"]),
        ([past(1, "rejected")], []),
        ([past(1, "expired", passed=True)], ["a"]),
    ],
)
def test_of_many_one_goes_first_and_what_does_not_succeed_stops_the_others(pasts, asks):
    assert list(due.stage(pasts, 1, 90, SINCE).may_ask(["a", "b", "c"])) == asks


def test_no_more_than_people_can_look_at_are_open_at_a_time():
    done, waits = past(1, "succeeded"), [past(2 + number, "requested") for number in range(due.MOST_OPEN - 1)]
    assert list(due.stage([done, *waits], 1, 90, SINCE).may_ask(["a", "b"])) == ["a"]


def test_a_pattern_fits_names_and_a_name_itself_alone():
    assert due.fits("secret/prod/*", "secret/prod/a/b") and not due.fits("secret/prod/*", "secret/test/a")
    assert due.fits("secret/a", "secret/a") and not due.fits("secret/a", "secret/ab")
