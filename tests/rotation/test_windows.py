"""Windows of the week: open whenever the clock on the wall shows a time within, whatever is done to the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotation.windows import DAYS, Slot, Window, read, window

ZONES = ["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"]
VIENNA = "Europe/Vienna"
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 4 * 365 * 86_400).map(lambda seconds: BEGIN + timedelta(seconds=seconds))
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
WINDOWS = st.builds(
    Window, st.lists(st.integers(0, 6), min_size=1, unique=True).map(tuple), TIMES, TIMES, st.sampled_from(ZONES)
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(one, moment):
    """Ask the clock on the wall, in the plainest words: an oracle that knows nothing of stretches."""
    wall = moment.astimezone(ZoneInfo(one.zone))
    minute = wall.hour * 60 + wall.minute
    begins, ends = (each.hour * 60 + each.minute for each in (one.begins, one.ends))
    today, yesterday = wall.weekday() in one.days, (wall.weekday() - 1) % 7 in one.days
    if begins < ends:
        return today and begins <= minute < ends
    return (today and minute >= begins) or (yesterday and minute < ends)


@settings(max_examples=300, deadline=None)
@given(WINDOWS, MOMENTS)
def test_it_is_open_when_the_clock_on_the_wall_says_so(one, moment):
    assert one.open_at(moment) == shown(one, moment)


@settings(max_examples=300, deadline=None)
@given(WINDOWS, MOMENTS)
def test_the_next_stretch_holds_the_moment_exactly_when_it_is_open_and_nothing_is_open_before_it(one, moment):
    found = one.next(moment)
    assert found.closes > moment and found.holds(moment) == one.open_at(moment)
    assert one.open_at(found.opens) and one.open_at(found.closes - timedelta(seconds=1))
    step = (found.opens - moment) / 40
    if step > timedelta():
        assert not any(one.open_at(moment + number * step) for number in range(40))


@settings(max_examples=100, deadline=None)
@given(WINDOWS, MOMENTS, st.integers(0, 20))
def test_the_last_stretch_before_a_moment_has_none_after_it(one, moment, days):
    until = moment + timedelta(days=days)
    found = one.last(moment, until)
    follows = [slot for slot in islice(one.slots(moment), 40) if slot.closes <= until]
    assert found == (follows[-1] if follows else None)


@settings(max_examples=100, deadline=None)
@given(WINDOWS, MOMENTS)
def test_stretches_come_in_order_and_never_overlap(one, moment):
    assert all(first.closes <= second.opens for first, second in pairwise(islice(one.slots(moment), 12)))


@given(WINDOWS)
def test_a_window_is_read_from_its_own_print(one):
    assert read(one.text).text == one.text


def test_one_over_midnight_belongs_to_the_day_on_which_it_begins():
    one = read("sat 22:00-04:00 UTC")
    assert one.next(at("2026-11-27T12:00")) == Slot(at("2026-11-28T22:00"), at("2026-11-29T04:00"))
    assert one.open_at(at("2026-11-29T03:59")) and not one.open_at(at("2026-11-28T03:59"))


def test_what_is_shown_twice_is_open_twice_and_what_is_never_shown_never():
    back = list(islice(read(f"sun 02:15-02:45 {VIENNA}").slots(at("2026-10-24T00:00")), 2))
    assert [slot.opens for slot in back] == [at("2026-10-25T00:15"), at("2026-10-25T01:15")]
    assert read(f"sun 02:15-02:45 {VIENNA}").next(at("2026-03-28T00:00")).opens == at("2026-04-05T00:15")
    cut = read(f"sun 01:30-02:30 {VIENNA}").next(at("2026-03-28T00:00"))
    assert cut == Slot(at("2026-03-29T00:30"), at("2026-03-29T01:00"))
    long = read(f"sat 22:00-04:00 {VIENNA}").next(at("2026-10-24T12:00"))
    assert long.closes - long.opens == timedelta(hours=7)


def test_a_window_that_ends_when_it_begins_lasts_a_day():
    assert read("mon 00:00-00:00 UTC").next(at("2026-11-27T00:00")) == Slot(
        at("2026-11-30T00:00"), at("2026-12-01T00:00")
    )


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "is no window. Write it as sat,sun 22:00-04:00 Europe/Vienna."),
        ("sunday 02:00-04:00 UTC", "“sunday” is no day of the week. They are mon, tue"),
        ("sun 24:00-04:00 UTC", "“24:00” is no time of the day. Write it as 02:00."),
        ("sun 02:60-04:00 UTC", "“02:60” is no time of the day."),
        ("sun 02:00-04:00 Europe/Wien", "“Europe/Wien” is no time zone."),
        ("sun 02:00-04:00 ../../etc/passwd", "is no time zone."),
        ("sun 02:00-04:00 Europe", "is no time zone."),
        ("sun 2:00-4:00 UTC", "is no window."),
    ],
)
def test_what_is_no_window_is_refused_with_what_and_the_mend(text, why):
    with pytest.raises(ValueError) as refused:
        read(text)
    assert why in str(refused.value)
    with pytest.raises(ValueError, match="needs a day"):
        window([], "02:00", "04:00", "UTC")
    assert len(DAYS) == 7
