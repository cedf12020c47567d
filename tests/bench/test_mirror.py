"""The measurement of the mirror runs on a small cluster and prints its figures; how fast it is, is no test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_a_cluster_is_listed_packed_and_plain_and_counted():
    argv = [sys.executable, "-m", "bench.mirror", "--pods", "60", "--rounds", "1", "--patience", "0"]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert {line.split(" | ")[0].strip("| ") for line in told.stdout.splitlines() if " | at most " in line} == {
        "CPU of our process, packed",
        "its memory at the most, packed",
        "CPU of our process, plain",
        "its memory at the most, plain",
    }


@pytest.mark.skipif("KEYBOOK_SANDBOX_STATE" not in os.environ, reason="it needs the PostgreSQL of bin/sandbox")
def test_a_cluster_is_kept_in_postgresql_and_its_changes_followed_and_counted():
    argv = [sys.executable, "-m", "bench.kept_mirror", "--pods", "60", "--rounds", "1", "--patience", "0"]
    told = subprocess.run([*argv, "--changes", "120"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "listed again, nothing new" in told.stdout and "120 changes followed" in told.stdout
