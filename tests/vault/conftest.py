"""Recorded logs and their truth, and one audit line to build others from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

DATA = Path(__file__).parents[1] / "data" / "corpus"
HMAC = "hmac-sha256:" + "0123456789abcdef" * 4


def unpacked(name: str) -> bytes:
    """Return a recorded file."""
    with (DATA / f"{name}.zst").open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


@pytest.fixture(scope="session")
def recorded():
    """A function that gives a recorded file's bytes."""
    kept: dict[str, bytes] = {}
    return lambda name: kept.setdefault(name, unpacked(name))


@pytest.fixture(scope="session")
def lines(recorded):
    """The lines of the file device, without newlines."""
    return recorded("audit.log").splitlines()


@pytest.fixture(scope="session")
def truth(recorded):
    """What happened, from the callers' side."""
    return json.loads(recorded("truth.json"))


@pytest.fixture
def entry():
    """A function that builds one entry: a KV v2 read by a service account, changed at will."""

    def build(type: str = "response", **changes):
        made = {
            "time": "2026-11-21T02:54:02.330119375Z",
            "type": type,
            "auth": {"client_token": HMAC, "accessor": HMAC, "display_name": "x", "policies": ["default"],
                     "token_type": "service"},
            "request": {"id": "b289bf1b-cba3-6a82-8375-f818702cb70d", "operation": "read", "mount_point": "secret/",
                        "mount_type": "kv", "client_token": HMAC, "namespace": {"id": "root"},
                        "path": "secret/data/prod/x", "remote_address": "10.0.0.1"},
        }  # fmt: skip
        if type == "response":
            made["response"] = {"mount_point": "secret/", "mount_type": "kv"}
        for name, value in changes.items():
            above, _, below = name.partition("__")
            if below:
                made.setdefault(above, {})[below] = value
            else:
                made[above] = value
        return made

    return build


@pytest.fixture
def hmac():
    """One HMAC."""
    return HMAC
