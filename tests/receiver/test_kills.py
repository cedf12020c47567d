"""Whatever is killed while lines arrive and senders try again: nothing accepted is lost and nothing is doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest

from audit.event import AMENDS, SEEN_REQUEST, SEEN_RESPONSE, SUPERSEDED
from tests.audit.lines import calls
from tests.receiver.service import receiver, until

KILLS = 4  # at least
SIDES = SEEN_REQUEST | SEEN_RESPONSE
# An event has both sides in its one row; or, as its response came more than 10 s after its request (the receiver was
# down, or its sender waited for the kills), in two: the request's, superseded, and the response's, which amends it (and
# shows the request again if it was sent again with the response).
WHOLE = f"""
    SELECT request_id FROM (
        SELECT id, request_id, disclosed::int, flags & {SIDES | SUPERSEDED | AMENDS} & CASE
            WHEN flags & {AMENDS} = 0 THEN -1 ELSE ~{SEEN_REQUEST} END AS told FROM audit_event
    ) AS shown GROUP BY request_id
    HAVING (array_agg(told ORDER BY id), array_agg(disclosed ORDER BY id)) IN
    ((ARRAY[{SIDES}], ARRAY[1]), (ARRAY[{SEEN_REQUEST | SUPERSEDED}, {AMENDS | SEEN_RESPONSE}], ARRAY[0, 1]))
"""


def send(service, token, many, told):
    """Send each line until it is accepted, as a shipper does: one after the other, sometimes in small batches."""
    rng = random.Random(len(many))
    at = 0
    while at < len(many):
        if at > len(many) // 2 and told["kills"] < KILLS:
            time.sleep(0.02)  # the second half is for later: the receiver has to die often enough while lines come
            continue
        size = rng.choice((1, 1, 1, 7))
        try:
            heard = service.post(b"\n".join(many[at : at + size]), token)
        except OSError:
            continue  # killed meanwhile; it may be stored or not
        if heard.status == 200:
            at += size
            told["accepted"] += heard.told["accepted"]
        else:
            told[heard.status] += 1
            time.sleep(0.02)


def kill_until(over, service, database, rng, told, count):
    """Kill the serving process, the watchdog's child, at random; now and then the ingester too.

    After the first ones each takes some lines before it dies: where the next is slow to start, nothing would else get
    further.
    """
    ingester, enough = None, 1
    follow = ["manage.py", "follow", "--every", "0.1"]
    while not over.is_set():
        if ingester is None or ingester.poll() is not None:
            ingester = database.start(*follow)
            born = time.monotonic()
        over.wait(rng.uniform(0.1, 0.9))
        if (told["accepted"] >= enough or told["kills"] < KILLS) and (pid := service.serving()):
            enough = told["accepted"] + rng.randrange(1, count // 40)
            os.kill(pid, signal.SIGKILL)
            told["kills"] += 1
        if time.monotonic() - born > rng.uniform(3, 8):
            ingester.kill()
            ingester.wait()
    if ingester is not None:
        ingester.kill()
        ingester.wait()


def ingested(database):
    done = database.manage("follow", "--once")
    assert done.returncode == 0
    with database.connect() as wire:
        events = Counter(
            str(row[0]) for row in wire.execute("SELECT request_id FROM audit_event WHERE flags & 8192 = 0")
        )
        whole = wire.execute(f"SELECT count(*) FROM ({WHOLE}) AS whole").fetchone()[0]
        left = wire.execute(
            "SELECT (SELECT count(*) FROM audit_spool), (SELECT count(*) FROM audit_pending)"
        ).fetchone()
        bytes_ = wire.execute(
            "SELECT position, bytes_event + bytes_duplicate + bytes_quarantine + bytes_framing FROM audit_generation"
        ).fetchall()
    return events, whole, left, bytes_


@pytest.mark.parametrize("count", [80, pytest.param(20_000, marks=pytest.mark.long)])
def test_kills_lose_nothing_and_double_nothing(database, tmp_path, count):
    tokens = [
        json.loads(database.manage("receiver_token", "--vault", "demo", "--device", "kills", "--json").stdout)["token"]
        for _ in range(2)
    ]
    seed = f"kills {count}"
    whole = calls(count, seed=seed)
    told: Counter = Counter()
    with receiver(database.environment, tmp_path) as service:
        senders = [
            threading.Thread(
                target=send, args=(service, tokens[n], [x for c in whole[n::2] for x in c.lines("http")], told)
            )
            for n in range(2)
        ]
        over = threading.Event()
        killer = threading.Thread(target=kill_until, args=(over, service, database, random.Random(count), told, count))
        for one in (*senders, killer):
            one.start()
        for one in senders:
            one.join()
        over.set()
        killer.join()
        until(service.is_up)
    events, complete, left, bytes_ = ingested(database)
    assert told["kills"] >= KILLS
    wanted = {call.id for call in whole}
    assert {id: events[id] for id in wanted} == dict.fromkeys(wanted, 1)
    assert (len(events), complete) == (count, count)
    assert left == (0, 0)
    assert all(position == accounted for position, accounted in bytes_)


def test_two_ingesters_at_once_take_each_line_once(database, tmp_path):
    token = json.loads(database.manage("receiver_token", "--vault", "other", "--json").stdout)["token"]
    whole = calls(300, seed="two ingesters")
    ingesters = [database.start("manage.py", "follow", "--every", "0.01") for _ in range(2)]
    try:
        with receiver(database.environment, tmp_path) as first, receiver(database.environment, tmp_path) as second:
            lines = [line for call in whole for line in call.lines("http")]
            for number, line in enumerate(lines):
                until(lambda line=line, to=(first, second)[number % 2]: to.post(line, token).status == 200)
        with database.connect() as wire:
            until(lambda: wire.execute("SELECT count(*) FROM audit_spool").fetchone()[0] == 0)
    finally:
        for one in ingesters:
            one.terminate()
            one.wait(30)
    events, _, left, _ = ingested(database)
    assert [events[call.id] for call in whole] == [1] * 300
    assert left == (0, 0)
