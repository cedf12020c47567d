"""Whatever is given to the commands that they can't use: one clear sentence, the right exit code, nothing changed."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard
from django.conf import settings
from django.core.management import call_command

from audit import actions
from audit.sources.file import UnusableFile, open_log
from tests.audit.lines import Call, calls, log
from tests.audit.past import is_accounted


@pytest.fixture
def run(capsys, monkeypatch):
    """A function that runs a command and returns (exit code, standard output, standard error)."""

    def run(*words):
        capsys.readouterr()
        try:
            call_command(*map(str, words))
            code = 0
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def refused(run, past):
    """A function that runs a command which must refuse its input; returns the sentence."""

    def refused(*words):
        before = past.rows("SELECT count(*) FROM audit_vault"), past.events()
        for more in ([], ["--json"]):
            code, out, err = run(*words, *more)
            assert (code, out) == (2, ""), (code, out, err)
            assert "Traceback" not in err
        assert (past.rows("SELECT count(*) FROM audit_vault"), past.events()) == before
        sentence = " ".join(err.split())
        assert sentence.endswith((".", "?")), sentence
        return sentence

    return refused


NOT_LOGS = {
    "text": b"Dear diary,\ntoday nobody read a secret.\n" * 50,
    "other JSON": b'{"level":"info","msg":"core: unsealed"}\n' * 50,
    "JSON that is no object": b"[1, 2, 3]\n" * 50,
    "bytes": bytes(range(256)) * 100,
    "a Kubernetes audit log": b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","verb":"get"}\n' * 50,
    "packed text": gzip.compress(b"Dear diary\n" * 500),
    "a gzip header and nothing else": b"\x1f\x8b\x08\x00",
    "a zstd header and rubbish": b"\x28\xb5\x2f\xfd" + b"rubbish" * 30,
    "a line without an end": b"no newline at all",
}


@pytest.mark.parametrize("kind", NOT_LOGS)
def test_what_is_no_audit_log_is_refused(refused, tmp_path, kind):
    file = tmp_path / "some.file"
    file.write_bytes(NOT_LOGS[kind])
    assert str(file) in refused("ingest_file", file, "--vault", "demo")


def test_one_bad_file_among_good_ones_keeps_all_of_them_out(refused, tmp_path):
    good, bad = tmp_path / "audit.log", tmp_path / "notes.txt"
    good.write_bytes(log(calls(3)))
    bad.write_bytes(NOT_LOGS["text"])
    assert str(bad) in refused("ingest_file", good, bad, "--vault", "demo")


def test_a_file_that_is_not_there_or_no_file_is_refused(refused, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for place, why in (
        (tmp_path / "missing.log", "no such file"),
        (tmp_path / "broken", "no such file"),
        (tmp_path, "folder"),
        (tmp_path / "fifo", "regular file"),
        (Path("/dev/null"), "regular file"),
    ):
        assert why in refused("ingest_file", place, "--vault", "demo")


@contextmanager
def as_nobody():
    """Without root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_we_may_not_read_is_refused_with_the_mend(run, past):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "audit.log"
        file.write_bytes(log(calls(3)))
        file.chmod(0)
        with as_nobody():
            code, out, err = run("ingest_file", file, "--vault", "demo")
    assert (code, out) == (2, "")
    assert "may not read" in err and "mode=0640" in " ".join(err.split())


def test_a_followed_log_must_lie_below_the_roots_links_resolved(run, past, tmp_path, monkeypatch):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "audit.log").write_bytes(log(calls(3)))
    (inside / "link.log").symlink_to(outside / "audit.log")
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(inside))
    for path in (inside / "link.log", outside / "audit.log", inside / ".." / "outside" / "audit.log"):
        code, out, err = run("follow", "--once", "--path", path, "--vault", "demo")
        assert (code, out) == (2, "")
        assert "KEYBOOK_LOG_ROOTS" in err
    assert past.one("SELECT count(*) FROM audit_source") == 0
    assert run("follow", "--once", "--path", inside / "audit.log", "--vault", "demo")[0] == 0
    assert past.events() == 3


def test_a_followed_log_that_becomes_a_link_out_of_the_roots_is_read_no_more(past, tmp_path, monkeypatch):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder, some in ((inside, calls(3)), (outside, calls(3, seed="other"))):
        folder.mkdir()
        (folder / "audit.log").write_bytes(log(some))
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(inside))
    source = actions.follow_file(str(inside / "audit.log"), vault="demo")
    actions.read_source(source)
    (inside / "audit.log").unlink()
    (inside / "audit.log").symlink_to(outside / "audit.log")
    (inside / "audit.log.1").symlink_to(outside / "audit.log")
    actions.read_source(source)
    assert past.events() == 3
    assert "KEYBOOK_LOG_ROOTS" in past.one("SELECT trouble FROM audit_source")


def test_a_name_never_seen_is_refused_with_the_nearest(run, refused, past, tmp_path):
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(20)))
    past.take(file)
    assert "secret/prod/app/key-1" in refused("who_read", "secret/prod/app/kay-1")
    assert "elsewhere" in refused("who_read", "secret/prod/app/key-1", "--vault", "elsewhere")
    assert "shop/app-1" in refused("what_read", "shop/ap-1")
    refused("who_read", "")
    refused("what_read", "")
    past.take(file, vault="second")
    sentence = refused("who_read", "secret/prod/app/key-1")
    assert "demo" in sentence and "second" in sentence and "--vault" in sentence
    assert run("who_read", "secret/prod/app/key-1", "--vault", "second")[0] == 0


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-13-01", "2026-02-30T10:00", "99999999999d", "12", "", "2026-03-14T25:00Z"]
)
def test_a_bad_time_is_refused(refused, past, tmp_path, time):
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(5)))
    past.take(file)
    for words in (["who_read", "secret/prod/app/key-1"], ["what_read", "shop/app-1"]):
        assert "--since" in refused(*words, "--since", time)
        assert "--until" in refused(*words, "--until", time)


def test_an_empty_file_is_nothing_new(run, past, tmp_path):
    file = tmp_path / "audit.log"
    file.touch()
    code, out, _ = run("ingest_file", file, "--vault", "demo", "--json")
    assert (code, json.loads(out)["bytes"], json.loads(out)["events"]) == (0, 0, 0)


@pytest.mark.parametrize("lines", [1, 2])
def test_a_file_with_only_a_torn_line_is_told_and_completed_later(run, past, tmp_path, lines):
    file, whole = tmp_path / "audit.log", log([Call(1)])
    end = len(Call(1).request()) + 1 if lines == 1 else len(whole)
    for cut in (40, 300, end - 2, end - 1):
        file.write_bytes(whole[:cut])
        code, out, err = run("ingest_file", file, "--vault", "demo", "--json")
        assert code in (0, 2), err
        if code == 0:
            done = json.loads(out)
            assert sum(done["accounted"].values()) == done["bytes"] == cut
        else:
            assert "Nothing was" in err
    file.write_bytes(whole)
    assert is_accounted(past.take(file), [file])
    assert past.requests() == {Call(1).id: 1}
    assert past.one("SELECT bit_or(flags & 3) FROM audit_event") == 3
    assert past.quarantine() == []


PACKERS = {"gz": lambda data: gzip.compress(data, 9, mtime=0), "zst": zstandard.ZstdCompressor(level=19).compress}


@pytest.mark.parametrize("way", PACKERS)
@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.long)])
def test_an_archive_cut_anywhere_gives_its_whole_lines_and_its_rest_later(run, past, tmp_path, way, step):
    file, packed = tmp_path / f"audit.log.{way}", PACKERS[way](log(calls(4)))
    events = 0
    for cut in range(1, len(packed), step):
        file.write_bytes(packed[:cut])
        code, out, err = run("ingest_file", file, "--vault", "demo", "--json")
        assert code in (0, 2) and "Traceback" not in err, err
        if code == 0:
            done = json.loads(out)
            assert sum(done["accounted"].values()) == done["bytes"]
            assert "cut short" in " ".join(err.split())
        else:
            assert out == "" and str(file) in err.replace("\n", "")
        assert past.events() >= events
        events = past.events()
    file.write_bytes(packed)
    past.take(file)
    assert past.requests() == {call.id: 1 for call in calls(4)}
    assert past.shown_by("file") == {(call.id, side) for call in calls(4) for side in ("request", "response")}
    assert past.quarantine() == []


# Linux starts the peak of a process at that of the one it was forked from: here the tests, which grow with each test
# run. So a small process starts the command, and tells the peak of its only child.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as peak:
    peak.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def test_a_line_of_a_hundred_megabytes_needs_little_memory(own_database, tmp_path):
    file, peak = tmp_path / "audit.log", tmp_path / "peak"
    with file.open("wb") as out:
        out.write(log(calls(50)) + b'{"time":"2026-03-14T09:00:00Z","type":"request","auth":{"display_name":"')
        for _ in range(100):
            out.write(b"x" * (1024 * 1024))
    command = [sys.executable, "manage.py", "ingest_file", str(file), "--vault", "demo", "--json"]
    launcher = [sys.executable, "-c", MEASURED, str(peak), *command]
    ended = subprocess.run(launcher, env=own_database.environment, stdout=subprocess.PIPE, check=False)
    assert ended.returncode == 0
    done = json.loads(ended.stdout)
    assert sum(done["accounted"].values()) == done["bytes"] == file.stat().st_size
    assert (done["events"], done["accounted"]["quarantine"] > 100 * 1024 * 1024) == (50, True)
    assert int(peak.read_text()) < 400 * 1024  # KiB


def test_each_command_prints_one_document_and_nothing_else(run, past, tmp_path):
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(20)) + b"rubbish\n")
    for words in (
        ["ingest_file", file, "--vault", "demo"],
        ["ingest_file", file, "--vault", "demo"],
        ["who_read", "secret/prod/app/key-1"],
        ["who_read", "secret/prod/app/key-1", "--since", "2001-01-01", "--until", "2001-01-02"],
        ["what_read", "shop/app-1"],
    ):
        code, out, _ = run(*words, "--json")
        assert code == 0
        assert isinstance(json.loads(out), dict)
        assert out.count("\n") == 1


def test_a_folder_that_becomes_a_link_while_a_log_is_opened_leads_nowhere(tmp_path, monkeypatch):
    roots, inside, outside = tmp_path / "roots", tmp_path / "roots" / "folder", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
        (folder / "audit.log").write_bytes(b"{}\n")
    really = os.open

    def swap(path, *given, **named):
        if str(path) == str(inside / "audit.log") and not inside.is_symlink():
            inside.rename(roots / "away")
            inside.symlink_to(outside)
        return really(path, *given, **named)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(UnusableFile, match="outside KEYBOOK_LOG_ROOTS"):
        open_log(inside / "audit.log", [str(roots)])
    assert inside.is_symlink()
