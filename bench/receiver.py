"""P12: what the receiver carries, what it adds to a Vault read, and how long one takes while PostgreSQL is away.

The receiver's processes keep to one core. OpenBao's http device is added to its configuration and taken out again with
SIGHUP, so that reads with and without it follow each other.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from audit import receivers
from bench import desk, machine, rsyslog
from bench.corpus import recorded
from bench.machine import Watch
from bench.report import Table, spread
from sandbox.bao_http import Bao
from sandbox.control import ask, state
from sandbox.ports import Port

_CONNECTIONS, _LINES = 16, 64
_DEVICE = '\naudit "http" "bench" {{\n  options = {{ uri = "{uri}", headers = "{headers}" }}\n}}\n'
_WRK = """local n = 0
local bodies = {%s}
local headers = {["Authorization"] = "Bearer %s"}
request = function()
  n = n + 1
  return wrk.format("POST", "/audit", headers, bodies[n %% #bodies + 1])
end
"""


class Service:
    """The receiver of this measurement, on the first core."""

    def __init__(self, url: str, token: str) -> None:
        self.port, self.token = Port(), token
        environment = {**os.environ, "DATABASE_URL": url, "KEYBOOK_RECEIVER": f"127.0.0.1:{self.port.number}"}
        one_core = "import os, runpy; os.sched_setaffinity(0, {0}); runpy.run_module('receiver', run_name='__main__')"
        self.process = subprocess.Popen([sys.executable, "-c", one_core], cwd=desk.ROOT, env=environment)
        self.wait()

    def wait(self) -> None:
        """Wait until it takes lines."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            wire = http.client.HTTPConnection("127.0.0.1", self.port.number, timeout=5)
            try:
                wire.request("GET", "/health/live")
                if json.loads(wire.getresponse().read())["spool"] == "up":
                    return
            except OSError:
                pass
            finally:
                wire.close()
            time.sleep(0.05)
        raise RuntimeError("the receiver did not take lines within 30 s")

    def cpu(self) -> float:
        """Seconds of CPU time that the serving process has used."""
        pid = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(given: argparse.Namespace) -> None:
    """Measure all of it and print the table."""
    table = Table("P12: the receiver")
    with desk.desk() as place:
        place.fresh()
        _, token = receivers.add_receiver("bench", "http")
        service = Service(place.url, token)
        try:
            desk.header()
            machine.wait_until_quiet(given.patience)
            _posts(table, given, service, place)
            with _device(service) as switch:
                _added(table, given, switch)
                _outages(table, given, service, place)
        finally:
            service.process.terminate()
            service.process.wait()
    table.show()


def _posts(table: Table, given: argparse.Namespace, service: Service, place: desk.Desk) -> None:
    wrk = rsyslog.program("wrk")
    if wrk is None:
        table.row("POSTs/s", "wrk is not installed", "at least 2000", None)
        return
    lines = recorded("audit-http.log")[:_LINES]
    script = place.folder / "posts.lua"
    script.write_text(_WRK % (",".join(f"[==[{line.decode()}]==]" for line in lines), service.token))
    rounds = machine.quiet_rounds(given, lambda: _post_round(wrk, script, service, place, given.seconds))
    table.row("bytes a line", spread([one["size"] for one in rounds], "{:.0f}"))
    table.atleast(
        "lines/s, one in each POST, the receiver on one core", [one["rate"] for one in rounds], 2_000, "{:.0f}"
    )
    # A disk that takes longer than 250 ms for a commit is answered for with 503, and the line comes again.
    table.row("lines of a round answered with 503", spread([one["refused"] for one in rounds], "{:.0f}"))
    table.row("CPU time of the receiver per POST, µs", spread([one["cpu"] for one in rounds], "{:.0f}"))
    table.row(f"p99 of a POST with {_CONNECTIONS} connections, ms", spread([one["p99"] for one in rounds], "{:.1f}"))


def _post_round(wrk: str, script: Path, service: Service, place: desk.Desk, seconds: float) -> dict[str, float]:
    with psycopg.connect(place.url, autocommit=True) as wire:
        wire.execute("TRUNCATE audit_spool")
        argv = [wrk, "-t1", f"-c{_CONNECTIONS}", f"-d{seconds:g}s", "--latency", "-s", str(script)]
        before = service.cpu()
        with Watch() as watch:
            argv.append(f"http://127.0.0.1:{service.port.number}")
            told = subprocess.run(argv, env=rsyslog.environment(), capture_output=True, text=True, check=True).stdout
        used = service.cpu() - before
        row = wire.execute("SELECT count(*), avg(length) FROM audit_spool").fetchone()
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", told)
    if row is None or not row[0] or p99 is None:
        raise RuntimeError(f"the receiver took no line: {told}")
    return {
        "refused": float(refused[1]) if refused else 0.0,
        "rate": row[0] / watch.seconds,
        "size": float(row[1]),
        "cpu": used / row[0] * 1e6,
        "p99": float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]],
    }


@contextmanager
def _device(service: Service) -> Iterator[Callable[[bool], None]]:
    """A switch that adds the http device to OpenBao's configuration or takes it out."""
    place = Path(os.environ["KEYBOOK_AUDIT_LOG"]).parents[1] / "openbao.hcl"
    before = place.read_text()
    headers = json.dumps(json.dumps({"Authorization": [f"Bearer {service.token}"]}))[1:-1]
    text = before + _DEVICE.format(uri=f"http://127.0.0.1:{service.port.number}/audit", headers=headers)
    bao = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
    bao.must("POST", "secret/data/bench", {"data": {"password": "not-real"}})

    def switch(on: bool) -> None:
        place.write_text(text if on else before)
        pid = state()["openbao"]["pid"]
        if pid is None:
            raise RuntimeError("OpenBao does not run")
        os.kill(pid, signal.SIGHUP)
        end = time.monotonic() + 10
        while ("bench/" in (bao.must("GET", "sys/audit").data or {})) is not on:
            if time.monotonic() > end:
                raise RuntimeError(
                    "OpenBao did not take its audit devices from its configuration within 10 s of SIGHUP"
                )
            time.sleep(0.05)

    try:
        yield switch
    finally:
        switch(False)


def _reads(count: int) -> list[float]:
    """Read a secret so many times on one connection; returns the milliseconds of each."""
    where, took = urlsplit(os.environ["VAULT_ADDR"]), []
    wire = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    for _ in range(count):
        began = time.monotonic()
        wire.request("GET", "/v1/secret/data/bench", headers={"X-Vault-Token": os.environ["VAULT_TOKEN"]})
        answer = wire.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"OpenBao answered a read with {answer.status}")
        took.append((time.monotonic() - began) * 1000)
    wire.close()
    return took


def _added(table: Table, given: argparse.Namespace, switch: Callable[[bool], None]) -> None:
    without, with_it = [], []
    for _ in range(given.rounds):
        for on, found in ((False, without), (True, with_it)):
            switch(on)
            _reads(20)
            found.append(median(_reads(given.reads)))
    table.row("a Vault read with a file device alone, median, ms", spread(without))
    table.row("the same with the http device too, ms", spread(with_it))
    table.row("added by the http device, ms", spread([b - a for a, b in zip(without, with_it, strict=True)]))


def _outages(table: Table, given: argparse.Namespace, service: Service, place: desk.Desk) -> None:
    for words, verb, back in (("stopped", "kill", "start"), ("frozen", "stop", "cont")):
        ask(verb, "postgres")
        try:
            found = _reads(given.reads)
        finally:
            ask(back, "postgres")
        service.wait()
        _outage(table, f"PostgreSQL is {words}", found)
    with _full_disk(place.url):
        _outage(table, "its disk is full", _reads(given.reads))


def _outage(table: Table, words: str, found: list[float]) -> None:
    table.atmost(f"p99 of a Vault read while {words}, ms", [quantiles(found, n=100)[98]], 600, "{:.0f}")
    table.row(f"the longest of {len(found)} reads while {words}, ms", f"{max(found):.0f}")


@contextmanager
def _full_disk(url: str) -> Iterator[None]:
    """Have the spool lie on a file system without room (only root may mount one)."""
    place = Path("/tmp") / f"keybook-bench-{os.getpid()}"
    place.mkdir(mode=0o711)
    folder = place / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", str(folder)], check=True)
    superuser = make_conninfo(url, user="postgres")
    owner = Path(conninfo_to_dict(url)["host"]).stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    try:
        with psycopg.connect(superuser, autocommit=True) as wire:
            wire.execute(f"CREATE TABLESPACE bench_full LOCATION '{folder}'")
            wire.execute("TRUNCATE audit_spool")
            wire.execute("ALTER TABLE audit_spool SET TABLESPACE bench_full")
            room = os.statvfs(folder)
            (folder / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize))
            yield
            (folder / "ballast").unlink()
            wire.execute("ALTER TABLE audit_spool SET TABLESPACE pg_default")
            wire.execute("DROP TABLESPACE bench_full")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()
        place.rmdir()


def main() -> None:
    """Measure P12: `python -m bench.receiver`."""
    desk.in_sandbox("bench.receiver", "--vault")
    parser = desk.options(main.__doc__, events=0, rounds=5)
    parser.add_argument("--seconds", type=float, default=10, help="how long lines are posted in each round (10)")
    parser.add_argument("--reads", type=int, default=400, help="Vault reads in each measure (400)")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
