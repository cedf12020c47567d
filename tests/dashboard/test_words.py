"""Printing: names by whole segments, times in UTC, nothing unseen; the geometry of the time line; holes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from audit.queries import Bucket, DeviceState, Gap, SecretRef, WhoRead
from dashboard import histogram, words
from dashboard.change_form import ASKS, ChangeForm
from dashboard.closing import list_closing, record_closing
from dashboard.event_list import Place
from dashboard.holes import filled, holes_of, seconds
from dashboard.paths import ELLIPSIS, middle, principal_print, secret_print
from dashboard.strip import strip
from dashboard.time_range import time_range
from rotation import targets

NOW = datetime(2026, 11, 21, 14, 2, 11, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _joined(printed) -> str:
    return "/".join([*printed.quiet, printed.loud])


@pytest.mark.parametrize(
    "limit, shown",
    [
        (0, "secret/prod/ledger/bank-sftp"),
        (28, "secret/prod/ledger/bank-sftp"),
        (27, "secret/…/ledger/bank-sftp"),
        (24, "secret/…/bank-sftp"),
        (5, "secret/…/bank-sftp"),
    ],
)
def test_a_long_path_loses_whole_segments_from_the_middle(limit, shown):
    assert _joined(secret_print("secret/prod/ledger/bank-sftp", limit)) == shown


@given(st.lists(st.text("abc-", min_size=1, max_size=12), min_size=1, max_size=8), st.integers(1, 60))
def test_mount_and_leaf_are_never_cut_and_never_left_out(segments, limit):
    printed = secret_print("/".join(segments), limit)
    assert printed.loud == segments[-1]
    assert printed.whole == "/".join(segments)
    kept = [segment for segment in printed.quiet if segment != ELLIPSIS]
    assert printed.quiet[:1] == segments[:-1][:1]
    assert set(kept) <= set(segments[:-1])
    if len(printed.whole) <= limit:
        assert _joined(printed) == printed.whole


@pytest.mark.parametrize(
    "name, kind, limit, shown",
    [
        ("payments/ledger", "service_account", 40, "payments/ledger"),
        ("vault-secrets-operator-system/controller-manager", "service_account", 40, "…/controller-manager"),
        ("repo:acme/shop:ref:refs/heads/main", "ci", 10, "repo:acme/shop:ref:refs/heads/main"),
    ],
)
def test_only_a_service_accounts_namespace_gives_way(name, kind, limit, shown):
    assert _joined(principal_print(name, kind, limit)) == shown


@given(st.text())
def test_nothing_unseen_is_printed(text):
    shown = words.visible(text)
    assert shown.isprintable() or any(char.isspace() for char in shown)
    assert not any(char in shown for char in "\u202e\u200b\u0000\n\u2066")


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_what_can_be_seen_is_printed_as_it_is(text):
    assert words.visible(text) == text


def test_a_turned_name_shows_its_trick():
    assert words.visible("a\u202egnp.exe") == "a\\u202egnp.exe"


def test_a_digest_shows_both_ends():
    assert middle("9f3c1b" + "0" * 52 + "e41a07") == "9f3c1b…e41a07"
    assert middle("short") == "short"


@pytest.mark.parametrize(
    "length, shown",
    [
        (0.04, "0.0 s"),
        (1.23, "1.2 s"),
        (59.9, "59 s"),
        (227, "3 min 47 s"),
        (60600, "16 h 50 min"),
        (86400, "1 d"),
        (-3, "0.0 s"),
    ],
)
def test_a_length_of_time_has_at_most_two_units(length, shown):
    assert words.duration(length) == shown


def test_times_are_utc_whatever_they_came_in():
    moment = datetime.fromisoformat("2026-11-18T04:46:58.102+02:00")
    assert words.iso(moment) == "2026-11-18T02:46:58.102Z"
    assert words.day_clock(moment, NOW) == "18 Nov 02:46"
    assert words.at_day_clock(moment, NOW) == "on 18 Nov at 02:46"
    assert words.at_day_clock(NOW - HOUR, NOW) == "at 13:02 today"
    assert words.day_clock(moment.replace(year=2025), NOW) == "18 Nov 2025 02:46"


@given(st.datetimes(timezones=st.just(UTC)), st.integers(1, 2**62))
def test_a_place_in_a_list_survives_its_url(moment, number):
    assert Place.read(str(Place(moment, number))) == Place(moment, number)


@pytest.mark.parametrize(
    "text",
    ["", "x", "2026-11-18~1", "2026-11-18T00:00:00+00:00~-1", "2026-11-18T00:00:00+00:00~x",
     "0001-01-01T00:00:00+23:59~1", "9999-12-31T23:59:59-23:59~1"],
)  # fmt: skip
def test_a_place_that_is_none_is_the_newest_page(text):
    assert Place.read(text) is None


# -- ranges ---------------------------------------------------------------------------------------------------------


def test_without_a_word_a_page_shows_thirty_days():
    shown = time_range({}, NOW, None)
    assert (shown.key, shown.since, shown.until, shown.words) == (
        "30d",
        NOW - timedelta(days=30),
        NOW,
        "in the last 30 days",
    )


def test_all_reads_begin_with_the_first():
    assert time_range({"range": "all"}, NOW, NOW - 5 * HOUR).since == NOW - 5 * HOUR
    assert time_range({"range": "all"}, NOW, None).key == "30d"


def test_two_times_are_read_as_utc():
    shown = time_range({"since": "2026-11-18 02:00", "until": "2026-11-18T06:00+02:00"}, NOW, None)
    assert (words.iso(shown.since), words.iso(shown.until)) == ("2026-11-18T02:00:00.000Z", "2026-11-18T04:00:00.000Z")
    assert shown.words == "from Wed 18 Nov 02:00 to 04:00 UTC"


def test_a_range_over_days_and_years_names_them():
    shown = time_range({"since": "2025-12-31 22:00", "until": "2026-01-01 02:00"}, NOW, None)
    assert shown.words == "from Wed 31 Dec 2025 22:00 to Thu 1 Jan 2026 02:00 UTC"


@pytest.mark.parametrize(
    "given_, said",
    [
        ({"since": "yesterday"}, "“yesterday” is not a time. Write it as 2026-11-18 02:00, in UTC."),
        (
            {"since": "2026-11-18 02:00", "until": "2026-11-17"},
            "This range ends before it begins. Exchange the two times.",
        ),
        ({"since": "9999-01-01"}, "This range begins in the future, or before 1970."),
        ({"until": "0001-01-01"}, "This range ends before 1970."),
        ({"since": "2026-11-18 02:00\u202e"}, "“2026-11-18 02:00\\u202e” is not a time."),
    ],
)
def test_a_wrong_range_is_told_and_the_default_is_shown(given_, said):
    shown = time_range(given_, NOW, None)
    assert shown.key == "30d"
    assert said in str(shown.form.errors.as_text())


@given(st.dictionaries(st.sampled_from(["range", "since", "until"]), st.text() | st.datetimes().map(str)))
def test_no_address_makes_a_range_that_ends_before_it_begins(query):
    shown = time_range(query, NOW, NOW - HOUR)
    assert shown.since < shown.until <= NOW


# -- the time line ---------------------------------------------------------------------------------------------------


def _buckets(*counts: tuple[int, int, int] | None) -> list[Bucket]:
    begin = NOW - HOUR * len(counts)
    return [
        Bucket(begin + HOUR * i, begin + HOUR * (i + 1), *(c or (0, 0, 0)), unknown=c is None)
        for i, c in enumerate(counts)
    ]


def test_a_single_denial_among_thousands_can_be_seen():
    chart = histogram.chart(_buckets((5000, 1, 0), (0, 0, 0)), "")
    denied = next(bar for bar in chart.bars if bar.kind == "denied")
    assert denied.height >= 2.5


def test_the_parts_of_a_pile_stand_on_each_other_from_the_baseline():
    chart = histogram.chart(_buckets((50, 20, 10)), "")
    bars = {bar.kind: bar for bar in chart.bars}
    base = histogram.LANE + histogram.HEIGHT
    assert bars["denied"].y + bars["denied"].height == pytest.approx(base)
    assert bars["error"].y + bars["error"].height == pytest.approx(bars["denied"].y)
    assert bars["ok"].y + bars["ok"].height == pytest.approx(bars["error"].y)


@given(st.lists(st.none() | st.tuples(*[st.integers(0, 10**6)] * 3), min_size=1, max_size=150))
def test_the_picture_holds_every_count_and_stays_inside_its_frame(counts):
    chart = histogram.chart(_buckets(*counts), "")
    known = [c for c in counts if c]
    assert [chart.ok, chart.denied, chart.error] == [sum(c[i] for c in known) for i in range(3)]
    assert len(chart.bars) == sum(part > 0 for c in known for part in c)
    assert all(bar.y >= histogram.LANE - 2 * histogram.LEAST for bar in chart.bars)
    assert len(chart.ticks) <= 9


def test_what_is_not_known_is_hatched_and_never_drawn_as_zero():
    chart = histogram.chart(_buckets((1, 0, 0), None, None, (1, 0, 0)), "2 h")
    assert [(hole.x, hole.width) for hole in chart.holes] == [("25.000%", "50.000%")]
    unknown = [row for row in chart.stretches if row.unknown]
    assert [(row.end - row.start) for row in unknown] == [2 * HOUR]
    assert chart.sentence.endswith("No audit data for 2 h.")


def test_the_scale_is_round_and_holds_the_tallest_pile():
    assert [label for _, label in histogram.chart(_buckets((90, 0, 0)), "").levels] == ["0", "50", "100"]
    assert [label for _, label in histogram.chart(_buckets((0, 0, 0)), "").levels] == ["0", "1", "2"]


# -- holes and closing lines -----------------------------------------------------------------------------------------


def _answer(until: datetime | None, *gaps: Gap) -> WhoRead:
    one = SecretRef(1, "secret/a", "v", "KV v2", "kv_1", None, None)
    return WhoRead(one, NOW - 4 * HOUR, NOW, until, [], list(gaps))


def _holes(until, *gaps, counts=((1, 0, 0),) * 4):
    return holes_of(_answer(until, *gaps), _buckets(*counts), NOW - 4 * HOUR, NOW, NOW)


def test_a_record_that_reaches_now_is_closed_by_a_double_line():
    closing = record_closing(NOW, _holes(NOW), [], NOW)
    assert closing.complete and closing.sentence == "Complete until 14:02:11."


def test_a_record_that_ends_early_says_after_when_nothing_is_known():
    closing = record_closing(NOW - HOUR, _holes(NOW - HOUR), [], NOW)
    assert not closing.complete and closing.sentence == "Not complete. Nothing is known after 13:02:11."


def test_the_time_before_the_first_data_is_a_hole():
    holes = _holes(NOW, counts=(None, None, (1, 0, 0), (1, 0, 0)))
    assert [hole.sentence for hole in holes] == ["No audit data before 12:02:11."]


def test_a_known_gap_is_told_once_with_its_reason():
    gap = Gap("rotated", "file", NOW - 3 * HOUR, NOW - 2 * HOUR, "the file was cut while it was read")
    holes = _holes(NOW, gap, counts=((1, 0, 0), None, (1, 0, 0), (1, 0, 0)))
    assert [hole.sentence for hole in holes] == ["file, 11:02:11 to 12:02:11: the file was cut while it was read"]


def test_an_entry_that_another_device_has_is_told_and_is_no_hole():
    gaps = [Gap("missed", "http", NOW - HOUR, NOW - HOUR, "x")] * 3
    closing = record_closing(NOW, _holes(NOW, *gaps), filled(gaps), NOW)
    assert closing.complete
    assert closing.notes == ["http lacks 3 entries that another device has; nothing is lost by it."]


def test_many_holes_are_counted_and_the_first_are_told():
    gaps = [Gap("cut", "file", NOW - HOUR * (i + 1), NOW - HOUR * i - HOUR / 2, "cut") for i in range(4)]
    closing = record_closing(NOW, _holes(NOW, *gaps), [], NOW)
    assert closing.sentence == "Not complete: 4 holes, at least 2 h in all."
    assert len(closing.notes) == 4 and closing.notes[-1] == "And 1 more hole."


def test_a_gap_of_unknown_length_stands_where_it_began_and_in_no_later_range():
    gap = Gap("copytruncate", "file", NOW - HOUR, None, "the log was copied and cut")
    holes = _holes(NOW, gap)
    assert [hole.sentence for hole in holes] == ["file, after 13:02:11: the log was copied and cut"]
    assert seconds(holes) == 0 and not record_closing(NOW, holes, [], NOW).complete
    assert _holes(NOW, Gap("copytruncate", "file", NOW - 9 * HOUR, None, "cut")) == []


def test_a_gap_without_ends_covers_the_range():
    assert seconds(_holes(NOW, Gap("unread", "file", None, None, "never read"))) == 4 * 3600


def test_holes_that_overlap_count_once():
    gaps = [Gap("cut", "file", NOW - 3 * HOUR, NOW - HOUR, "a"), Gap("cut", "http", NOW - 2 * HOUR, NOW - HOUR, "b")]
    assert seconds(_holes(NOW, *gaps)) == 2 * 3600


def test_a_record_without_an_end_is_never_called_complete():
    assert not record_closing(None, [], [], NOW).complete


def _device(name: str, last: datetime | None, lag: float | None, silent: bool = False) -> DeviceState:
    return DeviceState("eu", name, last, lag, silent)


def test_the_strip_reaches_as_far_as_the_device_that_is_furthest_behind():
    shown = strip([_device("a", NOW, 1.0), _device("b", NOW - HOUR, 3600.0, True)], NOW)
    assert shown.complete_until == "13:02:11"
    assert [(d.name, d.words, d.bad) for d in shown.devices] == [("eu/b", "silent 1 h", True), ("eu/a", "1.0 s", False)]


def test_the_strip_shows_the_silent_first_and_counts_the_rest():
    shown = strip([_device(f"d{i}", NOW, 1.0, i == 7) for i in range(9)], NOW)
    assert (shown.devices[0].name, len(shown.devices), shown.more) == ("eu/d7", 4, 5)


def test_a_list_with_more_to_come_or_a_silent_device_is_not_called_complete():
    assert list_closing([_device("a", NOW, 1.0)], more=False).complete
    assert not list_closing([_device("a", NOW, 1.0)], more=True).complete
    assert list_closing([_device("a", NOW, 90.0, True)], more=False).sentence == "Not complete: eu/a is silent."


def test_every_target_has_a_sentence_for_people_over_its_form():
    assert set(targets.kinds()) - set(ASKS) == set(), "write what a person has to say into dashboard/change_form.py"


@pytest.mark.parametrize("kind", sorted(targets.kinds()))
def test_a_form_asks_in_words_and_says_what_each_choice_means(kind):
    form = ChangeForm(QueryDict(f"target={kind}"), User(username="ann", role="operator"))
    for one in form.fields:
        assert "_" not in one.words and one.words[0].isupper()
        assert ("optional" in one.hint) != one.needed or one.kind == "yes"
        assert [choice for choice, _ in one.options] == list(one.choices)
    way = [one for one in form.fields if one.name == "way"]
    assert all(choice in meaning and meaning != choice for one in way for choice, meaning in one.options)
