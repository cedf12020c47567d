"""A sandbox with a cluster and the workers and beat at work, whose parts may be harmed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.audit.conftest import ROOT, TELL, OwnSandbox


class Staffed(OwnSandbox):
    """Servers and Keybook's own processes of a test's own."""

    def until(self, query: str, wanted: object, patience: float = 40.0, **values: object) -> None:
        """Wait until the first column of a query's first row is what is wanted; fail with what it was at last."""
        deadline, found = time.monotonic() + patience, None
        while time.monotonic() < deadline:
            with self.connect() as wire:
                found = wire.execute(query, values).fetchone()[0]
            if found == wanted:
                return
            time.sleep(0.05)
        pytest.fail(f"{query} gave {found!r}, not {wanted!r}, for {patience:.0f} s")

    def forget(self) -> None:
        """Empty every table while nobody writes: the worker ends before and starts again after."""
        self.control("end", "worker-ingest")
        self.empty()
        self.control("start", "worker-ingest")


_running: list[subprocess.Popen] = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the sandbox with the last test of this folder: its processes are never idle, and other tests come after."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        for process in _running:
            process.terminate()


@pytest.fixture(scope="session")
def staffed(tmp_path_factory) -> Iterator[Staffed]:
    """A sandbox with PostgreSQL, Valkey, a cluster, the workers and beat; followed logs lie in pytest's folder."""
    roots = tmp_path_factory.getbasetemp().parent
    argv = [str(ROOT / "bin" / "sandbox"), "--workers", "--cluster", sys.executable, "-c", TELL]
    environment = {**os.environ, "KEYBOOK_LOG_ROOTS": str(roots)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True) as process:
        _running.append(process)
        try:
            told = json.loads(process.stdout.readline())
            found = Staffed("keybook", {**told, "DJANGO_SETTINGS_MODULE": "config.settings"})
            found.control("end", "worker-cluster")  # test_clusters.py starts it
            yield found
        finally:
            process.terminate()
            process.wait(60)
