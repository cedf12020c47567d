"""A real OpenBao whose audit log runs out of disk: what is torn is told, and what is glued to it is recovered."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from sandbox.bao_http import Bao
from tests.audit.past import is_accounted
from tests.audit.small_disk import small_disk
from vault.frame import GLUED

pytestmark = pytest.mark.live


@pytest.fixture
def cramped_log(own_sandbox):
    """The audit log of an OpenBao, moved to a small disk, and the client that fills it."""
    own = own_sandbox.environment
    log, bao = Path(own["KEYBOOK_AUDIT_LOG"]), Bao(own["VAULT_ADDR"], own["VAULT_TOKEN"])
    pid = json.loads(Path(own["KEYBOOK_SANDBOX_STATE"]).read_text())["openbao"]["pid"]

    def reopen():
        os.kill(pid, signal.SIGHUP)
        for _ in range(1000):
            bao.call("GET", "sys/mounts")
            if log.exists() and log.stat().st_size:
                return
            time.sleep(0.01)
        raise AssertionError("OpenBao did not reopen its audit log")

    with small_disk(log.parent, 1024 * 1024, "0755"):
        reopen()
        yield log, bao
    reopen()


def fill(disk):
    """Take every free page of a disk; return the file that holds them."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as out:
        try:
            while out.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    return ballast


def test_every_entry_that_stands_whole_is_recovered_and_every_torn_one_is_told(cramped_log, past):
    log, bao = cramped_log
    dice, answers = random.Random(7), {}

    def write():
        name = f"full-{len(answers)}"
        body = {"data": {"x": "y" * dice.randrange(1, 900), **{f"k{n}": "v" for n in range(dice.randrange(9))}}}
        answers[name] = bao.call("POST", f"secret/data/{name}", body).status
        return answers[name]

    for _ in range(12):
        assert write() == 200
        ballast = fill(log.parent)
        while write() == 200:
            pass
        ballast.unlink()
        assert write() == write() == 200
    done_all_the_same = {name for name in answers if bao.call("GET", f"secret/data/{name}").status == 200}
    assert is_accounted(past.take(log), [log])
    told = dict(
        past.rows(
            """SELECT split_part(a.path, '/', 3), e.outcome FROM audit_event e JOIN audit_path a ON a.id = e.path
               WHERE operation IN (1, 3) AND a.path LIKE 'secret/data/full-%%'"""
        )
    )
    waiting = [json.loads(bytes(line)) for (line,) in past.rows("SELECT line FROM audit_pending")]
    in_doubt = {entry["request"]["path"].rsplit("/", 1)[1] for entry in waiting}
    refused = {name for name, status in answers.items() if status == 500}
    assert len(refused) >= 12
    assert told == {name: 1 for name in answers if name not in refused}
    assert (
        in_doubt == refused & done_all_the_same
    )  # a request whose answer is torn was carried out, or it stands nowhere
    torn = past.quarantine()
    assert torn and all(reason == GLUED and not provisional for _, _, reason, provisional in torn)
    alone = past.rows(
        """SELECT a.path FROM audit_event e JOIN audit_path a ON a.id = e.path
           WHERE e.flags & 3 = 2 AND a.path LIKE 'secret/%%'"""
    )
    assert alone == []  # no answer stands without its request
