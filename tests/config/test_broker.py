"""REDIS_URL may name a port or a socket, in redis-py's words; workers and metrics find the same broker."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox.binaries import valkey_server
from tests.audit.conftest import ROOT

MEET = """
import django
django.setup()
from audit.tasks import read_source, ring
from config.celery import app
from config.figures import broker_client
assert ring(read_source, 42)
with broker_client(3) as client:
    print(client.llen("ingest"), client.connection_pool.connection_kwargs["path"])
"""


def test_a_socket_is_a_broker_too():
    # Not tmp_path: a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="kb-broker-") as folder:
        place = Path(folder) / "valkey.sock"
        argv = [str(valkey_server()), "--port", "0", "--unixsocket", str(place), "--save", "", "--dir", folder]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as valkey:
            while not place.exists():
                assert valkey.poll() is None
                time.sleep(0.01)
            environment = {
                "PATH": os.defpath,
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "REDIS_URL": f"unix://{place}?db=3",
            }
            argv = [sys.executable, "-c", MEET]
            done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            valkey.terminate()
    assert (done.stdout, done.stderr) == (f"1 {place}\n", "")
