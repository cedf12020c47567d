"""A healthy installation for the tests of doctor's lines, and the line that a test has broken."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.conf import settings

from audit import actions, doctor
from audit.models import Source
from inventory.models import Connection
from tests.audit.forgetting import forget_connections
from tests.audit.lines import Call
from tests.inventory.clusters import forget_clusters
from vault import policy
from vault.fake import FakeServer, FakeVault
from vault.server import Token

NOW = datetime.now(UTC)


@pytest.fixture
def well(past, tmp_path, monkeypatch):
    """A log that was just read to its end, in a place of its own, with partitions ahead."""
    forget_connections()  # and clusters: what tests of other files left
    forget_clusters()
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    monkeypatch.setattr(settings.KEYBOOK, "redis_url", "")
    monkeypatch.setattr(settings.KEYBOOK, "anchor", str(tmp_path / "trail.anchor"))
    log = tmp_path / "audit.log"
    log.write_bytes(b"\n".join(Call(1, at=datetime.now(UTC)).lines()) + b"\n")
    actions.follow_file(str(log), vault="prod")
    actions.keep_house()
    actions.read_source(Source.objects.get())
    yield log
    forget_connections()


def line(name, ask=None):
    """The one line whose name begins so."""
    found = [check for check in doctor.examine(ask) if check.name.startswith(name)]
    assert len(found) == 1, [check.name for check in found]
    return found[0]


def bad(name, ask=None):
    """That line, which must be wrong and say how to mend it."""
    check = line(name, ask)
    assert not check.ok and check.mend
    return check


# Connected vaults -------------------------------------------------------------------------------------------------


@pytest.fixture
def vault(well):
    """A connected vault, its token with the printed policy; `ask` asks it with the token, `ask_bare` without."""

    class World:
        server = FakeServer()

        def ask(self, _):
            return FakeVault(self.server, "keybook"), True

        def ask_bare(self, _):
            return FakeVault(self.server), False

    world = World()
    world.server.policies["keybook"] = {right.path: right.capabilities for right in policy.RIGHTS}
    world.server.tokens["keybook"] = Token("keybook", ("keybook",), "a", "", 10**6, True, 10**6, True)
    world.connection = Connection.objects.create(vault="prod", address="https://vault.example")
    return world
