"""A followed log that is cut, refilled, replaced, removed or broken: all that stood in it at a turn is read, once."""

from __future__ import annotations

import random
import signal

import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.scope import EVERYTHING
from audit import actions, ingest, queries
from tests.audit import mutants
from tests.audit.lines import Call, calls, log


class Followed:
    """One followed log and the calls that were written to it."""

    def __init__(self, folder):
        self.path, self.written, self.next = folder / "audit.log", [], 0

    def write(self, count, mode="ab"):
        """Write some calls; return them."""
        some = calls(count, first=self.next)
        self.next += count
        with self.path.open(mode) as out:
            out.write(log(some))
        self.written += some
        return some

    def look(self):
        """Take a turn."""
        return actions.read_source(self.source)

    @property
    def source(self):
        return actions.Source.objects.get()


@pytest.fixture
def followed(past, tmp_path, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    one = Followed(tmp_path)
    one.write(5)
    actions.follow_file(str(one.path), vault="demo")
    one.look()
    return one


def everything_once(past, followed):
    return past.requests() == {call.id: 1 for call in followed.written} and past.shown_by("file") == {
        (call.id, side) for call in followed.written for side in ("request", "response")
    }


def gaps(past):
    return past.rows('SELECT kind, start, "end" FROM audit_gap ORDER BY id')


def test_what_is_written_is_read_at_the_next_look(followed, past):
    for count in (1, 3, 0, 7):
        followed.write(count)
        assert followed.look().drained
        assert everything_once(past, followed)
    assert gaps(past) == []


def test_a_log_that_is_cut_and_refilled_beyond_our_cursor_is_read_from_its_start_and_the_hole_is_told(followed, past):
    last = followed.written[-1]
    first = followed.write(20, "wb")[0]
    followed.look()
    assert everything_once(past, followed)
    ((kind, start, end),) = gaps(past)
    assert kind == "vanished"
    assert (start - last.at).total_seconds() == pytest.approx(0.002)  # its response
    assert end == first.at


def test_a_log_that_is_cut_and_still_shorter_than_our_cursor_is_read_from_its_start(followed, past):
    followed.write(1, "wb")
    followed.look()
    assert everything_once(past, followed)
    assert [row[0] for row in gaps(past)] == ["vanished"]


def test_a_log_that_was_copied_and_cut_leaves_a_bounded_gap_and_loses_nothing_of_the_copy(followed, past, tmp_path):
    followed.write(4)  # we have not seen these yet
    (tmp_path / "audit.log.1").write_bytes(followed.path.read_bytes())
    with followed.path.open("r+b") as live:
        live.truncate(0)
    before = followed.written[-1]
    after = followed.write(3)[0]
    followed.look()
    assert everything_once(past, followed)
    ((kind, start, end),) = gaps(past)
    assert (kind, end) == ("copytruncate", after.at)
    assert before.at < start < after.at


def test_a_renamed_log_is_read_to_its_end_and_leaves_no_gap(followed, past, tmp_path):
    for number in range(3):
        for older in range(number, 0, -1):
            (tmp_path / f"audit.log.{older}").rename(tmp_path / f"audit.log.{older + 1}")
        followed.write(4)
        followed.path.rename(tmp_path / "audit.log.1")
        with (tmp_path / "audit.log.1").open("ab") as late:
            some = calls(2, first=followed.next)
            late.write(log(some))
        followed.next += 2
        followed.written += some
        followed.write(3)
        if number != 1:  # two rotations between two looks
            followed.look()
    assert everything_once(past, followed)
    assert gaps(past) == []


def test_a_reused_inode_is_another_file(followed, past, tmp_path):
    inodes = set()
    for _ in range(5):
        followed.path.unlink()
        followed.write(3)
        inodes.add(followed.path.stat().st_ino)
        followed.look()
        assert everything_once(past, followed)
    assert {row[0] for row in gaps(past)} == {"vanished"}
    assert len(gaps(past)) == 5


def test_a_log_that_is_gone_is_told_until_it_is_back(followed, past):
    followed.path.unlink()
    assert followed.look() is None
    assert "no such file" in followed.source.trouble
    followed.write(2)
    followed.look()
    assert followed.source.trouble == ""
    assert everything_once(past, followed)


def test_an_empty_log_waits_and_a_torn_line_is_read_when_it_is_whole(followed, past, tmp_path):
    followed.path.rename(tmp_path / "audit.log.1")
    followed.path.touch()
    followed.look()
    line = Call(77, seed="torn").request() + b"\n"
    for end in range(0, len(line) + 1, 100):
        followed.path.write_bytes(line[:end])
        followed.look()
        assert past.one("SELECT count(*) FROM audit_pending") == 0
    followed.path.write_bytes(line)
    followed.look()
    assert past.one("SELECT count(*) FROM audit_pending") == 1
    assert past.quarantine() == []


def test_a_request_without_an_answer_is_accepted_after_its_time_and_a_late_answer_amends_it(followed, past):
    call = Call(88, seed="slow")
    with followed.path.open("ab") as live:
        live.write(call.request() + b"\n")
    followed.look()
    assert past.events() == 5
    past.rows("UPDATE audit_pending SET received_at = received_at - interval '11 seconds' RETURNING 1")
    followed.look()
    assert past.rows("SELECT outcome FROM audit_event WHERE request_id = %s::uuid", call.id) == [(5,)]
    with followed.path.open("ab") as live:
        live.write(call.response() + b"\n")
    followed.look()
    told = queries.events_of_secret(queries.find_secret("secret/prod/app/key", scope=EVERYTHING))
    assert [(row.request_id, row.outcome, row.disclosed) for row in told] == [(call.id, "ok", "value")]
    assert past.requests()[call.id] == 1


def test_a_signal_ends_following_after_the_turn_in_which_it_came(followed, past, monkeypatch):
    turns = []

    def endless(source, *, seconds):
        turns.append(seconds)
        signal.raise_signal(signal.SIGTERM)
        return ingest.Report(drained=False)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(actions, "read_source", endless)
    try:
        call_command("follow", every=0.01)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(turns) == 1
    assert turns[0] <= 5


@pytest.mark.parametrize("seed", range(4))
def test_every_byte_of_a_broken_log_that_grows_while_it_is_followed_is_accounted_for(past, tmp_path, monkeypatch, seed):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    monkeypatch.setattr(ingest, "CHUNK", [4096, 8 << 20][seed % 2])
    dice = random.Random(seed)
    # A container's record whose end has not come is waited for, with all behind it; so it has no place here.
    ways = [way for way in mutants.MUTATIONS if way not in (mutants.cri, mutants.fragments, mutants.docker)]
    data, whole = mutants.broken_log(dice, calls(60, seed=str(seed)), ways)
    data = data[: data.rindex(b"\n") + 1]
    path = tmp_path / "audit.log"
    path.write_bytes(log(calls(1, seed="first")))
    source = actions.follow_file(str(path), vault="demo")
    at = 0
    while at < len(data):
        step = dice.choice((1, 50, 700, 5_000, 50_000))
        with path.open("ab") as live:
            live.write(data[at : at + step])
        at += step
        actions.read_source(source)
        settled = past.bytes_per_class()
        assert sum(settled[name] for name in ("event", "duplicate", "quarantine", "framing")) == settled["position"]
    assert whole <= past.shown_by("file") | {
        (id, "request") for (id,) in past.rows("SELECT request_id::text FROM audit_pending")
    }
    assert path.stat().st_size == past.one("SELECT max(position) FROM audit_generation")
