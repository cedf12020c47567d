"""Writes the audit logs of two devices as a vault does, rotates them in every way, and remembers what it wrote.

`python -m tests.audit.scribe FOLDER SEED` writes, rotates once FOLDER/rotate exists, and stops when FOLDER/stop does;
then it puts the truth into FOLDER/truth.json.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.audit.lines import Call

DEVICES = {"file": ("rename", "compress", "late"), "second": ("copytruncate",)}
WAYS = {way for ways in DEVICES.values() for way in ways}


class Device:
    """One device's live log and its rotated brothers, written in append mode, as a vault does."""

    def __init__(self, folder: Path, name: str, dice: random.Random) -> None:
        self.name, self.dice = name, dice
        folder.mkdir()
        self.path = folder / "audit.log"
        self.out = self.path.open("ab", buffering=0)
        self.written: dict[tuple[str, str], str] = {}
        self.destroyed: set[tuple[str, str]] = set()
        self.rotations: list[str] = []

    def write(self, call: Call, side: str) -> tuple[str, str]:
        """Write one line, sometimes in two pieces with a pause between."""
        now = datetime.now(UTC)
        time_of_line = {"time": now.isoformat(timespec="microseconds").replace("+00:00", "Z")}
        line = (call.request if side == "request" else call.response)(self.name, **time_of_line) + b"\n"
        if self.dice.random() < 0.05:
            cut = self.dice.randrange(len(line))
            self.out.write(line[:cut])
            time.sleep(self.dice.uniform(0, 0.02))
            line = line[cut:]
        self.out.write(line)
        self.written[call.id, side] = now.isoformat()
        return call.id, side

    def rotate(self, how: str, some: list[tuple[Call, str]]) -> None:
        """Rotate in one of the ways; `some` are lines that fall into the middle of it."""
        time.sleep(0.035)  # a file system's clock may be 10 ms late, and a log that is rotated lives longer than 20
        self.rotations.append(how)
        self._shift()
        if how == "copytruncate":
            self._copy_and_cut(some)
            return
        self.path.rename(f"{self.path}.1")
        for call, side in some if how == "late" else some[:1]:
            self.write(call, side)  # the vault has not yet been told
            time.sleep(0.002)
        self.out.close()
        self.out = self.path.open("ab", buffering=0)
        if how == "compress":
            self._compress(Path(f"{self.path}.1"))

    def _shift(self) -> None:
        old = sorted(self.path.parent.glob("audit.log.*"), key=lambda one: -int(one.suffixes[1][1:]))
        for one in old:
            number = int(one.suffixes[1][1:]) + 1
            one.rename(f"{self.path}.{number}{'.gz' if one.suffix == '.gz' else ''}")

    def _copy_and_cut(self, some: list[tuple[Call, str]]) -> None:
        """What is written after the copy has come to the end and before the cut is lost."""
        with self.path.open("rb") as old, Path(f"{self.path}.1").open("wb", buffering=0) as new:
            while piece := old.read(20_000):
                new.write(piece)
                time.sleep(0.0005)
        for call, side in some:
            self.destroyed.add(self.write(call, side))
        time.sleep(self.dice.choice((0, 0, 0.01, 0.05)))
        self.out.truncate(0)

    def _compress(self, old: Path) -> None:
        data, facts = old.read_bytes(), old.stat()
        packed = gzip.compress(data, 1)
        with Path(f"{old}.gz").open("wb", buffering=0) as out:
            for start in range(0, len(packed), 2_000):
                out.write(packed[start : start + 2_000])
                time.sleep(0.0005)
        os.utime(f"{old}.gz", ns=(facts.st_atime_ns, facts.st_mtime_ns))
        old.unlink()


class Scribe:
    """Makes calls whose lines interleave; some requests never get a response, and some come late."""

    def __init__(self, folder: Path, seed: str) -> None:
        self.dice = random.Random(seed)
        self.folder, self.seed, self.number = folder, seed, 0
        self.devices = {name: Device(folder / name, name, self.dice) for name in DEVICES}
        self.open: list[Call] = []
        self.unanswered: list[str] = []

    def next_lines(self) -> list[tuple[Call, str]]:
        """Return the next line or two, in the order in which they are written."""
        if len(self.open) > 6 or (self.open and self.dice.random() < 0.5):
            call = self.open.pop(self.dice.randrange(len(self.open)))
            if self.dice.random() < 0.02:
                self.unanswered.append(call.id)
                return []
            return [(call, "response")]
        self.number += 1
        call = Call(
            self.number, self.dice.randrange(5), f"prod/app/key-{self.dice.randrange(7)}", datetime.now(UTC), self.seed
        )
        self.open.append(call)
        return [(call, "request")]

    def step(self) -> None:
        """Write some lines on both devices; now and then rotate one of them."""
        for _ in range(self.dice.randrange(1, 12)):
            for call, side in self.next_lines():
                for device in self.devices.values():
                    device.write(call, side)
        if self.dice.random() < 0.06 and (self.folder / "rotate").exists():
            name = self.dice.choice(list(DEVICES))
            some = [line for _ in range(self.dice.randrange(4)) for line in self.next_lines()]
            self.devices[name].rotate(self.dice.choice(DEVICES[name]), some)
            for other, device in self.devices.items():
                for call, side in some:
                    if other != name or (call.id, side) not in device.written:
                        device.write(call, side)

    def run(self) -> None:
        """Write until told to stop; then answer what is open and tell the truth."""
        while not (self.folder / "stop").exists():
            self.step()
            time.sleep(self.dice.uniform(0, 0.02))
        for call in self.open:
            for device in self.devices.values():
                device.write(call, "response")
        truth = {
            name: {
                "written": [[*key, at] for key, at in device.written.items()],
                "destroyed": [list(key) for key in device.destroyed],
                "rotations": device.rotations,
            }
            for name, device in self.devices.items()
        }
        (self.folder / "truth.json").write_text(json.dumps({"devices": truth, "unanswered": self.unanswered}))


if __name__ == "__main__":
    Scribe(Path(sys.argv[1]), sys.argv[2]).run()
