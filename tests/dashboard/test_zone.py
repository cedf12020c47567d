"""A time zone of one's own: what pages print and take, on the days when clocks are changed too, and what stays UTC."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import TrailEntry
from accounts.time_zone import find, names
from audit.queries import EventRow
from dashboard import axis, words, zone
from dashboard.event_list import items
from dashboard.event_query import EventQuery
from dashboard.forms import RangeForm
from dashboard.time_range import ABSOLUTE, time_range
from tests.dashboard.conftest import Page

BERLIN, ST_JOHNS, KATHMANDU = "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"
ZONES = ["UTC", BERLIN, ST_JOHNS, KATHMANDU, "Australia/Lord_Howe", "Pacific/Apia"]
YEARS = (datetime(2019, 1, 1), datetime(2026, 11, 21))  # noqa: DTZ001 - hypothesis wants them so
HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 21, 14, 2, 11, tzinfo=UTC)
BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)  # clocks in Berlin go from 03:00 +02:00 to 02:00 +01:00
ROW = EventRow(1, NOW, "ok", "value", "read", "p", 1, "n", "human", "", None, "r", ["file"])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def span(name: str = "", **given: str):
    return time_range({**given, **({"zone": name} if name else {})}, NOW, None)


# -- printing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, shown",
    [
        ("UTC", ["02:46:58", "18 Nov 02:46", "on 18 Nov at 02:46", "18 Nov 02:46:58", "Wed 18 Nov"]),
        (BERLIN, ["03:46:58", "18 Nov 03:46", "on 18 Nov at 03:46 +01:00", "18 Nov 03:46:58 +01:00", "Wed 18 Nov"]),
        (ST_JOHNS, ["23:16:58", "17 Nov 23:16", "on 17 Nov at 23:16 -03:30", "17 Nov 23:16:58 -03:30", "Tue 17 Nov"]),
        (KATHMANDU, ["08:31:58", "18 Nov 08:31", "on 18 Nov at 08:31 +05:45", "18 Nov 08:31:58 +05:45", "Wed 18 Nov"]),
    ],
)  # fmt: skip
def test_a_time_is_printed_in_the_readers_zone_and_in_utc_for_a_copy(name, shown):
    moment = at("2026-11-18T02:46:58.102+00:00")
    with zone.reading_in(name):
        assert shown == [
            words.clock(moment), words.day_clock(moment, NOW), words.at_day_clock(moment, NOW),
            words.until_clock(moment, NOW), words.day(moment, False),
        ]  # fmt: skip
        assert words.iso(moment) == "2026-11-18T02:46:58.102Z" and words.short_iso(moment) == "2026-11-18 02:46:58.102"


def test_a_zone_that_no_longer_exists_is_read_as_utc():
    with zone.reading_in("Mars/Olympus"):
        assert zone.is_utc() and zone.offset(NOW) == "+00:00"


@pytest.mark.parametrize(
    "name, since, until, said",
    [
        ("UTC", "2026-11-18T02:00Z", "2026-11-18T04:00Z", "from Wed 18 Nov 02:00 to 04:00 UTC"),
        (BERLIN, "2026-11-18T02:00Z", "2026-11-18T04:00Z", "from Wed 18 Nov 03:00 to 05:00 +01:00"),
        (BERLIN, "2026-10-25T00:30Z", "2026-10-25T01:30Z", "from Sun 25 Oct 02:30 +02:00 to 02:30 +01:00"),
        (ST_JOHNS, "2026-11-18T02:00Z", "2026-11-18T04:00Z", "from Tue 17 Nov 22:30 to Wed 18 Nov 00:30 -03:30"),
    ],
)
def test_a_range_is_said_with_its_offsets(name, since, until, said):
    with zone.reading_in(name):
        assert span(since=since, until=until).words == said


def _days(*moments: str) -> list[str]:
    rows = [replace(ROW, id=n, time=at(text)) for n, text in enumerate(moments)]
    return [item.day or words.clock(item.event.time) for item in items(rows[::-1], [], NOW, NOW)]


def test_a_day_row_stands_where_the_readers_day_begins():
    with zone.reading_in(KATHMANDU):  # midnight is at 18:15 UTC
        assert _days("2026-11-17T18:14:59+00:00", "2026-11-17T18:15:00+00:00") == [
            "Wed 18 Nov 2026", "00:00:00", "Tue 17 Nov 2026", "23:59:59",
        ]  # fmt: skip


def test_the_hour_that_clocks_show_twice_stands_under_two_rows_with_their_offsets():
    with zone.reading_in(BERLIN):
        assert _days("2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00") == [
            "Sun 25 Oct 2026 +01:00", "02:30:00", "Sun 25 Oct 2026 +02:00", "02:30:00",
        ]  # fmt: skip
        assert zone.head([BACK - HOUR, BACK]) == BERLIN and zone.head([BACK, BACK + HOUR]) == "+01:00"
    assert zone.head([BACK - HOUR, BACK]) == zone.head([]) == "+00:00"


# -- the axis ----------------------------------------------------------------------------------------------------------


def _axis(name: str, begin: datetime, length: timedelta) -> list[tuple[str, str]]:
    with zone.reading_in(name):
        return [(f"{moment:%d %H:%M}", said) for moment, said in axis.ticks(begin, begin + length)]


def test_on_the_day_of_25_hours_the_axis_shows_the_doubled_hour_twice_at_its_two_places():
    assert _axis(BERLIN, BACK - 3 * HOUR, 6 * HOUR) == [
        ("24 22:00", "25 Oct"), ("24 23:00", "01:00"), ("25 00:00", "02:00"), ("25 01:00", "02:00 +01:00"),
        ("25 02:00", "03:00"), ("25 03:00", "04:00"), ("25 04:00", "05:00"),
    ]  # fmt: skip


def test_on_the_day_of_23_hours_the_axis_leaves_the_missing_hour_out():
    assert _axis(BERLIN, at("2026-03-28T23:00+00:00"), 4 * HOUR) == [
        ("28 23:00", "29 Mar"), ("28 23:30", "00:30"), ("29 00:00", "01:00"), ("29 00:30", "01:30"),
        ("29 01:00", "03:00 +02:00"), ("29 01:30", "03:30"), ("29 02:00", "04:00"), ("29 02:30", "04:30"),
        ("29 03:00", "05:00"),
    ]  # fmt: skip


@pytest.mark.parametrize("name, first", [(ST_JOHNS, "18 03:30"), (KATHMANDU, "17 18:15"), ("UTC", "18 00:00")])
def test_days_of_the_axis_begin_at_the_readers_midnight(name, first):
    ticks = _axis(name, at("2026-11-17T18:15+00:00"), timedelta(days=5))
    assert ticks[0][0] == first and all(re.fullmatch(r"\d+ Nov", said) for _, said in ticks)


@pytest.mark.parametrize("name", ZONES)
@given(
    st.datetimes(*YEARS, timezones=st.just(UTC)),
    st.integers(20, 400 * 86_400).map(lambda s: timedelta(seconds=s)),
)
def test_every_tick_stands_at_the_time_that_its_words_say(name, begin, length):
    with zone.reading_in(name):
        found = list(axis.ticks(begin, begin + length))
        assert len(found) <= axis.MOST + 3 and all(begin <= moment <= begin + length for moment, _ in found)
        assert all(one < after for (one, _), (after, _) in pairwise(found))
        for moment, said in found:
            here = zone.local(moment)
            clock = re.match(r"(\d\d:\d\d)(:\d\d)?", said)
            assert said.startswith(f"{here:%H:%M}") if clock else said.startswith(f"{here.day} {here:%b}")


# -- taking ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZONES)
@given(st.datetimes(*YEARS, timezones=st.just(UTC)))
def test_what_a_field_shows_is_taken_as_the_same_moment(name, moment):
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    with zone.reading_in(name):
        form = RangeForm({"since": zone.field(moment), "until": "", "zone": zone.name()}, NOW)
        assert form.is_valid(), form.errors
        assert form.cleaned_data["since"] == moment


def test_the_hour_that_clocks_show_twice_is_asked_for_by_its_offset():
    with zone.reading_in(BERLIN):
        assert zone.field(BACK - timedelta(minutes=30)) == "2026-10-25 02:30+02:00"
        assert zone.field(BACK + timedelta(minutes=30)) == "2026-10-25 02:30+01:00"
        assert zone.field(BACK + 2 * HOUR) == "2026-10-25 04:00"
    wrong = span(BERLIN, since="2026-10-25 02:30").form.errors["since"][0]
    assert "twice or never" in wrong and "2026-10-25 02:30+02:00 or 2026-10-25 02:30+01:00" in wrong
    assert "2026-03-29 02:30+01:00" in span(BERLIN, since="2026-03-29 02:30").form.errors["since"][0]


def test_times_without_a_zone_are_in_utc_whoever_reads():
    with zone.reading_in(BERLIN):
        assert span(since="2026-11-18 02:00").since == at("2026-11-18T02:00+00:00")
        assert span(BERLIN, since="2026-11-18 02:00").since == at("2026-11-18T01:00+00:00")
        assert span(BERLIN, since="2026-11-18T02:00Z").since == at("2026-11-18T02:00+00:00")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "Europe/Berlin\0", "x" * 65, "localtime"])
def test_a_zone_that_is_none_is_told_and_nothing_is_taken_in_it(name):
    got = span(name, since="2026-11-18 02:00")
    assert got.key != ABSOLUTE and got.form.errors["zone"]
    assert find(name) is None


def test_a_page_asked_for_in_a_zone_goes_on_with_links_that_need_none():
    given = QueryDict(f"since=2026-11-18+02:00&until=2026-11-18+04:00&zone={BERLIN}")
    query = EventQuery.read(given, NOW)
    assert query.kept == {"since": "2026-11-18T01:00:00.000Z", "until": "2026-11-18T03:00:00.000Z"}
    assert "zone" not in query.here


# -- choosing ----------------------------------------------------------------------------------------------------------


def test_a_zone_is_chosen_once_on_the_account_page_and_pages_print_in_it(signed_in, cat, record):
    page = Page.of(signed_in.get("/account/"))
    assert len(page.all("option")) == len(names()) > 300 and "UTC, +00:00 now" in page.text
    assert "Time +00:00" in Page.of(signed_in.get("/secrets/1/")).text
    assert signed_in.post("/account/time-zone/", {"zone": KATHMANDU}).headers["Location"] == "/account/"
    cat.refresh_from_db()
    assert cat.time_zone == KATHMANDU
    entry = TrailEntry.objects.get()
    assert (entry.verb, entry.details) == ("accounts.time_zone.chosen", {"zone": KATHMANDU})
    signed_in.post("/account/time-zone/", {"zone": KATHMANDU})
    assert TrailEntry.objects.count() == 1
    page = Page.of(signed_in.get("/secrets/1/?range=30d"))
    assert "Time +05:45" in page.text and page.all("input", name="zone")[0]["value"] == KATHMANDU
    shown = [own for own in page.all("time", title=", 20") if own["title"]]
    assert shown and all(own["datetime"].endswith("Z") and "+05:45" in own["title"] for own in shown)


def test_an_unknown_zone_is_refused_and_changes_nothing(signed_in, cat):
    answer = signed_in.post("/account/time-zone/", {"zone": "Mars/Olympus"})
    assert answer.status_code == 400 and "No time zone is called “Mars/Olympus”" in Page.of(answer).text
    cat.refresh_from_db()
    assert cat.time_zone == "UTC" and not TrailEntry.objects.exists()


def test_one_persons_zone_is_not_the_next_ones(signed_in, cat, record, client, django_user_model):
    cat.time_zone = KATHMANDU
    cat.save()
    assert "Time +05:45" in Page.of(signed_in.get("/secrets/1/")).text
    client.force_login(django_user_model.objects.create_user("eve"))
    assert "Time +00:00" in Page.of(client.get("/secrets/1/")).text and zone.is_utc()


def test_a_file_is_in_utc_in_whatever_zone_pages_are_read(signed_in, cat, record):
    cat.time_zone = KATHMANDU
    cat.save()
    since, until = (NOW - HOUR).isoformat(), NOW.isoformat()
    answer = signed_in.post("/events/export/", {"since": since, "until": until, "format": "ndjson"})
    name = "keybook-events-20261121T130211Z-20261121T140211Z.ndjson"
    assert name in answer.headers["Content-Disposition"]
