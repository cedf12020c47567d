"""A thousand leases of a database revoked by one change, on a real OpenBao and PostgreSQL; and stopped, and killed.

Each round does it twice. First undisturbed. Then with a freeze at a quarter of the way, which is lifted once the run
has stopped, and a SIGKILL of the worker at half of it, after which another goes on once the dead one's claim lapses.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from django.db import connection
from django.utils import timezone

from bench import desk, machine
from bench.machine import Figures, Watch
from bench.report import Table, spread
from rotation import freeze, runner, surroundings
from rotation.models import Change, Freeze, Step
from rotation.planning import digest
from rotation.surroundings import Hands
from sandbox.bao_http import Bao
from vault.enrolment import enrolment
from vault.operating import Operator

ROLE = "database/creds/payments-ro"
_PATIENCE = 600.0  # seconds


@dataclass(frozen=True)
class Doors:
    """Tokens of the enrolled role, as the product mints them; by the root token instead of the executor's."""

    server: Operator
    change: str

    @contextmanager
    def vault(self, vault: str, namespace: str, role: str, uses: int) -> Iterator[Operator]:
        """Mint, lend and revoke."""
        with self.server.minted(role, {"keybook_change": self.change, "keybook_step": "1"}, 60, uses) as operator:
            yield operator

    def logins(self, *_: str) -> None:
        """No witness watches the database here: what is measured is the revocation."""


def measure(given: argparse.Namespace) -> None:
    """Revoke so many leases in each way and print the table."""
    with desk.desk() as place:
        desk.header()
        print(f"{given.leases} leases of {ROLE}; a claim lasts {given.claim:g} s.")
        machine.wait_until_quiet(given.patience)
        rounds = machine.quiet_rounds(given, lambda: _round(place, given))
    table = Table(f"{given.leases:,} leases revoked by one run")
    for name, form in (
        ("undisturbed, s", "{:.1f}"), ("leases a second, undisturbed", "{:.0f}"),
        ("calls to Vault for each lease", "{:.2f}"), ("from a freeze to a stop between two batches, s", "{:.2f}"),
        ("with a freeze and a SIGKILL, s", "{:.1f}"), ("of it until the dead worker's claim lapsed, s", "{:.1f}"),
    ):  # fmt: skip
        table.row(name, spread([one[name] for one in rounds], form))
    left = int(max(one["left"] for one in rounds))
    table.row("leases left alive", str(left), "0", not left)
    table.row("leases revoked twice", str(int(max(one["twice"] for one in rounds))))
    table.show()


def _round(place: desk.Desk, given: argparse.Namespace) -> Figures:
    place.fresh()
    found: Figures = {}
    with Watch("openbao") as watch:
        leases = _issue(given.leases)
        at = _log().stat().st_size
        began = time.perf_counter()
        _work(_ask(leases), given.claim)
        found["undisturbed, s"] = time.perf_counter() - began
        found["leases a second, undisturbed"] = given.leases / found["undisturbed, s"]
        found["calls to Vault for each lease"] = len(_calls(at)) / given.leases
        others = _issue(given.leases)
        found |= _disturbed(others, given.claim)
        live = _bao().call("LIST", f"sys/leases/lookup/{ROLE}").data.get("keys") or ()
        found["left"] = float(len({f"{ROLE}/{one}" for one in live} & {*leases, *others}))
        revoked = [one for one in _calls(at) if one.startswith("sys/leases/revoke/")]
        found["twice"] = float(len(revoked) - len(set(revoked)))
    both = [found[name] for name in ("undisturbed, s", "with a freeze and a SIGKILL, s")]
    print(f"  {both[0]:.1f} s, disturbed {both[1]:.1f} s{watch}", flush=True)
    return found


def _disturbed(leases: list[str], claim: float) -> Figures:
    """Freeze the run, lift that, kill it, and let another worker end it."""
    change, began = _ask(leases), time.perf_counter()
    connection.close()
    first = _child(lambda: _work(change, claim))
    _until(lambda: _done(change) >= len(leases) // 4)
    frozen = time.perf_counter()
    ice = Freeze.objects.create(scope="everything", reason="to see whether it stops", by_name="bench")
    _until(lambda: bool(Change.objects.get(pk=change).says))
    stopped = time.perf_counter()
    Freeze.objects.filter(pk=ice.pk).update(lifted_at=timezone.now())
    _until(lambda: _done(change) >= len(leases) // 2)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    killed = time.perf_counter()
    connection.close()
    second = _child(lambda: _work(change, claim))
    _until(lambda: Step.objects.get(change_id=change).attempts.filter(worker=f"worker {second}").exists())
    lapsed = time.perf_counter()
    os.waitpid(second, 0)
    if (state := Change.objects.get(pk=change).state) != "succeeded":
        raise RuntimeError(f"the change ended as {state}")
    return {
        "from a freeze to a stop between two batches, s": stopped - frozen,
        "of it until the dead worker's claim lapsed, s": lapsed - killed,
        "with a freeze and a SIGKILL, s": time.perf_counter() - began,
    }


def _work(change: int, claim: float) -> None:
    """Be a worker: take turns over a change until it has ended."""
    bao = _bao()
    server = Operator(bao.url, bao.token, plain_http=True)
    hands = Hands(
        f"worker {os.getpid()}", lambda one, _step: Doors(server, one.name), SimpleNamespace(),  # type: ignore[arg-type]
        freeze.over, lambda _one: ("", ""), lease=claim,
    )  # fmt: skip
    while Change.objects.filter(pk=change, state__in=["approved", "running"]).exists():
        if not runner.turn(change, hands):
            time.sleep(0.02)


def _child(work: Callable[[], None]) -> int:
    if pid := os.fork():
        return pid
    try:
        work()
    except BaseException as error:  # the parent sees that it ended and the change did not
        print(f"worker: {error!r}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def _until(fact: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not fact():
        if time.monotonic() > end:
            raise RuntimeError("it did not come so far")
        time.sleep(0.01)


def _done(change: int) -> int:
    found = Step.objects.filter(change_id=change).values_list("progress", flat=True).first() or {}
    return int(found.get("done", 0))


def _ask(leases: list[str]) -> int:
    """Write an approved change of one step; returns its key."""
    args = {"leases": leases, "role": enrolment("lease", "revoke", "database").name, "namespace": ""}
    step = {"number": 1, "step": "revoke_leases", "args": args, "describe": {"title": "Revoke them"}}
    plan = {"steps": [step]}
    made = Change.objects.create(
        target="lease", args={}, verb="Revoke", subject=ROLE, vault="sandbox", reason="to measure", state="approved",
        asker_name="bench", plan=plan, plan_hash=digest(plan), expires_at=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    return int(made.pk)


def _issue(many: int) -> list[str]:
    bao = _bao()
    return [str(bao.must("GET", ROLE).body["lease_id"]) for _ in range(many)]


def _calls(at: int) -> list[str]:
    """Return the paths of what was asked since a place in the audit log, by its answers."""
    with _log().open("rb") as log:
        log.seek(at)
        lines = (json.loads(line) for line in log.read().splitlines())
        return [str(one["request"]["path"]) for one in lines if one.get("type") == "response"]


def _bao() -> Bao:
    return Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])


def _log() -> Path:
    return Path(os.environ["KEYBOOK_AUDIT_LOG"])


def main() -> None:
    """Measure the revocation of many leases: `python -m bench.revoking`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--leases", type=int, default=1_000, help="leases of one change (1000)")
    parser.add_argument("--claim", type=float, default=surroundings.LEASE, help="seconds that a worker's claim lasts")
    parser.add_argument("--rounds", type=int, default=3, help="how often all is measured (3)")
    parser.add_argument("--patience", type=float, default=180, help="seconds to wait for a quiet machine (180)")
    given = parser.parse_args()
    desk.in_sandbox("bench.revoking", "--vault", "--servers-only")
    measure(given)


if __name__ == "__main__":
    main()
