"""What all tests share: a database of their own, whose trail may be emptied, and servers that no test may end."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate
from django.test.utils import setup_databases, teardown_databases
from xdist.scheduler import LoadScopeScheduling

from rotation.models import ApprovalPolicy
from sandbox.control import STATE
from sandbox.seed import BLANK, SEED
from tests.sandbox.shows import Demos, own_demos

# Read when the run begins: a test may let sandbox.control work on a sandbox of its own for a while.
AMBIENT = os.environ.get(STATE)


def _servers() -> dict[str, int | None]:
    """Return the pid of each server that this run came with."""
    return {name: part["pid"] for name, part in json.loads(Path(AMBIENT).read_text()).items()} if AMBIENT else {}


# What waits for servers and processes of its own begins first, so that it waits while others work, and then what takes
# longest, so that nobody is left alone with it at the end. The browser's files come after all others, by a hook of
# their own.
WAITING = [
    *(f"workers/test_{name}.py" for name in ("anchor", "clusters", "kills", "turns")), "bench/test_measurements.py",
    "sandbox/test_web.py", *(f"live/test_{name}.py" for name in ("connect", "receiver", "leases", "story")),
    "deploy/test_services.py", "cluster/test_watch.py", "cluster/test_realkube_reading.py",
    *(f"sandbox/test_{name}.py" for name in ("nothing_survives", "command", "places")),
]  # fmt: skip
LONGEST = [
    *(f"browser/test_{name}.py" for name in ("walk", "demo", "events", "changes", "look", "sign_in", "secret")),
    *(f"browser/test_{name}.py" for name in ("events_query", "telling", "tokens", "leases", "events_time")),
    "audit/test_rotation.py", "audit/test_bytes.py", "inventory/test_freshness.py", "inventory/test_sync_cluster.py",
    "receiver/test_outages.py", "audit/test_scope_oracle.py", "audit/test_outages.py", "audit/test_kills.py",
    "dashboard/test_limited.py", "api/test_pull.py", "audit/test_attributing.py", "dashboard/test_doors.py",
]  # fmt: skip


def _place(item: pytest.Item, names: list[str]) -> int:
    """Return where a list names a test's file, after all others if it does not."""
    name = f"{item.path.parent.name}/{item.path.name}"
    return names.index(name) if name in names else len(names)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Let files begin in their order; between them stands pytest-django's: first what rolls its rows back."""
    items.sort(key=lambda item: _place(item, LONGEST))
    yield
    items.sort(key=lambda item: _place(item, WAITING))


def pytest_collection_finish() -> None:
    """Leave modules and tests, which stay to the end anyway, out of every later look for garbage."""
    gc.collect()
    gc.freeze()


# Files that share what is dear to start are one piece of work, so that it is started in one process alone.
TOGETHER = {
    "tests/workers/": "workers",
    "tests/browser/test_demo.py": "demo",
    "tests/sandbox/test_demo.py": "demo",
}


class Pieces(LoadScopeScheduling):
    """Hands files out to the workers of a run, some of them together."""

    def _split_scope(self, nodeid: str) -> str:
        return next((name for begin, name in TOGETHER.items() if nodeid.startswith(begin)), nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Pieces:
    """Hand out pieces in the order of the collection."""
    return Pieces(config, log)


@pytest.fixture(scope="session")
def demos() -> Iterator[Demos]:
    """A demo that starts when it is first asked for."""
    with own_demos() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def _servers_of_all_tests_live():
    """Fail what ran while a server that all tests use was killed or started again: own_sandbox is there for harm."""
    before = _servers()
    yield
    assert _servers() == before, "a test of this file, or of one that ran beside it, ended a server of all tests"


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker, django_db_modify_db_settings):
    """Make the tests' own database, in bin/test as a copy of an empty one, which has the schema.

    Tests with real transactions start from empty tables; `tests/accounts/test_trail.py` tests the trail's trigger.
    """
    default = connection.settings_dict
    default["TEST"]["TEMPLATE"] = BLANK if os.environ.get(SEED) else None
    with django_db_blocker.unblock():
        made = setup_databases(0, interactive=False, aliases=["default"], serialized_aliases=[])
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_trailentry DISABLE TRIGGER accounts_trail_whole")
        kept = list(ApprovalPolicy.objects.values())

        def lay_again(**_: object) -> None:
            """Have the policies to begin with there again once a test with real transactions emptied every table."""
            if not ApprovalPolicy.objects.exists():
                ApprovalPolicy.objects.bulk_create(ApprovalPolicy(**row) for row in kept)

        post_migrate.connect(lay_again, sender=apps.get_app_config("rotation"), weak=False)
        yield
        post_migrate.disconnect(lay_again, sender=apps.get_app_config("rotation"))
        teardown_databases(made, verbosity=0)
