"""Makes a week of simulated history in the shapes of the real calls that the story has just made.

`python -m sandbox.history --log AUDIT_LOG --out FILE.zst [--days 7]`. Real lines are taken as they stand and get other
times, request ids, tokens, accessors and lease ids, so entities, mounts and secrets are those of the real vault and
nothing here has to know how a line looks. Root and whoever used a token from elsewhere are left out: they happened.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import zstandard

DEVICE = "history (simulated)"
RARE = 0.08  # the weight of refusals, and of leases: whoever asks the vault about a made-up one has it answer "unknown"
_PLACES = re.compile(
    rb'"(?P<name>time|token_issue_time|created_time)":"[^"]*"|"entity_created":true,|"(?P<lease>lease_id)":"(?P<path>[^"]*/)[^"/]*"'
)


@dataclass
class Call:
    """The two lines of one real call, cut at the places that change, and how long it took."""

    parts: list[list[bytes]]
    took: timedelta
    denied: bool = False

    @property
    def leases(self) -> bool:
        """Tell whether the call took a lease."""
        return any(part == b"L" for parts in self.parts for part in parts[1::2])


@dataclass
class Session:
    """One real login with the calls of its token: the template of many."""

    who: str
    kind: str
    login: Call
    calls: list[Call] = field(default_factory=list)


@dataclass
class _Pair:
    """The request and response lines of one id, as they stand and decoded."""

    raw: list[bytes]
    entries: list[dict[str, Any]]


def sessions(log: Path) -> list[Session]:
    """Return the sessions of a real log: every answered login, with what its token did from the same address."""
    found: dict[str, Session] = {}
    addresses: dict[str, str] = {}
    for pair in _pairs(log):
        request, answer = pair.entries[-1]["request"], pair.entries[-1].get("response", {})
        if token := answer.get("auth", {}).get("client_token"):
            if request["path"].startswith("auth/") and "/login" in request["path"]:
                auth = answer["auth"]
                who = auth.get("metadata", {}).get("username") or request["remote_address"]
                found[token] = Session(who, request["mount_type"], _call(pair, token, auth.get("accessor", "")))
                addresses[token] = request["remote_address"]
            continue
        token = request.get("client_token", "")
        if token in found and addresses[token] == request["remote_address"] and "wrap_info" not in answer:
            call = _call(pair, token, request.get("client_token_accessor", ""))
            if _version(answer) > 1:
                continue  # until today every secret has been at its first version
            call.denied = "permission denied" in pair.entries[-1].get("error", "")
            found[token].calls.append(call)
    # Who took leases alone (an operator for others, the job that left one behind) is of today.
    return [session for session in found.values() if not all(call.leases for call in session.calls)]


def _version(answer: dict[str, Any]) -> int:
    """Return the version of a secret that an answer tells, 0 for none."""
    told = answer.get("data") or {}
    version = (told.get("metadata") or told).get("version") if isinstance(told, dict) else 0
    return version if isinstance(version, int) else 0


def _pairs(log: Path) -> Iterator[_Pair]:
    """Yield the calls of a log that have both lines, in the order of their answers."""
    open_calls: dict[str, tuple[bytes, dict[str, Any]]] = {}
    for raw in log.read_bytes().splitlines():
        entry = json.loads(raw)
        key = entry["request"].get("id", "")
        if entry["type"] == "request":
            open_calls[key] = raw, entry
        elif key in open_calls:
            first = open_calls.pop(key)
            yield _Pair([first[0], raw], [first[1], entry])


def _call(pair: _Pair, token: str, accessor: str) -> Call:
    """Cut both lines at what changes; a place is marked with a NUL and a letter, which no line of JSON holds."""
    began, ended = (datetime.fromisoformat(entry["time"]) for entry in pair.entries)
    lines = []
    for raw in pair.raw:
        marked = _PLACES.sub(_mark, raw).replace(pair.entries[0]["request"]["id"].encode(), b"\0I\0")
        for value, letter in ((token, b"K"), (accessor, b"A")):
            if value:
                marked = marked.replace(value.encode(), b"\0" + letter + b"\0")
        lines.append(marked.split(b"\0"))
    return Call(lines, ended - began)


def _mark(match: re.Match[bytes]) -> bytes:
    if match["lease"]:
        return b'"lease_id":"' + match["path"] + b'\0L\0"'
    if not match["name"]:
        return b""  # an entity is created once, by the real login
    letter = {b"time": b"T", b"token_issue_time": b"S", b"created_time": b"C"}[match["name"]]
    return b'"' + match["name"] + b'":"\0' + letter + b'\0"'


class Past:
    """Writes made-up sessions; the same seed gives the same history."""

    def __init__(self, seed: int, begin: datetime) -> None:
        """Everything that is older than the history was made at its beginning."""
        self.dice = random.Random(seed)  # noqa: S311 (a decoration)
        self.made = _moment(begin).encode()
        self.lines: list[tuple[datetime, bytes]] = []

    def session(self, template: Session, at: datetime, calls: int, lasts: timedelta) -> None:
        """Write a login and some calls of its token, spread over the time that it lasts."""
        token, accessor = self._hmac(), self._hmac()
        issued = at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        moments = sorted(at + lasts * self.dice.random() for _ in range(calls))
        weights = [RARE if call.denied or call.leases else 1.0 for call in template.calls]
        chosen = self.dice.choices(template.calls, weights, k=calls)
        for call, moment in zip([template.login, *chosen], [at, *moments], strict=True):
            self._write(call, moment, {b"K": token, b"A": accessor, b"S": issued, b"C": self.made})

    def _write(self, call: Call, at: datetime, known: dict[bytes, bytes]) -> None:
        request_id = str(uuid.UUID(int=self.dice.getrandbits(128), version=4)).encode()
        values = {**known, b"I": request_id, b"L": b"%032x" % self.dice.getrandbits(128)}
        took = call.took * self.dice.uniform(0.7, 1.8)
        for parts, moment in zip(call.parts, (at, at + took), strict=True):
            values[b"T"] = _moment(moment).encode()
            filled = [values.get(part, part) if place % 2 else part for place, part in enumerate(parts)]
            self.lines.append((moment, b"".join(filled)))

    def _hmac(self) -> bytes:
        return b"hmac-sha256:%064x" % self.dice.getrandbits(256)


def _moment(at: datetime) -> str:
    """Return a time as Go writes it: without zeros at its end."""
    text = at.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return text + "Z"


def tell(templates: Sequence[Session], begin: datetime, end: datetime, seed: int = 1) -> list[bytes]:
    """Return the lines of a history between two times: pods all day, people in office hours, CI, the nightly job."""
    past = Past(seed, begin)
    hour = begin.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour + timedelta(hours=1) <= end:
        for number, template in enumerate(templates):
            _hour(past, template, number, hour)
        hour += timedelta(hours=1)
    past.lines.sort(key=lambda one: one[0])
    return [line for moment, line in past.lines if moment < end]


def _hour(past: Past, template: Session, number: int, hour: datetime) -> None:
    dice, office = past.dice, hour.weekday() < 5 and 8 <= hour.hour < 18
    at = hour + timedelta(seconds=dice.uniform(0, 1800))
    if template.kind == "kubernetes":  # every pod logs in every fourth hour and reads, more by day than by night
        if hour.hour % 4 == number % 4:
            refused = all(call.denied for call in template.calls)
            past.session(template, at, 1 if refused else dice.randint(4, 14 if office else 8), timedelta(hours=3.4))
    elif template.kind == "userpass":
        if office and dice.random() < 0.35:
            past.session(template, at, dice.randint(1, 3), timedelta(minutes=20))
    elif template.kind == "jwt":
        if office and dice.random() < 0.7:
            past.session(template, at, len(template.calls), timedelta(seconds=40))
    elif hour.hour == 2:
        past.session(template, at, len(template.calls), timedelta(seconds=20))


def make(log: Path, out: Path, days: int = 7) -> tuple[int, datetime, datetime]:
    """Write the history that ends a minute before a real log begins; returns its calls and its two times."""
    with log.open("rb") as file:
        first = datetime.fromisoformat(json.loads(file.readline())["time"])
    end = first.astimezone(UTC) - timedelta(minutes=1)
    lines = tell(sessions(log), end - timedelta(days=days), end)
    packed = zstandard.ZstdCompressor(level=1).compress(b"".join(line + b"\n" for line in lines))
    unfinished = out.with_name(out.name + ".new")
    unfinished.write_bytes(packed)
    unfinished.replace(out)
    return len(lines) // 2, end - timedelta(days=days), end


def main() -> int:
    """Make the file that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.history", description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="the real audit log that the story wrote")
    parser.add_argument("--out", type=Path, required=True, help="the file to make, packed (.zst)")
    parser.add_argument("--days", type=int, default=7, help="how long (default 7)")
    options = parser.parse_args()
    calls, begin, end = make(options.log, options.out, options.days)
    print(json.dumps({"calls": calls, "begin": begin.isoformat(), "end": end.isoformat(), "device": DEVICE}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
