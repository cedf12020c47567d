"""Audit logs to measure with: synthetic ones of any size, and the recorded one with new ids and times.

Synthetic traffic: 2,000 identities and 20,000 secrets, cubically skewed, each identity reading its own 200; 70 % KV v2
reads, 10 % logins (each with a new token), 7 % database credentials with a lease, 2 % denied, the rest writes, lists,
renewals and missing names. Calls come in bursts of up to 48, so an answer stands up to 95 lines after its request.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import zstandard

from bench import people
from bench.calls import Call
from bench.people import Caller, Secret, skewed, uuid

START = datetime(2026, 6, 1, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "tests" / "data" / "corpus"
_BURST = 48
_SECOND = 1_000_000_000
_UUID = re.compile(rb'(?<="id":")[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')
_TIME = re.compile(rb'"time":"([^"]{20,35})"')


class Clock:
    """Writes times as Go does: nanoseconds with trailing zeros cut, UTC."""

    def __init__(self) -> None:
        self._second, self._text = -1, ""

    def text(self, nanoseconds: int) -> str:
        """Return the RFC 3339 time of nanoseconds since the epoch."""
        second, rest = divmod(nanoseconds, _SECOND)
        if second != self._second:
            self._second, self._text = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        return f"{self._text}.{rest:09d}".rstrip("0").rstrip(".") + "Z"


class Traffic:
    """Calls in the order in which a vault would see them; the same seed gives the same calls, whatever the salt."""

    def __init__(self, seed: int, salt: str) -> None:
        self.draw, self.salt, self.clock = random.Random(seed), salt, Clock()
        created = self.clock.text(int(START.timestamp()) * _SECOND - 30 * 86_400 * _SECOND + 123_456_789)
        self.secrets = people.secrets(self.draw, salt, created)
        self.callers = people.callers(self.draw, salt, created[:19] + "Z", self.secrets)
        self._leases = 0

    def call(self, at: int) -> tuple[str, str]:
        """Return the request and the response entry of one call at `at` (nanoseconds), without their times."""
        draw = self.draw
        caller = self.callers[skewed(draw, len(self.callers))]
        request_id, port = uuid(draw.getrandbits(128)), 30_000 + draw.getrandbits(14)
        address, kind = caller.addresses[draw.randrange(len(caller.addresses))], draw.random()
        secret = caller.purse[skewed(draw, people.PURSE)]
        if 0.70 <= kind < 0.80:
            caller.log_in(self.salt, self.clock.text(at)[:19] + "Z")
        if 0.89 <= kind < 0.93:
            secret.version += 1
            secret.created = self.clock.text(at)
            secret.renew(self.salt)
        return self._entries(Call(caller, request_id, address, port, self.salt), kind, caller, secret)

    def _entries(self, call: Call, kind: float, caller: Caller, secret: Secret) -> tuple[str, str]:
        if kind < 0.70:
            return call.read(secret)
        if kind < 0.80:
            return call.log_in(f"proof {caller.number} {caller.tokens}")
        if kind < 0.87:
            self._leases += 1
            return call.credentials(f"{caller.team}-{caller.number % 40}", _lease(self.draw, self._leases))
        if kind < 0.89:
            return call.denied(self.secrets[skewed(self.draw, len(self.secrets))])
        if kind < 0.93:
            return call.write(secret)
        if kind < 0.96:
            return call.list(secret.name.rpartition("/")[0], [secret.name, caller.name, caller.team])
        if kind < 0.99:
            return call.renew()
        return call.missing(f"{secret.name}-old")

    def lines(self, start: int, span: int, events: int, late: int = 0) -> Iterator[bytes]:
        """Yield the lines of `events` calls spread over `span` nanoseconds; `late` is added to each time of writing."""
        bursts = max(1, -(-events // _BURST))
        done = 0
        for number in range(bursts):
            at = start + span * number // bursts
            share = (events * (number + 1)) // bursts - done
            done += share
            yield from self._burst(at, share, late)

    def _burst(self, at: int, calls: int, late: int) -> list[bytes]:
        """Some calls within a few milliseconds, their answers among each other's requests."""
        draw, text, lines = self.draw, self.clock.text, []
        for _ in range(calls):
            at += 20_000 + draw.getrandbits(18)
            took = 150_000 + int(12_000_000 * draw.random() ** 4)
            for moment, rest in zip((at, at + took), self.call(at), strict=True):
                lines.append((moment, rest))
        return [f'{{"time":"{text(moment + late)}",{rest}'.encode() for moment, rest in sorted(lines)]


def _lease(draw: random.Random, number: int) -> str:
    return f"{draw.getrandbits(90):023x}{number:x}"[-24:]


def write_synthetic(
    files: list[Path], events: int, *, span: timedelta, seed: int = 1, salt: str = "file", late: int = 0
) -> None:
    """Write `events` calls to each of the files, one stretch of `span` after the other.

    Another `salt` and `late` (nanoseconds) give another device's log of the same calls.
    """
    traffic, length = Traffic(seed, salt), int(span.total_seconds() * _SECOND)
    start = int(START.timestamp()) * _SECOND
    for number, file in enumerate(files):
        with file.open("wb", buffering=1024 * 1024) as out:
            out.writelines(traffic.lines(start + number * length, length, events, late))


def recorded(name: str = "audit.log") -> list[bytes]:
    """Return the lines of the recorded log of a real OpenBao."""
    packed = (RECORDED / f"{name}.zst").read_bytes()
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed).splitlines(keepends=True)


def write_recorded(file: Path, copies: int, *, seed: int = 1) -> int:
    """Write the recorded log so many times, each copy with new request ids, a minute later; returns the lines."""
    lines, draw = recorded(), random.Random(seed)
    first = min(_moment(line) for line in lines if _TIME.search(line))
    with file.open("wb", buffering=1024 * 1024) as out:
        for number in range(copies):
            shift = START + timedelta(minutes=number) - first
            ids: dict[bytes, bytes] = {}
            out.writelines(_again(line, ids, draw, shift) for line in lines)
    return len(lines) * copies


def _again(line: bytes, ids: dict[bytes, bytes], draw: random.Random, shift: timedelta) -> bytes:
    def other(match: re.Match[bytes]) -> bytes:
        known = match[0]
        if known not in ids:
            ids[known] = uuid(draw.getrandbits(128)).encode()
        return ids[known]

    moment = _TIME.search(line)
    if moment is None:
        return line
    decimals = moment[1][19:-1]
    later = f"{_moment(line) + shift:%Y-%m-%dT%H:%M:%S}".encode() + decimals + b"Z"
    return _UUID.sub(other, line[: moment.start(1)] + later + line[moment.end(1) :], count=1)


def _moment(line: bytes) -> datetime:
    found = _TIME.search(line)
    if found is None:
        raise ValueError("the recorded line has no time")
    return datetime.fromisoformat(found[1][:19].decode() + "+00:00")


def main() -> None:
    """Write a synthetic log: `python -m bench.corpus FILE --events 100000 --hours 24`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--salt", default="file")
    given = parser.parse_args()
    span = timedelta(hours=given.hours)
    write_synthetic([given.file], given.events, span=span, seed=given.seed, salt=given.salt)


if __name__ == "__main__":
    main()
