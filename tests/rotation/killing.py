"""Runs changes in children that are killed at random: `python -m tests.rotation.killing CHANGES KILLS SEED WAY`.

WAY is `ours` or `naive`. Prints one JSON document: what Vault says of each secret, and what the rows say.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

django.setup()

from django.db import connection  # noqa: E402

from rotation import runner  # noqa: E402
from rotation.models import Attempt, Change  # noqa: E402
from rotation.planning import digest  # noqa: E402
from rotation.steps import retire_version, write_kv  # noqa: E402
from rotation.surroundings import Hands  # noqa: E402
from sandbox.bao_http import Bao  # noqa: E402
from tests.rotation.live import ROLE, LiveDoors, LogWitness, enrol  # noqa: E402
from vault.operating import Operator  # noqa: E402

BEGUN = os.pipe()  # by which a child tells that it takes something on
LOOKS = tempfile.TemporaryFile()  # noqa: SIM115 - a byte for each look after a kill
LEASE = 0.3  # seconds: a killed worker's claim lapses soon, so that many kills fit into a minute


def ask(folder: str, count: int) -> list[int]:
    """Write version 1 of each secret, and approved changes that rotate and then destroy it."""
    bao = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
    enrol(bao)
    keys = []
    for number in range(count):
        path = f"{folder}/{number}"
        bao.must("POST", f"secret/data/{path}", {"data": {"password": "first", "user": "app"}})
        place = {"mount": "secret", "path": path}
        steps = [
            ("write_kv", {"place": place, "role": ROLE, "keys": ["password"]}),
            ("retire_version", {"place": place, "role": ROLE}),
        ]
        plan = {
            "steps": [
                {"number": at, "step": kind, "args": args, "describe": {"title": kind}}
                for at, (kind, args) in enumerate(steps, 1)
            ]
        }
        made = Change.objects.create(
            target="kv", args={}, verb="Rotate", subject=f"secret/{path}", vault="demo", reason="kills",
            state="approved", asker_name="ann", plan=plan, plan_hash=digest(plan),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        keys.append(made.pk)
    return keys


def ours(keys: list[int]) -> None:
    """Take turns over all changes until all have ended."""
    server = Operator(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"], plain_http=True)
    witness = LogWitness(Path(os.environ["KEYBOOK_AUDIT_LOG"]))
    hands = Hands(
        f"worker {os.getpid()}", lambda change, step: LiveDoors(server, change.name, step), witness,
        lambda _change: "", lambda _change: ("", ""), lease=LEASE,
    )  # fmt: skip
    with LiveDoors(server, "", 0).vault("demo", "", ROLE, 1) as operator:
        operator.kv_state("secret", "nothing")  # the first call sets much up, and no kill should be lost on that
    claim = runner.claim

    def tell(*given):
        """Claim, and tell the parent that now is a good moment to kill."""
        found = claim(*given)
        if found is not None:
            os.write(BEGUN[1], b".")
        return found

    runner.claim = tell
    for step in (write_kv, retire_version):
        step.done = _counted(step.done)
    while open_ := list(
        Change.objects.filter(pk__in=keys, state__in=["approved", "running"]).values_list("pk", flat=True)
    ):
        Change.objects.filter(pk__in=open_, due_at__gt=datetime.now(UTC) + timedelta(seconds=1)).update(due_at=None)
        for key in open_:
            runner.turn(key, hands)
        time.sleep(0.01)


def _counted(look):
    """Return a step's look that leaves a mark: somebody was killed between an intent and its result."""

    def done(*given):
        os.write(LOOKS.fileno(), b".")
        return look(*given)

    return done


def naive(keys: list[int]) -> None:
    """Rotate as scripts do: read the state, write, then note that it is done."""
    server = Operator(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"], plain_http=True)
    for change in Change.objects.filter(pk__in=keys, state="approved").order_by("pk"):
        path = change.subject.removeprefix("secret/")
        os.write(BEGUN[1], b".")
        with LiveDoors(server, change.name, 1).vault("demo", "", ROLE, 3) as operator:
            state = operator.kv_state("secret", path)
            operator.kv_write("secret", path, {"password": "new"}, state.current_version)
        Change.objects.filter(pk=change.pk).update(state="succeeded")


def child(work, keys: list[int]) -> int:
    """Fork a child that works; returns its pid."""
    connection.close()
    if pid := os.fork():
        return pid
    try:
        work(keys)
    except BaseException as error:  # the parent counts what is done, and a child's last words go to the log
        print(f"child: {error!r}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def begun(pid: int) -> tuple[int, int]:
    """Wait until the child takes something on, or has ended; returns what waitpid says of it."""
    while not (found := os.waitpid(pid, os.WNOHANG))[0]:
        if select.select([BEGUN[0]], [], [], 0.01)[0]:
            os.read(BEGUN[0], 1 << 16)
            break
    return found


def pace(work, keys: list[int]) -> float:
    """Return how many seconds the first one takes here, from when it is taken on to its end."""
    pid = child(work, keys[:1])
    begun(pid)
    began = time.monotonic()
    os.waitpid(pid, 0)
    return time.monotonic() - began


def kill_until_done(work, keys: list[int], kills: int, dice: random.Random) -> int:
    """Kill children in the middle of what they do, until so many were or everything is done; returns how many were."""
    killed, longest = 0, pace(work, keys)
    deadline = time.monotonic() + max(600, 3 * kills)
    while time.monotonic() < deadline:
        pid = child(work, keys)
        if killed >= kills:
            found = os.waitpid(pid, 0)
        elif not (found := begun(pid))[0]:
            time.sleep(dice.uniform(0, 0.8 * longest))
            found = os.waitpid(pid, os.WNOHANG)
        if found[0]:
            if found[1] == 0:
                break
            continue
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        killed += 1
    return killed


def main() -> None:
    """Do what the command line says."""
    count, kills, seed, way = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    folder = f"kills/{os.getpid()}-{seed}"
    keys = ask(folder, count)
    began = time.monotonic()
    killed = kill_until_done({"ours": ours, "naive": naive}[way], keys, kills, random.Random(seed))
    bao = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
    secrets = []
    for number, key in enumerate(keys):
        data = bao.must("GET", f"secret/metadata/{folder}/{number}").data
        value = bao.must("GET", f"secret/data/{folder}/{number}").data["data"]
        change = Change.objects.get(pk=key)
        attempts = Attempt.objects.filter(step__change=change).count()
        secrets.append({
            "version": data["current_version"], "first_destroyed": data["versions"].get("1", {}).get("destroyed"),
            "user": value["user"], "fresh": value["password"] not in ("first", ""), "state": change.state,
            "says": change.says, "attempts": attempts,
        })  # fmt: skip
    looks = os.fstat(LOOKS.fileno()).st_size
    print(json.dumps({"killed": killed, "looks": looks, "seconds": time.monotonic() - began, "secrets": secrets}))


main()
