"""What is remembered of one line never changes what is told, or kept, of another."""

from __future__ import annotations

import random
import re
from copy import copy

import pytest

from audit.batch import Batch, Cursor
from audit.event import Event
from audit.joiner import Joiner
from audit.keeping import cut_auth
from audit.normalise import Normaliser
from bench.corpus import Traffic, recorded

_HMAC = "hmac-sha256:" + "0123456789abcdef" * 4
_TOKEN = "hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4Ymnlq1qY"
_ID = re.compile(rb'"request":\{"id":"([0-9a-f-]{36})"')


def _events(mind: Normaliser, lines: list[bytes]) -> list[Event]:
    batch = Batch(1, 1, Cursor(1, 0, 0), 0)
    Joiner(mind, {}, batch).join(lines, 0)
    return batch.events


def _told(event: Event) -> tuple:
    who, target = event.who, event.target
    return (
        event.key, event.micros, event.flags, event.operation, event.outcome, event.disclosed, event.version,
        event.lease,
        (who.kind, who.name, who.namespace, who.entity_id, who.hmac, who.accessor, who.unsigned),
        (target.namespace, target.path, target.logical, target.print_name, target.engine, target.rest, target.login,
         target.mount.path, target.mount.type, target.mount.accessor, target.secretive, target.nameless),
        event.address.text, [held.stored for held in event.lines],
    )  # fmt: skip


def _pairs(lines: list[bytes]) -> list[list[bytes]]:
    """The lines of each call, in the order of their first."""
    calls: dict[bytes, list[bytes]] = {}
    for line in lines:
        if found := _ID.search(line):
            calls.setdefault(found[1], []).append(line.rstrip(b"\n"))
    return [call for call in calls.values() if len(call) == 2]


def _alone(call: list[bytes]) -> list[Event]:
    """The events of one call told by somebody who has seen nothing before but the mounts."""
    return _events(Normaliser(copy(mount) for mount in _SEEN.mounts.values()), call)


_SEEN = Normaliser()


@pytest.fixture(scope="module")
def calls() -> list[list[bytes]]:
    """Calls of made-up and of recorded traffic, which a mind has seen all of."""
    made = list(Traffic(3, "file").lines(1_780_000_000_000_000_000, 10**12, 600))
    whole = _pairs([*made, *recorded()])
    for call in whole:
        _events(_SEEN, call)
    return whole


def _same(call: list[bytes]) -> None:
    fresh = _alone(call)
    assert [_told(event) for event in _events(_SEEN, call)] == [_told(event) for event in fresh]


def test_a_call_is_told_as_if_nothing_had_been_seen_before(calls):
    for call in calls:
        # What is meant to be remembered: who logged in with a token, and what a wrap holds.
        if b'"auth":{"client_token":' in call[1] and b"wrapping/unwrap" not in call[1]:
            _same(call)


_SWAPS = [
    (rb'"version":\d+', b'"version":4815162342'),
    (rb'"version":\d+', b'"version":01'),
    (rb'"version":\d+', b'"version":1,"version":4815'),
    (rb'"destroyed":false', b'"destroyed":"kanarie"'),
    (rb'"custom_metadata":null', b'"custom_metadata":{"kanarie":4815162342}'),
    (rb'"data":\{"data":\{', b'"data":{"data":{"pin":4815162342,'),
    (rb'"data":\{"data":\{', b'"data":{"data":{"kanarie":"2031-07-09T11:22:33.5Z",'),
    (rb'"data":\{"data":\{', b'"data":{"kanarie":"kanarie","data":{'),
    (rb'"data":\{"data":\{', rb'"data":{"d\u0061ta":{"data":{"x":"kanarie"}},"data":{'),
    (rb'"created_time":"[^"]*"', b'"created_time":"kanarie"'),
    (rb'"created_time":"[^"]*"', b'"created_time":"2031-07-09T11:22:33 kanarie"'),
    (rb'"token_issue_time":"[^"]*"', b'"token_issue_time":"kanarie kanarie kana"'),
    (rb'"token_issue_time":"[^"]*"', b'"token_issue_time":"2031-07-09T11:22:33Z","display_name":"kanarie"'),
    (rb'"display_name":"[^"]*"', b'"display_name":""'),
    (rb'"display_name":"[^"]*"', f'"display_name":"{_HMAC}"'.encode()),
    (rb'"display_name":"[^"]*"', f'"display_name":"{_TOKEN}"'.encode()),
    (rb'"display_name":"[^"]*"', rb'"display_name":"\u006banarie"'),
    (rb'"client_token":"hmac-sha256:([0-9a-f]{64})"', f'"client_token":"{_TOKEN}"'.encode()),
    (rb'"client_token":"hmac-sha256:([0-9a-f]{64})"', b'"client_token":"hmac-sha256:' + b"A" * 64 + b'"'),
    (rb'"client_token":"hmac-sha256:([0-9a-f]{64})"', f'"client_token":"{_HMAC}","client_token":"kanarie"'.encode()),
    (rb'"accessor":"hmac-sha256:([0-9a-f]{64})"', b'"accessor":"kanarie"'),
    (rb'"accessor":"hmac-sha256:([0-9a-f]{64})"', b'"accessor":"hmac-sha256:' + b"0" * 63 + b'g"'),
    (rb'"path":"secret/data/', f'"path":"secret/data/{_TOKEN}/'.encode()),
    (rb'"path":"secret/data/', b'"path":"secret/data//'),
    (rb'"path":"secret/data/[^"]*"', b'"path":"secret/data/"'),
    (rb'"path":"secret/data/[^"]*"', b'"path":"secret/data/folder/"'),
    (rb'"path":"secret/data/[^"]*"', b'"path":"secret/data/' + b"x" * 3_000 + b'"'),
    (rb'"path":"secret/data/[^"]*"', rb'"path":"secret/data/nul\u0000"'),
    (rb'"path":"secret/data/[^"]*"', '"path":"secret/data/Schlüssel"'.encode()),
    (rb'"path":"secret/data/[^"]*"', rb'"path":"secret/data/a\/b"'),
    (rb'"mount_point":"secret/","mount_type":"kv"', b'"mount_point":"auth/secret/","mount_type":"kv"'),
    (rb'"mount_point":"secret/"', b'"mount_point":"sec"'),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), _SWAPS)
def test_a_line_that_is_nearly_a_known_one_is_told_and_kept_by_what_it_says_itself(calls, old, new):
    draw = random.Random(4)
    reads = [call for call in calls if b'"mount_type":"kv"' in call[1] and re.search(old, call[1])]
    assert reads
    for call in draw.sample(reads, min(8, len(reads))):
        changed = [re.sub(old, lambda _: new, line) for line in call]
        _same(changed)
        for event in _events(_SEEN, changed):
            kept = b"".join(held.stored or b"" for held in event.lines)
            assert _TOKEN.encode() not in kept
            assert b"4815162342" not in re.sub(rb'"version":4815162342', b"", kept)
            assert b'"pin"' not in kept


def test_only_what_is_new_with_each_token_is_cut_out_of_an_auth():
    auth = b'{"client_token":"%s","accessor":"%s","display_name":"a","token_issue_time":"2026-06-01T00:00:00Z"}'
    one, other = _HMAC.encode(), b"hmac-sha256:" + b"f" * 64
    first, second = cut_auth(auth % (one, one)), cut_auth(auth.replace(b"2026-06", b"2027-11") % (other, other))
    assert first is not None and second is not None
    assert first.form == second.form
    assert (second.token, second.accessor) == (bytes.fromhex("ff" * 32), other.decode())
    assert cut_auth(auth % (one, b"plain accessor")) is None
    assert cut_auth(auth % (one, one.upper())) is None
    assert cut_auth(auth % (one[:-1], one)) is None
    assert cut_auth((auth % (one, one)).replace(b'"a"', b'"' + one + b'"')) is None
    assert cut_auth((auth % (one, one)).replace(b"2026-06-01T", b"kanarie-01T")) is None
