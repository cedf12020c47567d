"""Runs a playbook in children that are killed at each border once: `python -m tests.rotation.killing_playbook NAME`.

A border lies after the intent of a step, after its call and after its result, each before anything else is done.
Prints one JSON document: where was killed, what Vault and the cluster hold, and what Vault's log shows of our calls.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django

django.setup()

import pytest  # noqa: E402
from django.db import connection  # noqa: E402

from rotation import hands, lifecycle, runner, turns  # noqa: E402
from rotation.models import Change  # noqa: E402
from rotation.notice_models import Notice  # noqa: E402
from sandbox.kubeapi import KubeApi  # noqa: E402
from tests.rotation.farm import Farm  # noqa: E402
from vault.answered import moment_of  # noqa: E402

TOLD = os.pipe()  # by which a child says at which border it kills itself
PATIENCE = 120.0  # seconds
OVER, WAITS, LOST = 0, 3, 4  # exit codes


def kill_at_each_border(killed: set[str], patch: pytest.MonkeyPatch) -> None:
    """Have this process kill itself at the first border that none was killed at."""

    def at(border: str) -> None:
        if border not in killed:
            os.write(TOLD[1], f"{border}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def after(name: str, phase: str, heed: Callable[..., bool] = lambda *_: True) -> None:
        inner = getattr(runner, name)

        def outer(*given: Any) -> Any:
            found = inner(*given)
            if heed(*given):
                step = next(one for one in given if type(one).__name__ == "Step")
                at(f"{step.number:02} {phase}")
            return found

        patch.setattr(runner, name, outer)

    after("_write_attempt", "1 after its intent")
    after("_act", "2 after its call", lambda call, *_: call.__name__ == "run")
    after("_result", "3 after its result")


def child(change: Change, killed: set[str], patch: pytest.MonkeyPatch) -> int:
    """Fork a worker; returns its pid."""
    connection.close()
    if pid := os.fork():
        return pid
    code = LOST
    try:
        kill_at_each_border(killed, patch)
        code = work(change)
    finally:
        os._exit(code)


def work(change: Change) -> int:
    """Take turns until it is over, or waits for whoever issues the value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        Change.objects.filter(pk=change.pk).update(due_at=None)
        turns.take(change.pk)
        change.refresh_from_db()
        if change.state not in lifecycle.WORK:
            return OVER
        if change.steps.filter(kind="await_version", state="waiting").exists():
            return WAITS
        time.sleep(0.01)
    return LOST


def run(farm: Farm, change: Change, patch: pytest.MonkeyPatch) -> list[str]:
    """Let workers work and die until one comes to the end; returns the borders at which they died."""
    killed: set[str] = set()
    while True:
        _, status = os.waitpid(child(change, killed, patch), 0)
        Change.objects.filter(pk=change.pk).update(lease_until=None)  # its claim has lapsed
        if os.WIFSIGNALED(status):
            killed.add(os.read(TOLD[0], 100).decode().strip())
        elif os.WEXITSTATUS(status) == WAITS and len(farm.versions()) == 1:
            farm.write("second")
        else:
            return sorted(killed)


def effects(change: str, began: datetime) -> dict[str, int]:
    """Return how often each thing was done in Vault for a change since then, by the log."""
    log: Any = hands.witness()
    ours = (one for one in log._lines() if _of(one) == change and moment_of(one["time"]) >= began)
    done = [one["request"] for one in ours if not one.get("error")]
    paths = ("secret/data", "secret/destroy", "sys/leases/revoke", "auth/token/revoke-accessor", "identity/entity/id")
    some = [
        path for one in done if one["operation"] in ("update", "patch", "create")
        for path in paths if one["path"].startswith(path)
    ]  # fmt: skip
    return dict(Counter(some))


def _of(line: dict[str, Any]) -> str:
    return ((line.get("auth") or {}).get("metadata") or {}).get("keybook_change", "")


def main() -> None:
    """Do what the command line says."""
    began = datetime.now(UTC)
    with KubeApi() as kube, pytest.MonkeyPatch.context() as patch:
        farm = Farm(kube)
        farm.take_over(patch)
        farm.furnish(patch)
        change = farm.begin(sys.argv[1])
        farm.has_read = ["p-web"]
        killed = run(farm, change, patch)
        change.refresh_from_db()
        print(json.dumps({
            "killed": killed, "steps": change.steps.count(), "state": change.state, "says": change.says,
            "versions": farm.versions(), "held": farm.state(), "restarted": farm.restarted(),
            "effects": effects(change.name, began), "notes": Notice.objects.filter(kind="note").count(),
        }))  # fmt: skip


main()
