"""rsyslog beside us, where it is installed: imfile, mmjsonparse, ompgsql to nine text columns of the same PostgreSQL.

It is found on PATH, or below the folder KEYBOOK_BENCH_PEERS into which Debian's packages were unpacked (dpkg -x).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

_TABLE = """DROP TABLE IF EXISTS rsyslog_line;
CREATE TABLE rsyslog_line (time text, type text, id text, operation text, path text, display_name text,
entity_id text, remote_address text, error text)"""
_CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="1m")
module(load="imfile" mode="inotify")
module(load="mmjsonparse")
module(load="ompgsql")
template(name="row" type="string" option.stdsql="on" string="INSERT INTO rsyslog_line VALUES ('%$!time%', '%$!type%',\
 '%$!request!id%', '%$!request!operation%', '%$!request!path%', '%$!auth!display_name%', '%$!auth!entity_id%',\
 '%$!request!remote_address%', '%$!error%')")
ruleset(name="load" queue.type="FixedArray" queue.size="50000" queue.dequeueBatchSize="4096") {{
  action(type="mmjsonparse" cookie="")
  action(type="ompgsql" conninfo="{conninfo}" template="row")
}}
input(type="imfile" file="{log}" tag="vault" ruleset="load" facility="local0" severity="info")
"""


def environment() -> dict[str, str]:
    """Return the environment in which unpacked packages find their libraries."""
    peers = os.environ.get("KEYBOOK_BENCH_PEERS")
    if not peers:
        return dict(os.environ)
    libraries = ":".join(map(str, Path(peers).glob("usr/lib/*-linux-gnu")))
    return {
        **os.environ,
        "LD_LIBRARY_PATH": libraries,
        "PATH": f"{peers}/usr/sbin:{peers}/usr/bin:{os.environ['PATH']}",
    }


def program(name: str) -> str | None:
    """Return where a peer's program is, None when it is not installed."""
    return shutil.which(name, path=environment()["PATH"] + ":/usr/sbin")


def version() -> str:
    """Return rsyslog's version, or that it is not installed."""
    where = program("rsyslogd")
    if where is None or _modules(where) is None:
        return "not installed"
    told = subprocess.run([where, "-v"], env=environment(), capture_output=True, text=True, check=True)
    return "rsyslog " + told.stdout.split()[1]


def _modules(where: str) -> Path | None:
    """The folder of its modules, if ompgsql is among them."""
    places = Path(where).resolve().parents[2].glob("usr/lib/*-linux-gnu/rsyslog/ompgsql.so")
    return next((place.parent for place in places), None)


def load(log: Path, lines: int, conninfo: str, *, patience: float = 120) -> float:
    """Have rsyslog load a log of so many lines; returns the seconds from its start to the last row."""
    where = program("rsyslogd")
    modules = _modules(where) if where else None
    if where is None or modules is None:
        raise RuntimeError("rsyslog with ompgsql is not installed")
    folder = log.with_suffix(".rsyslog")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "conf").write_text(_CONFIGURATION.format(folder=folder, conninfo=conninfo, log=log))
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_TABLE)
        began = time.perf_counter()
        argv = [where, "-n", "-f", folder / "conf", "-i", folder / "pid", "-M", modules]
        with subprocess.Popen(argv, env=environment(), stderr=subprocess.DEVNULL) as running:
            try:
                return _until_loaded(connection, lines, began, patience)
            finally:
                running.terminate()


def _until_loaded(connection: psycopg.Connection, lines: int, began: float, patience: float) -> float:
    while time.perf_counter() - began < patience:
        row = connection.execute("SELECT count(*) FROM rsyslog_line").fetchone()
        if row and row[0] >= lines:
            return time.perf_counter() - began
        time.sleep(0.1)
    raise RuntimeError(f"rsyslog did not load {lines} lines within {patience:.0f} s; its table holds {row}")
