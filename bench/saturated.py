"""P3: how fast we ingest what a saturated OpenBao writes, over how fast it writes it, on the same machine.

Each round: readers of KV v2 secrets load OpenBao for some seconds (wrk where it is installed, else processes of our
own), then it is stopped (SIGSTOP) and exactly the file that it wrote is ingested into a new database.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from bench import desk, machine, readers, rsyslog
from bench.machine import Watch
from bench.report import Table, spread
from sandbox.bao_http import Bao
from sandbox.control import ask, state

_SECRETS, _CONNECTIONS = 200, 16
_WRK = """local n = 0
local tokens = {%s}
request = function()
  n = n + 1
  return wrk.format("GET", "/v1/secret/data/bench/" .. n %% %d, {["X-Vault-Token"] = tokens[n %% #tokens + 1]})
end
"""


def measure(given: argparse.Namespace) -> None:
    """Fill OpenBao, measure the rounds and print the table."""
    with desk.desk() as place:
        bao = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
        tokens = _furnish(bao)
        place.fresh()
        desk.header()
        print(f"Load: {'wrk' if rsyslog.program('wrk') else 'our own readers'}, {_CONNECTIONS} connections, "
              f"{given.seconds:g} s of KV v2 reads by {len(tokens)} tokens.")  # fmt: skip
        machine.wait_until_quiet(given.patience)
        rounds = machine.quiet_rounds(given, lambda: _round(place, bao, tokens, given.seconds))
    table = Table("P3: ingestion over what a saturated OpenBao writes")
    table.row("bytes a line", spread([one["size"] for one in rounds], "{:.0f}"))
    table.row("OpenBao writes, lines/s", spread([one["written"] for one in rounds], "{:.0f}"))
    table.row("we ingest that file, OpenBao stopped, lines/s", spread([one["read"] for one in rounds], "{:.0f}"))
    table.atleast("ingestion over writing", [one["read"] / one["written"] for one in rounds], 6, "{:.1f}")
    table.show()


def _round(place: desk.Desk, bao: Bao, tokens: list[str], seconds: float) -> dict[str, float]:
    log = _rotate(bao)
    _load(bao, tokens, 1.0)  # caches and connections are warm
    before = log.read_bytes().count(b"\n")
    with Watch("openbao") as load:
        _load(bao, tokens, seconds)
    ask("stop", "openbao")
    try:
        lines = log.read_bytes().count(b"\n")
        place.fresh()
        place.settle()
        with Watch() as watch:
            report = desk.ingest(log)
    finally:
        ask("cont", "openbao")
    if report.lines != lines:
        raise RuntimeError(f"{lines} lines were written, {report.lines} ingested")
    found = {
        "written": (lines - before) / load.seconds,
        "read": lines / watch.seconds,
        "size": log.stat().st_size / lines,
    }
    print(f"  written {found['written']:.0f} lines/s{load}, ingested {found['read']:.0f} lines/s{watch}", flush=True)
    return found


def _rotate(bao: Bao) -> Path:
    """Put the log aside and have OpenBao open a new one; returns the new one once it is written to."""
    log = Path(os.environ["KEYBOOK_AUDIT_LOG"])
    pid = state()["openbao"]["pid"]
    if pid is None:
        raise RuntimeError("OpenBao does not run")
    log.unlink()
    os.kill(pid, signal.SIGHUP)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        bao.must("GET", "secret/data/bench/0")
        if log.exists() and log.stat().st_size:
            return log
        time.sleep(0.05)
    raise RuntimeError("OpenBao did not open a new audit log within 10 s of SIGHUP")


def _furnish(bao: Bao) -> list[str]:
    """Write the secrets; return tokens that may read them."""
    for number in range(_SECRETS):
        bao.must("POST", f"secret/data/bench/{number}", {"data": {"password": f"not-real-{number}", "username": "u"}})
    bao.must("PUT", "sys/policies/acl/bench", {"policy": 'path "secret/data/bench/*" { capabilities = ["read"] }'})
    made = [bao.must("POST", "auth/token/create", {"policies": ["bench"]}).body for _ in range(_CONNECTIONS)]
    return [one["auth"]["client_token"] for one in made]


def _load(bao: Bao, tokens: list[str], seconds: float) -> None:
    """Read as fast as OpenBao answers, for so many seconds."""
    wrk = rsyslog.program("wrk")
    if wrk is None:
        readers.read(bao.url, tokens, _SECRETS, seconds)
        return
    script = Path(os.environ["KEYBOOK_AUDIT_LOG"]).with_name("bench.lua")
    script.write_text(_WRK % (",".join(f'"{token}"' for token in tokens), _SECRETS))
    argv = [wrk, "-t1", f"-c{_CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script), bao.url]
    told = subprocess.run(argv, env=rsyslog.environment(), capture_output=True, text=True, check=True).stdout
    if refused := re.search(r"Non-2xx or 3xx responses: (\d+)", told):
        raise RuntimeError(f"OpenBao refused {refused[1]} reads")


def main() -> None:
    """Measure P3: `python -m bench.saturated`."""
    desk.in_sandbox("bench.saturated", "--vault")
    parser = desk.options(main.__doc__, events=0, rounds=5)
    parser.add_argument("--seconds", type=float, default=10, help="how long OpenBao is loaded in each round (10)")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
