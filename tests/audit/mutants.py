"""Makes broken lines out of whole ones: what disks, rotation, shippers, containers and hostile callers do to a log."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from tests.audit.lines import Call

Mutation = Callable[[random.Random, bytes], bytes]


def _cut(dice: random.Random, line: bytes) -> tuple[bytes, bytes]:
    at = dice.randrange(len(line) + 1)
    return line[:at], line[at:]


def torn(dice: random.Random, line: bytes) -> bytes:
    return _cut(dice, line)[0]


def tail_only(dice: random.Random, line: bytes) -> bytes:
    return _cut(dice, line)[1]


def bits_flipped(dice: random.Random, line: bytes) -> bytes:
    broken = bytearray(line)
    for _ in range(dice.randrange(1, 5)):
        broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
    return bytes(broken)


def bytes_dropped(dice: random.Random, line: bytes) -> bytes:
    head, tail = _cut(dice, line)
    return head + tail[dice.randrange(1, 80) :]


def bytes_added(dice: random.Random, line: bytes) -> bytes:
    head, tail = _cut(dice, line)
    return head + dice.randbytes(dice.randrange(1, 30)) + tail


def structure_added(dice: random.Random, line: bytes) -> bytes:
    head, tail = _cut(dice, line)
    return head + bytes(dice.choices(b'{}[]",:\\ \t\r\n0e-', k=dice.randrange(1, 6))) + tail


def nuls(dice: random.Random, line: bytes) -> bytes:
    head, tail = _cut(dice, line)
    return head + b"\0" * dice.randrange(1, 600) + dice.choice((tail, b"", line))


def not_utf8(dice: random.Random, line: bytes) -> bytes:
    head, tail = _cut(dice, line)
    return head + dice.choice((b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x80")) + tail


def half_a_surrogate(dice: random.Random, line: bytes) -> bytes:
    return line.replace(b"prod/app", dice.choice((rb"\ud800", rb"prod\udfff/x", rb"\ud83d\ude00", rb"\u0000")), 1)


def deep(dice: random.Random, line: bytes) -> bytes:
    depth = dice.choice((40, 63, 64, 65, 200, 900, 990, 1000, 1100, 5_000, 50_000))
    opened, closed = dice.choice(((b"[", b"]"), (b'{"a":', b"}")))
    nest = opened * depth + (b"1" if opened != b"[" else b"") + closed * (depth - dice.choice((0, 0, 1)))
    place = dice.choice((b'"request":{', b'"auth":{', b"{"))
    return line.replace(place, place + b'"x":' + nest + b",", 1)


def keys_twice(dice: random.Random, line: bytes) -> bytes:
    again = dice.choice(
        (b'"type":"response",', b'"type":"request",', b'"request":{},', b'"time":"2026-03-14T01:00:00Z",',
         b'"auth":{},', b'"request":{"id":"x","path":"secret/data/other"},',
         b'"response":{"data":{"password":"plain"}},')
    )  # fmt: skip
    return dice.choice((b"{" + again + line[1:], line[:-1] + b"," + again[:-1] + b"}"))


def strange_values(dice: random.Random, line: bytes) -> bytes:
    entry = json.loads(line)
    place = dice.choice((entry, entry["auth"], entry["request"], entry.get("response") or entry["request"]))
    odd = [
        None,
        True,
        17,
        -0.5,
        "",
        "x" * 3000,
        [],
        [[]],
        {},
        {"": {"": 1}},
        "2026-03-14 09:00:00Z",
        "\u202e",
        "nul \0",
    ]
    place[dice.choice([*place, "new_field"])] = dice.choice(odd)
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")


def strange_time(dice: random.Random, line: bytes) -> bytes:
    times = ("1970-01-01T00:00:00Z", "2106-02-07T06:28:15Z", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00Z",
             "2026-03-14T09:00:00.123456789+05:30", "2026-03-14 09:00:00Z", "2026-13-14T09:00:00Z", "now", "",
             "2026-03-14T09:00:1e1Z", "2026-03-14T09:00:60Z", "2026-03-14T09:00:00.1234567890123Z",
             "2026-02-29T09:00:00Z", "-2026-03-14T09:00:00Z", "2026-03-14T09:00:infZ",
             "2026-03-14T24:00:00Z")  # fmt: skip
    entry = json.loads(line)
    entry["time"] = dice.choice(times)
    return json.dumps(entry, separators=(",", ":")).encode()


def strange_id(dice: random.Random, line: bytes) -> bytes:
    ids = ("", None, "x", "b289bf1b", "B289BF1B-CBA3-6A82-8375-F818702CB70D", "../../etc/passwd", "\0", "é" * 36,
           "-" * 36, "0" * 5000, 7)  # fmt: skip
    entry = json.loads(line)
    entry["request"]["id"] = dice.choice(ids)
    if entry["request"]["id"] is None or dice.random() < 0.3:
        del entry["request"]["id"]
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()


def strange_number(dice: random.Random, line: bytes) -> bytes:
    number = dice.choice(
        (b"NaN", b"-Infinity", b"1e400", b"1" * 5000, b"-0", b"1.0e-400", b"01", b"0x10", b"9223372036854775808")
    )
    return line.replace(b'"remote_port":', b'"remote_port":' + number + b',"mount_count":', 1)


def prefixed(dice: random.Random, line: bytes) -> bytes:
    return (
        dice.choice(
            (
                b"vault-audit: ",
                b"<13>Mar 14 09:00:00 node1 vault[1]: ",
                b"2026-03-14T09:00:00Z node ",
                b"@cee:",
                b"\t \t",
            )
        )
        + line
    )


def bom(dice: random.Random, line: bytes) -> bytes:
    return b"\xef\xbb\xbf" + line


def crlf(dice: random.Random, line: bytes) -> bytes:
    return line + dice.choice((b"\r", b"\r\r", b" \t"))


def nothing(dice: random.Random, line: bytes) -> bytes:
    return dice.choice(
        (b"", b" ", b"\r", b"\0", b"{}", b"[]", b"null", b'""', b"17", b'{"type":"request"}', b"<?xml version='1.0'?>")
    )


def docker(dice: random.Random, line: bytes) -> bytes:
    text = line.decode("utf-8", "replace")
    if dice.random() < 0.2:
        text = json.dumps(json.loads(text), indent=1)  # newlines within
    ending = dice.choice(("\n", "\n", "\n", "\r\n", ""))
    stream = dice.choice(("stdout", "stdout", "stderr"))
    return json.dumps({"log": text + ending, "stream": stream, "time": "2026-03-14T09:00:00.1Z"}).encode()


def cri(dice: random.Random, line: bytes) -> bytes:
    kind = dice.choice((b"F", b"F", b"F", b"P", b"F:x"))
    return (
        b"2026-03-14T09:00:00.123456789Z " + dice.choice((b"stdout", b"stdout", b"stderr")) + b" " + kind + b" " + line
    )


def fragments(dice: random.Random, line: bytes) -> bytes:
    head = b"2026-03-14T09:00:00.123456789Z stdout "
    first, second = _cut(dice, line)
    return head + b"P " + first + b"\n" + head + dice.choice((b"F ", b"F ", b"P ")) + second


def shipped(dice: random.Random, line: bytes) -> bytes:
    name = dice.choice(("message", "MESSAGE", "log", "line", "event", "@message"))
    text = line.decode("utf-8", "replace")
    inner = dice.choice((text, text + "\n", json.loads(line), json.dumps(json.loads(line), indent=2)))
    return json.dumps({"host": "n1", name: inner, "@timestamp": "2026-03-14T09:00:00Z"}, ensure_ascii=False).encode()


def twice_on_a_line(dice: random.Random, line: bytes) -> bytes:
    return line + dice.choice((b"", b" ", b",", b"\0\0", b"garbage")) + line


MUTATIONS: list[Mutation] = [
    torn, tail_only, bits_flipped, bytes_dropped, bytes_added, structure_added, nuls, not_utf8, half_a_surrogate, deep,
    keys_twice, strange_values, strange_time, strange_id, strange_number, prefixed, bom, crlf, nothing, docker, cri,
    fragments, shipped, twice_on_a_line,
]  # fmt: skip


def broken_log(
    dice: random.Random, some: list[Call], mutations: list[Mutation] | None = None
) -> tuple[bytes, set[tuple[str, str]]]:
    """Return a log in which broken lines stand among the whole ones of these calls, and the (id, type) of the whole.

    A torn line may be glued to the whole one behind it, as a disk that was full leaves it.
    """
    ways, out = mutations or MUTATIONS, []
    whole: set[tuple[str, str]] = set()
    for call in some:
        for side, line in zip(("request", "response"), call.lines(), strict=True):
            for _ in range(dice.choice((0, 1, 1, 2))):
                other = Call(dice.randrange(1 << 40), dice.randrange(5), seed="other")
                victim = dice.choice(other.lines())
                if dice.random() < 0.05:
                    out.append(torn(dice, victim))  # glued: no newline
                    continue
                out.append(dice.choice(ways)(dice, victim) + b"\n")
                if out[-1].count(b"\n") == 1 and dice.random() < 0.02:
                    out[-1] = out[-1][:-1] + b"\n\n"
            out.append(line + b"\n")
            whole.add((call.id, side))
    if dice.random() < 0.7:
        out.append(dice.choice(ways)(dice, Call(1, seed=str(dice.random())).request()))
    return b"".join(out), whole
