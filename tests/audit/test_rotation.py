"""However a followed log was rotated between two looks: what was destroyed lies in a gap, and nothing else does."""

from __future__ import annotations

import gzip
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from audit import actions
from audit.sources import birth
from audit.sources.file import family
from tests.audit.lines import Call

# "pack" renames and compresses, "copy and pack" copies, cuts and compresses the copy, "lose" deletes the oldest copy;
# "cut" is "copy" and "clip" at once.
LOOKS_IN_TIME = {
    "rename, write, look": "",
    "rename, look, write, look": "",
    "linger, write, look": "",
    "pack, write, look": "",
    "pack, look, write, look": "",
    "cut, write, look": "copytruncate",
    "cut, look, write, look": "copytruncate",
    "cut, tear, look, write, look": "copytruncate",
    "copy and pack, write, look": "copytruncate",
    "write, cut, write, look, write, cut, write, look": "copytruncate copytruncate",
    "cut, write, look, rename, write, look": "copytruncate",
    "rename, write, look, cut, write, look": "copytruncate",
    "lose, write, look, write, look": "",
    "cut, look, rename, write, look": "copytruncate",
}
TWO_UNREAD = {
    "rename, write, rename, write, look": "",
    "rename, write, rename, look, write, look": "",
    "rename, write, linger, write, look": "",
    "rename, write, linger, look, write, look": "",
    "cut, write, cut, write, look": "copytruncate copytruncate",
    "cut, write, cut, look, write, look": "copytruncate copytruncate",
    "cut, write, cut, tear, look, write, look": "copytruncate copytruncate",
    "copy and pack, write, cut, write, look": "copytruncate copytruncate",
    "copy and pack, write, copy and pack, look, write, look": "copytruncate copytruncate",
    "cut, write, rename, write, look": "copytruncate",
    "cut, write, rename, look, write, look": "copytruncate",
    "copy and pack, write, rename, write, look": "copytruncate",
    "cut, rename, write, look": "copytruncate",
    "cut, write, cut, rename, look, write, look": "copytruncate copytruncate",
    "cut, write, cut, write, cut, write, look": "copytruncate copytruncate copytruncate",
    "cut, write, cut, write, rename, write, look": "copytruncate copytruncate",
    "cut, write, cut, write, rename, write, pack, look, write, look": "copytruncate copytruncate",
    "copy, look, clip, write, look": "copytruncate",
    "cut, write, copy, look, clip, write, look": "copytruncate copytruncate",
    "cut, write, copy a part, look, clip, write, look": "copytruncate copytruncate",
    "cut, write, cut, write, copy, look, clip, write, look": "copytruncate copytruncate copytruncate",
    "cut, write, copy, look, write, look, clip, write, look": "copytruncate copytruncate",
}
LOST = {
    "cut, lose, write, look": "vanished",
    "rename, lose, write, look": "vanished",
    "rename, write, rename, lose, write, look": "vanished",
    "rename, write, rename, lose, look, write, look": "vanished",
    "cut, write, cut, lose, write, look": "vanished copytruncate",
    "cut, write, cut, lose, look, write, look": "vanished copytruncate",
}
# Where the file system keeps no time of birth, these can't be told from renamings, or renamings from these.
BY_BIRTH = {
    "rename, write, cut, write, look": "copytruncate",
    "rename, write, cut, look, write, look": "copytruncate",
    "rename, write, copy and pack, write, look": "copytruncate",
    "pack, write, cut, write, look": "copytruncate",
    "rename, write, cut, write, cut, write, look": "copytruncate copytruncate",
    "cut, write, rename, write, cut, write, look": "copytruncate copytruncate",
    "rename, write, cut, write, rename, write, look": "copytruncate",
    "rename, lose, write, cut, write, look": "vanished copytruncate",
    "pack, write, rename, write, look": "",
    "pack, write, pack, look, write, look": "",
    "pack, write, pack, write, look": "",
    "pack, write, pack, write, pack, write, look": "",
    "rename, write, copy, look, clip, write, look": "copytruncate",
    "pack, write, copy a part, look, clip, write, look": "copytruncate",
}

ROTATIONS = {"rename", "linger", "pack", "cut", "copy", "copy a part", "copy and pack"}


class Rotated:
    """A log that is written in append mode, as a vault does, rotated in every way, and followed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.log"
        self.out = self.path.open("ab", buffering=0)
        self.written: dict[str, datetime] = {}
        self.destroyed: set[str] = set()
        self.torn, self.ahead = b"", timedelta(0)

    def do(self, steps: str) -> None:
        """Take steps with pauses: a file system's clock may be 10 ms behind, and no log that is rotated is younger."""
        for step in steps.split(", "):
            time.sleep(0.04 if step in ROTATIONS else 0.012)
            getattr(self, step.replace(" ", "_"))()

    def write(self) -> None:
        """Write the rest of a torn line, then two calls."""
        self.out.write(self.torn)
        self.torn = b""
        for _ in range(2):
            self.out.write(b"".join(line + b"\n" for line in self.call().lines()))

    def tear(self) -> None:
        """Write the beginning of a line."""
        lines = b"".join(line + b"\n" for line in self.call().lines())
        self.out.write(lines[:300])
        self.torn = lines[300:]

    def call(self) -> Call:
        """Make a call of now."""
        time.sleep(0.004)
        call = Call(len(self.written), at=datetime.now(UTC) + self.ahead, seed="rotated")
        self.written[call.id] = call.at
        return call

    def rename(self) -> None:
        """Rename the live log and begin a new one."""
        self._shift()
        self.path.rename(f"{self.path}.1")
        self._reopen()

    def linger(self) -> None:
        """Rename the live log and make a new one, but go on writing to the old as long again and longer."""
        self._shift()
        self.path.rename(f"{self.path}.1")
        self.path.touch()
        for _ in range(4):
            self.do("write")
        self._reopen()

    def pack(self) -> None:
        """Rename the live log, begin a new one and compress the old: the old one's inode is free again."""
        self.rename()
        self._compress()

    def cut(self) -> None:
        """Copy the live log and cut it; a call that was written between is in no file."""
        self.copy()
        self.clip()

    def copy(self) -> None:
        """Copy the live log."""
        self._shift()
        Path(f"{self.path}.1").write_bytes(self.path.read_bytes())

    def copy_a_part(self) -> None:
        """Begin to copy the live log; `clip` copies the rest."""
        self._shift()
        whole = self.path.read_bytes()
        Path(f"{self.path}.1").write_bytes(whole[: len(whole) * 2 // 3])

    def clip(self) -> None:
        """Cut the live log, of which a copy was begun before; a call that was written between is in no file."""
        Path(f"{self.path}.1").write_bytes(self.path.read_bytes())
        call = self.call()
        self.destroyed.add(call.id)
        self.out.write(b"".join(line + b"\n" for line in call.lines()))
        self.out.truncate(0)

    def copy_and_pack(self) -> None:
        """Copy the live log, cut it and compress the copy."""
        self.cut()
        self._compress()

    def lose(self) -> None:
        """Delete the oldest rotated file, if there is one."""
        for one in self._rotated()[:1]:
            one.unlink()

    def look(self) -> None:
        """Take a turn."""
        assert actions.read_source(actions.Source.objects.get()).drained

    def _rotated(self) -> list[Path]:
        return sorted(self.path.parent.glob("audit.log.*"), key=lambda one: -int(one.name.split(".")[2]))

    def _shift(self) -> None:
        for one in self._rotated():
            parts = one.name.split(".")
            one.rename(one.with_name(".".join([*parts[:2], str(int(parts[2]) + 1), *parts[3:]])))

    def _reopen(self) -> None:
        self.out.close()
        self.out = self.path.open("ab", buffering=0)

    def _compress(self) -> None:
        plain, packed = Path(f"{self.path}.1"), Path(f"{self.path}.1.gz")
        facts = plain.stat()
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        os.utime(packed, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        plain.unlink()


@pytest.fixture
def rotated(past, tmp_path, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    one = Rotated(tmp_path)
    one.do("write")
    actions.follow_file(str(one.path), vault="demo")
    one.do("look, write")
    yield one
    one.out.close()


def told(past, rotated):
    """The kinds of the gaps in the order of time, after it has been checked that they hold all that is nowhere."""
    gaps = past.rows('SELECT start, "end", kind FROM audit_gap ORDER BY start, "end"')
    shown = past.requests()
    assert set(shown.values()) == {1}
    for call in set(rotated.written) - set(shown):
        at = rotated.written[call]
        assert any(start <= at <= end for start, end, _ in gaps), f"no gap covers {at}: {gaps}"
    kinds = [kind for *_, kind in gaps]
    if "vanished" not in kinds:
        assert set(rotated.written) - set(shown) == rotated.destroyed
    return " ".join(kinds)


@pytest.mark.parametrize(("steps", "kinds"), (LOOKS_IN_TIME | TWO_UNREAD | LOST).items())
def test_what_a_rotation_destroyed_is_told_and_a_renaming_is_no_gap(rotated, past, steps, kinds):
    rotated.do(steps)
    assert told(past, rotated) == kinds


@pytest.mark.parametrize(("steps", "kinds"), BY_BIRTH.items())
def test_the_birth_of_a_file_tells_what_its_inode_can_not(rotated, past, steps, kinds):
    if birth.born(rotated.out.fileno()) is None:
        pytest.skip("the file system of pytest's folder keeps no time of birth")
    rotated.do(steps)
    assert told(past, rotated) == kinds


@pytest.mark.parametrize(("steps", "kinds"), (TWO_UNREAD | LOST).items())
def test_where_no_file_tells_its_birth_the_inode_that_we_knew_decides(rotated, past, monkeypatch, steps, kinds):
    monkeypatch.setattr(birth, "born", lambda descriptor: None)
    rotated.do(steps)
    assert told(past, rotated) == kinds


def test_lines_of_another_clock_prove_no_cut(rotated, past):
    rotated.ahead = timedelta(hours=3)
    rotated.do("rename, write, rename, write, look")
    assert told(past, rotated) == ""


def test_turns_too_short_for_all_files_read_them_one_after_the_other(rotated, past):
    rotated.do("cut, write, cut, write, rename, write")
    turns = [actions.read_source(actions.Source.objects.get(), seconds=0)]
    while not turns[-1].drained:
        turns.append(actions.read_source(actions.Source.objects.get(), seconds=0))
    assert [turn.bytes > 0 for turn in turns] == [True] * 4
    assert told(past, rotated) == "copytruncate copytruncate"


@pytest.mark.parametrize(
    "names",
    [
        ["audit.log.10", "audit.log.2.gz", "audit.log.1", "audit.log"],
        ["audit-2.log", "audit-1.log.zst", "audit.log"],
        ["audit.log-20261120", "audit.log-20261121.gz", "audit.log"],
        ["audit-2026-11-09.log", "audit-2026-11-10.log", "audit.log"],
    ],
)
def test_of_files_of_one_time_the_one_that_was_rotated_more_often_is_the_older(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(10**18, 10**18))
    assert [one.name for one in family(tmp_path / "audit.log")] == names
