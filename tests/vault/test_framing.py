"""Every byte of a log is in one class, and every whole entry is found whatever stands around it."""

from __future__ import annotations

import json
import random
import tracemalloc

import pytest

from vault import strict_json
from vault.audit_line import decode
from vault.framing import (
    CONTINUED,
    DUPLICATE_KEYS,
    GLUED,
    LIMIT,
    QUARANTINE,
    Joiner,
    Kind,
    frame_line,
    frames,
)

CRI = b"2026-11-21T02:54:03.123456789Z stdout "


def shown(found):
    return [(frame.kind, frame.length) for frame in found]


def accounted(line):
    """Frame a line, and check that its bytes are accounted for, in order and without a gap."""
    found = frame_line(line, 1000)
    assert sum(frame.length for frame in found) == len(line)
    at = 1000
    for frame in found:
        assert frame.offset == at or frame.length == 0
        at += frame.length
    return found


@pytest.fixture
def pair(lines):
    return lines[10], lines[11]


def test_a_bare_line_is_one_frame_with_its_own_bytes(lines):
    for line in lines[::50]:
        (frame,) = accounted(line)
        assert (frame.kind, frame.body, frame.flags) == (Kind.LINE, line, ())


@pytest.mark.parametrize("blank", [b" ", b"\r", b" \t\r", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r"])
def test_a_blank_line_is_framing(blank):
    assert shown(accounted(blank)) == [(Kind.FRAMING, len(blank))]


def test_an_empty_line_has_no_frame():
    assert frame_line(b"") == []


@pytest.mark.parametrize(
    "prefix",
    [b"vault-audit: ", b"@cee: ", b"<134>Nov 21 02:54:03 host vault[1]: ", b'<134>1 t h v 1 - [m seq="1"] ',
     b"\xef\xbb\xbf", "schlüssel ".encode()],
)  # fmt: skip
@pytest.mark.parametrize("end", [b"", b"\r", b"  "])
def test_text_before_the_entry_is_framing(pair, prefix, end):
    found = accounted(prefix + pair[0] + end)
    assert [frame.body for frame in found if frame.kind is Kind.LINE] == [pair[0]]
    assert all(frame.kind in (Kind.LINE, Kind.FRAMING) for frame in found)


def test_bytes_before_the_entry_that_are_no_text_are_quarantined(pair):
    assert shown(accounted(b"\xff\xfe\x01" + pair[0])) == [(Kind.BAD, 3), (Kind.LINE, len(pair[0]))]
    assert shown(accounted(b"x" * 5000 + pair[0])) == [(Kind.BAD, 5000), (Kind.LINE, len(pair[0]))]


def test_a_torn_line_glued_to_a_good_one_gives_the_good_one_back_at_any_cut(pair):
    for cut in range(1, len(pair[0])):
        found = accounted(pair[0][:cut] + pair[1])
        assert found[-1].body == pair[1] and found[-1].kind is Kind.LINE
        head = found[:-1]
        assert [frame.kind for frame in head] in ([Kind.TORN_HEAD], [Kind.BAD], [Kind.FRAMING]), cut
        if cut > 8:
            assert head[0].reason == GLUED


def test_the_rest_of_a_line_whose_beginning_is_lost_is_no_framing(pair):
    for cut in range(1, len(pair[0])):
        found = accounted(pair[0][cut:] + pair[1])
        assert found[-1].body == pair[1]
        assert found[0].kind in (QUARANTINE if cut < len(pair[0]) - 1 else {Kind.TORN_HEAD})


def test_several_glued_entries_are_all_found(lines):
    three = [lines[3], lines[400], lines[1200]]
    assert [frame.body for frame in accounted(b"".join(three))] == three
    torn = lines[20][:500] + b"".join(three) + lines[21][:100]
    found = accounted(torn)
    assert [frame.body for frame in found if frame.kind is Kind.LINE] == three
    assert (found[0].kind, found[-1].kind) == (Kind.TORN_HEAD, Kind.BAD)


def test_garbage_behind_an_entry_is_quarantined_and_a_comma_is_framing(pair):
    assert shown(accounted(pair[0] + b"xyz")) == [(Kind.LINE, len(pair[0])), (Kind.BAD, 3)]
    assert shown(accounted(pair[0] + b"," + pair[1])) == [
        (Kind.LINE, len(pair[0])), (Kind.FRAMING, 1), (Kind.LINE, len(pair[1])),
    ]  # fmt: skip
    assert shown(accounted(pair[0] + b",")) == [(Kind.LINE, len(pair[0])), (Kind.FRAMING, 1)]


def test_nuls_are_quarantined_and_what_stands_between_them_is_kept(pair):
    found = accounted(b"\0" * 100 + pair[0] + b"\0\0" + pair[1] + b"\0")
    assert shown(found) == [
        (Kind.BAD, 100), (Kind.LINE, len(pair[0])), (Kind.BAD, 2), (Kind.LINE, len(pair[1])), (Kind.BAD, 1),
    ]  # fmt: skip
    assert found[0].reason == "NUL bytes"


def test_a_line_full_of_nuls_makes_few_frames_and_its_entries_are_still_found(pair):
    few = 110
    assert len(accounted(b"\0a" * 200_000)) < few
    found = accounted(b"\0a" * 200_000 + b"\0" + pair[0] + b"\0a" * 10 + pair[1] + b"\0")
    assert [frame.body for frame in found if frame.kind is Kind.LINE] == list(pair)
    assert len(found) < few


def test_wrappers_around_wrappers_are_taken_off_a_few_times_only(pair, monkeypatch):
    parsed = []
    monkeypatch.setattr(strict_json, "loads", lambda raw, true=strict_json.loads: parsed.append(raw) or true(raw))
    kinds = [frame.kind for frame in accounted(b'{"log":' * 4 + pair[0] + b"}" * 4)]
    assert Kind.LINE in kinds
    parsed.clear()
    assert shown(accounted(b'{"log":' * 200 + b"1" + b"}" * 200)) == [(Kind.BAD, 200 * 8 + 1)]
    assert len(parsed) <= 5


def test_a_torn_line_before_nuls_is_quarantined(pair):
    assert shown(accounted(pair[0][:300] + b"\0" * 7 + pair[1])) == [
        (Kind.BAD, 300), (Kind.BAD, 7), (Kind.LINE, len(pair[1])),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "is not JSON"),
        (b'"hello"', "not an audit entry"),
        (b"17", "not an audit entry"),
        (b"[1,2]", "not an audit entry"),
        (b'{"a":1}', "not an audit entry"),
        (b'{"type":"request"}', "not an audit entry"),
        (b'{"type":7,"auth":{}}', "not an audit entry"),
        (b'{"type":"hmac-sha256:ab","auth":{}}', "not an audit entry"),
        (b'{"type":"request","auth":[]}', "not an audit entry"),
        (b'{"type":"request","auth":{"x":NaN}}', "NaN"),
        (b'{"type":"request","auth":{"x":Infinity}}', "NaN or Infinity"),
        (b'{"type":"request","auth":{"x":"\xff"}}', "UTF-8"),
        (b'{"type":"request","auth":{"x":"\\ud800"}}', "surrogate"),
        (b'{"type":"request","auth":{"x":01}}', "is not JSON"),
        (b'{"type":"request","auth":{"x":"\x01"}}', "is not JSON"),
        (b"<?xml version='1.0'?><json:object/>", "is not JSON"),
        (b'{"type":"request","auth":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "nested too deep"),
        (b"[" * 100_000, "nested too deep"),
    ],
)  # fmt: skip
def test_what_is_no_entry_is_quarantined_with_its_reason(line, reason):
    (frame,) = accounted(line)
    assert frame.kind is Kind.BAD
    assert reason in frame.reason
    assert frame.body == line


@pytest.mark.parametrize("number", [b"1e400", b"9" * 5000, b"-0.0", b"12345678901234567890123"])
def test_no_number_however_odd_hides_an_entry(number):
    line = b'{"type":"request","auth":{},"request":{"id":"x","data":{"x":' + number + b"}}}"
    (frame,) = accounted(line)
    assert frame.kind is Kind.LINE
    assert decode(frame.body)[0].request.id == "x"


def test_an_entry_as_deep_as_a_server_lets_through_is_still_a_line():
    line = b'{"type":"request","auth":{},"request":{"id":"x","data":' + b'{"a":' * 300 + b"1" + b"}" * 302
    (frame,) = accounted(line)
    assert frame.kind is Kind.LINE


@pytest.mark.parametrize(
    "line",
    [
        b'{"time":"x","type":"request","type":"response","auth":{}}',
        b'{"type":"request","auth":{},"request":{"data":{"a":1,"b":[{"c":1,"c":2}]}}}',
        b'{"type":"request","auth":{},"request":{"path":"a","p\\u0061th":"b"}}',
    ],
)
def test_a_key_that_stands_twice_is_flagged(line):
    (frame,) = accounted(line)
    assert (frame.kind, frame.flags) == (Kind.LINE, (DUPLICATE_KEYS,))


@pytest.mark.parametrize(
    "line",
    [b'{"type":"kmip-request","auth":{},"new_field":{"x":1}}', b'{"request":{},"type":"response"}',
     b' {"time" : "x", "type":"request" ,"auth":{} } '],
)  # fmt: skip
def test_entries_of_new_types_with_unknown_fields_in_any_order_are_lines(line):
    assert [frame.kind for frame in accounted(line)].count(Kind.LINE) == 1


def test_a_value_that_looks_like_an_entry_is_not_taken_for_one():
    inner = b'{"time":"hmac-sha256:ab","type":"hmac-sha256:cd","auth":{},"request":{}}'
    torn = b'{"time":"2026","type":"request","request":{"data":{"a":' + inner + b',"b":'
    assert shown(accounted(torn)) == [(Kind.BAD, len(torn))]


# --- wrappers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: json.dumps({"log": line + "\n", "stream": "stdout", "time": "2026-11-21T02:54:03Z"}),
        lambda line: json.dumps({"log": line + "\n", "time": "2026-11-21T02:54:03Z"}),
        lambda line: json.dumps({"stream": "stdout", "log": line + "\n"}),
        lambda line: json.dumps({"source_type": "file", "message": line, "host": "message"}),
        lambda line: json.dumps({"@level": "info", "@message": line}),
        lambda line: '{"message": ' + line + ', "x": 1}',
        lambda line: json.dumps({"log": 7, "MESSAGE": "prefix " + line}),
        lambda line: '{"mess\\u0061ge": ' + json.dumps(line) + "}",
        lambda line: json.dumps({"log": line + "\n", "stream": "stdout"}, separators=(",", ":")),
    ],
)
def test_the_entry_inside_a_shippers_json_is_the_line(pair, wrap):
    line = wrap(pair[0].decode()).encode()
    joiner = Joiner()
    found = joiner.feed(line, 0)
    assert sum(frame.length for frame in found) == len(line)
    assert [frame.body for frame in found if frame.kind is Kind.LINE] == [pair[0]]
    assert {frame.kind for frame in found} == {Kind.LINE, Kind.FRAMING}


def test_a_torn_entry_inside_a_shippers_json_gives_the_good_one_back(pair):
    line = json.dumps({"log": (pair[0][:500] + pair[1]).decode() + "\n", "stream": "stdout"}).encode()
    found = Joiner().feed(line, 0)
    assert sum(frame.length for frame in found) == len(line)
    assert [frame.kind for frame in found if frame.kind is not Kind.FRAMING] == [Kind.TORN_HEAD, Kind.LINE]
    assert bodies(found) == [pair[1]]


@pytest.mark.parametrize(
    "line", [b'{"log":"x\\ud800"}', b'{"log":"a', b'{"log":7,"message":"no entry"}', b'{"log":"",']
)
def test_a_shippers_json_without_an_entry_is_quarantined(line):
    found = Joiner().feed(line, 0)
    assert sum(frame.length for frame in found) == len(line)
    assert Kind.LINE not in {frame.kind for frame in found}
    assert Kind.BAD in {frame.kind for frame in found}


def test_cri_lines_keep_their_places(pair):
    line = CRI + b"F " + pair[0]
    assert Joiner().feed(line, 50) == [
        (Kind.FRAMING, 50, len(CRI) + 2, b"", "", ()),
        (Kind.LINE, 50 + len(CRI) + 2, len(pair[0]), pair[0], "", ()),
    ]


def test_an_empty_record_of_a_container_log_is_framing():
    line = b'{"log":"\\n","stream":"stdout"}'
    found = Joiner().feed(line, 0)
    assert {frame.kind for frame in found} == {Kind.FRAMING}
    assert sum(frame.length for frame in found) == len(line)
    assert shown(Joiner().feed(CRI + b"F ", 0)) == [(Kind.FRAMING, len(CRI) + 2)]


def test_the_servers_own_log_on_the_other_stream_is_framing():
    line = CRI.replace(b"stdout", b"stderr") + b"F 2026-11-21T02:54:03Z [INFO]  core: post-unseal setup complete"
    assert shown(Joiner().feed(line, 0)) == [(Kind.FRAMING, len(line))]
    assert Joiner().feed(CRI + b"F not an entry", 0)[-1].kind is Kind.BAD


def cri(line, size=500, stream=b"stdout"):
    """A line as CRI writes it, in fragments of `size` bytes."""
    pieces = [line[at : at + size] for at in range(0, len(line), size)]
    tags = [b"P"] * (len(pieces) - 1) + [b"F"]
    return b"".join(
        CRI.replace(b"stdout", stream) + tag + b" " + piece + b"\n" for tag, piece in zip(tags, pieces, strict=True)
    )


def docker(line, size=500):
    """A line as docker writes it, in fragments."""
    text = line.decode() + "\n"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return b"".join(json.dumps({"log": piece, "stream": "stdout"}).encode() + b"\n" for piece in pieces)


def everything(log, **kwargs):
    """Frame a whole file in one call and check the sum."""
    result = frames(log, 0, at_end=True, **kwargs)
    assert result.consumed == len(log)
    assert sum(frame.length for frame in result.frames) + log.count(b"\n") == len(log)
    return result.frames


def bodies(found):
    return [frame.body for frame in found if frame.kind is Kind.LINE]


@pytest.mark.parametrize("wrap", [cri, docker])
def test_fragments_are_joined(lines, wrap):
    some = lines[10:40]
    assert bodies(everything(b"".join(map(wrap, some)))) == some


def test_fragments_of_two_streams_may_alternate(pair):
    first, second = cri(pair[0]).splitlines(True), cri(pair[1], stream=b"stderr").splitlines(True)
    mixed = b"".join(first[:1] + second[:2] + first[1:] + second[2:])
    assert sorted(bodies(everything(mixed))) == sorted(pair)


@pytest.mark.parametrize("wrap", [cri, docker])
def test_fragments_whose_end_has_not_come_are_left_for_the_next_call(lines, wrap):
    log = b"".join(map(wrap, lines[10:14]))
    places = [at + 1 for at, byte in enumerate(log) if byte == 10]
    for cut in places:
        first = frames(log[:cut], 0)
        rest = frames(log[first.consumed :], first.consumed)
        assert bodies(first.frames) + bodies(rest.frames) == lines[10:14]
        total = sum(frame.length for frame in [*first.frames, *rest.frames])
        assert total + log.count(b"\n") == len(log)


def test_a_record_that_reaches_over_an_unfinished_one_is_left_too(pair):
    first, second = cri(pair[0]).splitlines(True), cri(pair[1], stream=b"stderr").splitlines(True)
    blank = CRI + b"F \n"
    log = blank + b"".join(first[:1] + second[:1] + first[1:])  # the second stream's record never ends here
    found = frames(log, 0)
    assert (found.consumed, bodies(found.frames)) == (len(blank), [])
    rest = log[found.consumed :] + b"".join(second[1:])
    assert sorted(bodies(frames(rest, 0).frames)) == sorted(pair)


def test_fragments_are_given_up_when_they_are_too_long_or_the_file_ends(pair):
    long = everything(cri(pair[0] * 10, size=500), limit=4000)
    assert bodies(long) == []
    assert [frame.reason for frame in long[:2]] == ["a fragment without its end"] * 2
    ended = everything(cri(pair[0])[: len(CRI) + 503])
    assert [frame.kind for frame in ended] == [Kind.TORN_TAIL]


def test_an_over_long_line_ends_the_waiting_for_fragments(pair):
    log = cri(pair[0])[: len(CRI) + 503] + b"z" * 5000 + b"\n"
    for found in (everything(log, limit=4000), pieces(log, 4500, limit=4000)):
        assert found[0].reason == "a fragment without its end"
        assert {frame.reason for frame in found[1:]} == {"longer than 4000 bytes"}


# --- chunks -----------------------------------------------------------------------------------------------------


def test_a_last_piece_without_a_newline_waits(pair):
    log = pair[0] + b"\n" + pair[1][:100]
    result = frames(log, 7)
    assert (result.consumed, bodies(result.frames)) == (len(pair[0]) + 1, [pair[0]])
    assert result.frames[0].offset == 7


def test_at_the_end_a_whole_document_is_a_line_and_a_torn_one_a_provisional_tail(pair):
    assert bodies(everything(pair[0] + b"\n" + pair[1])) == list(pair)
    found = everything(pair[0] + b"\n" + pair[1][:100])
    assert shown(found) == [(Kind.LINE, len(pair[0])), (Kind.TORN_TAIL, 100)]
    assert found[1].body == pair[1][:100]
    assert everything(b"") == []


def test_a_torn_tail_is_one_at_any_cut(pair):
    for cut in range(1, len(pair[0])):
        assert [frame.kind for frame in everything(pair[0][:cut])] == [Kind.TORN_TAIL]


def pieces(log, size, limit):
    """Read a log in reads of `size` bytes, resuming each call from nothing but offset and the skipping mark."""
    offset, skipping, found, held = 0, False, [], b""
    read = 0
    while read < len(log):
        held += log[read : read + size]
        read += size
        result = frames(held, offset, at_end=read >= len(log), limit=limit, skipping=skipping)
        found += result.frames
        offset += result.consumed
        held, skipping = held[result.consumed :], result.skipping
        assert len(held) <= 2 * limit + size
    assert offset == len(log)
    return found


@pytest.mark.parametrize("size", [1, 7, 100, 1000, 10_000])
def test_the_frames_do_not_depend_on_how_the_bytes_arrive(lines, size):
    log = b"\n".join([*lines[10:14], b"", b"x" * 3000, lines[15], lines[16][:200] + lines[17], b"y" * 2500, lines[18]])
    log += b"\n" + lines[19][:50]
    found = pieces(log, size, limit=4096)
    assert found == everything(log, limit=4096)


@pytest.mark.parametrize("size", [100, 1000, 5000])
def test_a_line_over_the_limit_is_skipped_piece_by_piece(pair, size):
    log = pair[0] + b"\n" + b"z" * 20_000 + b"\n" + pair[1] + b"\n"
    found = pieces(log, size, limit=2000)
    assert bodies(found) == list(pair)
    long = [frame for frame in found if frame.kind is Kind.BAD]
    assert sum(frame.length for frame in long) == 20_000
    assert {frame.reason for frame in long} == {"longer than 2000 bytes"}
    assert [frame.flags for frame in long] == [()] + [(CONTINUED,)] * (len(long) - 1)
    assert b"".join(frame.body for frame in long) == b"z" * 20_000


def test_a_line_that_is_skipped_to_the_last_byte_ends_with_its_newline(pair):
    result = frames(b"\n" + pair[0] + b"\n", 5000, skipping=True)
    assert shown(result.frames) == [(Kind.LINE, len(pair[0]))]
    assert not result.skipping and result.consumed == len(pair[0]) + 2


def test_a_hundred_megabytes_without_a_newline_need_no_more_memory_than_a_chunk(pair):
    chunk, offset, skipping, counted = b"z" * (2 * LIMIT), 0, False, 0
    tracemalloc.start()
    try:
        for _ in range(13):
            result = frames(chunk, offset, skipping=skipping)
            offset, skipping = offset + result.consumed, result.skipping
            counted += sum(frame.length for frame in result.frames)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counted == offset == 13 * len(chunk) > 100_000_000
    assert peak < 3 * len(chunk)
    assert bodies(frames(b"z\n" + pair[0] + b"\n", offset, skipping=True).frames) == [pair[0]]


def test_a_line_of_millions_of_beginnings_is_judged_in_bounded_work(pair):
    nested = b'{"time":"' + pair[0][:-1] + b","  # each beginning can be read for long before it fails
    (head, good) = accounted(nested * 300 + pair[1])
    assert (head.kind, good.body) == (Kind.TORN_HEAD, pair[1])
    many = b'{"time":"' * 100_000
    assert shown(accounted(many + pair[1])) == [(Kind.TORN_HEAD, len(many)), (Kind.LINE, len(pair[1]))]


# --- mutations --------------------------------------------------------------------------------------------------


def mutated(random, lines):
    """One physical line, spoilt in one of the ways that logs are spoilt."""
    line, other = random.choice(lines), random.choice(lines)
    at, upto = sorted((random.randrange(len(line)), random.randrange(len(line) + 1)))
    return random.choice((
        lambda: line,
        lambda: line[:at],
        lambda: line[at:],
        lambda: line[:at] + other,
        lambda: line + other[:at],
        lambda: line[:at] + line[upto:],
        lambda: line[:at] + b"\0" * (upto - at) + line[upto:],
        lambda: line[:at] + bytes(random.randrange(256) for _ in range(8)).replace(b"\n", b"") + line[at:],
        lambda: line[:at] + b'{"a":[' * random.choice((1, 70, 5000)) + line[at:],
        lambda: line.replace(b'"request":{', b'"request":{"path":"twice","data":{"a":1},"data":{"b":2},', 1),
        lambda: line.replace(b'"type":', b'"type":"request","type":', 1),
        lambda: random.choice((b"\xef\xbb\xbf", b"p ", b"{", b"}", b'"', b"<1> ", b"\t")) + line + b"\r",
        lambda: json.dumps({"log": line.decode() + "\n", "stream": "stdout"}).encode()[: at + upto],
        lambda: cri(line, max(at, 1)).rstrip(b"\n"),
        lambda: CRI + random.choice((b"P ", b"F ")) + line[at:upto],
        lambda: b"",
    ))()  # fmt: skip


def check_mutations(lines, seed, count):
    some = random.Random(seed)
    short = [line for line in lines if len(line) < 6000]
    log = b"\n".join(mutated(some, short) for _ in range(count)) + some.choice((b"", b"\n"))
    found = everything(log, limit=100_000)
    assert pieces(log, some.randrange(50_000, 300_000), limit=100_000) == found
    for frame in found:
        if frame.kind is Kind.LINE:
            decode(frame.body)
        elif frame.kind is not Kind.FRAMING:
            assert frame.reason and (frame.body or not frame.length)
    return sum(frame.kind is Kind.LINE for frame in found)


@pytest.mark.parametrize("seed", range(4))
def test_every_byte_of_spoilt_lines_is_accounted_for(lines, seed):
    assert check_mutations(lines, seed, 500) > 150


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 150))
def test_every_byte_of_a_hundred_thousand_spoilt_lines_is_accounted_for(lines, seed):
    assert check_mutations(lines, seed, 2000) > 600
